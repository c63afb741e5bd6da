#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

/*
 * The file is lines of words, each line a statement; what a statement is about (a device, an instance, a process) is
 * what was named last. test/gpu/scenario-text.ts writes it.
 */

struct parser {
    struct reader reader;
    struct scenario *scenario;
    struct device *device;
    /* The device itself, or the instance that was named last. */
    struct unit *unit;
    struct process *process;
    bool ended;
};

static enum figure_id to_figure_id(struct reader *reader, const char *word)
{
#define FIGURE_NAME(name) #name,
    static const char *const names[FIGURE_COUNT] = {FIGURES(FIGURE_NAME)};
    for (int id = 0; id < FIGURE_COUNT; id += 1)
        if (strcmp(word, names[id]) == 0) return (enum figure_id)id;
    fail(reader, "not a figure: %s", word);
    return (enum figure_id)0;
}

static enum symbol to_symbol(struct reader *reader, const char *word)
{
    if (strcmp(word, "*") == 0) return SYMBOL_COUNT;
    for (int symbol = 0; symbol < SYMBOL_COUNT; symbol += 1)
        if (strcmp(word, symbol_names[symbol]) == 0) return (enum symbol)symbol;
    fail(reader, "not a function: %s", word);
    return SYMBOL_COUNT;
}

/* Statements about the machine. */

static void read_fault(struct parser *parser)
{
    struct fault *fault = APPEND(parser->scenario->faults, parser->scenario->fault_count);
    take_word(&parser->reader, fault->key);
    fault->symbol = to_symbol(&parser->reader, next_word(&parser->reader));
    take_word(&parser->reader, fault->uuid);
    if (strcmp(fault->uuid, "*") == 0) fault->uuid[0] = '\0';
    const char *answer = next_word(&parser->reader);
    fault->hangs = strcmp(answer, "hang") == 0;
    if (!fault->hangs) fault->error = (int)to_number(&parser->reader, answer);
    fault->skip = next_uint(&parser->reader);
    fault->times = next_uint(&parser->reader);
}

static void read_event(struct parser *parser)
{
    struct event *event = APPEND(parser->scenario->events, parser->scenario->event_count);
    event->sequence = next_whole(&parser->reader);
    take_word(&parser->reader, event->uuid);
    event->type = next_whole(&parser->reader);
    event->data = next_whole(&parser->reader);
    event->gpu_instance = next_uint(&parser->reader);
    event->compute_instance = next_uint(&parser->reader);
}

static void read_sampling(struct parser *parser)
{
    struct scenario *scenario = parser->scenario;
    scenario->sample_period_us = next_whole(&parser->reader);
    scenario->sample_buffer_us = next_whole(&parser->reader);
    scenario->sample_capacity = next_uint(&parser->reader);
    scenario->averaging = (enum averaging)next_whole(&parser->reader);
    scenario->skips_idle = next_whole(&parser->reader) != 0;
    scenario->stamps_uptime = next_whole(&parser->reader) != 0;
    if (scenario->sample_period_us == 0) fail(&parser->reader, "a sampling period of 0");
}

static bool read_machine(struct parser *parser, const char *keyword)
{
    struct scenario *scenario = parser->scenario;
    if (strcmp(keyword, "driver") == 0) take_text(&parser->reader, scenario->driver_version);
    else if (strcmp(keyword, "nvml") == 0) take_text(&parser->reader, scenario->nvml_version);
    else if (strcmp(keyword, "cuda") == 0) scenario->cuda_version = (int)next_whole(&parser->reader);
    else if (strcmp(keyword, "init") == 0) scenario->init_error = (int)next_whole(&parser->reader);
    else if (strcmp(keyword, "epoch") == 0) scenario->epoch_us = next_whole(&parser->reader);
    else if (strcmp(keyword, "frozen") == 0) scenario->frozen_us = next_whole(&parser->reader);
    else if (strcmp(keyword, "process-entry") == 0) scenario->process_entry_bytes = next_uint(&parser->reader);
    else if (strcmp(keyword, "sampling") == 0) read_sampling(parser);
    else if (strcmp(keyword, "fault") == 0) read_fault(parser);
    else if (strcmp(keyword, "event") == 0) read_event(parser);
    else return false;
    return true;
}

/* Statements about a device. */

static void read_mig(struct parser *parser)
{
    struct device *device = parser->device;
    device->mig_capable = true;
    device->mig_mode = next_uint(&parser->reader);
    device->mig_pending = next_uint(&parser->reader);
    device->mig_max = next_uint(&parser->reader);
    device->mig_hole_error = (int)next_whole(&parser->reader);
}

static void read_profile(struct parser *parser)
{
    struct profile *profile = APPEND(parser->device->profiles, parser->device->profile_count);
    profile->profile = next_uint(&parser->reader);
    profile->id = next_uint(&parser->reader);
    profile->slices = next_uint(&parser->reader);
    profile->instances = next_uint(&parser->reader);
    profile->multiprocessors = next_uint(&parser->reader);
    profile->memory_mebibytes = next_whole(&parser->reader);
    take_text(&parser->reader, profile->name);
}

static void read_process(struct parser *parser)
{
    struct process *process = APPEND(parser->device->processes, parser->device->process_count);
    process->pid = next_uint(&parser->reader);
    const char *memory = next_word(&parser->reader);
    process->memory_known = strcmp(memory, "unknown") != 0;
    if (process->memory_known) process->memory_bytes = (unsigned long long)to_number(&parser->reader, memory);
    process->lists = next_uint(&parser->reader);
    process->gpu_instance = next_uint(&parser->reader);
    process->compute_instance = next_uint(&parser->reader);
    parser->process = process;
}

static void read_share(struct parser *parser)
{
    const char *kind = next_word(&parser->reader);
    struct process *process = parser->process;
    if (process == NULL) fail(&parser->reader, "a share before a process");
    else if (strcmp(kind, "sm") == 0) take_figure(&parser->reader, &process->sm);
    else if (strcmp(kind, "memory") == 0) take_figure(&parser->reader, &process->memory);
    else if (strcmp(kind, "encoder") == 0) take_figure(&parser->reader, &process->encoder);
    else if (strcmp(kind, "decoder") == 0) take_figure(&parser->reader, &process->decoder);
    else fail(&parser->reader, "not a share: %s", kind);
}

static void read_garbage(struct parser *parser)
{
    struct garbage *garbage = APPEND(parser->device->garbage, parser->device->garbage_count);
    garbage->pid = next_uint(&parser->reader);
    garbage->sm = next_uint(&parser->reader);
    garbage->memory = next_uint(&parser->reader);
    garbage->encoder = next_uint(&parser->reader);
    garbage->decoder = next_uint(&parser->reader);
    const char *time = next_word(&parser->reader);
    if (strcmp(time, "zero") == 0) garbage->time = GARBAGE_ZERO;
    else if (strcmp(time, "stale") == 0) garbage->time = GARBAGE_STALE;
    else if (strcmp(time, "newest") == 0) garbage->time = GARBAGE_NEWEST;
    else fail(&parser->reader, "not a time: %s", time);
}

static void read_instance(struct parser *parser)
{
    struct instance *instance = APPEND(parser->device->instances, parser->device->instance_count);
    instance->index = next_uint(&parser->reader);
    instance->gpu_instance = next_uint(&parser->reader);
    instance->compute_instance = next_uint(&parser->reader);
    instance->gpu_slices = next_uint(&parser->reader);
    instance->compute_slices = next_uint(&parser->reader);
    instance->multiprocessors = next_uint(&parser->reader);
    parser->unit = &instance->unit;
}

static void read_field(struct parser *parser)
{
    struct field *field = APPEND(parser->device->fields, parser->device->field_count);
    field->id = next_uint(&parser->reader);
    field->scope = next_uint(&parser->reader);
    field->value_type = (int)next_whole(&parser->reader);
    take_figure(&parser->reader, &field->figure);
}

static void read_retired(struct parser *parser)
{
    struct retired_page *page = APPEND(parser->device->retired, parser->device->retired_count);
    page->cause = (int)next_whole(&parser->reader);
    page->address = next_whole(&parser->reader);
}

static bool read_device(struct parser *parser, const char *keyword)
{
    struct device *device = parser->device;
    if (strcmp(keyword, "serial") == 0) take_text(&parser->reader, device->serial);
    else if (strcmp(keyword, "vbios") == 0) take_text(&parser->reader, device->vbios);
    else if (strcmp(keyword, "bus-id") == 0) take_text(&parser->reader, device->bus_id);
    else if (strcmp(keyword, "lost") == 0) device->lost = true;
    else if (strcmp(keyword, "gpm-supported") == 0) device->gpm_supported = true;
    else if (strcmp(keyword, "energy-follows-power") == 0) device->energy_follows_power = true;
    else if (strcmp(keyword, "mig") == 0) read_mig(parser);
    else if (strcmp(keyword, "profile") == 0) read_profile(parser);
    else if (strcmp(keyword, "process") == 0) read_process(parser);
    else if (strcmp(keyword, "share") == 0) read_share(parser);
    else if (strcmp(keyword, "garbage") == 0) read_garbage(parser);
    else if (strcmp(keyword, "instance") == 0) read_instance(parser);
    else if (strcmp(keyword, "field") == 0) read_field(parser);
    else if (strcmp(keyword, "retired") == 0) read_retired(parser);
    else if (strcmp(keyword, "understate") == 0) {
        device->understate_by = next_uint(&parser->reader);
        device->understate_times = next_uint(&parser->reader);
    } else return false;
    return true;
}

/* Statements about a device or an instance. */
static bool read_unit(struct parser *parser, const char *keyword)
{
    struct unit *unit = parser->unit;
    if (strcmp(keyword, "uuid") == 0) take_text(&parser->reader, unit->uuid);
    else if (strcmp(keyword, "name") == 0) take_text(&parser->reader, unit->name);
    else if (strcmp(keyword, "figure") == 0)
        take_figure(&parser->reader, &unit->figures[to_figure_id(&parser->reader, next_word(&parser->reader))]);
    else if (strcmp(keyword, "gpm") == 0) {
        struct gpm_metric *metric = APPEND(unit->gpm, unit->gpm_count);
        metric->id = next_uint(&parser->reader);
        take_figure(&parser->reader, &metric->figure);
    } else return false;
    return true;
}

static void begin_device(struct parser *parser)
{
    if (parser->scenario->device_count == DEVICES_MAX) fail(&parser->reader, "too many devices");
    struct device *device = APPEND(parser->scenario->devices, parser->scenario->device_count);
    parser->device = device;
    parser->unit = &device->unit;
    parser->process = NULL;
}

static void read_line(struct parser *parser, char *line)
{
    parser->reader.rest = line;
    const char *keyword = next_word(&parser->reader);
    if (strcmp(keyword, "end") == 0) parser->ended = true;
    else if (strcmp(keyword, "device") == 0) begin_device(parser);
    else if (!read_machine(parser, keyword) &&
             (parser->device == NULL || (!read_device(parser, keyword) && !read_unit(parser, keyword))))
        fail(&parser->reader, "not a statement here: %s", keyword);
    if (parser->reader.rest != NULL) fail(&parser->reader, "too many words: %s", parser->reader.rest);
}

struct scenario *scenario_parse(char *text, char *problem, size_t problem_size)
{
    struct scenario *scenario = calloc(1, sizeof *scenario);
    if (scenario == NULL) abort();
    struct parser parser = {.scenario = scenario,
                            .reader = {.problem = problem, .problem_size = problem_size}};
    unsigned int number = 0;
    char *line;
    while (!parser.reader.failed && !parser.ended && (line = strsep(&text, "\n")) != NULL) {
        number += 1;
        if (number == 1) {
            if (strcmp(line, "nvml-mock 1") != 0) fail(&parser.reader, "not a scenario of version 1");
        } else read_line(&parser, line);
    }
    if (!parser.reader.failed && !parser.ended) fail(&parser.reader, "the end is missing");
    if (!parser.reader.failed) return scenario;
    size_t length = strlen(problem);
    snprintf(problem + length, problem_size - length, " (line %u)", number);
    scenario_free(scenario);
    return NULL;
}

static void free_unit(struct unit *unit)
{
    for (int id = 0; id < FIGURE_COUNT; id += 1) free(unit->figures[id].steps);
    for (size_t index = 0; index < unit->gpm_count; index += 1) free(unit->gpm[index].figure.steps);
    free(unit->gpm);
}

static void free_device(struct device *device)
{
    free_unit(&device->unit);
    for (size_t index = 0; index < device->process_count; index += 1) {
        free(device->processes[index].sm.steps);
        free(device->processes[index].memory.steps);
        free(device->processes[index].encoder.steps);
        free(device->processes[index].decoder.steps);
    }
    for (size_t index = 0; index < device->instance_count; index += 1) free_unit(&device->instances[index].unit);
    for (size_t index = 0; index < device->field_count; index += 1) free(device->fields[index].figure.steps);
    free(device->processes);
    free(device->garbage);
    free(device->fields);
    free(device->profiles);
    free(device->retired);
    free(device->instances);
}

void scenario_free(struct scenario *scenario)
{
    if (scenario == NULL) return;
    for (size_t index = 0; index < scenario->device_count; index += 1) free_device(&scenario->devices[index]);
    free(scenario->devices);
    free(scenario->faults);
    free(scenario->events);
    free(scenario);
}
