/* What a GPU is and how it fares, one figure a function. */
#include <stdio.h>
#include <string.h>

#include "handles.h"
#include "library.h"

/* Identity. */

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    ON_UNIT(nvmlDeviceGetUUID, device, put_text(call.unit->uuid, uuid, length));
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    ON_UNIT(nvmlDeviceGetName, device, put_text(call.unit->name, name, length));
}

static nvmlReturn_t put_optional_text(const char *text, char *buffer, unsigned int length)
{
    return text[0] == '\0' ? NVML_ERROR_NOT_SUPPORTED : put_text(text, buffer, length);
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length)
{
    ON_GPU(nvmlDeviceGetSerial, device, put_optional_text(call.device->serial, serial, length));
}

nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *version, unsigned int length)
{
    ON_GPU(nvmlDeviceGetVbiosVersion, device, put_optional_text(call.device->vbios, version, length));
}

static nvmlReturn_t put_index(const struct call *call, unsigned int *index)
{
    if (index == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (call->instance != NULL) {
        *index = call->instance->index;
        return NVML_SUCCESS;
    }
    for (unsigned int place = 0; place < attached_count(); place += 1) {
        if (strcmp(attached_uuid(place), call->unit->uuid) != 0) continue;
        *index = place;
        return NVML_SUCCESS;
    }
    return NVML_ERROR_UNKNOWN;
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    ON_UNIT(nvmlDeviceGetIndex, device, put_index(&call, index));
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
    ON_GPU(nvmlDeviceGetMinorNumber, device, read_uint(&call, FIGURE_minorNumber, minor));
}

static nvmlReturn_t put_pci(const struct call *call, nvmlPciInfo_t *pci)
{
    unsigned int domain, bus, device;
    if (pci == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (sscanf(call->device->bus_id, "%x:%x:%x.0", &domain, &bus, &device) != 3) return NVML_ERROR_NOT_SUPPORTED;
    *pci = (nvmlPciInfo_t){.domain = domain, .bus = bus, .device = device};
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", domain & 0xFFFF, bus & 0xFF,
             device & 0x1F);
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", domain, bus & 0xFF, device & 0x1F);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    ON_GPU(nvmlDeviceGetPciInfo_v2, device, put_pci(&call, pci));
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    ON_GPU(nvmlDeviceGetPciInfo_v3, device, put_pci(&call, pci));
}

nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned int *architecture)
{
    ON_GPU(nvmlDeviceGetArchitecture, device, read_uint(&call, FIGURE_architecture, architecture));
}

static nvmlReturn_t put_compute_capability(const struct call *call, int *major, int *minor)
{
    nvmlReturn_t status = read_int(call, FIGURE_computeCapabilityMajor, major);
    return status == NVML_SUCCESS ? read_int(call, FIGURE_computeCapabilityMinor, minor) : status;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    ON_GPU(nvmlDeviceGetCudaComputeCapability, device, put_compute_capability(&call, major, minor));
}

/* Memory. */

static nvmlReturn_t read_memory(const struct call *call, nvmlMemory_v2_t *memory)
{
    nvmlReturn_t status = read_ull(call, FIGURE_memoryTotalBytes, &memory->total);
    if (status == NVML_SUCCESS) status = read_ull(call, FIGURE_memoryUsedBytes, &memory->used);
    if (status != NVML_SUCCESS) return status;
    memory->reserved = 0;
    status = read_ull(call, FIGURE_memoryReservedBytes, &memory->reserved);
    if (status != NVML_SUCCESS && status != NVML_ERROR_NOT_SUPPORTED) return status;
    memory->free = memory->total - memory->reserved - memory->used;
    return NVML_SUCCESS;
}

static nvmlReturn_t put_memory(const struct call *call, nvmlMemory_t *memory)
{
    nvmlMemory_v2_t read;
    if (memory == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = read_memory(call, &read);
    if (status != NVML_SUCCESS) return status;
    memory->total = read.total;
    memory->free = read.free;
    memory->used = read.used + read.reserved;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    ON_UNIT(nvmlDeviceGetMemoryInfo, device, put_memory(&call, memory));
}

static nvmlReturn_t put_memory_v2(const struct call *call, nvmlMemory_v2_t *memory)
{
    if (memory == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (memory->version != NVML_VERSION(nvmlMemory_v2_t, 2U)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    return read_memory(call, memory);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    ON_UNIT(nvmlDeviceGetMemoryInfo_v2, device, put_memory_v2(&call, memory));
}

static nvmlReturn_t put_bar1(const struct call *call, nvmlBAR1Memory_t *memory)
{
    if (memory == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = read_ull(call, FIGURE_bar1TotalBytes, &memory->bar1Total);
    if (status == NVML_SUCCESS) status = read_ull(call, FIGURE_bar1UsedBytes, &memory->bar1Used);
    if (status == NVML_SUCCESS) memory->bar1Free = memory->bar1Total - memory->bar1Used;
    return status;
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *memory)
{
    ON_UNIT(nvmlDeviceGetBAR1MemoryInfo, device, put_bar1(&call, memory));
}

/* Power, heat and clocks. */

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)
{
    ON_GPU(nvmlDeviceGetPowerUsage, device, read_uint(&call, FIGURE_powerMilliwatts, milliwatts));
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *milliwatts)
{
    ON_GPU(nvmlDeviceGetEnforcedPowerLimit, device, read_uint(&call, FIGURE_powerLimitMilliwatts, milliwatts));
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int *milliwatts)
{
    ON_GPU(nvmlDeviceGetPowerManagementLimit, device,
           read_uint(&call, FIGURE_powerManagementLimitMilliwatts, milliwatts));
}

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *millijoules)
{
    ON_GPU(nvmlDeviceGetTotalEnergyConsumption, device, read_energy(&call, millijoules));
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *celsius)
{
    ON_GPU(nvmlDeviceGetTemperature, device,
           sensor == 0 ? read_uint(&call, FIGURE_temperatureCelsius, celsius) : NVML_ERROR_INVALID_ARGUMENT);
}

static nvmlReturn_t put_temperature(const struct call *call, nvmlTemperature_t *temperature)
{
    if (temperature == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (temperature->version != NVML_VERSION(nvmlTemperature_t, 1U)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (temperature->sensorType != 0) return NVML_ERROR_INVALID_ARGUMENT;
    return read_int(call, FIGURE_temperatureCelsius, &temperature->temperature);
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *temperature)
{
    ON_GPU(nvmlDeviceGetTemperatureV, device, put_temperature(&call, temperature));
}

/* The one of several figures that an enumeration of the interface chooses. */
static nvmlReturn_t read_chosen(const struct call *call, const enum figure_id *figures, int count, int chosen,
                                unsigned int *value)
{
    if (chosen < 0 || chosen >= count) return NVML_ERROR_INVALID_ARGUMENT;
    return read_uint(call, figures[chosen], value);
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, nvmlTemperatureThresholds_t threshold,
                                               unsigned int *celsius)
{
    static const enum figure_id thresholds[] = {FIGURE_thresholdShutdownCelsius, FIGURE_thresholdSlowdownCelsius,
                                                FIGURE_thresholdMemoryMaxCelsius, FIGURE_thresholdGpuMaxCelsius};
    ON_GPU(nvmlDeviceGetTemperatureThreshold, device, read_chosen(&call, thresholds, 4, threshold, celsius));
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t clock, unsigned int *megahertz)
{
    static const enum figure_id clocks[] = {FIGURE_clockGraphicsMegahertz, FIGURE_clockSmMegahertz,
                                            FIGURE_clockMemoryMegahertz, FIGURE_clockVideoMegahertz};
    ON_GPU(nvmlDeviceGetClockInfo, device, read_chosen(&call, clocks, 4, clock, megahertz));
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t clock, unsigned int *megahertz)
{
    static const enum figure_id clocks[] = {FIGURE_maxClockGraphicsMegahertz, FIGURE_maxClockSmMegahertz,
                                            FIGURE_maxClockMemoryMegahertz, FIGURE_maxClockVideoMegahertz};
    ON_GPU(nvmlDeviceGetMaxClockInfo, device, read_chosen(&call, clocks, 4, clock, megahertz));
}

nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int *percent)
{
    ON_GPU(nvmlDeviceGetFanSpeed, device, read_uint(&call, FIGURE_fanSpeedPercent, percent));
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, nvmlPstates_t *state)
{
    ON_GPU(nvmlDeviceGetPerformanceState, device, read_int(&call, FIGURE_performanceState, state));
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    ON_GPU(nvmlDeviceGetCurrentClocksEventReasons, device, read_ull(&call, FIGURE_clocksEventReasons, reasons));
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    ON_GPU(nvmlDeviceGetCurrentClocksThrottleReasons, device,
           read_ull(&call, FIGURE_clocksEventReasons, reasons));
}

/* Modes. */

nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t *mode)
{
    ON_GPU(nvmlDeviceGetComputeMode, device, read_int(&call, FIGURE_computeMode, mode));
}

nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
    ON_GPU(nvmlDeviceGetPersistenceMode, device, read_int(&call, FIGURE_persistenceMode, mode));
}
