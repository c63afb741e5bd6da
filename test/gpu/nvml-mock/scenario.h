/* What the scenario's file says, as it was when it was read. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <stdbool.h>

#include "figure.h"
#include "figures.h"
#include "symbols.h"

enum { TEXT_SIZE = 96, DEVICES_MAX = 64 };

enum { LIST_COMPUTE = 1, LIST_GRAPHICS = 2, LIST_MPS = 4 };

struct process {
    unsigned int pid;
    bool memory_known;
    unsigned long long memory_bytes;
    /* Of LIST_…: where it stands. */
    unsigned int lists;
    unsigned int gpu_instance;
    unsigned int compute_instance;
    /* Its shares of the device in percent. */
    struct figure sm;
    struct figure memory;
    struct figure encoder;
    struct figure decoder;
};

/* A sample that a driver should not give: after nvtop's issue 110. */
struct garbage {
    unsigned int pid;
    unsigned int sm, memory, encoder, decoder;
    /* Its time stamp: none, that which the client has seen, or that of the newest sample. */
    enum { GARBAGE_ZERO, GARBAGE_STALE, GARBAGE_NEWEST } time;
};

/* A field of nvmlDeviceGetFieldValues as the scenario gives it, in place of what the library would say. */
struct field {
    unsigned int id;
    unsigned int scope;
    int value_type;
    struct figure figure;
};

struct gpm_metric {
    unsigned int id;
    struct figure figure;
};

struct profile {
    unsigned int profile;
    unsigned int id;
    unsigned int slices;
    unsigned int instances;
    unsigned int multiprocessors;
    unsigned long long memory_mebibytes;
    char name[TEXT_SIZE];
};

struct retired_page {
    int cause;
    unsigned long long address;
};

/* What a GPU and a MIG instance have in common. */
struct unit {
    char uuid[TEXT_SIZE];
    char name[TEXT_SIZE];
    struct figure figures[FIGURE_COUNT];
    struct gpm_metric *gpm;
    size_t gpm_count;
};

struct instance {
    struct unit unit;
    unsigned int index;
    unsigned int gpu_instance;
    unsigned int compute_instance;
    unsigned int gpu_slices;
    unsigned int compute_slices;
    unsigned int multiprocessors;
};

struct device {
    struct unit unit;
    char serial[TEXT_SIZE];
    char vbios[TEXT_SIZE];
    char bus_id[TEXT_SIZE];
    bool lost;
    bool gpm_supported;
    bool energy_follows_power;
    bool mig_capable;
    unsigned int mig_mode, mig_pending, mig_max;
    int mig_hole_error;
    struct process *processes;
    size_t process_count;
    struct garbage *garbage;
    size_t garbage_count;
    struct field *fields;
    size_t field_count;
    struct profile *profiles;
    size_t profile_count;
    struct retired_page *retired;
    size_t retired_count;
    struct instance *instances;
    size_t instance_count;
    /* How many processes fewer a too small buffer is told of, and how often. */
    unsigned int understate_by, understate_times;
};

/* A function that answers an error, or hangs. */
struct fault {
    /* Calls are counted under this name for as long as it stands in the file. */
    char key[TEXT_SIZE];
    /* SYMBOL_COUNT: every function. */
    enum symbol symbol;
    /* Empty: for every device, and for functions that have none. */
    char uuid[TEXT_SIZE];
    bool hangs;
    int error;
    unsigned int skip;
    /* 0: for ever. */
    unsigned int times;
};

struct event {
    unsigned long long sequence;
    char uuid[TEXT_SIZE];
    unsigned long long type;
    unsigned long long data;
    unsigned int gpu_instance;
    unsigned int compute_instance;
};

/* Over what a process's share is the mean: all samples; those up to its own last one; or one share for each sample. */
enum averaging { AVERAGE_ALL_SAMPLES, AVERAGE_TO_OWN_SAMPLE, EACH_SAMPLE };

struct scenario {
    char driver_version[TEXT_SIZE];
    char nvml_version[TEXT_SIZE];
    int cuda_version;
    int init_error;
    unsigned long long epoch_us;
    /* 0: the clock runs. */
    unsigned long long frozen_us;
    unsigned long long sample_period_us;
    unsigned long long sample_buffer_us;
    unsigned int sample_capacity;
    enum averaging averaging;
    /* Whether the driver takes no samples of a device that does nothing. */
    bool skips_idle;
    /* Whether it stamps them with the time since the machine was started, and not with that of the day. */
    bool stamps_uptime;
    unsigned int process_entry_bytes;
    struct device *devices;
    size_t device_count;
    struct fault *faults;
    size_t fault_count;
    struct event *events;
    size_t event_count;
};

/*
 * Reads a scenario from a whole file's text, which it changes. NULL where a line says nothing that it knows; then
 * `problem` says which.
 */
struct scenario *scenario_parse(char *text, char *problem, size_t problem_size);

void scenario_free(struct scenario *scenario);

#endif
