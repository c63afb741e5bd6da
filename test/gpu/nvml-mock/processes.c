/* Which processes have a context on a device. */
#include <string.h>

#include "faults.h"
#include "library.h"

/*
 * In a MIG device's list only what runs in it; in a GPU's everything. Processes of a GPU that is not cut up have no
 * instance.
 */
static bool is_listed(const struct call *call, const struct process *process, unsigned int list)
{
    if ((process->lists & list) == 0) return false;
    if (call->instance == NULL) return true;
    return process->gpu_instance == call->instance->gpu_instance &&
           process->compute_instance == call->instance->compute_instance;
}

static void put_entry(void *infos, unsigned int place, size_t size, const struct process *process)
{
    nvmlProcessInfo535_t entry;
    memset(&entry, 0, sizeof entry);
    entry.base.pid = process->pid;
    entry.base.usedGpuMemory = process->memory_known ? process->memory_bytes : NVML_UNKNOWN_MEMORY;
    entry.base.gpuInstanceId = process->gpu_instance;
    entry.base.computeInstanceId = process->compute_instance;
    /* The shorter structs are beginnings of this one. */
    memcpy((char *)infos + place * size, &entry, size);
}

static nvmlReturn_t put_processes(const struct call *call, unsigned int list, size_t size, unsigned int *count,
                                  void *infos)
{
    const struct device *device = call->device;
    if (count == NULL || (infos == NULL && *count > 0)) return NVML_ERROR_INVALID_ARGUMENT;
    const struct figure *lists = &call->unit->figures[FIGURE_processLists];
    if (lists->kind == FIGURE_IS_ERROR) return lists->error;
    unsigned int found = 0;
    for (size_t index = 0; index < device->process_count; index += 1)
        if (is_listed(call, &device->processes[index], list)) found += 1;
    if (found > *count) {
        *count = understated(call, found);
        return NVML_ERROR_INSUFFICIENT_SIZE;
    }
    *count = 0;
    for (size_t index = 0; index < device->process_count; index += 1) {
        if (!is_listed(call, &device->processes[index], list)) continue;
        put_entry(infos, *count, size, &device->processes[index]);
        *count += 1;
    }
    return NVML_SUCCESS;
}

static nvmlReturn_t list_processes(enum symbol symbol, nvmlDevice_t device, unsigned int list, size_t size,
                                   unsigned int *count, void *infos)
{
    struct call call;
    nvmlReturn_t status = begin_unit(&call, symbol, device);
    if (status == NVML_SUCCESS)
        status = put_processes(&call, list, size == 0 ? call.scenario->process_entry_bytes : size, count, infos);
    return finish(&call, status);
}

/* The size of an entry by the version of the function; that of _v3 is up to the driver, hence to the scenario. */
enum { ENTRY_V1 = sizeof(nvmlProcessInfo_v1_t), ENTRY_V2 = sizeof(nvmlProcessInfo_t), ENTRY_V3 = 0 };

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count,
                                                  nvmlProcessInfo_v1_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetComputeRunningProcesses, device, LIST_COMPUTE, ENTRY_V1, count, infos);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count,
                                                     nvmlProcessInfo_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetComputeRunningProcesses_v2, device, LIST_COMPUTE, ENTRY_V2, count,
                          infos);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                     nvmlProcessInfo_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetComputeRunningProcesses_v3, device, LIST_COMPUTE, ENTRY_V3, count,
                          infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int *count,
                                                   nvmlProcessInfo_v1_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetGraphicsRunningProcesses, device, LIST_GRAPHICS, ENTRY_V1, count,
                          infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device, unsigned int *count,
                                                      nvmlProcessInfo_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetGraphicsRunningProcesses_v2, device, LIST_GRAPHICS, ENTRY_V2, count,
                          infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                      nvmlProcessInfo_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetGraphicsRunningProcesses_v3, device, LIST_GRAPHICS, ENTRY_V3, count,
                          infos);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses(nvmlDevice_t device, unsigned int *count,
                                                     nvmlProcessInfo_v1_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetMPSComputeRunningProcesses, device, LIST_MPS, ENTRY_V1, count, infos);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count,
                                                        nvmlProcessInfo_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetMPSComputeRunningProcesses_v2, device, LIST_MPS, ENTRY_V2, count,
                          infos);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                        nvmlProcessInfo_t *infos)
{
    return list_processes(SYMBOL_nvmlDeviceGetMPSComputeRunningProcesses_v3, device, LIST_MPS, ENTRY_V3, count,
                          infos);
}
