#include <math.h>
#include <string.h>

#include "library.h"

nvmlReturn_t put_text(const char *text, char *buffer, unsigned int length)
{
    if (buffer == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return NVML_SUCCESS;
}

nvmlReturn_t read_figure(const struct call *call, enum figure_id id, double *value)
{
    const struct figure *figure = &call->unit->figures[id];
    if (figure->kind == FIGURE_IS_ABSENT) return NVML_ERROR_NOT_SUPPORTED;
    if (figure->kind == FIGURE_IS_ERROR) return figure->error;
    *value = figure_at(figure, call->now);
    return NVML_SUCCESS;
}

nvmlReturn_t read_ull(const struct call *call, enum figure_id id, unsigned long long *value)
{
    double number;
    if (value == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = read_figure(call, id, &number);
    if (status == NVML_SUCCESS) *value = (unsigned long long)(number + 0.5);
    return status;
}

nvmlReturn_t read_int(const struct call *call, enum figure_id id, int *value)
{
    double number;
    if (value == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = read_figure(call, id, &number);
    if (status == NVML_SUCCESS) *value = (int)lround(number);
    return status;
}

nvmlReturn_t read_uint(const struct call *call, enum figure_id id, unsigned int *value)
{
    unsigned long long number;
    if (value == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t status = read_ull(call, id, &number);
    if (status == NVML_SUCCESS) *value = (unsigned int)number;
    return status;
}

nvmlReturn_t read_energy(const struct call *call, unsigned long long *millijoules)
{
    nvmlReturn_t status = read_ull(call, FIGURE_energyMillijoules, millijoules);
    if (status != NVML_SUCCESS || !call->device->energy_follows_power) return status;
    double grown = figure_integral(&call->unit->figures[FIGURE_powerMilliwatts], 0, call->now);
    *millijoules += (unsigned long long)grown;
    return NVML_SUCCESS;
}
