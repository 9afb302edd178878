/*
 * Fuzz targets: functions that take any bytes, give them to a parser of hostile input, and check what must hold for
 * every input. libFuzzer drives them (main.c, run.sh); tests/unit/test_fuzz_corpus.c replays the files of corpus/ on
 * every build.
 *
 * To add a target: target_NAME.c, a row in targets.c, seeds in corpus/NAME/.
 */
#ifndef MR_TESTS_FUZZ_H
#define MR_TESTS_FUZZ_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct mr_fuzz_target {
    const char *name;
    void (*run)(const uint8_t *data, size_t len);
};
/* The target of that name; NULL if there is none. Iteration: 0, 1, …; NULL past the last. */
const struct mr_fuzz_target *mr_fuzz_find(const char *name);
const struct mr_fuzz_target *mr_fuzz_at(size_t index);

void mr_fuzz_form(const uint8_t *data, size_t len);
void mr_fuzz_jwt(const uint8_t *data, size_t len);
void mr_fuzz_options(const uint8_t *data, size_t len);
void mr_fuzz_push(const uint8_t *data, size_t len);
void mr_fuzz_ranges(const uint8_t *data, size_t len);
void mr_fuzz_request(const uint8_t *data, size_t len);
void mr_fuzz_routing(const uint8_t *data, size_t len);
void mr_fuzz_sandbox_child(const uint8_t *data, size_t len);
void mr_fuzz_sandbox_parent(const uint8_t *data, size_t len);

/* The bytes with a NUL behind them; the caller frees. */
static inline char *mr_fuzz_text(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    if (!text)
        abort();
    memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

/* Stops the run when something that must hold for every input does not. */
#define MR_HOLDS(condition)                                                                                  \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* What holds for every failure: it has a status, and a message of storable, printable text. */
void mr_fuzz_check_failure(enum mr_status status, const struct mr_err *err);

#endif
