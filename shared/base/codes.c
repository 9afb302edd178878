#include "shared/base/codes.h"

#include <string.h>

enum {
    ANSWER = MR_CODE_IN_ANSWER,
    TASK = MR_CODE_IN_TASK,
    WARNING = MR_CODE_IN_WARNING,
    DELIVERY = MR_CODE_IN_DELIVERY,
    LOG = MR_CODE_IN_LOG,
    EMULATOR = MR_CODE_IN_EMULATOR,
    CHILD = MR_CODE_IN_CHILD,
    VERDICT = MR_CODE_IS_VERDICT,
    CLIENT = MR_CODE_IN_CLIENT,
};

static const struct mr_code_row rows[MR_CODE_COUNT] = {
#define MR_CODE(name, text, status, http, places, meaning, remedy)                                           \
    [MR_CODE_##name] = {text, status, http, places, meaning, remedy},
#include "shared/base/codes.def"
#undef MR_CODE
};

static const enum mr_code of_status[MR_STATUS_COUNT] = {
    [MR_INVALID] = MR_CODE_INVALID,         [MR_UNAUTHENTICATED] = MR_CODE_UNAUTHENTICATED,
    [MR_DENIED] = MR_CODE_DENIED,           [MR_NOT_FOUND] = MR_CODE_NOT_FOUND,
    [MR_CONFLICT] = MR_CODE_CONFLICT,       [MR_TOO_LARGE] = MR_CODE_TOO_LARGE,
    [MR_UNSUPPORTED] = MR_CODE_UNSUPPORTED, [MR_CANCELED] = MR_CODE_CANCELED,
    [MR_INTERNAL] = MR_CODE_INTERNAL,       [MR_UNAVAILABLE] = MR_CODE_UNAVAILABLE,
    [MR_TIMEOUT] = MR_CODE_TIMEOUT,         [MR_EXHAUSTED] = MR_CODE_EXHAUSTED,
};

const struct mr_code_row *mr_code_row(enum mr_code code)
{
    bool known = code > MR_CODE_NONE && code < MR_CODE_COUNT;
    return &rows[known ? code : MR_CODE_INTERNAL];
}

const char *mr_code_name(enum mr_code code)
{
    return mr_code_row(code)->name;
}

bool mr_code_is_verdict(enum mr_code code)
{
    return (mr_code_row(code)->places & MR_CODE_IS_VERDICT) != 0;
}

enum mr_code mr_code_find(const char *name)
{
    for (enum mr_code code = MR_CODE_NONE + 1; code < MR_CODE_COUNT; code++)
        if (strcmp(rows[code].name, name) == 0)
            return code;
    return MR_CODE_NONE;
}

enum mr_code mr_code_of_status(enum mr_status status)
{
    return (unsigned)status < MR_STATUS_COUNT ? of_status[status] : MR_CODE_INTERNAL;
}
