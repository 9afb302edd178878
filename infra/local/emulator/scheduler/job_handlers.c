/* Handlers of jobs: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs */
#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/app.h"
#include "infra/local/emulator/scheduler/scheduler_internal.h"
#include "shared/base/random.h"

#include <ctype.h>

enum { JOB_ID_MAX = 500 };

static struct em_scheduler *scheduler_of(void *app)
{
    return ((struct em_app *)app)->scheduler;
}

static enum mr_status job_id_check(const char *id, struct mr_err *err)
{
    size_t len = strlen(id);
    bool legal = len > 0 && len <= JOB_ID_MAX;
    for (size_t i = 0; i < len && legal; i++)
        legal = isalnum((unsigned char)id[i]) != 0 || id[i] == '-' || id[i] == '_';
    if (legal)
        return MR_OK;
    return mr_fail(err, MR_INVALID, "Invalid job id '%s': letters, digits, '-' and '_', at most %d.", id,
                   JOB_ID_MAX);
}

static enum mr_status jobs_prefix(const struct mr_request *req, char **ret, struct mr_err *err)
{
    char *prefix = NULL;
    if (asprintf(&prefix, "projects/%s/locations/%s/jobs/", mr_request_param(req, "p"),
                 mr_request_param(req, "l")) < 0)
        return mr_fail_oom(err);
    *ret = prefix;
    return MR_OK;
}

/* Takes the scheduler's lock and finds the job in the path. On MR_OK the caller unlocks; on failure the lock is
 * released. */
static enum mr_status job_lock(struct em_scheduler *scheduler, const struct mr_request *req,
                               struct em_job **ret, struct mr_err *err)
{
    MR_AUTO_STR char *prefix = NULL;
    MR_AUTO_STR char *name = NULL;
    MR_TRY(jobs_prefix(req, &prefix, err));
    if (asprintf(&name, "%s%s", prefix, mr_request_param(req, "j")) < 0)
        return mr_fail_oom(err);
    pthread_mutex_lock(&scheduler->lock);
    *ret = em_registry_find(&scheduler->jobs, name);
    if (*ret)
        return MR_OK;
    pthread_mutex_unlock(&scheduler->lock);
    return mr_fail(err, MR_NOT_FOUND, "Job not found (resource=%s).", name);
}

/* Applies action (NULL: none) to the job in the path and answers with the job. */
static enum mr_status act(void *app, struct mr_request *req, void (*action)(struct em_job *job),
                          struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    struct em_job *job = NULL;
    MR_TRY(job_lock(scheduler, req, &job, err));
    if (action)
        action(job);
    json_t *resource = em_job_resource(job);
    pthread_mutex_unlock(&scheduler->lock);
    return resource ? mr_respond_json(req, 200, resource, err) : mr_fail_oom(err);
}

static void pause_job(struct em_job *job)
{
    em_job_set_paused(job, true);
}

static void resume_job(struct em_job *job)
{
    em_job_set_paused(job, false);
}

enum mr_status em_job_get(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, NULL, err);
}

enum mr_status em_job_run(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, em_job_force, err);
}

enum mr_status em_job_pause(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, pause_job, err);
}

enum mr_status em_job_resume(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, resume_job, err);
}

/* The name in the body, which must begin with the path; or a generated one, as Google does. */
static enum mr_status new_job_name(const struct mr_request *req, const json_t *body, char **ret,
                                   struct mr_err *err)
{
    MR_AUTO_STR char *prefix = NULL;
    char generated[MR_UUID_TEXT_MAX];
    MR_TRY(jobs_prefix(req, &prefix, err));
    const char *given = json_string_value(json_object_get(body, "name"));
    if (given && strncmp(given, prefix, strlen(prefix)) != 0)
        return mr_fail(err, MR_INVALID, "Job name must begin with '%s'.", prefix);
    if (!given)
        MR_TRY(mr_uuid_generate(generated, err));
    const char *id = given ? given + strlen(prefix) : generated;
    MR_TRY(job_id_check(id, err));
    char *name = NULL;
    if (asprintf(&name, "%s%s", prefix, id) < 0)
        return mr_fail_oom(err);
    *ret = name;
    return MR_OK;
}

/* Creates the job; *ret_resource is its resource, owned by the caller. */
static enum mr_status create_locked(struct em_scheduler *scheduler, struct em_job_spec *spec,
                                    json_t **ret_resource, struct mr_err *err)
{
    if (em_registry_find(&scheduler->jobs, spec->name))
        return mr_fail(err, MR_CONFLICT, "Job %s already exists.", spec->name);
    MR_AUTO(em_job) struct em_job *job = NULL;
    MR_TRY(em_job_new(&scheduler->context, spec, &job, err));
    MR_TRY(em_registry_add(&scheduler->jobs, em_job_name(job), job, err));
    *ret_resource = em_job_resource(MR_TAKE(job));
    return *ret_resource ? MR_OK : mr_fail_oom(err);
}

enum mr_status em_job_create(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_STR char *name = NULL;
    MR_AUTO(em_job_spec) struct em_job_spec *spec = NULL;
    json_t *resource = NULL;
    MR_TRY(em_google_body(req, EM_JOB_BODY_MAX, &body, err));
    MR_TRY(new_job_name(req, body, &name, err));
    MR_TRY(em_job_spec_new(name, body, &spec, err));
    pthread_mutex_lock(&scheduler->lock);
    enum mr_status status = create_locked(scheduler, spec, &resource, err);
    pthread_mutex_unlock(&scheduler->lock);
    if (status != MR_OK)
        return status;
    return mr_respond_json(req, 200, resource, err);
}

/* Changes the job; *ret_resource is its new resource, owned by the caller. */
static enum mr_status patch_locked(struct em_job *job, const json_t *body, const char *mask,
                                   json_t **ret_resource, struct mr_err *err)
{
    MR_AUTO(em_job_spec) struct em_job_spec *old = em_job_spec_of(job);
    MR_AUTO(em_job_spec) struct em_job_spec *changed = NULL;
    MR_TRY(em_job_spec_patch(old, body, mask, &changed, err));
    em_job_change(job, changed);
    *ret_resource = em_job_resource(job);
    return *ret_resource ? MR_OK : mr_fail_oom(err);
}

enum mr_status em_job_patch(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    struct em_job *job = NULL;
    json_t *resource = NULL;
    MR_TRY(em_google_body(req, EM_JOB_BODY_MAX, &body, err));
    MR_TRY(job_lock(scheduler, req, &job, err));
    enum mr_status status = patch_locked(job, body, mr_request_query(req, "updateMask"), &resource, err);
    pthread_mutex_unlock(&scheduler->lock);
    if (status != MR_OK)
        return status;
    return mr_respond_json(req, 200, resource, err);
}

enum mr_status em_job_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    struct em_job *job = NULL;
    MR_TRY(job_lock(scheduler, req, &job, err));
    em_registry_remove(&scheduler->jobs, em_job_name(job));
    pthread_mutex_unlock(&scheduler->lock);
    em_job_free(job);
    return mr_respond_json(req, 200, json_object(), err);
}

/* Adds the jobs of one page to `jobs`, and nextPageToken to answer. False without memory. */
static bool fill_page_locked(struct em_scheduler *scheduler, const struct em_page *page, const char *prefix,
                             json_t *jobs, json_t *answer)
{
    size_t i = em_registry_after(&scheduler->jobs, strcmp(page->after, prefix) > 0 ? page->after : prefix);
    for (; i < scheduler->jobs.count; i++) {
        const struct em_registry_entry *entry = &scheduler->jobs.entries[i];
        if (strncmp(entry->name, prefix, strlen(prefix)) != 0)
            return true;
        if (json_array_size(jobs) == page->size)
            return json_object_set_new(answer, "nextPageToken", json_string(entry[-1].name)) == 0;
        if (json_array_append_new(jobs, em_job_resource(entry->value)) != 0)
            return false;
    }
    return true;
}

enum mr_status em_job_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    struct em_page page;
    MR_AUTO_STR char *prefix = NULL;
    MR_TRY(em_page_of(req, &page, err));
    MR_TRY(jobs_prefix(req, &prefix, err));
    MR_AUTO_JSON json_t *jobs = json_array();
    MR_AUTO_JSON json_t *answer = json_pack("{s:O*}", "jobs", jobs);
    if (!jobs || !answer)
        return mr_fail_oom(err);
    pthread_mutex_lock(&scheduler->lock);
    bool filled = fill_page_locked(scheduler, &page, prefix, jobs, answer);
    pthread_mutex_unlock(&scheduler->lock);
    return filled ? mr_respond_json(req, 200, MR_TAKE(answer), err) : mr_fail_oom(err);
}
