/* Whose work a device did: one sample a process, for all the time since a client asked last. */
#include <math.h>

#include "faults.h"
#include "library.h"
#include "utilization.h"

/* The number of a process's last sample with any work in it; `before` where it has none. */
static long long last_busy_sample(const struct process *process, const struct window *window)
{
    double from = seconds_at(window, window->before), to = seconds_at(window, window->last), latest = NAN;
    for (int share = SHARE_SM; share <= SHARE_DECODER; share += 1)
        latest = fmax(latest, figure_last_active(share_of(process, share), from, to));
    if (isnan(latest)) return window->before;
    long long at_us = llround(latest * 1e6) + window->epoch_us;
    return (at_us + window->period_us - 1) / window->period_us;
}

/* How much of a window's time the driver's samples speak of, in seconds. */
static double sampled_seconds(const struct call *call, const struct window *window)
{
    double seconds = 0;
    for (long long sample = window->before + 1; sample <= window->last; sample += 1)
        if (is_sampled(call, window, sample)) seconds += (double)window->period_us / 1e6;
    return seconds;
}

/* A share as a whole percentage of so many seconds. */
static unsigned int mean_percent(const struct figure *share, const struct window *window, double seconds)
{
    double from = seconds_at(window, window->before), to = seconds_at(window, window->last);
    return seconds > 0 ? (unsigned int)lround(figure_integral(share, from, to) / seconds) : 0;
}

/* What a process did in a window, which ends with a sample in which it did something. */
static nvmlProcessUtilizationSample_t sum_up(const struct call *call, const struct process *process,
                                             const struct window *window, double seconds)
{
    return (nvmlProcessUtilizationSample_t){
        .pid = process->pid,
        .timeStamp = stamp_of(call, window, window->last),
        .smUtil = mean_percent(&process->sm, window, seconds),
        .memUtil = mean_percent(&process->memory, window, seconds),
        .encUtil = mean_percent(&process->encoder, window, seconds),
        .decUtil = mean_percent(&process->decoder, window, seconds),
    };
}

/* A client's buffer, and how its entries are written. */
struct output {
    void *buffer;
    unsigned int count;
    void (*put)(void *buffer, unsigned int place, const nvmlProcessUtilizationSample_t *sample);
};

static void put(struct output *output, const nvmlProcessUtilizationSample_t *sample)
{
    output->put(output->buffer, output->count, sample);
    output->count += 1;
}

/* One sample of a process for the whole window, or one for each of the driver's; none where it did nothing. */
static void put_process(const struct call *call, const struct process *process, const struct window *window,
                        struct output *output)
{
    struct window part = *window;
    double beat = (double)window->period_us / 1e6;
    if (call->scenario->averaging != EACH_SAMPLE) {
        part.last = last_busy_sample(process, window);
        if (part.last <= window->before) return;
        const struct window *all = call->scenario->averaging == AVERAGE_ALL_SAMPLES ? window : &part;
        nvmlProcessUtilizationSample_t sample = sum_up(call, process, &part, sampled_seconds(call, all));
        put(output, &sample);
        return;
    }
    for (part.last = part.before + 1; part.last <= window->last; part.last += 1, part.before += 1) {
        if (last_busy_sample(process, &part) <= part.before) continue;
        nvmlProcessUtilizationSample_t sample = sum_up(call, process, &part, beat);
        put(output, &sample);
    }
}

static nvmlProcessUtilizationSample_t make_garbage(const struct call *call, const struct garbage *garbage,
                                                   const struct window *window, unsigned long long last_seen_us)
{
    unsigned long long newest_us = stamp_of(call, window, window->last);
    return (nvmlProcessUtilizationSample_t){
        .pid = garbage->pid,
        .timeStamp = garbage->time == GARBAGE_ZERO ? 0 : garbage->time == GARBAGE_STALE ? last_seen_us : newest_us,
        .smUtil = garbage->sm,
        .memUtil = garbage->memory,
        .encUtil = garbage->encoder,
        .decUtil = garbage->decoder,
    };
}

/* Whether it may be asked, and how many entries a buffer needs whatever there is to say. */
static nvmlReturn_t check_capacity(const struct call *call, bool has_buffer, unsigned int *count)
{
    const struct device *device = call->device;
    const struct figure *answer = &call->unit->figures[FIGURE_processUtilization];
    if (is_mig_enabled(device)) return NVML_ERROR_NOT_SUPPORTED;
    if (answer->kind == FIGURE_IS_ERROR) return answer->error;
    unsigned long long most = call->scenario->sample_buffer_us / call->scenario->sample_period_us;
    unsigned long long each = call->scenario->averaging == EACH_SAMPLE ? most : 1;
    unsigned int needed = (unsigned int)(device->process_count * each + device->garbage_count);
    if (needed < call->scenario->sample_capacity) needed = call->scenario->sample_capacity;
    if (has_buffer && *count >= needed) return NVML_SUCCESS;
    *count = understated(call, needed);
    return NVML_ERROR_INSUFFICIENT_SIZE;
}

static nvmlReturn_t put_utilization(const struct call *call, unsigned long long last_seen_us, unsigned int *count,
                                    struct output *output)
{
    const struct device *device = call->device;
    nvmlReturn_t status = check_capacity(call, output->buffer != NULL, count);
    if (status != NVML_SUCCESS) return status;
    struct window window = samples_since(call, last_seen_us);
    for (size_t index = 0; index < device->process_count; index += 1)
        put_process(call, &device->processes[index], &window, output);
    for (size_t index = 0; index < device->garbage_count; index += 1) {
        nvmlProcessUtilizationSample_t sample =
            make_garbage(call, &device->garbage[index], &window, last_seen_us);
        put(output, &sample);
    }
    *count = output->count;
    return output->count == 0 ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
}

static void put_plain(void *buffer, unsigned int place, const nvmlProcessUtilizationSample_t *sample)
{
    ((nvmlProcessUtilizationSample_t *)buffer)[place] = *sample;
}

static void put_info(void *buffer, unsigned int place, const nvmlProcessUtilizationSample_t *sample)
{
    ((nvmlProcessUtilizationInfo_v1_t *)buffer)[place] = (nvmlProcessUtilizationInfo_v1_t){
        .timeStamp = sample->timeStamp,
        .pid = sample->pid,
        .smUtil = sample->smUtil,
        .memUtil = sample->memUtil,
        .encUtil = sample->encUtil,
        .decUtil = sample->decUtil,
    };
}

static nvmlReturn_t put_samples(const struct call *call, nvmlProcessUtilizationSample_t *utilization,
                                unsigned int *count, unsigned long long last_seen_us)
{
    struct output output = {.buffer = utilization, .put = put_plain};
    return count == NULL ? NVML_ERROR_INVALID_ARGUMENT : put_utilization(call, last_seen_us, count, &output);
}

nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *utilization,
                                             unsigned int *count, unsigned long long lastSeenTimeStamp)
{
    ON_GPU(nvmlDeviceGetProcessUtilization, device, put_samples(&call, utilization, count, lastSeenTimeStamp));
}

static nvmlReturn_t put_infos(const struct call *call, nvmlProcessesUtilizationInfo_v1_t *info)
{
    if (info == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (info->version != NVML_VERSION(nvmlProcessesUtilizationInfo_v1_t, 1U))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    struct output output = {.buffer = info->procUtilArray, .put = put_info};
    return put_utilization(call, info->lastSeenTimeStamp, &info->processSamplesCount, &output);
}

nvmlReturn_t nvmlDeviceGetProcessesUtilizationInfo(nvmlDevice_t device, nvmlProcessesUtilizationInfo_v1_t *info)
{
    ON_GPU(nvmlDeviceGetProcessesUtilizationInfo, device, put_infos(&call, info));
}
