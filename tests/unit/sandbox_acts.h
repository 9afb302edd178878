/* What children of the sandbox do in test_sandbox.c: some work, most misbehave. They run confined. */
#ifndef MR_TESTS_UNIT_SANDBOX_ACTS_H
#define MR_TESTS_UNIT_SANDBOX_ACTS_H

#include "shared/base/err.h"
#include "worker/sandbox.h"

#include <stddef.h>

struct sandbox_act {
    const char *name;
    int (*run)(const struct mr_sandbox_fds *fds); /* returns the child's exit status */
    enum mr_status status;                        /* how the parent judges it */
    const char *code;                             /* the error code; NULL: none */
};
extern const struct sandbox_act sandbox_acts[];
extern const size_t sandbox_acts_count;

/* The most that the act "many threads" makes: more than a child may have. */
enum { MANY_THREADS = 12000 };

/* The entry of the sandbox: runs the act that the spec {"act": NAME} names. */
int sandbox_act_run(const void *spec, size_t len, const struct mr_sandbox_fds *fds);

#endif
