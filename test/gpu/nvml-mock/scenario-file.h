/* The scenario's file: found by the environment, read again whenever it has changed. */
#ifndef SCENARIO_FILE_H
#define SCENARIO_FILE_H

#include "scenario.h"

/* Takes the path from NVML_MOCK_SCENARIO, and looks at the file anew. */
void scenario_file_open(void);

/* Reads the file where it has changed. `*current` is what it says, NULL where there is none: no driver is loaded. */
nvmlReturn_t scenario_file_look(const struct scenario **current);

#endif
