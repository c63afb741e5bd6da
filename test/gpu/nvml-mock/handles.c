#include "handles.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MAX = 4096 };

static struct {
    unsigned int generation;
    char attached[DEVICES_MAX][TEXT_SIZE];
    unsigned int attached_count;
    /* What handles stand for, by UUID. */
    char slots[SLOTS_MAX][TEXT_SIZE];
    unsigned int slot_count;
} table;

#define HANDLE_BASE 0x5E0000000000ULL

void *make_handle(enum handle_kind kind, unsigned int slot)
{
    return (void *)(uintptr_t)(HANDLE_BASE | (unsigned long long)kind << 36 |
                               (unsigned long long)(table.generation & 0xFFFF) << 20 | slot << 4);
}

int handle_slot(enum handle_kind kind, const void *handle)
{
    unsigned int slot = (unsigned int)((uintptr_t)handle >> 4) & 0xFFFF;
    return handle == make_handle(kind, slot) ? (int)slot : -1;
}

nvmlDevice_t handle_of(const char *uuid)
{
    for (unsigned int slot = 0; slot < table.slot_count; slot += 1)
        if (strcmp(table.slots[slot], uuid) == 0) return make_handle(HANDLE_DEVICE, slot);
    if (table.slot_count == SLOTS_MAX) abort();
    strcpy(table.slots[table.slot_count], uuid);
    table.slot_count += 1;
    return make_handle(HANDLE_DEVICE, table.slot_count - 1);
}

struct device *find_device(const struct scenario *scenario, const char *uuid)
{
    for (size_t index = 0; index < scenario->device_count; index += 1)
        if (strcmp(scenario->devices[index].unit.uuid, uuid) == 0) return &scenario->devices[index];
    return NULL;
}

struct instance *find_instance(const struct scenario *scenario, const char *uuid, struct device **device)
{
    for (size_t index = 0; index < scenario->device_count; index += 1) {
        struct device *parent = &scenario->devices[index];
        for (size_t place = 0; place < parent->instance_count; place += 1) {
            if (strcmp(parent->instances[place].unit.uuid, uuid) != 0) continue;
            *device = parent;
            return &parent->instances[place];
        }
    }
    return NULL;
}

nvmlReturn_t find_unit(struct call *call, nvmlDevice_t handle)
{
    int slot = handle_slot(HANDLE_DEVICE, handle);
    if (slot < 0 || (unsigned int)slot >= table.slot_count) return NVML_ERROR_INVALID_ARGUMENT;
    const char *uuid = table.slots[slot];
    call->instance = NULL;
    call->device = find_device(call->scenario, uuid);
    if (call->device != NULL) {
        call->unit = &call->device->unit;
        return NVML_SUCCESS;
    }
    call->instance = find_instance(call->scenario, uuid, &call->device);
    if (call->instance != NULL && is_mig_enabled(call->device)) {
        call->unit = &call->instance->unit;
        return NVML_SUCCESS;
    }
    /* A GPU that was there and is not any more has fallen off the bus; an instance that was destroyed is no handle. */
    bool is_instance = strncmp(uuid, "MIG-", 4) == 0;
    return is_instance ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_GPU_IS_LOST;
}

void attach_devices(const struct scenario *scenario)
{
    table.generation += 1;
    table.slot_count = 0;
    table.attached_count = (unsigned int)scenario->device_count;
    for (size_t index = 0; index < scenario->device_count; index += 1)
        strcpy(table.attached[index], scenario->devices[index].unit.uuid);
}

unsigned int attached_count(void) { return table.attached_count; }

const char *attached_uuid(unsigned int index) { return table.attached[index]; }
