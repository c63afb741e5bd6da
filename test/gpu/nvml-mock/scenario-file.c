#include "scenario-file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "faults.h"

/*
 * Within such a time nobody can have written a scenario and called: asking the kernel at each of a cycle's hundreds of
 * calls would cost more than the cycle.
 */
enum { UNCHANGED_FOR_NS = 20 * 1000 };

static struct {
    char path[PATH_MAX];
    struct stat facts;
    unsigned long long looked_at_ns;
    /* NULL: there is no file, or it makes no sense. */
    struct scenario *current;
    bool broken;
} file;

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static char *read_text(const char *path)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL) return NULL;
    char *text = NULL;
    size_t size = 0;
    /* No scenario has a zero byte: this reads it whole. */
    ssize_t length = getdelim(&text, &size, '\0', stream);
    fclose(stream);
    if (length >= 0) return text;
    free(text);
    return strdup("");
}

static void replace_scenario(struct scenario *scenario)
{
    scenario_free(file.current);
    file.current = scenario;
    forget_counters(scenario);
}

static void read_again(void)
{
    char problem[512] = "";
    char *text = read_text(file.path);
    file.broken = false;
    if (text == NULL) {
        replace_scenario(NULL);
        return;
    }
    struct scenario *scenario = scenario_parse(text, problem, sizeof problem);
    free(text);
    if (scenario == NULL) {
        file.broken = true;
        fprintf(stderr, "nvml-mock: %s: %s\n", file.path, problem);
    }
    replace_scenario(scenario);
}

static void look_at_file(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned long long now_ns = (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
    if (file.looked_at_ns != 0 && now_ns - file.looked_at_ns < UNCHANGED_FOR_NS) return;
    file.looked_at_ns = now_ns;
    struct stat facts;
    if (stat(file.path, &facts) != 0) {
        memset(&file.facts, 0, sizeof file.facts);
        file.broken = false;
        if (file.current != NULL) replace_scenario(NULL);
    } else if (!is_same_file(&facts, &file.facts)) {
        file.facts = facts;
        read_again();
    }
}

void scenario_file_open(void)
{
    const char *path = getenv("NVML_MOCK_SCENARIO");
    snprintf(file.path, sizeof file.path, "%s", path == NULL ? "" : path);
    file.looked_at_ns = 0;
}

nvmlReturn_t scenario_file_look(const struct scenario **current)
{
    look_at_file();
    *current = file.current;
    if (file.broken) return NVML_ERROR_UNKNOWN;
    return file.current == NULL ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_SUCCESS;
}
