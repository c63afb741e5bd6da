/* nvmlDeviceGetFieldValues: many values in one call, each with a status of its own. */
#include <math.h>

#include "library.h"

enum { ALL_LINKS = 0xFFFFFFFF };

/* The fields that figures answer; the numbers and types are the header's. */
static const struct {
    unsigned int id;
    enum figure_id figure;
    int value_type;
    /* Where the figure is all links' together: a single link has its share of it. */
    bool is_of_links;
    bool is_absent_with_mig;
} known[] = {
    {82, FIGURE_memoryTemperatureCelsius, NVML_VALUE_UINT, false, false},
    {94, FIGURE_pcieReplays, NVML_VALUE_UINT, false, false},
    {138, FIGURE_nvlinkTransmitKibibytes, NVML_VALUE_ULONGLONG, true, false},
    {139, FIGURE_nvlinkReceiveKibibytes, NVML_VALUE_ULONGLONG, true, false},
    {142, FIGURE_remappedCorrectable, NVML_VALUE_UINT, false, true},
    {143, FIGURE_remappedUncorrectable, NVML_VALUE_UINT, false, true},
    {144, FIGURE_remappedPending, NVML_VALUE_UINT, false, true},
    {145, FIGURE_remappedFailure, NVML_VALUE_UINT, false, true},
    {185, FIGURE_powerMilliwatts, NVML_VALUE_UINT, false, false},
    {186, FIGURE_powerMilliwatts, NVML_VALUE_UINT, false, false},
    {197, FIGURE_pcieTransmitBytes, NVML_VALUE_ULONGLONG, false, false},
    {198, FIGURE_pcieReceiveBytes, NVML_VALUE_ULONGLONG, false, false},
    {230, FIGURE_recoveryAction, NVML_VALUE_UINT, false, false},
};

enum { KNOWN_COUNT = sizeof known / sizeof known[0], FIELD_ENERGY = 83 };

static void put_value(nvmlFieldValue_t *field, int value_type, double number)
{
    field->valueType = value_type;
    field->value.ullVal = 0;
    if (value_type == NVML_VALUE_DOUBLE) field->value.dVal = number;
    else if (value_type == 4) field->value.sllVal = llround(number);
    else if (value_type == 5) field->value.siVal = (int)lround(number);
    else if (value_type == 6) field->value.usVal = (unsigned short)(number + 0.5);
    else if (value_type == NVML_VALUE_UINT) field->value.uiVal = (unsigned int)(number + 0.5);
    else field->value.ullVal = (unsigned long long)(number + 0.5);
}

static nvmlReturn_t answer_from_scenario(const struct call *call, const struct field *said, nvmlFieldValue_t *field)
{
    if (said->figure.kind == FIGURE_IS_ERROR) return said->figure.error;
    put_value(field, said->value_type, figure_at(&said->figure, call->now));
    return NVML_SUCCESS;
}

static nvmlReturn_t answer_energy(const struct call *call, nvmlFieldValue_t *field)
{
    unsigned long long millijoules;
    nvmlReturn_t status = read_energy(call, &millijoules);
    if (status != NVML_SUCCESS) return status;
    field->valueType = NVML_VALUE_ULONGLONG;
    field->value.ullVal = millijoules;
    return NVML_SUCCESS;
}

static nvmlReturn_t answer_from_figure(const struct call *call, int index, nvmlFieldValue_t *field)
{
    double number;
    if (known[index].is_absent_with_mig && is_mig_enabled(call->device)) return NVML_ERROR_NOT_SUPPORTED;
    nvmlReturn_t status = read_figure(call, known[index].figure, &number);
    if (status != NVML_SUCCESS) return status;
    if (known[index].is_of_links && field->scopeId != ALL_LINKS) {
        unsigned int links;
        status = read_uint(call, FIGURE_nvlinkLinks, &links);
        if (status != NVML_SUCCESS) return status;
        if (field->scopeId >= links) return NVML_ERROR_INVALID_ARGUMENT;
        number /= links;
    }
    put_value(field, known[index].value_type, number);
    return NVML_SUCCESS;
}

static nvmlReturn_t answer_field(const struct call *call, nvmlFieldValue_t *field)
{
    for (size_t index = 0; index < call->device->field_count; index += 1) {
        const struct field *said = &call->device->fields[index];
        if (said->id == field->fieldId && said->scope == field->scopeId)
            return answer_from_scenario(call, said, field);
    }
    if (field->fieldId == FIELD_ENERGY) return answer_energy(call, field);
    for (int index = 0; index < KNOWN_COUNT; index += 1)
        if (known[index].id == field->fieldId) return answer_from_figure(call, index, field);
    return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t answer_fields(const struct call *call, int count, nvmlFieldValue_t *values)
{
    if (values == NULL || count <= 0) return NVML_ERROR_INVALID_ARGUMENT;
    for (int index = 0; index < count; index += 1) {
        values[index].timestamp = (long long)call->now_us;
        values[index].latencyUsec = 0;
        values[index].nvmlReturn = answer_field(call, &values[index]);
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
    ON_GPU(nvmlDeviceGetFieldValues, device, answer_fields(&call, count, values));
}
