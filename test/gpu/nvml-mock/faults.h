/* What a scenario makes go wrong: functions that answer errors, and lists that grow between two calls. */
#ifndef FAULTS_H
#define FAULTS_H

#include "library.h"

/* The fault that this call meets; NULL where it meets none. Counts the call for those that it could meet. */
const struct fault *find_fault(const struct call *call);

/* Whether a function is still to hang. */
bool still_hangs(const struct scenario *scenario, const char *key);

/* A fault that is no longer in the file begins anew if it comes back. */
void forget_counters(const struct scenario *scenario);

/* How many there are, as a too small buffer is told: fewer the first few times, as if the list grew meanwhile. */
unsigned int understated(const struct call *call, unsigned int count);

#endif
