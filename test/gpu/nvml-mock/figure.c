#include "figure.h"

#include <math.h>

static double larger(double a, double b) { return a > b ? a : b; }

static double smaller(double a, double b) { return a < b ? a : b; }

/* Where a step ends: at the next one, or at the end of the period, or never. */
static double end_of_step(const struct figure *figure, size_t index)
{
    if (index + 1 < figure->count) return figure->steps[index + 1].at;
    return figure->every > 0 ? figure->every : INFINITY;
}

static double integral_of_steps(const struct figure *figure, double from, double to)
{
    double sum = 0;
    for (size_t index = 0; index < figure->count; index += 1) {
        double start = larger(from, figure->steps[index].at);
        double end = smaller(to, end_of_step(figure, index));
        if (end > start) sum += (end - start) * figure->steps[index].value;
    }
    return sum;
}

/* The integral from the epoch on of steps that begin again and again. */
static double integral_of_periods(const struct figure *figure, double to)
{
    if (to <= 0) return 0;
    double periods = floor(to / figure->every);
    return periods * integral_of_steps(figure, 0, figure->every) +
           integral_of_steps(figure, 0, to - periods * figure->every);
}

static double last_active_of_steps(const struct figure *figure, double from, double to)
{
    for (size_t index = figure->count; index > 0; index -= 1) {
        if (figure->steps[index - 1].value <= 0) continue;
        double start = larger(from, figure->steps[index - 1].at);
        double end = smaller(to, end_of_step(figure, index - 1));
        if (end > start) return end;
    }
    return NAN;
}

double figure_at(const struct figure *figure, double at)
{
    if (figure->kind == FIGURE_IS_VALUE) return figure->value;
    if (figure->kind != FIGURE_IS_STEPS) return 0;
    if (figure->every > 0) {
        if (at < 0) return 0;
        at = fmod(at, figure->every);
    }
    double value = 0;
    for (size_t index = 0; index < figure->count && figure->steps[index].at <= at; index += 1)
        value = figure->steps[index].value;
    return value;
}

double figure_integral(const struct figure *figure, double from, double to)
{
    if (to <= from) return 0;
    if (figure->kind == FIGURE_IS_VALUE) return (to - from) * figure->value;
    if (figure->kind != FIGURE_IS_STEPS) return 0;
    if (figure->every > 0) return integral_of_periods(figure, to) - integral_of_periods(figure, from);
    return integral_of_steps(figure, from, to);
}

double figure_average(const struct figure *figure, double from, double to)
{
    return to > from ? figure_integral(figure, from, to) / (to - from) : figure_at(figure, to);
}

double figure_last_active(const struct figure *figure, double from, double to)
{
    if (to <= from) return NAN;
    if (figure->kind == FIGURE_IS_VALUE) return figure->value > 0 ? to : NAN;
    if (figure->kind != FIGURE_IS_STEPS) return NAN;
    if (figure->every <= 0) return last_active_of_steps(figure, from, to);
    /* Where the current period has none, the one before is whole, as far as it is asked about. */
    double period = floor(to / figure->every);
    for (int back = 0; back < 2 && period - back >= 0; back += 1) {
        double shift = (period - back) * figure->every;
        double found = last_active_of_steps(figure, from - shift, to - shift);
        if (!isnan(found)) return found + shift;
    }
    return NAN;
}
