#include "shared/gcp/refusals.h"

#include "shared/base/clock.h"
#include "shared/gcp/answer.h"

#include <pthread.h>

enum { KINDS_MAX = 32, PAUSE_US = 60 * 1000000 };

struct kind {
    const char *permission;
    int http_status;
    int64_t silent_until_us;
    int64_t left_out;
};

struct mr_refusals {
    const struct mr_log *log;
    pthread_mutex_t lock; /* protects all fields below */
    struct kind kinds[KINDS_MAX];
    size_t count;
};

enum mr_status mr_refusals_new(const struct mr_log *log, struct mr_refusals **ret, struct mr_err *err)
{
    struct mr_refusals *refusals = calloc(1, sizeof *refusals);
    if (!refusals)
        return mr_fail_oom(err);
    refusals->log = log;
    pthread_mutex_init(&refusals->lock, NULL);
    *ret = refusals;
    return MR_OK;
}

void mr_refusals_free(struct mr_refusals *refusals)
{
    if (!refusals)
        return;
    pthread_mutex_destroy(&refusals->lock);
    free(refusals);
}

/* When the table is full, kinds that are not in it share its last place. */
static struct kind *find_locked(struct mr_refusals *refusals, const char *permission, int http_status)
{
    for (size_t i = 0; i < refusals->count; i++)
        if (refusals->kinds[i].http_status == http_status &&
            strcmp(refusals->kinds[i].permission, permission) == 0)
            return &refusals->kinds[i];
    if (refusals->count == KINDS_MAX)
        return &refusals->kinds[KINDS_MAX - 1];
    struct kind *kind = &refusals->kinds[refusals->count++];
    *kind = (struct kind){.permission = permission, .http_status = http_status};
    return kind;
}

static bool is_due(struct mr_refusals *refusals, const char *permission, int http_status,
                   int64_t *ret_left_out)
{
    int64_t now_us = mr_time_monotonic_us();
    pthread_mutex_lock(&refusals->lock);
    struct kind *kind = find_locked(refusals, permission, http_status);
    bool due = now_us >= kind->silent_until_us;
    *ret_left_out = kind->left_out;
    kind->left_out = due ? 0 : kind->left_out + 1;
    if (due)
        kind->silent_until_us = now_us + PAUSE_US;
    pthread_mutex_unlock(&refusals->lock);
    return due;
}

static const char *message_of(int http_status)
{
    switch (http_status) {
    case 401:
    case 403:
        return "our cloud refused a call: a permission is missing";
    case 404:
    case 410:
        return "our cloud refused a call: a resource is missing";
    default:
        return "our cloud refused a call";
    }
}

void mr_refusals_report(struct mr_refusals *refusals, const struct mr_need *need, int http_status,
                        const char *reason)
{
    int64_t left_out = 0;
    if (!refusals || !is_due(refusals, need->permission, http_status, &left_out))
        return;
    mr_log_write(refusals->log, MR_LOG_ERROR, message_of(http_status), "{s:s,s:s,s:s*,s:i,s:s,s:I}",
                 "permission", need->permission, "resource", need->resource, "object", need->object, "status",
                 http_status, "reason", reason, "left_out", (json_int_t)left_out);
}

enum mr_status mr_refusals_judge(struct mr_refusals *refusals, const struct mr_need *need,
                                 const struct mr_http_response *res, struct mr_err *err)
{
    struct mr_err answer = {0};
    enum mr_status status = mr_answer_check(res, &answer);
    if (status == MR_OK)
        return MR_OK;
    bool passes = mr_status_is_transient(status);
    bool is_answer = !need || status == MR_CONFLICT || status == MR_TIMEOUT ||
                     (status == MR_NOT_FOUND && need->may_be_absent);
    if (is_answer)
        return mr_fail_from(err, &answer);
    if (!passes)
        mr_refusals_report(refusals, need, res->status, answer.message);
    return mr_fail(err, MR_UNAVAILABLE, "%s on %s: %s", need->permission, need->resource, answer.message);
}
