/* MIG: a GPU that is cut into instances, each with a handle of its own. */
#include <stdio.h>
#include <string.h>

#include "handles.h"
#include "library.h"

static nvmlReturn_t put_mode(const struct call *call, unsigned int *current, unsigned int *pending)
{
    if (current == NULL || pending == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (!call->device->mig_capable) return NVML_ERROR_NOT_SUPPORTED;
    *current = call->device->mig_mode;
    *pending = call->device->mig_pending;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    ON_GPU(nvmlDeviceGetMigMode, device, put_mode(&call, current, pending));
}

static nvmlReturn_t put_uint(unsigned int value, unsigned int *place)
{
    if (place == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *place = value;
    return NVML_SUCCESS;
}

/* 0 where MIG is not supported or not enabled. */
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    ON_GPU(nvmlDeviceGetMaxMigDeviceCount, device,
           put_uint(is_mig_enabled(call.device) ? call.device->mig_max : 0, count));
}

static nvmlReturn_t put_instance(const struct call *call, unsigned int index, nvmlDevice_t *handle)
{
    const struct device *device = call->device;
    if (handle == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (!is_mig_enabled(device)) return NVML_ERROR_NOT_SUPPORTED;
    if (index >= device->mig_max) return NVML_ERROR_INVALID_ARGUMENT;
    for (size_t place = 0; place < device->instance_count; place += 1) {
        if (device->instances[place].index != index) continue;
        *handle = handle_of(device->instances[place].unit.uuid);
        return NVML_SUCCESS;
    }
    return device->mig_hole_error;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *instance)
{
    ON_GPU(nvmlDeviceGetMigDeviceHandleByIndex, device, put_instance(&call, index, instance));
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *isMigDevice)
{
    ON_UNIT(nvmlDeviceIsMigDeviceHandle, device, put_uint(call.instance != NULL, isMigDevice));
}

static nvmlReturn_t put_of_instance(const struct call *call, unsigned int value, unsigned int *place)
{
    return call->instance == NULL ? NVML_ERROR_NOT_SUPPORTED : put_uint(value, place);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id)
{
    ON_UNIT(nvmlDeviceGetGpuInstanceId, device,
            put_of_instance(&call, call.instance == NULL ? 0 : call.instance->gpu_instance, id));
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id)
{
    ON_UNIT(nvmlDeviceGetComputeInstanceId, device,
            put_of_instance(&call, call.instance == NULL ? 0 : call.instance->compute_instance, id));
}

static nvmlReturn_t put_parent(const struct call *call, nvmlDevice_t *device)
{
    if (device == NULL || call->instance == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *device = handle_of(call->device->unit.uuid);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t instance, nvmlDevice_t *device)
{
    ON_UNIT(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, instance, put_parent(&call, device));
}

/* The header says that it supports handles of MIG devices only. */
static nvmlReturn_t put_attributes(const struct call *call, nvmlDeviceAttributes_t *attributes)
{
    const struct instance *instance = call->instance;
    double memory_bytes;
    if (attributes == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (instance == NULL) return NVML_ERROR_NOT_SUPPORTED;
    nvmlReturn_t status = read_figure(call, FIGURE_memoryTotalBytes, &memory_bytes);
    if (status != NVML_SUCCESS) return status;
    *attributes = (nvmlDeviceAttributes_t){
        .multiprocessorCount = instance->multiprocessors,
        .sharedCopyEngineCount = instance->gpu_slices,
        .gpuInstanceSliceCount = instance->gpu_slices,
        .computeInstanceSliceCount = instance->compute_slices,
        .memorySizeMB = (unsigned long long)memory_bytes / (1024 * 1024),
    };
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    ON_UNIT(nvmlDeviceGetAttributes_v2, device, put_attributes(&call, attributes));
}

/* The sizes in which a GPU can be cut. The largest is the whole of it. */

static nvmlReturn_t find_profile(const struct call *call, unsigned int number, const struct profile **profile)
{
    const struct device *device = call->device;
    if (number >= NVML_GPU_INSTANCE_PROFILE_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
    if (!is_mig_enabled(device)) return NVML_ERROR_NOT_SUPPORTED;
    for (size_t index = 0; index < device->profile_count; index += 1) {
        if (device->profiles[index].profile != number) continue;
        *profile = &device->profiles[index];
        return NVML_SUCCESS;
    }
    return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t put_profile(const struct call *call, unsigned int number, nvmlGpuInstanceProfileInfo_t *info)
{
    const struct profile *profile;
    if (info == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = find_profile(call, number, &profile);
    if (status != NVML_SUCCESS) return status;
    *info = (nvmlGpuInstanceProfileInfo_t){
        .id = profile->id,
        .sliceCount = profile->slices,
        .instanceCount = profile->instances,
        .multiprocessorCount = profile->multiprocessors,
        .copyEngineCount = profile->slices,
        .memorySizeMB = profile->memory_mebibytes,
    };
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int profile,
                                                 nvmlGpuInstanceProfileInfo_t *info)
{
    ON_GPU(nvmlDeviceGetGpuInstanceProfileInfo, device, put_profile(&call, profile, info));
}

static nvmlReturn_t put_profile_v2(const struct call *call, unsigned int number, nvmlGpuInstanceProfileInfo_v2_t *info)
{
    const struct profile *profile;
    if (info == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (info->version != NVML_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2U))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t status = find_profile(call, number, &profile);
    if (status != NVML_SUCCESS) return status;
    *info = (nvmlGpuInstanceProfileInfo_v2_t){
        .version = info->version,
        .id = profile->id,
        .sliceCount = profile->slices,
        .instanceCount = profile->instances,
        .multiprocessorCount = profile->multiprocessors,
        .copyEngineCount = profile->slices,
        .memorySizeMB = profile->memory_mebibytes,
    };
    snprintf(info->name, sizeof info->name, "%s", profile->name);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int profile,
                                                  nvmlGpuInstanceProfileInfo_v2_t *info)
{
    ON_GPU(nvmlDeviceGetGpuInstanceProfileInfoV, device, put_profile_v2(&call, profile, info));
}
