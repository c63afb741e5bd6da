#include "status.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOLDERS_MAX = 64, STATUS_VERSION = 1 };

/* The layout that test/gpu/mock-status.ts reads. */

struct holder {
    uint32_t pid;
    uint32_t references;
    /* 0: nothing; else the number of the function plus 1. */
    uint32_t calling;
    /* Whether the process ended in an orderly way, or let go of the library. */
    uint32_t left;
    uint32_t event_sets;
    uint32_t gpm_samples;
    uint64_t reserved;
};

struct counter {
    char name[56];
    uint64_t calls;
};

struct status {
    char magic[8];
    uint32_t version;
    uint32_t symbols;
    uint32_t holders_max;
    uint32_t reserved;
    struct holder holders[HOLDERS_MAX];
    struct counter counters[SYMBOL_COUNT];
};

static struct status *status;
static struct holder *self;
static char opened[PATH_MAX];

static void lay_out(struct status *fresh)
{
    fresh->version = STATUS_VERSION;
    fresh->symbols = SYMBOL_COUNT;
    fresh->holders_max = HOLDERS_MAX;
    for (int symbol = 0; symbol < SYMBOL_COUNT; symbol += 1)
        strncpy(fresh->counters[symbol].name, symbol_names[symbol], sizeof fresh->counters[symbol].name - 1);
    memcpy(fresh->magic, "NVMLMOCK", sizeof fresh->magic);
}

static struct holder *take_holder(struct status *fresh)
{
    struct holder *found = NULL;
    uint32_t pid = (uint32_t)getpid();
    for (int index = 0; index < HOLDERS_MAX; index += 1) {
        struct holder *holder = &fresh->holders[index];
        if (holder->pid == pid) return holder;
        if (found == NULL && holder->pid == 0) found = holder;
    }
    if (found != NULL) found->pid = pid;
    return found;
}

void status_open(void)
{
    const char *path = getenv("NVML_MOCK_STATUS");
    if (path == NULL || strlen(path) >= sizeof opened || strcmp(path, opened) == 0) return;
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        fprintf(stderr, "nvml-mock: cannot open the status file %s\n", path);
        return;
    }
    struct stat facts;
    struct status *mapped = MAP_FAILED;
    if (flock(descriptor, LOCK_EX) == 0 && fstat(descriptor, &facts) == 0 &&
        (facts.st_size > 0 || ftruncate(descriptor, sizeof *status) == 0))
        mapped = mmap(NULL, sizeof *status, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) {
        if (mapped->version == 0) lay_out(mapped);
        status = mapped;
        self = take_holder(mapped);
        if (self != NULL) self->left = 0;
        strcpy(opened, path);
    }
    /* The mapping outlives the descriptor, and so would the lock. That of another file before is left to the end. */
    flock(descriptor, LOCK_UN);
    close(descriptor);
}

void status_call(enum symbol symbol)
{
    if (status == NULL) return;
    __atomic_fetch_add(&status->counters[symbol].calls, 1, __ATOMIC_RELAXED);
    if (self != NULL) __atomic_store_n(&self->calling, (uint32_t)symbol + 1, __ATOMIC_RELAXED);
}

void status_return(void)
{
    if (self != NULL) __atomic_store_n(&self->calling, 0, __ATOMIC_RELAXED);
}

void status_hold(unsigned int references, unsigned int event_sets, unsigned int gpm_samples)
{
    if (self == NULL) return;
    __atomic_store_n(&self->references, references, __ATOMIC_RELAXED);
    __atomic_store_n(&self->event_sets, event_sets, __ATOMIC_RELAXED);
    __atomic_store_n(&self->gpm_samples, gpm_samples, __ATOMIC_RELAXED);
}

__attribute__((destructor)) static void leave(void)
{
    if (self != NULL) __atomic_store_n(&self->left, 1, __ATOMIC_RELAXED);
}
