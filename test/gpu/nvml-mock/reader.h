/* Takes a scenario's file apart: lines of words, numbers and figures. */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stddef.h>

#include "figure.h"

struct reader {
    /* What is left of the line; NULL at its end. */
    char *rest;
    /* The first thing that was wrong. */
    char *problem;
    size_t problem_size;
    bool failed;
};

/* Notes what is wrong, unless something was before. What is read from then on does not count. */
void fail(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *next_word(struct reader *reader);
double next_number(struct reader *reader);
unsigned long long next_whole(struct reader *reader);
unsigned int next_uint(struct reader *reader);
double to_number(struct reader *reader, const char *word);

/* A word, or all the rest of the line, into a text of TEXT_SIZE. */
void take_word(struct reader *reader, char *text);
void take_text(struct reader *reader, char *text);

/* `5`, `error 3`, or `steps EVERY COUNT AT VALUE AT VALUE …`. */
void take_figure(struct reader *reader, struct figure *figure);

/* The list with room for one more, which is filled with zeros. */
void *grow(void *items, size_t count, size_t size);

/* The new last one of a list. */
#define APPEND(list, count) ((list) = grow((list), (count), sizeof *(list)), &(list)[(count)++])

#endif
