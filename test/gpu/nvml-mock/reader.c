#include "reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

void fail(struct reader *reader, const char *format, ...)
{
    if (reader->failed) return;
    reader->failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->problem, reader->problem_size, format, arguments);
    va_end(arguments);
}

void *grow(void *items, size_t count, size_t size)
{
    /* Grows by doubling: at 0, 1, 2, 4, 8 … the list is full. */
    if ((count & (count - 1)) == 0) {
        items = realloc(items, (count == 0 ? 1 : count * 2) * size);
        if (items == NULL) abort();
    }
    memset((char *)items + count * size, 0, size);
    return items;
}

const char *next_word(struct reader *reader)
{
    char *word = strsep(&reader->rest, " ");
    if (word != NULL && *word != '\0') return word;
    fail(reader, "a word is missing");
    return "";
}

void take_text(struct reader *reader, char *text)
{
    const char *rest = reader->rest == NULL ? "" : reader->rest;
    if (strlen(rest) >= TEXT_SIZE) fail(reader, "a text is too long: %s", rest);
    else strcpy(text, rest);
    reader->rest = NULL;
}

void take_word(struct reader *reader, char *text)
{
    const char *word = next_word(reader);
    if (strlen(word) >= TEXT_SIZE) fail(reader, "a word is too long: %s", word);
    else strcpy(text, word);
}

double to_number(struct reader *reader, const char *word)
{
    char *end = NULL;
    double number = strtod(word, &end);
    if (*word == '\0' || *end != '\0') fail(reader, "not a number: %s", word);
    return number;
}

double next_number(struct reader *reader) { return to_number(reader, next_word(reader)); }

unsigned long long next_whole(struct reader *reader)
{
    const char *word = next_word(reader);
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(word, &end, 10);
    if (*word == '\0' || *word == '-' || *end != '\0' || errno != 0)
        fail(reader, "not a whole number: %s", word);
    return number;
}

unsigned int next_uint(struct reader *reader) { return (unsigned int)next_whole(reader); }

void take_figure(struct reader *reader, struct figure *figure)
{
    const char *word = next_word(reader);
    if (strcmp(word, "error") == 0) {
        figure->kind = FIGURE_IS_ERROR;
        figure->error = (int)next_whole(reader);
        return;
    }
    if (strcmp(word, "steps") != 0) {
        figure->kind = FIGURE_IS_VALUE;
        figure->value = to_number(reader, word);
        return;
    }
    figure->kind = FIGURE_IS_STEPS;
    figure->every = next_number(reader);
    unsigned long long count = next_whole(reader);
    for (unsigned long long index = 0; index < count && !reader->failed; index += 1) {
        struct step *step = APPEND(figure->steps, figure->count);
        step->at = next_number(reader);
        step->value = next_number(reader);
    }
}
