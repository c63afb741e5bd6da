/*
 * The status file: who holds NVML, what was called how often, and what is being called now. It is memory shared with
 * whoever reads the file, so that it is right even after a process was killed in the middle of a call.
 */
#ifndef STATUS_H
#define STATUS_H

#include "symbols.h"

/* Takes up the file that NVML_MOCK_STATUS names, if it names one and it is not taken up yet. */
void status_open(void);

/* A call begins, or is over. */
void status_call(enum symbol symbol);
void status_return(void);

/* How often this process has initialised the library without shutting it down, and what it has not freed. */
void status_hold(unsigned int references, unsigned int event_sets, unsigned int gpm_samples);

#endif
