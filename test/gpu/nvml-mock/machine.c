/* The library itself and the machine: initialisation, versions, and which devices there are. */
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "gpm.h"
#include "handles.h"
#include "library.h"

static nvmlReturn_t initialise(const struct call *call)
{
    if (reference_count() == 0) attach_devices(call->scenario);
    set_reference_count(reference_count() + 1);
    return NVML_SUCCESS;
}

#define INITIALISE(function) ANSWER(begin_init(&call, SYMBOL_##function), initialise(&call))

nvmlReturn_t nvmlInit(void) { INITIALISE(nvmlInit); }

nvmlReturn_t nvmlInit_v2(void) { INITIALISE(nvmlInit_v2); }

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    INITIALISE(nvmlInitWithFlags);
}

static nvmlReturn_t shut_down(nvmlReturn_t status)
{
    /* The library can be left though its driver is gone. */
    bool is_gone = status == NVML_ERROR_DRIVER_NOT_LOADED || status == NVML_ERROR_UNKNOWN;
    if (status != NVML_SUCCESS && !is_gone) return status;
    if (reference_count() == 1) {
        drop_event_sets();
        drop_gpm_samples();
    }
    set_reference_count(reference_count() - 1);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlShutdown(void)
{
    struct call call;
    nvmlReturn_t status = begin(&call, SYMBOL_nvmlShutdown);
    return finish(&call, shut_down(status));
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    ON_MACHINE(nvmlSystemGetDriverVersion, put_text(call.scenario->driver_version, version, length));
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    ON_MACHINE(nvmlSystemGetNVMLVersion, put_text(call.scenario->nvml_version, version, length));
}

static nvmlReturn_t put_cuda_version(const struct call *call, int *version)
{
    if (version == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *version = call->scenario->cuda_version;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    ON_MACHINE(nvmlSystemGetCudaDriverVersion, put_cuda_version(&call, version));
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    ON_MACHINE(nvmlSystemGetCudaDriverVersion_v2, put_cuda_version(&call, version));
}

static nvmlReturn_t put_process_name(unsigned int pid, char *name, unsigned int length)
{
    char path[64], text[TEXT_SIZE] = "";
    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    FILE *stream = fopen(path, "re");
    if (stream == NULL) return NVML_ERROR_NOT_FOUND;
    bool is_read = fgets(text, sizeof text, stream) != NULL;
    fclose(stream);
    if (!is_read) return NVML_ERROR_NOT_FOUND;
    text[strcspn(text, "\n")] = '\0';
    return put_text(text, name, length);
}

nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
    ON_MACHINE(nvmlSystemGetProcessName, put_process_name(pid, name, length));
}

static nvmlReturn_t put_count(unsigned int *count)
{
    if (count == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *count = attached_count();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount(unsigned int *count) { ON_MACHINE(nvmlDeviceGetCount, put_count(count)); }

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) { ON_MACHINE(nvmlDeviceGetCount_v2, put_count(count)); }

/* The handle of a device that was there at the initialisation; a lost one has none to give. */
static nvmlReturn_t put_handle(const struct call *call, const char *uuid, nvmlDevice_t *handle)
{
    const struct device *device = find_device(call->scenario, uuid);
    if (device == NULL || device->lost) return NVML_ERROR_GPU_IS_LOST;
    *handle = handle_of(uuid);
    return NVML_SUCCESS;
}

static nvmlReturn_t put_handle_by_index(const struct call *call, unsigned int index, nvmlDevice_t *handle)
{
    if (handle == NULL || index >= attached_count()) return NVML_ERROR_INVALID_ARGUMENT;
    return put_handle(call, attached_uuid(index), handle);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
    ON_MACHINE(nvmlDeviceGetHandleByIndex, put_handle_by_index(&call, index, device));
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    ON_MACHINE(nvmlDeviceGetHandleByIndex_v2, put_handle_by_index(&call, index, device));
}

static nvmlReturn_t put_handle_by_uuid(const struct call *call, const char *uuid, nvmlDevice_t *handle)
{
    if (uuid == NULL || handle == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int index = 0; index < attached_count(); index += 1)
        if (strcmp(attached_uuid(index), uuid) == 0) return put_handle(call, uuid, handle);
    struct device *device = NULL;
    struct instance *instance = find_instance(call->scenario, uuid, &device);
    if (instance == NULL || !is_mig_enabled(device)) return NVML_ERROR_NOT_FOUND;
    if (device->lost) return NVML_ERROR_GPU_IS_LOST;
    *handle = handle_of(uuid);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    ON_MACHINE(nvmlDeviceGetHandleByUUID, put_handle_by_uuid(&call, uuid, device));
}

static nvmlReturn_t put_handle_by_bus_id(const struct call *call, const char *bus_id, nvmlDevice_t *handle)
{
    if (bus_id == NULL || handle == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int index = 0; index < attached_count(); index += 1) {
        const struct device *device = find_device(call->scenario, attached_uuid(index));
        if (device != NULL && strcasecmp(device->bus_id, bus_id) == 0)
            return put_handle(call, attached_uuid(index), handle);
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *busId, nvmlDevice_t *device)
{
    ON_MACHINE(nvmlDeviceGetHandleByPciBusId_v2, put_handle_by_bus_id(&call, busId, device));
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    switch (result) {
    case NVML_SUCCESS: return "Success";
    case NVML_ERROR_UNINITIALIZED: return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT: return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NO_PERMISSION: return "Insufficient Permissions";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case NVML_ERROR_TIMEOUT: return "Timeout";
    case NVML_ERROR_GPU_IS_LOST: return "GPU is lost";
    case NVML_ERROR_MEMORY: return "Insufficient Memory";
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH: return "Argument version mismatch";
    default: return "Unknown Error";
    }
}
