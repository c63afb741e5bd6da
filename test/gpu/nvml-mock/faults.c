#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTERS_MAX = 256 };

/* How often a fault's function was called, by the fault's key; after an at sign, how often a list was understated. */
static struct counter {
    char key[2 * TEXT_SIZE];
    unsigned int count;
} counters[COUNTERS_MAX];

static struct counter *find_counter(const char *key)
{
    struct counter *free_one = NULL;
    for (int index = 0; index < COUNTERS_MAX; index += 1) {
        if (strcmp(counters[index].key, key) == 0) return &counters[index];
        if (free_one == NULL && counters[index].key[0] == '\0') free_one = &counters[index];
    }
    if (free_one == NULL) abort();
    snprintf(free_one->key, sizeof free_one->key, "%s", key);
    free_one->count = 0;
    return free_one;
}

static bool is_about(const struct fault *fault, const struct call *call)
{
    if (fault->symbol != SYMBOL_COUNT && fault->symbol != call->symbol) return false;
    if (fault->uuid[0] == '\0') return true;
    if (call->unit == NULL) return false;
    return strcmp(fault->uuid, call->unit->uuid) == 0 || strcmp(fault->uuid, call->device->unit.uuid) == 0;
}

const struct fault *find_fault(const struct call *call)
{
    const struct scenario *scenario = call->scenario;
    for (size_t index = 0; index < scenario->fault_count; index += 1) {
        const struct fault *fault = &scenario->faults[index];
        if (!is_about(fault, call)) continue;
        unsigned int calls = find_counter(fault->key)->count++;
        if (calls < fault->skip) continue;
        if (fault->times == 0 || calls - fault->skip < fault->times) return fault;
    }
    return NULL;
}

bool still_hangs(const struct scenario *scenario, const char *key)
{
    for (size_t index = 0; scenario != NULL && index < scenario->fault_count; index += 1)
        if (scenario->faults[index].hangs && strcmp(scenario->faults[index].key, key) == 0) return true;
    return false;
}

void forget_counters(const struct scenario *scenario)
{
    for (int index = 0; index < COUNTERS_MAX; index += 1) {
        bool is_used = counters[index].key[0] == '@';
        for (size_t fault = 0; scenario != NULL && fault < scenario->fault_count && !is_used; fault += 1)
            is_used = strcmp(counters[index].key, scenario->faults[fault].key) == 0;
        if (!is_used) counters[index].key[0] = '\0';
    }
}

unsigned int understated(const struct call *call, unsigned int count)
{
    const struct device *device = call->device;
    if (device->understate_by == 0) return count;
    char key[2 * TEXT_SIZE];
    snprintf(key, sizeof key, "@%s/%d/%u/%u", call->unit->uuid, (int)call->symbol, device->understate_by,
             device->understate_times);
    struct counter *counter = find_counter(key);
    if (counter->count >= device->understate_times) return count;
    counter->count += 1;
    return count > device->understate_by ? count - device->understate_by : 1;
}
