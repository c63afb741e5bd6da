/* A figure of a scenario: a number, a number that changes at given times, or an error. */
#ifndef FIGURE_H
#define FIGURE_H

#include <stddef.h>

/* From `at` on, in seconds after the scenario's epoch, the figure has this value. */
struct step {
    double at;
    double value;
};

enum figure_kind { FIGURE_IS_ABSENT, FIGURE_IS_VALUE, FIGURE_IS_ERROR, FIGURE_IS_STEPS };

struct figure {
    enum figure_kind kind;
    double value;
    int error;
    /* The steps in the order of time; before the first one the value is 0. */
    struct step *steps;
    size_t count;
    /* Greater than 0: the steps begin again every so many seconds, from the epoch on. */
    double every;
};

/* The value at a time in seconds after the epoch. */
double figure_at(const struct figure *figure, double at);

/* The integral over the time from one instant to a later one. */
double figure_integral(const struct figure *figure, double from, double to);

/* The mean over the time from one instant to a later one. */
double figure_average(const struct figure *figure, double from, double to);

/* When the figure was last above 0 between two instants; NAN if it never was. */
double figure_last_active(const struct figure *figure, double from, double to);

#endif
