/*
 * Uploads in one request through the JSON API: media and multipart. The bytes go from the socket to a file,
 * however many there are. Source: https://cloud.google.com/storage/docs/json_api/v1/objects/insert
 */
#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/related.h"
#include "infra/local/emulator/storage/request.h"
#include "infra/local/emulator/storage/resumable.h"
#include "infra/local/emulator/storage/upload_plan.h"

static enum mr_status upload_media(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(em_upload_plan_make(req, NULL, mr_request_header(req, "Content-Type"), &plan, err));
    MR_TRY(em_upload_plan_execute(&plan, emulator->storage->store, em_request_source, req, &stored, err));
    return em_answer_object(req, stored, err);
}

static enum mr_status related_source(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    return em_related_read(ctx, data, len, ret_len, err);
}

static enum mr_status read_part(struct em_related *related, struct mr_buf *out, struct mr_err *err)
{
    char chunk[4096];
    for (;;) {
        size_t len = 0;
        MR_TRY(em_related_read(related, chunk, sizeof chunk, &len, err));
        if (len == 0)
            return MR_OK;
        MR_TRY(mr_buf_append(out, chunk, len, err));
    }
}

/* Moves to the next part; MR_INVALID if there is none. */
static enum mr_status next_part(struct em_related *related, const char **ret_type, struct mr_err *err)
{
    MR_TRY(em_related_next(related, ret_type, err));
    return *ret_type ? MR_OK : mr_fail(err, MR_INVALID, "A multipart upload has two parts.");
}

/* Reads the first part: the resource. */
static enum mr_status read_resource(struct em_related *related, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(EM_RESOURCE_BYTES_MAX);
    const char *type = NULL;
    MR_TRY(next_part(related, &type, err));
    MR_TRY(read_part(related, &text, err));
    json_error_t reason;
    MR_AUTO_JSON json_t *resource = em_json_object_parse(mr_buf_str(&text), text.len, 0, &reason);
    if (!resource)
        return mr_fail(err, MR_INVALID, "Parse Error: the first part is not a JSON object: %s", reason.text);
    *ret = MR_TAKE(resource);
    return MR_OK;
}

static enum mr_status upload_multipart(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO(em_related) struct em_related *related = NULL;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    const char *type = NULL;
    if (!mr_request_is_type(req, "multipart/related"))
        return mr_fail(err, MR_INVALID, "A multipart upload has Content-Type multipart/related.");
    MR_TRY(em_related_new(mr_request_header(req, "Content-Type"), em_request_source, req, &related, err));
    MR_TRY(read_resource(related, &resource, err));
    MR_TRY(next_part(related, &type, err));
    MR_TRY(em_upload_plan_make(req, resource, type, &plan, err));
    MR_TRY(em_upload_plan_execute(&plan, emulator->storage->store, related_source, related, &stored, err));
    return em_answer_object(req, stored, err);
}

enum mr_status em_upload_post(void *app, struct mr_request *req, struct mr_err *err)
{
    static const struct {
        const char *type;
        mr_handler *handler;
    } types[] = {{"media", upload_media}, {"multipart", upload_multipart}, {"resumable", em_resumable_start}};
    if (mr_request_query(req, "upload_id"))
        return em_resumable_continue(app, req, err);
    const char *type = mr_request_query(req, "uploadType");
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
        if (!strcmp(type, types[i].type))
            return types[i].handler(app, req, err);
    return mr_fail(err, MR_INVALID, "Invalid upload type: %s", type ? type : "(none)");
}

enum mr_status em_upload_put(void *app, struct mr_request *req, struct mr_err *err)
{
    if (mr_request_query(req, "upload_id"))
        return em_resumable_continue(app, req, err);
    return mr_fail(err, MR_INVALID, "Required parameter: upload_id");
}
