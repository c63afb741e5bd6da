/*
 * The part of NVIDIA's NVML interface that this library imitates: types, values and layouts.
 *
 * Written after the headers of NVML API 12 (nvml.h 12.2.140, as NVIDIA/go-nvml publishes it) and 13 (the figures
 * marked so), and after the prototypes that DCGM lists in sdk/nvidia/nvml/entry_points.h. On x86-64 and arm64 Linux the
 * two agree. The assertions at the end hold the layouts to the numbers that a client has to know.
 */
#ifndef NVML_ABI_H
#define NVML_ABI_H

#include <stddef.h>

typedef int nvmlReturn_t;

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_TIMEOUT = 10,
    NVML_ERROR_GPU_IS_LOST = 15,
    NVML_ERROR_MEMORY = 20,
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
    NVML_ERROR_UNKNOWN = 999
};

/* Opaque to clients. Here they are numbers that look like pointers and are never followed. */
typedef void *nvmlDevice_t;
typedef void *nvmlEventSet_t;
typedef void *nvmlGpmSample_t;

/* Enumerations are passed as int. */
typedef int nvmlClockType_t;
typedef int nvmlComputeMode_t;
typedef int nvmlEccCounterType_t;
typedef int nvmlEnableState_t;
typedef int nvmlMemoryErrorType_t;
typedef int nvmlMemoryLocation_t;
typedef int nvmlNvLinkErrorCounter_t;
typedef int nvmlPageRetirementCause_t;
typedef int nvmlPcieUtilCounter_t;
typedef int nvmlPstates_t;
typedef int nvmlSamplingType_t;
typedef int nvmlTemperatureSensors_t;
typedef int nvmlTemperatureThresholds_t;
typedef int nvmlValueType_t;

/* What the version field of a versioned struct must hold. */
#define NVML_VERSION(type, number) ((unsigned int)(sizeof(type) | ((number) << 24U)))

/* For "unknown" in unsigned fields, and for "no MIG instance". */
#define NVML_UNKNOWN_MEMORY 0xFFFFFFFFFFFFFFFFULL
#define NVML_NO_INSTANCE 0xFFFFFFFFU

enum { NVML_VALUE_DOUBLE = 0, NVML_VALUE_UINT = 1, NVML_VALUE_ULONG = 2, NVML_VALUE_ULONGLONG = 3 };

typedef struct {
    char busIdLegacy[16];
    unsigned int domain;
    unsigned int bus;
    unsigned int device;
    unsigned int pciDeviceId;
    unsigned int pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;

typedef struct {
    unsigned int gpu;
    unsigned int memory;
} nvmlUtilization_t;

/* Its `used` counts what the driver reserves. */
typedef struct {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
} nvmlMemory_t;

/*
 * Its `used` does not count what the driver reserves: total = reserved + free + used, as nvidia-smi prints them. (A
 * note in the header says otherwise.)
 */
typedef struct {
    unsigned int version;
    unsigned long long total;
    unsigned long long reserved;
    unsigned long long free;
    unsigned long long used;
} nvmlMemory_v2_t;

typedef struct {
    unsigned long long bar1Total;
    unsigned long long bar1Free;
    unsigned long long bar1Used;
} nvmlBAR1Memory_t;

typedef struct {
    unsigned int version;
    nvmlTemperatureSensors_t sensorType;
    int temperature;
} nvmlTemperature_t;

/* The unversioned process functions write this, those with _v2 and _v3 the next one. */
typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
} nvmlProcessInfo_v1_t;

typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId;
    unsigned int computeInstanceId;
} nvmlProcessInfo_t;

/* What _v3 wrote in drivers 535.43 to 535.86. */
typedef struct {
    nvmlProcessInfo_t base;
    unsigned long long usedGpuCcProtectedMemory;
} nvmlProcessInfo535_t;

typedef struct {
    unsigned int pid;
    unsigned long long timeStamp;
    unsigned int smUtil;
    unsigned int memUtil;
    unsigned int encUtil;
    unsigned int decUtil;
} nvmlProcessUtilizationSample_t;

typedef struct {
    unsigned long long timeStamp;
    unsigned int pid;
    unsigned int smUtil;
    unsigned int memUtil;
    unsigned int encUtil;
    unsigned int decUtil;
    unsigned int jpgUtil;
    unsigned int ofaUtil;
} nvmlProcessUtilizationInfo_v1_t;

typedef struct {
    unsigned int version;
    unsigned int processSamplesCount;
    unsigned long long lastSeenTimeStamp;
    nvmlProcessUtilizationInfo_v1_t *procUtilArray;
} nvmlProcessesUtilizationInfo_v1_t;

typedef union {
    double dVal;
    int siVal;
    unsigned int uiVal;
    unsigned long ulVal;
    unsigned long long ullVal;
    long long sllVal;
    unsigned short usVal;
} nvmlValue_t;

typedef struct {
    unsigned long long timeStamp;
    nvmlValue_t sampleValue;
} nvmlSample_t;

typedef struct {
    unsigned int fieldId;
    unsigned int scopeId;
    long long timestamp;
    long long latencyUsec;
    nvmlValueType_t valueType;
    nvmlReturn_t nvmlReturn;
    nvmlValue_t value;
} nvmlFieldValue_t;

typedef struct {
    unsigned int max;
    unsigned int high;
    unsigned int partial;
    unsigned int low;
    unsigned int none;
} nvmlRowRemapperHistogramValues_t;

typedef struct {
    nvmlDevice_t device;
    unsigned long long eventType;
    unsigned long long eventData;
    unsigned int gpuInstanceId;
    unsigned int computeInstanceId;
} nvmlEventData_t;

typedef struct {
    unsigned int multiprocessorCount;
    unsigned int sharedCopyEngineCount;
    unsigned int sharedDecoderCount;
    unsigned int sharedEncoderCount;
    unsigned int sharedJpegCount;
    unsigned int sharedOfaCount;
    unsigned int gpuInstanceSliceCount;
    unsigned int computeInstanceSliceCount;
    unsigned long long memorySizeMB;
} nvmlDeviceAttributes_t;

typedef struct {
    unsigned int id;
    unsigned int isP2pSupported;
    unsigned int sliceCount;
    unsigned int instanceCount;
    unsigned int multiprocessorCount;
    unsigned int copyEngineCount;
    unsigned int decoderCount;
    unsigned int encoderCount;
    unsigned int jpegCount;
    unsigned int ofaCount;
    unsigned long long memorySizeMB;
} nvmlGpuInstanceProfileInfo_t;

typedef struct {
    unsigned int version;
    unsigned int id;
    unsigned int isP2pSupported;
    unsigned int sliceCount;
    unsigned int instanceCount;
    unsigned int multiprocessorCount;
    unsigned int copyEngineCount;
    unsigned int decoderCount;
    unsigned int encoderCount;
    unsigned int jpegCount;
    unsigned int ofaCount;
    unsigned long long memorySizeMB;
    char name[96];
} nvmlGpuInstanceProfileInfo_v2_t;

/* The profiles of NVML 12 and later; a greater number is an invalid argument. */
enum { NVML_GPU_INSTANCE_PROFILE_COUNT = 17 };

typedef struct {
    unsigned int metricId;
    nvmlReturn_t nvmlReturn;
    double value;
    struct {
        char *shortName;
        char *longName;
        char *unit;
    } metricInfo;
} nvmlGpmMetric_t;

/* The bound of the array grew from 98 (12.2) over 210 to 333 (13); the version stayed 1. */
enum { NVML_GPM_METRIC_MAX = 333, NVML_GPM_METRICS_GET_VERSION = 1, NVML_GPM_SUPPORT_VERSION = 1 };

typedef struct {
    unsigned int version;
    unsigned int numMetrics;
    nvmlGpmSample_t sample1;
    nvmlGpmSample_t sample2;
    nvmlGpmMetric_t metrics[NVML_GPM_METRIC_MAX];
} nvmlGpmMetricsGet_t;

typedef struct {
    unsigned int version;
    unsigned int isSupportedDevice;
} nvmlGpmSupport_t;

#define HOLD_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has the size of the real one")
#define HOLD_OFFSET(type, field, bytes) \
    _Static_assert(offsetof(type, field) == (bytes), #type "." #field " is where the real one is")

HOLD_SIZE(nvmlPciInfo_t, 68);
HOLD_OFFSET(nvmlPciInfo_t, domain, 16);
HOLD_OFFSET(nvmlPciInfo_t, busId, 36);
HOLD_SIZE(nvmlUtilization_t, 8);
HOLD_SIZE(nvmlMemory_t, 24);
HOLD_SIZE(nvmlMemory_v2_t, 40);
_Static_assert(NVML_VERSION(nvmlMemory_v2_t, 2U) == 0x2000028U, "the version of nvmlMemory_v2_t");
HOLD_SIZE(nvmlBAR1Memory_t, 24);
_Static_assert(NVML_VERSION(nvmlTemperature_t, 1U) == 0x100000CU, "the version of nvmlTemperature_t");
HOLD_SIZE(nvmlProcessInfo_v1_t, 16);
HOLD_SIZE(nvmlProcessInfo_t, 24);
HOLD_OFFSET(nvmlProcessInfo_t, gpuInstanceId, 16);
HOLD_SIZE(nvmlProcessInfo535_t, 32);
HOLD_SIZE(nvmlProcessUtilizationSample_t, 32);
HOLD_OFFSET(nvmlProcessUtilizationSample_t, smUtil, 16);
HOLD_SIZE(nvmlProcessUtilizationInfo_v1_t, 40);
HOLD_SIZE(nvmlProcessesUtilizationInfo_v1_t, 24);
_Static_assert(NVML_VERSION(nvmlProcessesUtilizationInfo_v1_t, 1U) == 0x1000018U,
               "the version of nvmlProcessesUtilizationInfo_v1_t");
HOLD_SIZE(nvmlSample_t, 16);
HOLD_SIZE(nvmlFieldValue_t, 40);
HOLD_OFFSET(nvmlFieldValue_t, valueType, 24);
HOLD_OFFSET(nvmlFieldValue_t, value, 32);
HOLD_SIZE(nvmlRowRemapperHistogramValues_t, 20);
HOLD_SIZE(nvmlEventData_t, 32);
HOLD_SIZE(nvmlDeviceAttributes_t, 40);
HOLD_OFFSET(nvmlDeviceAttributes_t, gpuInstanceSliceCount, 24);
HOLD_SIZE(nvmlGpuInstanceProfileInfo_t, 48);
HOLD_OFFSET(nvmlGpuInstanceProfileInfo_t, memorySizeMB, 40);
HOLD_SIZE(nvmlGpuInstanceProfileInfo_v2_t, 152);
HOLD_SIZE(nvmlGpmMetric_t, 40);
HOLD_SIZE(nvmlGpmMetricsGet_t, 13344);
HOLD_OFFSET(nvmlGpmMetricsGet_t, metrics, 24);
HOLD_SIZE(nvmlGpmSupport_t, 8);

#endif
