/*
 * Status and error: how every function that can fail reports its failure.
 *
 * A fallible function returns `enum mr_status` and takes `struct mr_err *err` last. On success it returns
 * MR_OK and leaves err untouched. On failure it fills err (when not NULL) through mr_fail(); callers add
 * context with mr_wrap() ("create task: …"). Libraries never log; the boundary (handler, main) logs once.
 *
 * The status separates what a retry can cure from what it cannot: mr_status_is_transient(). The message is stored
 * inline, so reporting never allocates. Any thread may use these on its own objects.
 */
#ifndef MR_BASE_ERR_H
#define MR_BASE_ERR_H

#include "shared/base/codes.h"
#include "shared/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_ERR_MESSAGE_MAX 400

struct mr_err {
    enum mr_status status;
    enum mr_code code;                /* for programs; never MR_CODE_NONE on failure */
    int retry_after_s;                /* when the same may succeed; 0: not known */
    char message[MR_ERR_MESSAGE_MAX]; /* a sentence for people, UTF-8 without control characters, whatever it
                                         quotes; cut if it does not fit */
};

#define MR_MUST_CHECK __attribute__((warn_unused_result))

/* Returns the status of call from the calling function unless it is MR_OK. Nothing leaks: what a function owns
 * stands in locals with a cleanup attribute (cleanup.h). */
#define MR_TRY(call)                                                                                         \
    do {                                                                                                     \
        enum mr_status try_status_ = (call);                                                                 \
        if (try_status_ != MR_OK)                                                                            \
            return try_status_;                                                                              \
    } while (0)

/* Fills err (NULL allowed) and returns status, so that `return mr_fail(...)` reads well. The code is that of
 * the status. */
enum mr_status mr_fail(struct mr_err *err, enum mr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As mr_fail, with a code of the table, which says the status as well. */
enum mr_status mr_fail_code(struct mr_err *err, enum mr_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As mr_fail_code, where the status depends on the case. */
enum mr_status mr_fail_as(struct mr_err *err, enum mr_status status, enum mr_code code, const char *format,
                          ...) __attribute__((format(printf, 4, 5)));

/* Passes on a failure that was kept in an err of its own. */
enum mr_status mr_fail_from(struct mr_err *err, const struct mr_err *failure);

/* As mr_fail, with strerror(errnum) appended. */
enum mr_status mr_fail_errno(struct mr_err *err, enum mr_status status, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Notes in a failed err (NULL allowed) after how many seconds the same may succeed, for the Retry-After of an answer.
 * Returns status, so that `return mr_retry_after(err, mr_fail(…), 60)` reads well. */
enum mr_status mr_retry_after(struct mr_err *err, enum mr_status status, int64_t seconds);

/* MR_EXHAUSTED, "out of memory". */
enum mr_status mr_fail_oom(struct mr_err *err);

/* Puts "context: " before the message of a failed err (NULL allowed). Returns status; does nothing if it is
 * MR_OK, so that `return mr_wrap(err, call(…, err), "context")` adds the context to a failure only. */
enum mr_status mr_wrap(struct mr_err *err, enum mr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True when doing the same again later may succeed. */
bool mr_status_is_transient(enum mr_status status);

/* A stable lower-case word, e.g. "not_found". Never NULL. */
const char *mr_status_name(enum mr_status status);

#endif
