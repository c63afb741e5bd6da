#include "library.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "faults.h"
#include "handles.h"
#include "scenario-file.h"
#include "status.h"

enum { HANG_LOOK_MS = 5 };

#define SYMBOL_NAME(name, parameters) #name,
const char *const symbol_names[SYMBOL_COUNT] = {SYMBOLS(SYMBOL_NAME)};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    unsigned int references;
    unsigned int event_sets;
    unsigned int gpm_samples;
} library;

static unsigned long long wall_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (unsigned long long)now.tv_sec * 1000000ULL + (unsigned long long)now.tv_nsec / 1000;
}

static nvmlReturn_t take_scenario(struct call *call)
{
    nvmlReturn_t status = scenario_file_look(&call->scenario);
    if (status != NVML_SUCCESS) return status;
    call->now_us = call->scenario->frozen_us != 0 ? call->scenario->frozen_us : wall_clock_us();
    call->now = (double)((long long)call->now_us - (long long)call->scenario->epoch_us) / 1e6;
    return NVML_SUCCESS;
}

static void sleep_unlocked(unsigned int milliseconds)
{
    pthread_mutex_unlock(&lock);
    struct timespec left = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000L};
    /* A signal's handler does not bring a blocked call back. */
    while (nanosleep(&left, &left) != 0) continue;
    pthread_mutex_lock(&lock);
}

/* An error's code; a hang is over when the scenario says so no longer, and then the call goes on. */
static nvmlReturn_t do_fault(struct call *call, nvmlDevice_t handle)
{
    const struct fault *fault = find_fault(call);
    if (fault == NULL) return NVML_SUCCESS;
    if (!fault->hangs) return fault->error;
    char key[TEXT_SIZE];
    strcpy(key, fault->key);
    nvmlReturn_t status;
    do {
        sleep_unlocked(HANG_LOOK_MS);
        status = take_scenario(call);
    } while (still_hangs(call->scenario, key));
    /* By now the scenario is another one. */
    if (status == NVML_SUCCESS && call->unit != NULL) status = find_unit(call, handle);
    return status;
}

static void enter(struct call *call, enum symbol symbol)
{
    pthread_mutex_lock(&lock);
    memset(call, 0, sizeof *call);
    call->symbol = symbol;
    status_call(symbol);
}

nvmlReturn_t begin_init(struct call *call, enum symbol symbol)
{
    pthread_mutex_lock(&lock);
    status_open();
    if (library.references == 0) scenario_file_open();
    pthread_mutex_unlock(&lock);
    enter(call, symbol);
    nvmlReturn_t status = take_scenario(call);
    if (status == NVML_SUCCESS) status = do_fault(call, NULL);
    return status == NVML_SUCCESS ? call->scenario->init_error : status;
}

nvmlReturn_t begin(struct call *call, enum symbol symbol)
{
    enter(call, symbol);
    if (library.references == 0) return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t status = take_scenario(call);
    return status == NVML_SUCCESS ? do_fault(call, NULL) : status;
}

nvmlReturn_t begin_unit(struct call *call, enum symbol symbol, nvmlDevice_t handle)
{
    enter(call, symbol);
    if (library.references == 0) return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t status = take_scenario(call);
    if (status == NVML_SUCCESS) status = find_unit(call, handle);
    if (status == NVML_SUCCESS) status = do_fault(call, handle);
    return status == NVML_SUCCESS && call->device->lost ? NVML_ERROR_GPU_IS_LOST : status;
}

nvmlReturn_t begin_gpu(struct call *call, enum symbol symbol, nvmlDevice_t handle)
{
    nvmlReturn_t status = begin_unit(call, symbol, handle);
    if (status == NVML_SUCCESS && call->instance != NULL) status = NVML_ERROR_NOT_SUPPORTED;
    return status;
}

nvmlReturn_t finish(struct call *call, nvmlReturn_t status)
{
    (void)call;
    status_return();
    pthread_mutex_unlock(&lock);
    return status;
}

void wait_unlocked(struct call *call, unsigned int milliseconds)
{
    sleep_unlocked(milliseconds);
    take_scenario(call);
}

unsigned int reference_count(void) { return library.references; }

static void tell_status(void) { status_hold(library.references, library.event_sets, library.gpm_samples); }

void set_reference_count(unsigned int references)
{
    library.references = references;
    tell_status();
}

void note_event_sets(unsigned int count)
{
    library.event_sets = count;
    tell_status();
}

void note_gpm_samples(unsigned int count)
{
    library.gpm_samples = count;
    tell_status();
}

bool is_mig_enabled(const struct device *device) { return device->mig_capable && device->mig_mode == 1; }
