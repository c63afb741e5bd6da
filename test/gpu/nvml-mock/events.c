/*
 * Events: XID errors and the like, delivered once to every set that had been registered for them before they happened.
 */
#include "events.h"

#include <string.h>
#include <time.h>

#include "handles.h"
#include "library.h"

enum { SETS_MAX = 64, WAIT_STEP_MS = 2 };

struct registration {
    char uuid[TEXT_SIZE];
    unsigned long long types;
    /* The events up to here happened before, or were delivered. */
    unsigned long long seen;
};

static struct event_set {
    bool used;
    struct registration registrations[DEVICES_MAX];
    unsigned int count;
} sets[SETS_MAX];

static void count_sets(void)
{
    unsigned int used = 0;
    for (int index = 0; index < SETS_MAX; index += 1) used += sets[index].used;
    note_event_sets(used);
}

void drop_event_sets(void)
{
    memset(sets, 0, sizeof sets);
    count_sets();
}

static struct event_set *find_set(nvmlEventSet_t handle)
{
    int slot = handle_slot(HANDLE_EVENT_SET, handle);
    return slot >= 0 && slot < SETS_MAX && sets[slot].used ? &sets[slot] : NULL;
}

static nvmlReturn_t create_set(nvmlEventSet_t *handle)
{
    if (handle == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int slot = 0; slot < SETS_MAX; slot += 1) {
        if (sets[slot].used) continue;
        sets[slot].used = true;
        sets[slot].count = 0;
        *handle = make_handle(HANDLE_EVENT_SET, slot);
        count_sets();
        return NVML_SUCCESS;
    }
    return NVML_ERROR_UNKNOWN;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) { ON_MACHINE(nvmlEventSetCreate, create_set(set)); }

static nvmlReturn_t free_set(nvmlEventSet_t handle)
{
    struct event_set *set = find_set(handle);
    if (set == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    set->used = false;
    count_sets();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { ON_MACHINE(nvmlEventSetFree, free_set(set)); }

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
    ON_GPU(nvmlDeviceGetSupportedEventTypes, device, read_ull(&call, FIGURE_supportedEvents, types));
}

static unsigned long long newest_event(const struct scenario *scenario)
{
    unsigned long long newest = 0;
    for (size_t index = 0; index < scenario->event_count; index += 1)
        if (scenario->events[index].sequence > newest) newest = scenario->events[index].sequence;
    return newest;
}

static nvmlReturn_t register_events(const struct call *call, unsigned long long types, nvmlEventSet_t handle)
{
    unsigned long long supported;
    struct event_set *set = find_set(handle);
    if (set == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = read_ull(call, FIGURE_supportedEvents, &supported);
    if (status != NVML_SUCCESS) return status;
    if ((types & ~supported) != 0) return NVML_ERROR_NOT_SUPPORTED;
    if (set->count == DEVICES_MAX) return NVML_ERROR_UNKNOWN;
    struct registration *registration = &set->registrations[set->count];
    strcpy(registration->uuid, call->unit->uuid);
    registration->types = types;
    registration->seen = newest_event(call->scenario);
    set->count += 1;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    ON_GPU(nvmlDeviceRegisterEvents, device, register_events(&call, types, set));
}

/* The oldest event that a registration has not been told of. */
static const struct event *next_for(const struct scenario *scenario, const struct registration *registration)
{
    const struct event *next = NULL;
    for (size_t index = 0; index < scenario->event_count; index += 1) {
        const struct event *event = &scenario->events[index];
        bool is_wanted = event->sequence > registration->seen && (event->type & registration->types) != 0 &&
                         strcmp(event->uuid, registration->uuid) == 0;
        if (is_wanted && (next == NULL || event->sequence < next->sequence)) next = event;
    }
    return next;
}

/* The oldest event that a set has not been told of; it counts as told from now on. */
static const struct event *take_event(const struct scenario *scenario, struct event_set *set)
{
    const struct event *oldest = NULL;
    struct registration *whose = NULL;
    for (unsigned int index = 0; index < set->count; index += 1) {
        const struct event *event = next_for(scenario, &set->registrations[index]);
        if (event == NULL || (oldest != NULL && oldest->sequence <= event->sequence)) continue;
        oldest = event;
        whose = &set->registrations[index];
    }
    if (whose != NULL) whose->seen = oldest->sequence;
    return oldest;
}

static unsigned long long monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

static nvmlReturn_t wait_for_event(struct call *call, nvmlEventSet_t handle, nvmlEventData_t *data,
                                   unsigned int timeout_ms)
{
    if (data == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    unsigned long long deadline_ms = monotonic_ms() + timeout_ms;
    for (;;) {
        struct event_set *set = find_set(handle);
        if (set == NULL) return NVML_ERROR_INVALID_ARGUMENT;
        const struct event *event = call->scenario == NULL ? NULL : take_event(call->scenario, set);
        if (event != NULL) {
            *data = (nvmlEventData_t){.device = handle_of(event->uuid),
                                      .eventType = event->type,
                                      .eventData = event->data,
                                      .gpuInstanceId = event->gpu_instance,
                                      .computeInstanceId = event->compute_instance};
            return NVML_SUCCESS;
        }
        if (monotonic_ms() >= deadline_ms) return NVML_ERROR_TIMEOUT;
        wait_unlocked(call, WAIT_STEP_MS);
    }
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutMs)
{
    ON_MACHINE(nvmlEventSetWait_v2, wait_for_event(&call, set, data, timeoutMs));
}
