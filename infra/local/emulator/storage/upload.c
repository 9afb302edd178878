/*
 * Uploads in one request: media and multipart of the JSON API, PUT of the XML API. Bytes go from the socket
 * to a file, whatever their number. Source: https://cloud.google.com/storage/docs/json_api/v1/objects/insert
 */
#include "infra/local/emulator/storage/cors.h"
#include "infra/local/emulator/storage/http.h"
#include "infra/local/emulator/storage/related.h"
#include "infra/local/emulator/storage/signed.h"
#include "shared/base/encoding.h"

#include <strings.h>

/* Takes the object's bytes from source and makes it. */
static enum mr_status insert(struct em_app *emulator, const struct em_upload_plan *plan,
                             mr_form_source *source, void *ctx, struct em_stored **ret, struct mr_err *err)
{
    struct em_store *store = emulator->storage->store;
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_TRY(em_store_check_write(store, &plan->write, err));
    MR_TRY(em_store_incoming(store, &incoming, err));
    MR_TRY(em_receive(source, ctx, incoming, err));
    return em_store_insert(store, &plan->write, incoming, ret, err);
}

static enum mr_status upload_media(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(em_upload_plan_make(req, NULL, mr_request_header(req, "Content-Type"), &plan, err));
    MR_TRY(insert(app, &plan, em_request_source, req, &stored, err));
    return em_answer_object(req, stored, err);
}

/* ---- multipart -------------------------------------------------------------------- */

static enum mr_status related_source(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    return em_related_read(ctx, data, len, ret_len, err);
}

/* The first part: the resource. */
static enum mr_status read_resource(struct em_related *related, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(EM_RESOURCE_BYTES_MAX);
    const char *type = NULL;
    char piece[4096];
    size_t len = 1;
    enum mr_status status = em_related_next(related, &type, err);
    if (status == MR_OK && !type)
        status = mr_fail(err, MR_INVALID, "A multipart upload has two parts.");
    while (status == MR_OK && len) {
        status = em_related_read(related, piece, sizeof piece, &len, err);
        if (status == MR_OK)
            status = mr_buf_append(&text, piece, len, err);
    }
    if (status != MR_OK)
        return status;
    json_error_t reason;
    json_t *resource = json_loadb(mr_buf_str(&text), text.len, 0, &reason);
    if (!json_is_object(resource)) {
        json_decref(resource);
        return mr_fail(err, MR_INVALID, "Parse Error: the first part is no JSON object: %s", reason.text);
    }
    *ret = resource;
    return MR_OK;
}

static enum mr_status upload_multipart(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO(em_related) struct em_related *related = NULL;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    const char *type = NULL;
    if (!mr_request_is_type(req, "multipart/related"))
        return mr_fail(err, MR_INVALID, "A multipart upload has Content-Type multipart/related.");
    MR_TRY(em_related_new(mr_request_header(req, "Content-Type"), em_request_source, req, &related, err));
    MR_TRY(read_resource(related, &resource, err));
    MR_TRY(em_related_next(related, &type, err));
    if (!type)
        return mr_fail(err, MR_INVALID, "A multipart upload has two parts.");
    MR_TRY(em_upload_plan_make(req, resource, type, &plan, err));
    MR_TRY(insert(app, &plan, related_source, related, &stored, err));
    return em_answer_object(req, stored, err);
}

/* ---- dispatch ---------------------------------------------------------------------- */

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

/* ---- the XML API -------------------------------------------------------------------- */

/* Custom metadata and the other settings stand in headers there. NULL: out of memory. */
static json_t *resource_of_headers(const struct mr_request *req)
{
    static const char *const settings[][2] = {{"Content-Type", "contentType"},
                                              {"Cache-Control", "cacheControl"},
                                              {"Content-Disposition", "contentDisposition"},
                                              {"Content-Encoding", "contentEncoding"},
                                              {"Content-Language", "contentLanguage"},
                                              {"x-goog-custom-time", "customTime"}};
    static const char prefix[] = "x-goog-meta-";
    MR_AUTO_JSON json_t *resource = json_pack("{s:{}}", "metadata");
    const char *name, *value;
    for (size_t i = 0; resource && mr_request_header_at(req, i, &name, &value); i++) {
        if (!strncasecmp(name, prefix, strlen(prefix)) &&
            json_object_set_new(json_object_get(resource, "metadata"), name + strlen(prefix),
                                json_string(value)) < 0)
            return NULL;
    }
    for (size_t i = 0; resource && i < sizeof settings / sizeof *settings; i++) {
        value = mr_request_header(req, settings[i][0]);
        if (value && json_object_set_new(resource, settings[i][1], json_string(value)) < 0)
            return NULL;
    }
    return MR_TAKE(resource);
}

static enum mr_status xml_plan(const struct mr_request *req, struct em_upload_plan *ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = resource_of_headers(req);
    if (!resource)
        return mr_fail_oom(err);
    struct em_store_write *write = &ret->write;
    ret->name = strdup(mr_request_param(req, "object"));
    if (!ret->name)
        return mr_fail_oom(err);
    MR_TRY(mr_percent_decode(ret->name, false, err));
    MR_TRY(em_settings_apply(NULL, resource, true, &ret->settings, err));
    MR_TRY(em_digest_add_header(&write->expected, mr_request_header(req, "X-Goog-Hash"), err));
    MR_TRY(em_digest_add_md5(&write->expected, mr_request_header(req, "Content-MD5"), err));
    MR_TRY(em_conditions_set(&write->conditions, EM_IF_GENERATION_MATCH,
                             mr_request_header(req, "x-goog-if-generation-match"), err));
    write->bucket = mr_request_param(req, "bucket");
    write->name = ret->name;
    write->settings = ret->settings;
    return MR_OK;
}

static enum mr_status xml_put(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    char etag[EM_ETAG_MAX];
    MR_TRY(em_signed_url_check(emulator->identity, req, err));
    MR_TRY(xml_plan(req, &plan, err));
    MR_TRY(insert(app, &plan, em_request_source, req, &stored, err));
    em_stored_etag(stored, etag);
    MR_TRY(mr_respond_header(req, "ETag", etag, err));
    return mr_respond_bytes(req, 200, "text/plain", "", 0, err);
}

enum mr_status em_xml_put(void *app, struct mr_request *req, struct mr_err *err)
{
    return mr_request_query(req, "upload_id") ? em_resumable_continue(app, req, err)
                                              : em_cors_bucket(app, req, xml_put, err);
}

/* POST with x-goog-resumable: start begins a session; the XML API says 201 where the JSON API says 200. */
static enum mr_status xml_post(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    const char *resumable = mr_request_header(req, "x-goog-resumable");
    if (!resumable || strcasecmp(resumable, "start"))
        return mr_fail(err, MR_INVALID, "POST to an object needs x-goog-resumable: start.");
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_TRY(em_signed_url_check(emulator->identity, req, err));
    MR_TRY(xml_plan(req, &plan, err));
    return em_resumable_answer(app, req, &plan, 201, err);
}

enum mr_status em_xml_post(void *app, struct mr_request *req, struct mr_err *err)
{
    return em_cors_bucket(app, req, xml_post, err);
}
