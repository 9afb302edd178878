#include "shared/http/guard.h"

#include <stdlib.h>
#include <string.h>

struct mr_guard {
    char *allow_hosts;
};

enum mr_status mr_guard_new(const char *allow_hosts, struct mr_guard **ret, struct mr_err *err)
{
    struct mr_guard *guard = calloc(1, sizeof *guard);
    if (!guard)
        return mr_fail_oom(err);
    guard->allow_hosts = strdup(allow_hosts);
    if (!guard->allow_hosts) {
        free(guard);
        return mr_fail_oom(err);
    }
    *ret = guard;
    return MR_OK;
}

void mr_guard_free(struct mr_guard *guard)
{
    if (!guard)
        return;
    free(guard->allow_hosts);
    free(guard);
}
