#include "worker/ingest.h"

#include "shared/data/strays.h"
#include "shared/http/fetch.h"
#include "shared/http/retry.h"
#include "worker/heart.h"
#include "worker/magic.h"

#include <ctype.h>
#include <inttypes.h>

enum { STALL_SECONDS = 30, NOTE_TRIES = 3, OBJECT_MAX = 128, NAME_MAX_BYTES = 255, EXTENSION_MAX = 10 };
/* As for outputs: longer than a job may run. */
enum { STRAY_AFTER_S = 2 * 86400 };

static const struct mr_retry fetch_policy = {
    .attempts = 3, .base_ms = 500, .cap_ms = 1000, .total_ms = 60000};

/* One fetch under way. The first bytes wait in `start` until they can be judged. */
struct ingest {
    struct mr_job *job;
    char object[OBJECT_MAX];
    struct mr_fetch_head head;
    char start[MR_MAGIC_BYTES];
    size_t start_len;
    const char *extension; /* of the container; set with `upload` */
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

/* ---- is it a medium? -------------------------------------------------------------------- */

/* Types that no medium has. All others are claims (application/octet-stream, none at all …) that the first
 * bytes have to prove. */
static bool is_foreign_type(const char *type)
{
    static const char *const prefixes[] = {"text/", "image/", "font/", "model/", "message/", "multipart/"};
    static const char *const whole[] = {"application/json", "application/xml",        "application/xhtml+xml",
                                        "application/pdf",  "application/javascript", "application/zip"};
    static const char *const suffixes[] = {"+json", "+xml", "+zip"};
    if (strcmp(type, "image/gif") == 0)
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(type, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(type, whole[i]) == 0)
            return true;
    const char *plus = strrchr(type, '+');
    for (size_t i = 0; plus && i < sizeof suffixes / sizeof *suffixes; i++)
        if (strcmp(plus, suffixes[i]) == 0)
            return true;
    return false;
}

static enum mr_status not_media(struct mr_err *err, const char *why, const char *type)
{
    return mr_fail_code(err, MR_CODE_NOT_MEDIA, "the URL does not lead to audio or video: %s%s", why, type);
}

/* ---- the way into storage ----------------------------------------------------------------- */

/* A new try begins: what an earlier one brought is dropped. */
static enum mr_status on_head(void *ctx, const struct mr_fetch_head *head, struct mr_err *err)
{
    struct ingest *ingest = ctx;
    mr_upload_free(MR_TAKE(ingest->upload));
    ingest->start_len = 0;
    ingest->head = *head;
    if (is_foreign_type(head->content_type))
        return not_media(err, "its type is ", head->content_type);
    return MR_OK;
}

static enum mr_status begin_upload(struct ingest *ingest, struct mr_err *err)
{
    const struct mr_worker *worker = ingest->job->worker;
    ingest->extension = mr_magic_extension(ingest->start, ingest->start_len);
    if (!ingest->extension)
        return not_media(err, ingest->start_len ? "its content is something else" : "it is empty", "");
    enum mr_status status = mr_strays_add(worker->db, ingest->object, STRAY_AFTER_S, err);
    if (status == MR_OK)
        status = mr_upload_begin(worker->cloud.storage, ingest->object, "application/octet-stream",
                                 &ingest->upload, err);
    if (status == MR_OK)
        status = mr_upload_write(ingest->upload, ingest->start, ingest->start_len, err);
    return status;
}

static void note_progress(const struct ingest *ingest)
{
    if (ingest->head.size > 0)
        mr_heart_progress(ingest->job->heart, (int)((double)mr_upload_size(ingest->upload) /
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
        if (take == room) {
            enum mr_status status = begin_upload(ingest, err);
            if (status != MR_OK)
                return status;
        }
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
                                   .begin = on_head,
                                   .sink = on_bytes,
                                   .ctx = ingest,
                                   .canceled = should_stop,
                                   .canceled_ctx = ingest->job};
    enum mr_status status = mr_fetch(worker->cloud.http, &fetch, err);
    if (status == MR_OK && !ingest->upload) /* shorter than what is looked at */
        status = begin_upload(ingest, err);
    return status;
}

/* As often as the policy says while it is the stranger's server that fails, and may recover. */
static enum mr_status fetch_patiently(struct ingest *ingest, struct mr_err *err)
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
        bool again = may_recover && !mr_job_should_stop(ingest->job) && mr_retry_again(&policy, &retry);
        if (again)
            continue;
        ingest->job->strangers_fault = may_recover;
        return mr_fail_from(err, &failure);
    }
}

/* ---- its name ------------------------------------------------------------------------------- */

/* The extension of a name in lower case; false and "" if it has none to speak of. */
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

/* The task's own name if it says what the file is, else what the server suggests, else with the extension
 * that the content has earned. */
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

/* ---- the task's input -------------------------------------------------------------------------- */

/* Repeated while the answer is lost: leases.h says that this is safe. */
static enum mr_status note_input(struct mr_job *job, const struct mr_input *input, bool *ret_ours,
                                 struct mr_err *err)
{
    char extension[EXTENSION_MAX + 1];
    (void)take_extension(input->name, extension);
    struct mr_err failure = {0};
    enum mr_status status = MR_UNAVAILABLE;
    for (int i = 0; i < NOTE_TRIES && status == MR_UNAVAILABLE; i++)
        status = mr_lease_set_input(job->worker->db, job->claim, input->object, input->generation,
                                    input->size, input->name, extension, ret_ours, &failure);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

static enum mr_status fetch_input(struct mr_job *job, struct mr_input *ret, bool *ret_ours,
                                  struct mr_err *err)
{
    const struct mr_claim *claim = job->claim;
    MR_AUTO(ingest) struct ingest ingest = {.job = job};
    snprintf(ingest.object, sizeof ingest.object, "inputs/%s-%" PRId64 "-%" PRId64, claim->file_id,
             claim->generation, claim->fence);
    struct mr_object stored;
    enum mr_status status = fetch_patiently(&ingest, err);
    if (status == MR_OK)
        status = mr_upload_finish(ingest.upload, &stored, err);
    if (status != MR_OK)
        return status;
    ret->object = strdup(ingest.object);
    ret->name = name_file(&ingest);
    if (!ret->object || !ret->name)
        return mr_fail_oom(err);
    ret->generation = stored.generation;
    ret->size = stored.size;
    ret->progress_before = MR_INGEST_PERMILLE;
    status = note_input(job, ret, ret_ours, err);
    if (status == MR_OK && !*ret_ours)
        mr_job_drop_object(job, ingest.object);
    return status;
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
