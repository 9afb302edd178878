/*
 * What a job does: immutable and counted. A change makes a new spec; a run in progress keeps the spec it started with.
 * `resource` is the Job of the API without its state, with all defaults; the strings are borrowed from it. Any
 * thread may take and drop references.
 */
#ifndef EM_SCHEDULER_SPEC_H
#define EM_SCHEDULER_SPEC_H

#include "infra/local/emulator/scheduler/cron.h"
#include "shared/base/cleanup.h"
#include "shared/base/json.h"

#include <stdatomic.h>

struct em_job_spec {
    atomic_uint refs;
    json_t *resource;
    const char *name; /* projects/P/locations/L/jobs/J */
    struct em_cron schedule;
    const char *uri;
    const char *method;
    const json_t *headers; /* of strings; NULL if none */
    unsigned char *body;
    size_t body_len;
    const char *oidc_email; /* NULL: no Authorization */
    const char *oidc_audience;
    int64_t attempt_deadline_us;
    int64_t retry_count;
    int64_t max_retry_us; /* 0: no limit */
    int64_t min_backoff_us;
    int64_t max_backoff_us;
    int64_t max_doublings;
};

/* A spec from the body of a request, which is copied. One reference. MR_INVALID for what Google refuses,
 * MR_UNSUPPORTED for what this emulator does not implement. */
MR_MUST_CHECK enum mr_status em_job_spec_new(const char *name, const json_t *body, struct em_job_spec **ret,
                                             struct mr_err *err);
/* `old` with the fields in mask (see api/mask.h; NULL: all fields of body) taken from body. */
MR_MUST_CHECK enum mr_status em_job_spec_patch(const struct em_job_spec *old, const json_t *body,
                                               const char *mask, struct em_job_spec **ret,
                                               struct mr_err *err);

struct em_job_spec *em_job_spec_ref(struct em_job_spec *spec);
void em_job_spec_unref(struct em_job_spec *spec);
MR_DEFINE_CLEANUP(em_job_spec, em_job_spec_unref)

/* The delay before retry number `retry` (1, 2, …), in microseconds: doubled max_doublings times, then linear. Source:
 * https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#RetryConfig */
int64_t em_job_spec_backoff(const struct em_job_spec *spec, int64_t retry);

#endif
