/*
 * Handles, and what they stand for. They are numbers that pass for pointers, new ones with each initialisation, so that
 * a client that keeps an old one is found out.
 */
#ifndef HANDLES_H
#define HANDLES_H

#include "library.h"

enum handle_kind { HANDLE_DEVICE = 1, HANDLE_EVENT_SET = 2, HANDLE_GPM_SAMPLE = 3 };

void *make_handle(enum handle_kind kind, unsigned int slot);
/* The slot of a handle; -1 where it is none of this kind, or from before the last initialisation. */
int handle_slot(enum handle_kind kind, const void *handle);

/* The handle of a device or instance, by its UUID. */
nvmlDevice_t handle_of(const char *uuid);

/* Finds what a handle stands for in the scenario of a call. */
nvmlReturn_t find_unit(struct call *call, nvmlDevice_t handle);

struct device *find_device(const struct scenario *scenario, const char *uuid);
struct instance *find_instance(const struct scenario *scenario, const char *uuid, struct device **device);

/* The devices there are when the library is initialised, in NVML's order; it knows no others until the next time. */
void attach_devices(const struct scenario *scenario);
unsigned int attached_count(void);
const char *attached_uuid(unsigned int index);

#endif
