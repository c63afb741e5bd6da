/*
 * Every function that the library exports, once: the enumeration, the names for faults and for the status file, and the
 * declarations that the compiler holds the definitions to come from here.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include "nvml-abi.h"

#define SYMBOLS(X) \
    X(nvmlInit, (void)) \
    X(nvmlInit_v2, (void)) \
    X(nvmlInitWithFlags, (unsigned int flags)) \
    X(nvmlShutdown, (void)) \
    X(nvmlSystemGetDriverVersion, (char *version, unsigned int length)) \
    X(nvmlSystemGetNVMLVersion, (char *version, unsigned int length)) \
    X(nvmlSystemGetCudaDriverVersion, (int *version)) \
    X(nvmlSystemGetCudaDriverVersion_v2, (int *version)) \
    X(nvmlSystemGetProcessName, (unsigned int pid, char *name, unsigned int length)) \
    X(nvmlDeviceGetCount, (unsigned int *count)) \
    X(nvmlDeviceGetCount_v2, (unsigned int *count)) \
    X(nvmlDeviceGetHandleByIndex, (unsigned int index, nvmlDevice_t *device)) \
    X(nvmlDeviceGetHandleByIndex_v2, (unsigned int index, nvmlDevice_t *device)) \
    X(nvmlDeviceGetHandleByUUID, (const char *uuid, nvmlDevice_t *device)) \
    X(nvmlDeviceGetHandleByPciBusId_v2, (const char *busId, nvmlDevice_t *device)) \
    X(nvmlDeviceGetUUID, (nvmlDevice_t device, char *uuid, unsigned int length)) \
    X(nvmlDeviceGetName, (nvmlDevice_t device, char *name, unsigned int length)) \
    X(nvmlDeviceGetSerial, (nvmlDevice_t device, char *serial, unsigned int length)) \
    X(nvmlDeviceGetVbiosVersion, (nvmlDevice_t device, char *version, unsigned int length)) \
    X(nvmlDeviceGetIndex, (nvmlDevice_t device, unsigned int *index)) \
    X(nvmlDeviceGetMinorNumber, (nvmlDevice_t device, unsigned int *minor)) \
    X(nvmlDeviceGetPciInfo_v2, (nvmlDevice_t device, nvmlPciInfo_t *pci)) \
    X(nvmlDeviceGetPciInfo_v3, (nvmlDevice_t device, nvmlPciInfo_t *pci)) \
    X(nvmlDeviceGetArchitecture, (nvmlDevice_t device, unsigned int *architecture)) \
    X(nvmlDeviceGetCudaComputeCapability, (nvmlDevice_t device, int *major, int *minor)) \
    X(nvmlDeviceGetMemoryInfo, (nvmlDevice_t device, nvmlMemory_t *memory)) \
    X(nvmlDeviceGetMemoryInfo_v2, (nvmlDevice_t device, nvmlMemory_v2_t *memory)) \
    X(nvmlDeviceGetBAR1MemoryInfo, (nvmlDevice_t device, nvmlBAR1Memory_t *memory)) \
    X(nvmlDeviceGetPowerUsage, (nvmlDevice_t device, unsigned int *milliwatts)) \
    X(nvmlDeviceGetEnforcedPowerLimit, (nvmlDevice_t device, unsigned int *milliwatts)) \
    X(nvmlDeviceGetPowerManagementLimit, (nvmlDevice_t device, unsigned int *milliwatts)) \
    X(nvmlDeviceGetTotalEnergyConsumption, (nvmlDevice_t device, unsigned long long *millijoules)) \
    X(nvmlDeviceGetTemperature, \
      (nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *celsius)) \
    X(nvmlDeviceGetTemperatureV, (nvmlDevice_t device, nvmlTemperature_t *temperature)) \
    X(nvmlDeviceGetTemperatureThreshold, \
      (nvmlDevice_t device, nvmlTemperatureThresholds_t threshold, unsigned int *celsius)) \
    X(nvmlDeviceGetClockInfo, (nvmlDevice_t device, nvmlClockType_t clock, unsigned int *megahertz)) \
    X(nvmlDeviceGetMaxClockInfo, (nvmlDevice_t device, nvmlClockType_t clock, unsigned int *megahertz)) \
    X(nvmlDeviceGetFanSpeed, (nvmlDevice_t device, unsigned int *percent)) \
    X(nvmlDeviceGetPerformanceState, (nvmlDevice_t device, nvmlPstates_t *state)) \
    X(nvmlDeviceGetComputeMode, (nvmlDevice_t device, nvmlComputeMode_t *mode)) \
    X(nvmlDeviceGetPersistenceMode, (nvmlDevice_t device, nvmlEnableState_t *mode)) \
    X(nvmlDeviceGetCurrentClocksEventReasons, (nvmlDevice_t device, unsigned long long *reasons)) \
    X(nvmlDeviceGetCurrentClocksThrottleReasons, (nvmlDevice_t device, unsigned long long *reasons)) \
    X(nvmlDeviceGetEccMode, (nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)) \
    X(nvmlDeviceGetTotalEccErrors, \
      (nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter, \
       unsigned long long *count)) \
    X(nvmlDeviceGetMemoryErrorCounter, \
      (nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter, \
       nvmlMemoryLocation_t location, unsigned long long *count)) \
    X(nvmlDeviceGetRemappedRows, \
      (nvmlDevice_t device, unsigned int *correctable, unsigned int *uncorrectable, unsigned int *pending, \
       unsigned int *failure)) \
    X(nvmlDeviceGetRowRemapperHistogram, (nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *values)) \
    X(nvmlDeviceGetRetiredPages, \
      (nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *count, \
       unsigned long long *addresses)) \
    X(nvmlDeviceGetRetiredPagesPendingStatus, (nvmlDevice_t device, nvmlEnableState_t *pending)) \
    X(nvmlDeviceGetPcieThroughput, \
      (nvmlDevice_t device, nvmlPcieUtilCounter_t counter, unsigned int *kilobytesPerSecond)) \
    X(nvmlDeviceGetPcieReplayCounter, (nvmlDevice_t device, unsigned int *replays)) \
    X(nvmlDeviceGetCurrPcieLinkGeneration, (nvmlDevice_t device, unsigned int *generation)) \
    X(nvmlDeviceGetMaxPcieLinkGeneration, (nvmlDevice_t device, unsigned int *generation)) \
    X(nvmlDeviceGetCurrPcieLinkWidth, (nvmlDevice_t device, unsigned int *width)) \
    X(nvmlDeviceGetMaxPcieLinkWidth, (nvmlDevice_t device, unsigned int *width)) \
    X(nvmlDeviceGetNvLinkState, (nvmlDevice_t device, unsigned int link, nvmlEnableState_t *active)) \
    X(nvmlDeviceGetNvLinkErrorCounter, \
      (nvmlDevice_t device, unsigned int link, nvmlNvLinkErrorCounter_t counter, unsigned long long *errors)) \
    X(nvmlDeviceGetFieldValues, (nvmlDevice_t device, int count, nvmlFieldValue_t *values)) \
    X(nvmlDeviceGetUtilizationRates, (nvmlDevice_t device, nvmlUtilization_t *utilization)) \
    X(nvmlDeviceGetEncoderUtilization, \
      (nvmlDevice_t device, unsigned int *utilization, unsigned int *samplingPeriodUs)) \
    X(nvmlDeviceGetDecoderUtilization, \
      (nvmlDevice_t device, unsigned int *utilization, unsigned int *samplingPeriodUs)) \
    X(nvmlDeviceGetSamples, \
      (nvmlDevice_t device, nvmlSamplingType_t type, unsigned long long lastSeenTimeStamp, \
       nvmlValueType_t *valueType, unsigned int *count, nvmlSample_t *samples)) \
    X(nvmlDeviceGetProcessUtilization, \
      (nvmlDevice_t device, nvmlProcessUtilizationSample_t *utilization, unsigned int *count, \
       unsigned long long lastSeenTimeStamp)) \
    X(nvmlDeviceGetProcessesUtilizationInfo, \
      (nvmlDevice_t device, nvmlProcessesUtilizationInfo_v1_t *info)) \
    X(nvmlDeviceGetComputeRunningProcesses, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)) \
    X(nvmlDeviceGetComputeRunningProcesses_v2, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)) \
    X(nvmlDeviceGetComputeRunningProcesses_v3, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)) \
    X(nvmlDeviceGetGraphicsRunningProcesses, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)) \
    X(nvmlDeviceGetGraphicsRunningProcesses_v2, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)) \
    X(nvmlDeviceGetGraphicsRunningProcesses_v3, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)) \
    X(nvmlDeviceGetMPSComputeRunningProcesses, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)) \
    X(nvmlDeviceGetMPSComputeRunningProcesses_v2, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)) \
    X(nvmlDeviceGetMPSComputeRunningProcesses_v3, \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)) \
    X(nvmlDeviceGetMigMode, (nvmlDevice_t device, unsigned int *current, unsigned int *pending)) \
    X(nvmlDeviceGetMaxMigDeviceCount, (nvmlDevice_t device, unsigned int *count)) \
    X(nvmlDeviceGetMigDeviceHandleByIndex, \
      (nvmlDevice_t device, unsigned int index, nvmlDevice_t *instance)) \
    X(nvmlDeviceIsMigDeviceHandle, (nvmlDevice_t device, unsigned int *isMigDevice)) \
    X(nvmlDeviceGetGpuInstanceId, (nvmlDevice_t device, unsigned int *id)) \
    X(nvmlDeviceGetComputeInstanceId, (nvmlDevice_t device, unsigned int *id)) \
    X(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, (nvmlDevice_t instance, nvmlDevice_t *device)) \
    X(nvmlDeviceGetAttributes_v2, (nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)) \
    X(nvmlDeviceGetGpuInstanceProfileInfo, \
      (nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_t *info)) \
    X(nvmlDeviceGetGpuInstanceProfileInfoV, \
      (nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_v2_t *info)) \
    X(nvmlDeviceGetSupportedEventTypes, (nvmlDevice_t device, unsigned long long *types)) \
    X(nvmlEventSetCreate, (nvmlEventSet_t *set)) \
    X(nvmlDeviceRegisterEvents, (nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)) \
    X(nvmlEventSetWait_v2, (nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutMs)) \
    X(nvmlEventSetFree, (nvmlEventSet_t set)) \
    X(nvmlGpmQueryDeviceSupport, (nvmlDevice_t device, nvmlGpmSupport_t *support)) \
    X(nvmlGpmSampleAlloc, (nvmlGpmSample_t *sample)) \
    X(nvmlGpmSampleFree, (nvmlGpmSample_t sample)) \
    X(nvmlGpmSampleGet, (nvmlDevice_t device, nvmlGpmSample_t sample)) \
    X(nvmlGpmMigSampleGet, (nvmlDevice_t device, unsigned int gpuInstanceId, nvmlGpmSample_t sample)) \
    X(nvmlGpmMetricsGet, (nvmlGpmMetricsGet_t *metrics))

#define SYMBOL_ENTRY(name, parameters) SYMBOL_##name,
enum symbol { SYMBOLS(SYMBOL_ENTRY) SYMBOL_COUNT };

#define SYMBOL_PROTOTYPE(name, parameters) nvmlReturn_t name parameters;
SYMBOLS(SYMBOL_PROTOTYPE)

/* The only one that returns no status, and that may be called before the library is initialised. */
const char *nvmlErrorString(nvmlReturn_t result);

extern const char *const symbol_names[SYMBOL_COUNT];

#endif
