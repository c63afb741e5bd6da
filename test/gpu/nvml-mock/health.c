/* Memory errors, repairs, and the links to the rest of the machine. */

#include "library.h"

/* ECC. */

static nvmlReturn_t put_ecc_mode(const struct call *call, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
    nvmlReturn_t status = read_int(call, FIGURE_eccMode, current);
    return status == NVML_SUCCESS ? read_int(call, FIGURE_eccModePending, pending) : status;
}

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
    ON_GPU(nvmlDeviceGetEccMode, device, put_ecc_mode(&call, current, pending));
}

static nvmlReturn_t read_ecc(const struct call *call, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
                             unsigned long long *count)
{
    static const enum figure_id figures[2][2] = {
        {FIGURE_eccCorrectedVolatile, FIGURE_eccCorrectedAggregate},
        {FIGURE_eccUncorrectedVolatile, FIGURE_eccUncorrectedAggregate},
    };
    if (type < 0 || type > 1 || counter < 0 || counter > 1) return NVML_ERROR_INVALID_ARGUMENT;
    return read_ull(call, figures[type][counter], count);
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type,
                                         nvmlEccCounterType_t counter, unsigned long long *count)
{
    ON_GPU(nvmlDeviceGetTotalEccErrors, device, read_ecc(&call, type, counter, count));
}

nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t type,
                                             nvmlEccCounterType_t counter, nvmlMemoryLocation_t location,
                                             unsigned long long *count)
{
    /* All errors are the device memory's, which is location 2. */
    ON_GPU(nvmlDeviceGetMemoryErrorCounter, device,
           location == 2 ? read_ecc(&call, type, counter, count) : NVML_ERROR_NOT_SUPPORTED);
}

/* Repairs: rows from Ampere on, pages before. */

static nvmlReturn_t put_remapped(const struct call *call, unsigned int *correctable, unsigned int *uncorrectable,
                                 unsigned int *pending, unsigned int *failure)
{
    if (is_mig_enabled(call->device)) return NVML_ERROR_NOT_SUPPORTED;
    nvmlReturn_t status = read_uint(call, FIGURE_remappedCorrectable, correctable);
    if (status == NVML_SUCCESS) status = read_uint(call, FIGURE_remappedUncorrectable, uncorrectable);
    if (status == NVML_SUCCESS) status = read_uint(call, FIGURE_remappedPending, pending);
    if (status == NVML_SUCCESS) status = read_uint(call, FIGURE_remappedFailure, failure);
    return status;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *correctable, unsigned int *uncorrectable,
                                       unsigned int *pending, unsigned int *failure)
{
    ON_GPU(nvmlDeviceGetRemappedRows, device,
           put_remapped(&call, correctable, uncorrectable, pending, failure));
}

static nvmlReturn_t put_histogram(const struct call *call, nvmlRowRemapperHistogramValues_t *values)
{
    if (values == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = read_uint(call, FIGURE_remapBanksMax, &values->max);
    if (status == NVML_SUCCESS) status = read_uint(call, FIGURE_remapBanksHigh, &values->high);
    if (status == NVML_SUCCESS) status = read_uint(call, FIGURE_remapBanksPartial, &values->partial);
    if (status == NVML_SUCCESS) status = read_uint(call, FIGURE_remapBanksLow, &values->low);
    if (status == NVML_SUCCESS) status = read_uint(call, FIGURE_remapBanksNone, &values->none);
    return status;
}

nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *values)
{
    ON_GPU(nvmlDeviceGetRowRemapperHistogram, device, put_histogram(&call, values));
}

/* Pages are known of where it is known whether more are to be retired. */
static nvmlReturn_t put_retired(const struct call *call, nvmlPageRetirementCause_t cause, unsigned int *count,
                                unsigned long long *addresses)
{
    unsigned int found = 0;
    if (count == NULL || cause < 0 || cause > 1) return NVML_ERROR_INVALID_ARGUMENT;
    if (call->unit->figures[FIGURE_retiredPagesPending].kind == FIGURE_IS_ABSENT) return NVML_ERROR_NOT_SUPPORTED;
    for (size_t index = 0; index < call->device->retired_count; index += 1) {
        const struct retired_page *page = &call->device->retired[index];
        if (page->cause != cause) continue;
        if (found < *count && addresses != NULL) addresses[found] = page->address;
        found += 1;
    }
    nvmlReturn_t status = found > *count ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
    *count = found;
    return status;
}

nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *count,
                                       unsigned long long *addresses)
{
    ON_GPU(nvmlDeviceGetRetiredPages, device, put_retired(&call, cause, count, addresses));
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, nvmlEnableState_t *pending)
{
    ON_GPU(nvmlDeviceGetRetiredPagesPendingStatus, device, read_int(&call, FIGURE_retiredPagesPending, pending));
}

/* PCI Express. */

enum { PCIE_THROUGHPUT_MS = 20 };

static nvmlReturn_t read_pcie_throughput(const struct call *call, nvmlPcieUtilCounter_t counter,
                                         unsigned int *kilobytes)
{
    if (counter < 0 || counter > 1) return NVML_ERROR_INVALID_ARGUMENT;
    return read_uint(call, counter == 0 ? FIGURE_pcieTransmitKilobytesPerSecond : FIGURE_pcieReceiveKilobytesPerSecond,
                     kilobytes);
}

nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t counter,
                                         unsigned int *kilobytesPerSecond)
{
    struct call call;
    nvmlReturn_t status = begin_gpu(&call, SYMBOL_nvmlDeviceGetPcieThroughput, device);
    if (status == NVML_SUCCESS) status = read_pcie_throughput(&call, counter, kilobytesPerSecond);
    /* The real one counts for so long; whoever calls it in a cycle shall notice. */
    if (status == NVML_SUCCESS) wait_unlocked(&call, PCIE_THROUGHPUT_MS);
    return finish(&call, status);
}

nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int *replays)
{
    ON_GPU(nvmlDeviceGetPcieReplayCounter, device, read_uint(&call, FIGURE_pcieReplays, replays));
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation)
{
    ON_GPU(nvmlDeviceGetCurrPcieLinkGeneration, device, read_uint(&call, FIGURE_pcieGeneration, generation));
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation)
{
    ON_GPU(nvmlDeviceGetMaxPcieLinkGeneration, device, read_uint(&call, FIGURE_pcieGenerationMax, generation));
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned int *width)
{
    ON_GPU(nvmlDeviceGetCurrPcieLinkWidth, device, read_uint(&call, FIGURE_pcieWidth, width));
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned int *width)
{
    ON_GPU(nvmlDeviceGetMaxPcieLinkWidth, device, read_uint(&call, FIGURE_pcieWidthMax, width));
}

/* NVLink. The links of a device are numbered from 0. */

static nvmlReturn_t check_link(const struct call *call, unsigned int link)
{
    unsigned int links;
    nvmlReturn_t status = read_uint(call, FIGURE_nvlinkLinks, &links);
    return status == NVML_SUCCESS && link >= links ? NVML_ERROR_INVALID_ARGUMENT : status;
}

static nvmlReturn_t put_link_state(const struct call *call, unsigned int link, nvmlEnableState_t *active)
{
    nvmlReturn_t status = active == NULL ? NVML_ERROR_INVALID_ARGUMENT : check_link(call, link);
    if (status == NVML_SUCCESS) *active = 1;
    return status;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, nvmlEnableState_t *active)
{
    ON_GPU(nvmlDeviceGetNvLinkState, device, put_link_state(&call, link, active));
}

static nvmlReturn_t put_link_errors(const struct call *call, unsigned int link, nvmlNvLinkErrorCounter_t counter,
                                    unsigned long long *errors)
{
    if (counter < 0 || counter > 4) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = check_link(call, link);
    return status == NVML_SUCCESS ? read_ull(call, FIGURE_nvlinkErrors, errors) : status;
}

nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link,
                                             nvmlNvLinkErrorCounter_t counter, unsigned long long *errors)
{
    ON_GPU(nvmlDeviceGetNvLinkErrorCounter, device, put_link_errors(&call, link, counter, errors));
}
