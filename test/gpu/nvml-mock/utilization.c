/*
 * Utilisation, as the driver has it: it takes a sample of a device at a fixed beat (about six a second), keeps those of
 * some seconds, and answers from them.
 */
#include "utilization.h"

#include <math.h>
#include <time.h>

#define STARTED_BEFORE_EPOCH_US 3600000000ULL

static double percent(double value) { return value > 100 ? 100 : value; }

double seconds_at(const struct window *window, long long sample)
{
    return (double)(sample * window->period_us - window->epoch_us) / 1e6;
}

static unsigned long long clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (unsigned long long)now.tv_sec * 1000000ULL + (unsigned long long)now.tv_nsec / 1000;
}

/* How much less the stamps of samples are than the time of day. */
static unsigned long long stamps_lag_us(const struct call *call)
{
    /* Read once: two readings would differ by what lies between the two clocks' being asked. */
    static unsigned long long booted_us;
    if (!call->scenario->stamps_uptime) return 0;
    /* Where the clock stands still, as if the machine had been started so long before the epoch. */
    if (call->scenario->frozen_us != 0) return call->scenario->epoch_us - STARTED_BEFORE_EPOCH_US;
    if (booted_us == 0) booted_us = clock_us(CLOCK_REALTIME) - clock_us(CLOCK_MONOTONIC);
    return booted_us;
}

unsigned long long stamp_of(const struct call *call, const struct window *window, long long sample)
{
    return (unsigned long long)(sample * window->period_us) - stamps_lag_us(call);
}

struct window samples_since(const struct call *call, unsigned long long last_seen_us)
{
    const struct scenario *scenario = call->scenario;
    if (last_seen_us != 0) last_seen_us += stamps_lag_us(call);
    struct window window = {.period_us = (long long)scenario->sample_period_us,
                            .epoch_us = (long long)scenario->epoch_us};
    window.last = (long long)(call->now_us / scenario->sample_period_us);
    long long oldest = window.last - (long long)(scenario->sample_buffer_us / scenario->sample_period_us);
    long long seen = (long long)(last_seen_us / scenario->sample_period_us);
    window.before = seen > oldest ? seen : oldest;
    return window;
}

/* The newest sample alone. */
static struct window last_sample(const struct call *call)
{
    struct window window = samples_since(call, 0);
    window.before = window.last - 1;
    return window;
}

/* A device as a whole. */

const struct figure *share_of(const struct process *process, enum share share)
{
    switch (share) {
    case SHARE_SM: return &process->sm;
    case SHARE_MEMORY: return &process->memory;
    case SHARE_ENCODER: return &process->encoder;
    case SHARE_DECODER: return &process->decoder;
    }
    return &process->sm;
}

static double derived_percent(const struct device *device, enum share share, double from, double to)
{
    double sum = 0;
    for (size_t index = 0; index < device->process_count; index += 1)
        sum += figure_average(share_of(&device->processes[index], share), from, to);
    return percent(sum);
}

double derived_gpu_percent(const struct device *device, double from, double to)
{
    return derived_percent(device, SHARE_SM, from, to);
}

double derived_instance_percent(const struct device *device, unsigned int gpu_instance, double from, double to)
{
    double sum = 0;
    for (size_t index = 0; index < device->process_count; index += 1)
        if (device->processes[index].gpu_instance == gpu_instance)
            sum += figure_average(&device->processes[index].sm, from, to);
    return percent(sum);
}

/* What the scenario says of the device, or what follows from its processes. */
static nvmlReturn_t read_utilization(const struct call *call, enum figure_id id, enum share share,
                                     const struct window *window, unsigned int *value)
{
    const struct figure *figure = &call->unit->figures[id];
    double from = seconds_at(window, window->before), to = seconds_at(window, window->last);
    if (is_mig_enabled(call->device)) return NVML_ERROR_NOT_SUPPORTED;
    if (figure->kind == FIGURE_IS_ERROR) return figure->error;
    double mean = figure->kind == FIGURE_IS_ABSENT ? derived_percent(call->device, share, from, to)
                                                   : figure_average(figure, from, to);
    *value = (unsigned int)lround(percent(mean));
    return NVML_SUCCESS;
}

bool is_sampled(const struct call *call, const struct window *window, long long sample)
{
    struct window one = {window->period_us, window->epoch_us, sample - 1, sample};
    unsigned int percent_busy;
    if (!call->scenario->skips_idle) return true;
    nvmlReturn_t status = read_utilization(call, FIGURE_utilizationGpuPercent, SHARE_SM, &one, &percent_busy);
    return status != NVML_SUCCESS || percent_busy > 0;
}

static nvmlReturn_t put_rates(const struct call *call, nvmlUtilization_t *utilization)
{
    if (utilization == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    struct window window = last_sample(call);
    nvmlReturn_t status =
        read_utilization(call, FIGURE_utilizationGpuPercent, SHARE_SM, &window, &utilization->gpu);
    if (status != NVML_SUCCESS) return status;
    return read_utilization(call, FIGURE_utilizationMemoryPercent, SHARE_MEMORY, &window, &utilization->memory);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    ON_GPU(nvmlDeviceGetUtilizationRates, device, put_rates(&call, utilization));
}

static nvmlReturn_t put_codec(const struct call *call, enum figure_id id, enum share share, unsigned int *value,
                              unsigned int *period_us)
{
    if (value == NULL || period_us == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    struct window window = last_sample(call);
    *period_us = (unsigned int)call->scenario->sample_period_us;
    return read_utilization(call, id, share, &window, value);
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *utilization,
                                             unsigned int *samplingPeriodUs)
{
    ON_GPU(nvmlDeviceGetEncoderUtilization, device,
           put_codec(&call, FIGURE_utilizationEncoderPercent, SHARE_ENCODER, utilization, samplingPeriodUs));
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *utilization,
                                             unsigned int *samplingPeriodUs)
{
    ON_GPU(nvmlDeviceGetDecoderUtilization, device,
           put_codec(&call, FIGURE_utilizationDecoderPercent, SHARE_DECODER, utilization, samplingPeriodUs));
}

/* The samples themselves, oldest first and as many as fit. */

static nvmlReturn_t read_sample(const struct call *call, nvmlSamplingType_t type, const struct window *window,
                                unsigned int *value)
{
    switch (type) {
    case 0: {
        const struct figure *power = &call->unit->figures[FIGURE_powerMilliwatts];
        if (power->kind == FIGURE_IS_ABSENT) return NVML_ERROR_NOT_SUPPORTED;
        if (power->kind == FIGURE_IS_ERROR) return power->error;
        double mean = figure_average(power, seconds_at(window, window->before), seconds_at(window, window->last));
        *value = (unsigned int)lround(mean);
        return NVML_SUCCESS;
    }
    case 1: return read_utilization(call, FIGURE_utilizationGpuPercent, SHARE_SM, window, value);
    case 2: return read_utilization(call, FIGURE_utilizationMemoryPercent, SHARE_MEMORY, window, value);
    case 3: return read_utilization(call, FIGURE_utilizationEncoderPercent, SHARE_ENCODER, window, value);
    case 4: return read_utilization(call, FIGURE_utilizationDecoderPercent, SHARE_DECODER, window, value);
    case 5: return read_uint(call, FIGURE_clockSmMegahertz, value);
    case 6: return read_uint(call, FIGURE_clockMemoryMegahertz, value);
    default: return NVML_ERROR_INVALID_ARGUMENT;
    }
}

static nvmlReturn_t put_samples(const struct call *call, nvmlSamplingType_t type, unsigned long long last_seen_us,
                                nvmlValueType_t *value_type, unsigned int *count, nvmlSample_t *samples)
{
    unsigned int value, put = 0;
    if (value_type == NULL || count == NULL || (samples != NULL && *count == 0)) return NVML_ERROR_INVALID_ARGUMENT;
    *value_type = NVML_VALUE_UINT;
    struct window window = last_sample(call);
    nvmlReturn_t status = read_sample(call, type, &window, &value);
    if (status != NVML_SUCCESS) return status;
    if (samples == NULL) {
        *count = (unsigned int)(call->scenario->sample_buffer_us / call->scenario->sample_period_us);
        return NVML_SUCCESS;
    }
    window = samples_since(call, last_seen_us);
    for (long long number = window.before + 1; number <= window.last && put < *count; number += 1) {
        struct window one = {window.period_us, window.epoch_us, number - 1, number};
        if (!is_sampled(call, &window, number)) continue;
        status = read_sample(call, type, &one, &value);
        if (status != NVML_SUCCESS) return status;
        samples[put] = (nvmlSample_t){.timeStamp = stamp_of(call, &window, number)};
        samples[put].sampleValue.uiVal = value;
        put += 1;
    }
    *count = put;
    return put == 0 ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t device, nvmlSamplingType_t type, unsigned long long lastSeenTimeStamp,
                                  nvmlValueType_t *valueType, unsigned int *count, nvmlSample_t *samples)
{
    ON_GPU(nvmlDeviceGetSamples, device,
           put_samples(&call, type, lastSeenTimeStamp, valueType, count, samples));
}
