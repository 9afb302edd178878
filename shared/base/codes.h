/*
 * Error codes: stable words by which programs tell failures apart. codes.def is their one table; a code that is
 * not in it does not compile, and lint reports a row that nothing uses. Pure functions, any thread.
 */
#ifndef MR_BASE_CODES_H
#define MR_BASE_CODES_H

#include "shared/base/status.h"

#include <stdbool.h>

enum mr_code {
    MR_CODE_NONE, /* no failure */
#define MR_CODE(name, text, status, http, places, meaning, remedy) MR_CODE_##name,
#include "shared/base/codes.def"
#undef MR_CODE
    MR_CODE_COUNT
};

/* Where a code appears; see codes.def. */
enum mr_code_place {
    MR_CODE_IN_ANSWER = 1,
    MR_CODE_IN_TASK = 2,
    MR_CODE_IN_WARNING = 4,
    MR_CODE_IN_DELIVERY = 8,
    MR_CODE_IN_LOG = 16,
    MR_CODE_IN_EMULATOR = 32,
    MR_CODE_IN_CHILD = 64,
    MR_CODE_IS_VERDICT = 128,
    MR_CODE_IN_CLIENT = 256,
};

struct mr_code_row {
    const char *name; /* the word that clients see, e.g. "invalid_media" */
    enum mr_status status;
    int http_status; /* of an answer; 0: that of the status */
    unsigned places; /* MR_CODE_IN_*, or'ed */
    const char *meaning, *remedy;
};

/* The row of a code. Never NULL: what is no code, MR_CODE_NONE included, gets the row of MR_CODE_INTERNAL. */
const struct mr_code_row *mr_code_row(enum mr_code code);

/* The word of a code. Never NULL. */
const char *mr_code_name(enum mr_code code);

/* True if a failure with this code is about the input, or what was asked of it: a task ends at once. */
bool mr_code_is_verdict(enum mr_code code);

/* The code of a word, MR_CODE_NONE for an unknown one. */
enum mr_code mr_code_find(const char *name);

/* The code that means no more than a status does; MR_CODE_NONE for MR_OK. */
enum mr_code mr_code_of_status(enum mr_status status);

#endif
