#include "infra/local/emulator/scheduler/scheduler.h"

#include "infra/local/emulator/app.h"
#include "infra/local/emulator/pubsub/fields.h"
#include "infra/local/emulator/pubsub/registry.h"
#include "infra/local/emulator/scheduler/job.h"
#include "shared/base/encoding.h"

#include <ctype.h>
#include <pthread.h>

enum {
    BODY_MAX = 1 << 20, /* a job has at most 1 MB */
    JOB_ID_MAX = 500,
};

struct em_scheduler {
    struct em_job_context context;
    pthread_mutex_t lock; /* of jobs, and of each job against its deletion */
    struct em_registry jobs;
};

enum mr_status em_scheduler_new(struct mr_http_client *http, struct em_identity *identity,
                                const struct mr_log *log, struct em_scheduler **ret, struct mr_err *err)
{
    struct em_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler)
        return mr_fail_oom(err);
    scheduler->context = (struct em_job_context){.http = http, .identity = identity, .log = log};
    int failed = pthread_mutex_init(&scheduler->lock, NULL);
    if (failed) {
        free(scheduler);
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_mutex_init");
    }
    *ret = scheduler;
    return MR_OK;
}

void em_scheduler_free(struct em_scheduler *scheduler)
{
    if (!scheduler)
        return;
    for (size_t i = 0; i < scheduler->jobs.count; i++)
        em_job_free(scheduler->jobs.entries[i].value);
    em_registry_free(&scheduler->jobs);
    pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

/* ---- what the handlers share ---- */

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

/* Finds the job of the path, with the scheduler's lock taken on MR_OK. */
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

/* Does something to the job of the path and answers with what it then is. */
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

static enum mr_status handle_get(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, NULL, err);
}

static enum mr_status handle_run(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, em_job_force, err);
}

static enum mr_status handle_pause(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, pause_job, err);
}

static enum mr_status handle_resume(void *app, struct mr_request *req, struct mr_err *err)
{
    return act(app, req, resume_job, err);
}

/* ---- create, change, delete, list ---- */

/* The name that the body gives, which must lie below the path; or one made up, as Google does. */
static enum mr_status new_job_name(const struct mr_request *req, const json_t *body, char **ret,
                                   struct mr_err *err)
{
    MR_AUTO_STR char *prefix = NULL;
    char made_up[MR_UUID_TEXT_MAX];
    enum mr_status status = jobs_prefix(req, &prefix, err);
    const char *given = json_string_value(json_object_get(body, "name"));
    const char *id = made_up;
    if (!status && given && strncmp(given, prefix, strlen(prefix)) != 0)
        status = mr_fail(err, MR_INVALID, "Job name must begin with '%s'.", prefix);
    if (!status && given)
        id = given + strlen(prefix);
    else if (!status)
        status = mr_uuid_generate(made_up, err);
    if (!status)
        status = job_id_check(id, err);
    char *name = NULL;
    if (!status && asprintf(&name, "%s%s", prefix, id) < 0)
        status = mr_fail_oom(err);
    if (!status)
        *ret = name;
    return status;
}

static enum mr_status add_job_locked(struct em_scheduler *scheduler, struct em_job_spec *spec,
                                     struct em_job **ret, struct mr_err *err)
{
    if (em_registry_find(&scheduler->jobs, spec->name))
        return mr_fail(err, MR_CONFLICT, "Job %s already exists.", spec->name);
    MR_TRY(em_job_new(&scheduler->context, spec, ret, err));
    enum mr_status status = em_registry_add(&scheduler->jobs, em_job_name(*ret), *ret, err);
    if (status)
        em_job_free(*ret);
    return status;
}

static enum mr_status handle_create(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_STR char *name = NULL;
    MR_AUTO(em_job_spec) struct em_job_spec *spec = NULL;
    MR_TRY(em_google_body(req, BODY_MAX, &body, err));
    MR_TRY(new_job_name(req, body, &name, err));
    MR_TRY(em_job_spec_new(name, body, &spec, err));
    struct em_job *job = NULL;
    pthread_mutex_lock(&scheduler->lock);
    enum mr_status status = add_job_locked(scheduler, spec, &job, err);
    json_t *resource = status ? NULL : em_job_resource(job);
    pthread_mutex_unlock(&scheduler->lock);
    if (status)
        return status;
    return resource ? mr_respond_json(req, 200, resource, err) : mr_fail_oom(err);
}

static enum mr_status handle_patch(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO(em_job_spec) struct em_job_spec *changed = NULL;
    struct em_job *job = NULL;
    MR_TRY(em_google_body(req, BODY_MAX, &body, err));
    MR_TRY(job_lock(scheduler, req, &job, err));
    MR_AUTO(em_job_spec) struct em_job_spec *old = em_job_spec_of(job);
    enum mr_status status = em_job_spec_patch(old, body, mr_request_query(req, "updateMask"), &changed, err);
    if (!status)
        em_job_change(job, changed);
    json_t *resource = status ? NULL : em_job_resource(job);
    pthread_mutex_unlock(&scheduler->lock);
    if (status)
        return status;
    return resource ? mr_respond_json(req, 200, resource, err) : mr_fail_oom(err);
}

static enum mr_status handle_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    struct em_job *job = NULL;
    MR_TRY(job_lock(scheduler, req, &job, err));
    em_registry_remove(&scheduler->jobs, em_job_name(job));
    pthread_mutex_unlock(&scheduler->lock);
    em_job_free(job);
    return mr_respond_json(req, 200, json_object(), err);
}

static enum mr_status handle_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_scheduler *scheduler = scheduler_of(app);
    struct em_page page;
    MR_AUTO_STR char *prefix = NULL;
    MR_TRY(em_page_of(req, &page, err));
    MR_TRY(jobs_prefix(req, &prefix, err));
    json_t *jobs = json_array();
    json_t *answer = json_pack("{s:o*}", "jobs", jobs);
    bool ok = jobs && answer;
    pthread_mutex_lock(&scheduler->lock);
    size_t i = em_registry_after(&scheduler->jobs, strcmp(page.after, prefix) > 0 ? page.after : prefix);
    for (; ok && i < scheduler->jobs.count; i++) {
        const struct em_registry_entry *entry = &scheduler->jobs.entries[i];
        if (strncmp(entry->name, prefix, strlen(prefix)) != 0)
            break;
        if (json_array_size(jobs) == page.size) {
            ok = json_object_set_new(answer, "nextPageToken", json_string(entry[-1].name)) == 0;
            break;
        }
        ok = json_array_append_new(jobs, em_job_resource(entry->value)) == 0;
    }
    pthread_mutex_unlock(&scheduler->lock);
    if (ok)
        return mr_respond_json(req, 200, answer, err);
    json_decref(answer);
    return mr_fail_oom(err);
}

#define JOBS "/v1/projects/{p}/locations/{l}/jobs"

static const struct mr_route routes[] = {
    {"POST", JOBS "/{j}:run", handle_run, BODY_MAX, 0},
    {"POST", JOBS "/{j}:pause", handle_pause, BODY_MAX, 0},
    {"POST", JOBS "/{j}:resume", handle_resume, BODY_MAX, 0},
    {"GET", JOBS "/{j}", handle_get, BODY_MAX, 0},
    {"PATCH", JOBS "/{j}", handle_patch, BODY_MAX, 0},
    {"DELETE", JOBS "/{j}", handle_delete, BODY_MAX, 0},
    {"POST", JOBS, handle_create, BODY_MAX, 0},
    {"GET", JOBS, handle_list, BODY_MAX, 0},
};

const struct mr_route *em_scheduler_routes(size_t *ret_count)
{
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
