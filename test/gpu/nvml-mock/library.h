/* What all functions of the library share: the scenario, the handles, and what happens at the start of every call. */
#ifndef LIBRARY_H
#define LIBRARY_H

#include "nvml-abi.h"
#include "scenario.h"
#include "symbols.h"

/* A call under way. While it is, the library is locked. */
struct call {
    enum symbol symbol;
    const struct scenario *scenario;
    /* The device it is about, and the MIG instance if the handle is one's. */
    struct device *device;
    struct instance *instance;
    /* The device's, or the instance's. */
    struct unit *unit;
    /* CLOCK_REALTIME, or where the scenario's clock stands. */
    unsigned long long now_us;
    /* In seconds after the scenario's epoch. */
    double now;
};

/*
 * The start of a call: counts it, reads the scenario again where it changed, and does what a fault says. Every one of
 * them locks the library, whatever it answers, and finish() unlocks it.
 */
nvmlReturn_t begin(struct call *call, enum symbol symbol);
/* For functions that take the handle of a GPU or of a MIG instance. */
nvmlReturn_t begin_unit(struct call *call, enum symbol symbol, nvmlDevice_t handle);
/* For functions that do not know MIG instances. */
nvmlReturn_t begin_gpu(struct call *call, enum symbol symbol, nvmlDevice_t handle);
/* For functions that initialise the library. */
nvmlReturn_t begin_init(struct call *call, enum symbol symbol);

nvmlReturn_t finish(struct call *call, nvmlReturn_t status);

/* The body of a function that is one expression. */
#define ANSWER(start, expression) \
    do { \
        struct call call; \
        nvmlReturn_t status = start; \
        return finish(&call, status == NVML_SUCCESS ? (expression) : status); \
    } while (0)
#define ON_MACHINE(function, expression) ANSWER(begin(&call, SYMBOL_##function), expression)
#define ON_GPU(function, handle, expression) ANSWER(begin_gpu(&call, SYMBOL_##function, handle), expression)
#define ON_UNIT(function, handle, expression) ANSWER(begin_unit(&call, SYMBOL_##function, handle), expression)

/* Lets others in while a call waits, and then brings the call up to the scenario as it is by then. */
void wait_unlocked(struct call *call, unsigned int milliseconds);

/* How often the library has been initialised without a shutdown. */
unsigned int reference_count(void);
void set_reference_count(unsigned int references);

/* How many event sets and samples there are, for the status file. */
void note_event_sets(unsigned int count);
void note_gpm_samples(unsigned int count);

/* A text into a client's buffer: INVALID_ARGUMENT without one, INSUFFICIENT_SIZE where it does not fit. */
nvmlReturn_t put_text(const char *text, char *buffer, unsigned int length);

/* A figure's value now: NOT_SUPPORTED where the scenario has none, or the scenario's own error. */
nvmlReturn_t read_figure(const struct call *call, enum figure_id id, double *value);
nvmlReturn_t read_uint(const struct call *call, enum figure_id id, unsigned int *value);
nvmlReturn_t read_int(const struct call *call, enum figure_id id, int *value);
nvmlReturn_t read_ull(const struct call *call, enum figure_id id, unsigned long long *value);
/* Power or energy, which the one may follow from the other. */
nvmlReturn_t read_energy(const struct call *call, unsigned long long *millijoules);

/* Whether a device is cut into MIG instances now; many functions do not answer then. */
bool is_mig_enabled(const struct device *device);

#endif
