/* How busy a device is, from what the scenario says of it or of its processes. */
#ifndef UTILIZATION_H
#define UTILIZATION_H

#include "library.h"

/* The samples of a device's buffer by their number: that with number n speaks of the time from (n - 1) to n beats. */
struct window {
    long long period_us;
    long long epoch_us;
    /* The number of the last sample that is not among them, and of the last that is. */
    long long before;
    long long last;
};

/* The end of a sample's time, in seconds after the epoch. */
double seconds_at(const struct window *window, long long sample);

/* The samples newer than a stamp that a client has seen, as far back as the buffer goes. */
struct window samples_since(const struct call *call, unsigned long long last_seen_us);

/* The stamp of a sample, in microseconds of the clock that the scenario's driver goes by. */
unsigned long long stamp_of(const struct call *call, const struct window *window, long long sample);

/* Whether the driver has taken a sample at this beat. */
bool is_sampled(const struct call *call, const struct window *window, long long sample);

enum share { SHARE_SM, SHARE_MEMORY, SHARE_ENCODER, SHARE_DECODER };

const struct figure *share_of(const struct process *process, enum share share);

/* The mean percentage of a device's compute units in use between two instants, in seconds after the epoch. */
double derived_gpu_percent(const struct device *device, double from, double to);

/* The same of one MIG instance, from the processes in it. */
double derived_instance_percent(const struct device *device, unsigned int gpu_instance, double from, double to);

#endif
