/*
 * GPM: counters of a GPU or of a MIG instance, read into samples; what happened between two samples is a metric. Only
 * from Hopper on.
 */
#include "gpm.h"

#include <string.h>

#include "handles.h"
#include "library.h"
#include "utilization.h"

enum { SAMPLES_MAX = 1024, METRIC_GRAPHICS = 1, METRIC_SM = 2 };

static struct sample {
    bool used;
    /* Whose counters it holds, and when they were read; empty before that. */
    char uuid[TEXT_SIZE];
    unsigned int gpu_instance;
    unsigned long long taken_us;
} samples[SAMPLES_MAX];

static void count_samples(void)
{
    unsigned int used = 0;
    for (int index = 0; index < SAMPLES_MAX; index += 1) used += samples[index].used;
    note_gpm_samples(used);
}

void drop_gpm_samples(void)
{
    memset(samples, 0, sizeof samples);
    count_samples();
}

static struct sample *find_sample(nvmlGpmSample_t handle)
{
    int slot = handle_slot(HANDLE_GPM_SAMPLE, handle);
    return slot >= 0 && slot < SAMPLES_MAX && samples[slot].used ? &samples[slot] : NULL;
}

static nvmlReturn_t allocate(nvmlGpmSample_t *handle)
{
    if (handle == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int slot = 0; slot < SAMPLES_MAX; slot += 1) {
        if (samples[slot].used) continue;
        samples[slot] = (struct sample){.used = true};
        *handle = make_handle(HANDLE_GPM_SAMPLE, slot);
        count_samples();
        return NVML_SUCCESS;
    }
    return NVML_ERROR_MEMORY;
}

nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample) { ON_MACHINE(nvmlGpmSampleAlloc, allocate(sample)); }

static nvmlReturn_t release(nvmlGpmSample_t handle)
{
    struct sample *sample = find_sample(handle);
    if (sample == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    sample->used = false;
    count_samples();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample) { ON_MACHINE(nvmlGpmSampleFree, release(sample)); }

static nvmlReturn_t put_support(const struct call *call, nvmlGpmSupport_t *support)
{
    if (support == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (support->version != NVML_GPM_SUPPORT_VERSION) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    support->isSupportedDevice = call->device->gpm_supported;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
    ON_UNIT(nvmlGpmQueryDeviceSupport, device, put_support(&call, support));
}

static nvmlReturn_t take_sample(const struct call *call, unsigned int gpu_instance, nvmlGpmSample_t handle)
{
    struct sample *sample = find_sample(handle);
    if (sample == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (!call->device->gpm_supported) return NVML_ERROR_NOT_SUPPORTED;
    strcpy(sample->uuid, call->device->unit.uuid);
    sample->gpu_instance = gpu_instance;
    sample->taken_us = call->now_us;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
    ON_GPU(nvmlGpmSampleGet, device, take_sample(&call, NVML_NO_INSTANCE, sample));
}

static struct unit *find_gpu_instance(const struct device *device, unsigned int gpu_instance)
{
    for (size_t index = 0; index < device->instance_count; index += 1)
        if (device->instances[index].gpu_instance == gpu_instance) return &device->instances[index].unit;
    return NULL;
}

static nvmlReturn_t take_instance_sample(const struct call *call, unsigned int gpu_instance, nvmlGpmSample_t handle)
{
    if (!is_mig_enabled(call->device)) return NVML_ERROR_NOT_SUPPORTED;
    if (find_gpu_instance(call->device, gpu_instance) == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    return take_sample(call, gpu_instance, handle);
}

nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int gpuInstanceId, nvmlGpmSample_t sample)
{
    ON_GPU(nvmlGpmMigSampleGet, device, take_instance_sample(&call, gpuInstanceId, sample));
}

/* Between two samples of one device or instance. */
struct interval {
    const struct device *device;
    const struct unit *unit;
    unsigned int gpu_instance;
    double from;
    double to;
};

static void measure(const struct interval *interval, nvmlGpmMetric_t *metric)
{
    memset(&metric->metricInfo, 0, sizeof metric->metricInfo);
    metric->nvmlReturn = NVML_SUCCESS;
    for (size_t index = 0; index < interval->unit->gpm_count; index += 1) {
        const struct figure *figure = &interval->unit->gpm[index].figure;
        if (interval->unit->gpm[index].id != metric->metricId) continue;
        if (figure->kind == FIGURE_IS_ERROR) metric->nvmlReturn = figure->error;
        else metric->value = figure_average(figure, interval->from, interval->to);
        return;
    }
    if (metric->metricId != METRIC_GRAPHICS && metric->metricId != METRIC_SM)
        metric->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
    else if (interval->gpu_instance == NVML_NO_INSTANCE)
        metric->value = derived_gpu_percent(interval->device, interval->from, interval->to);
    else
        metric->value =
            derived_instance_percent(interval->device, interval->gpu_instance, interval->from, interval->to);
}

static double seconds_of(const struct call *call, const struct sample *sample)
{
    return (double)((long long)sample->taken_us - (long long)call->scenario->epoch_us) / 1e6;
}

static nvmlReturn_t measure_all(const struct call *call, nvmlGpmMetricsGet_t *request)
{
    if (request == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (request->version != NVML_GPM_METRICS_GET_VERSION) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    const struct sample *first = find_sample(request->sample1), *second = find_sample(request->sample2);
    if (first == NULL || second == NULL || request->numMetrics > NVML_GPM_METRIC_MAX)
        return NVML_ERROR_INVALID_ARGUMENT;
    /* Of the same thing, and one after the other. */
    if (first->uuid[0] == '\0' || strcmp(first->uuid, second->uuid) != 0 ||
        first->gpu_instance != second->gpu_instance || first->taken_us >= second->taken_us)
        return NVML_ERROR_INVALID_ARGUMENT;
    const struct device *device = find_device(call->scenario, first->uuid);
    if (device == NULL || device->lost) return NVML_ERROR_GPU_IS_LOST;
    const struct unit *unit = first->gpu_instance == NVML_NO_INSTANCE
                                  ? &device->unit
                                  : find_gpu_instance(device, first->gpu_instance);
    if (unit == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    struct interval interval = {device, unit, first->gpu_instance, seconds_of(call, first), seconds_of(call, second)};
    for (unsigned int index = 0; index < request->numMetrics; index += 1) measure(&interval, &request->metrics[index]);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *metrics)
{
    ON_MACHINE(nvmlGpmMetricsGet, measure_all(&call, metrics));
}
