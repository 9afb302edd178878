#include "worker/ingest.h"

#include "shared/base/clock.h"
#include "shared/base/utf8.h"
#include "shared/data/object_names.h"
#include "shared/http/fetch.h"
#include "shared/http/retry.h"
#include "worker/heartbeat.h"
#include "worker/magic.h"

#include <ctype.h>

enum { STALL_SECONDS = 30, NAME_MAX_BYTES = 255, EXTENSION_MAX = 10 };

static const struct mr_retry fetch_policy = {
    .attempts = 3, .base_ms = 500, .cap_ms = 1000, .total_ms = 60000};

/* A running fetch. The first bytes are kept in `start` until there are enough to tell what the file is. */
struct ingest {
    struct mr_job *job;
    char object[MR_OBJECT_NAME_SIZE];
    struct mr_fetch_head head;
    char start[MR_MAGIC_BYTES];
    size_t start_len;
    const char *extension; /* of the container; set together with `upload` */
    struct mr_upload *upload;
};

static void ingest_free(struct ingest *ingest)
{
    mr_upload_free(ingest->upload);
}
MR_DEFINE_VALUE_CLEANUP(ingest, ingest_free)

void mr_input_free(struct mr_input *input)
{
    free(input->object);
    free(input->name);
    *input = (struct mr_input){0};
}

static enum mr_status not_media(struct mr_err *err, const char *why, const char *type)
{
    return mr_fail_code(err, MR_CODE_NOT_MEDIA, "url does not return audio or video: %s%s", why, type);
}

/* A new attempt begins: what an earlier one fetched is dropped. */
static enum mr_status on_head(void *ctx, const struct mr_fetch_head *head, struct mr_err *err)
{
    struct ingest *ingest = ctx;
    mr_upload_free(MR_TAKE(ingest->upload));
    ingest->start_len = 0;
    ingest->head = *head;
    if (mr_magic_excludes_type(head->content_type))
        return not_media(err, "its Content-Type is ", head->content_type);
    return MR_OK;
}

static enum mr_status begin_upload(struct ingest *ingest, struct mr_err *err)
{
    const struct mr_worker *worker = ingest->job->worker;
    ingest->extension = mr_magic_extension(ingest->start, ingest->start_len);
    if (!ingest->extension)
        return not_media(err, ingest->start_len ? "its content is not a known media file" : "it is empty",
                         "");
    MR_TRY(mr_job_note_object(ingest->job, ingest->object, err));
    MR_TRY(mr_upload_begin(worker->cloud.storage, ingest->object, "application/octet-stream", &ingest->upload,
                           err));
    return mr_upload_write(ingest->upload, ingest->start, ingest->start_len, err);
}

static void note_progress(const struct ingest *ingest)
{
    if (ingest->head.size > 0)
        mr_heartbeat_progress(ingest->job->heartbeat, (int)((double)mr_upload_size(ingest->upload) /
                                                            (double)ingest->head.size * MR_INGEST_PERMILLE));
}

static enum mr_status on_bytes(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct ingest *ingest = ctx;
    const char *bytes = data;
    if (!ingest->upload) {
        size_t room = sizeof ingest->start - ingest->start_len;
        size_t take = len < room ? len : room;
        memcpy(ingest->start + ingest->start_len, bytes, take);
        ingest->start_len += take;
        if (take == room)
            MR_TRY(begin_upload(ingest, err));
        bytes += take;
        len -= take;
    }
    if (!len)
        return MR_OK;
    note_progress(ingest);
    return mr_upload_write(ingest->upload, bytes, len, err);
}

static bool should_stop(void *ctx)
{
    return mr_job_should_stop(ctx);
}

static enum mr_status fetch_once(struct ingest *ingest, struct mr_err *err)
{
    struct mr_worker *worker = ingest->job->worker;
    const struct mr_fetch fetch = {.url = ingest->job->claim->url,
                                   .guard = worker->guard,
                                   .ca_file = worker->config->tls_ca_file,
                                   .max_bytes = worker->config->max_fetch_bytes,
                                   .timeout_ms = worker->config->fetch_timeout_s * 1000,
                                   .stall_seconds = STALL_SECONDS,
                                   .min_bytes_per_s = worker->config->fetch_min_bytes_per_s,
                                   .begin = on_head,
                                   .sink = on_bytes,
                                   .ctx = ingest,
                                   .canceled = should_stop,
                                   .canceled_ctx = ingest->job};
    MR_TRY(mr_fetch(worker->cloud.http, &fetch, err));
    return ingest->upload ? MR_OK : begin_upload(ingest, err); /* a file shorter than `start` */
}

/* Retries as the policy says while it is the third-party server that fails, and may recover. */
static enum mr_status fetch_with_retries(struct ingest *ingest, struct mr_err *err)
{
    struct mr_retry policy = fetch_policy;
    int64_t limit_ms = ingest->job->worker->config->fetch_timeout_s * 1000;
    policy.total_ms = limit_ms < policy.total_ms ? limit_ms : policy.total_ms;
    struct mr_retry_state retry = {.started_us = mr_time_monotonic_us()};
    for (;;) {
        struct mr_err failure = {0};
        enum mr_status status = fetch_once(ingest, &failure);
        if (status == MR_OK)
            return MR_OK;
        bool may_recover = failure.code == MR_CODE_FETCH_FAILED && mr_status_is_transient(status);
        if (may_recover && !mr_job_should_stop(ingest->job) && mr_retry_again(&policy, &retry))
            continue;
        ingest->job->remote_failed = may_recover;
        return mr_fail_from(err, &failure);
    }
}

/* The extension of a name in lower case; false and "" without one, or with one that is not plain letters and
 * digits. */
static bool take_extension(const char *name, char out[EXTENSION_MAX + 1])
{
    const char *dot = strrchr(name, '.');
    size_t len = dot && dot != name ? strlen(dot + 1) : 0;
    bool plain = len > 0 && len <= EXTENSION_MAX;
    for (size_t i = 0; plain && i < len; i++) {
        plain = isalnum((unsigned char)dot[1 + i]);
        out[i] = (char)tolower((unsigned char)dot[1 + i]);
    }
    out[plain ? len : 0] = '\0';
    return plain;
}

/* The task's own name if it has an extension; otherwise the name that the server suggests, if that has one;
 * otherwise the task's name with the extension that fits the content. */
static char *name_file(const struct ingest *ingest)
{
    const char *own = ingest->job->claim->original_file, *suggested = ingest->head.file_name;
    char extension[EXTENSION_MAX + 1];
    if (take_extension(own, extension))
        return strdup(own);
    if (take_extension(suggested, extension))
        return strdup(suggested);
    size_t len = mr_utf8_prefix(own, NAME_MAX_BYTES - 1 - strlen(ingest->extension));
    char *name = NULL;
    int made =
        asprintf(&name, "%.*s.%s", len ? (int)len : INT32_MAX, len ? own : "download", ingest->extension);
    return made >= 0 ? name : NULL;
}

/* Safe to repeat (leases.h). */
static enum mr_status note_input(struct mr_job *job, const struct mr_input *input, bool *ret_ours,
                                 struct mr_err *err)
{
    char extension[EXTENSION_MAX + 1];
    (void)take_extension(input->name, extension);
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    enum mr_status status;
    do
        status = mr_lease_set_input(job->worker->db, job->claim, input->object, input->generation,
                                    input->size, input->name, extension, ret_ours, &failure);
    while (mr_job_retry(job, status, &retries));
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    return MR_OK;
}

static enum mr_status fetch_input(struct mr_job *job, struct mr_input *ret, bool *ret_ours,
                                  struct mr_err *err)
{
    MR_AUTO(ingest) struct ingest ingest = {.job = job};
    mr_object_name_fetched(job->claim, ingest.object);
    struct mr_object stored;
    MR_TRY(fetch_with_retries(&ingest, err));
    MR_TRY(mr_upload_finish(ingest.upload, &stored, err));
    ret->object = strdup(ingest.object);
    ret->name = name_file(&ingest);
    if (!ret->object || !ret->name)
        return mr_fail_oom(err);
    ret->generation = stored.generation;
    ret->size = stored.size;
    ret->progress_before = MR_INGEST_PERMILLE;
    MR_TRY(note_input(job, ret, ret_ours, err));
    if (!*ret_ours)
        mr_job_drop_object(job, ingest.object);
    return MR_OK;
}

enum mr_status mr_ingest(struct mr_job *job, struct mr_input *ret, bool *ret_ours, struct mr_err *err)
{
    const struct mr_claim *claim = job->claim;
    if (!claim->input_object[0] && claim->url[0])
        return fetch_input(job, ret, ret_ours, err);
    ret->object = strdup(claim->input_object);
    ret->name = strdup(claim->original_file);
    ret->generation = claim->input_generation;
    ret->size = claim->input_size;
    *ret_ours = true;
    return ret->object && ret->name ? MR_OK : mr_fail_oom(err);
}
