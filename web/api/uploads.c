/*
 * POST, GET and DELETE /api/uploads. POST opens a resumable session for a client that sends its file to Cloud Storage itself,
 * because Cloud Run limits requests to 32 MiB; and checks such an upload when a task is created from it.
 *
 * The name of the object is in the ledger of orphaned objects before the session exists. A session whose row
 * cannot be inserted is cancelled: no client has its URI.
 */
#include "web/api/uploads.h"

#include "shared/base/clock.h"
#include "shared/base/fields.h"
#include "shared/data/object_names.h"
#include "shared/data/orphans.h"
#include "shared/data/quota_check.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/api/header_forms.h"
#include "web/caller.h"
#include "web/upload_removal.h"

#include <inttypes.h>

/* All chunks except the last must be multiples of this:
 * https://cloud.google.com/storage/docs/performing-resumable-uploads */
enum { CHUNK_MULTIPLE = 262144, ORPHAN_MARGIN_S = 86400 };

/* What the client wants to upload. */
struct announcement {
    json_t *fields; /* the given fields; owns the texts */
    struct mr_file_name file_name;
    const char *content_type;
    const char *origin; /* of the request; NULL: none */
    int64_t size;
    int64_t max_size; /* the setting */
};

static void announcement_free(struct announcement *announcement)
{
    json_decref(announcement->fields);
}
MR_DEFINE_VALUE_CLEANUP(announcement, announcement_free)

static enum mr_status check_file_name(void *base, const char *path, json_t **value, struct mr_err *err)
{
    struct announcement *announcement = base;
    const char *text = json_string_value(*value);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return mr_fail_code(err, MR_CODE_BAD_FILE_NAME, "%s must not contain control characters", path);
    announcement->file_name = mr_file_name_of(text);
    if (!announcement->file_name.text[0])
        return mr_fail_code(err, MR_CODE_MISSING_FIELD, "%s must be the name of a file", path);
    return MR_OK;
}

static enum mr_status check_size(void *base, const char *path, json_t **value, struct mr_err *err)
{
    const struct announcement *announcement = base;
    int64_t size = json_integer_value(*value);
    if (size < 1)
        return mr_field_fail_range(err, MR_CODE_BAD_SIZE, path, 1, announcement->max_size);
    if (size > announcement->max_size)
        return mr_field_fail_range(err, MR_CODE_TOO_LARGE, path, 1, announcement->max_size);
    return MR_OK;
}

static enum mr_status check_content_type(void *base, const char *path, json_t **value, struct mr_err *err)
{
    (void)base;
    if (mr_media_type_is_valid(json_string_value(*value)))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_BAD_CONTENT_TYPE, "%s must be a media type like audio/mpeg", path);
}

#define AT(member) MR_FIELD_AT(struct announcement, member)

static const struct mr_field fields[] = {
    {"fileName", MR_FIELD_TEXT, .required = true, .check = check_file_name},
    {"size", MR_FIELD_INTEGER, AT(size), .required = true, .text_too = true, .check = check_size},
    {"contentType", MR_FIELD_TEXT, AT(content_type), .check = check_content_type},
};
static const struct mr_field_table table = {.rows = MR_FIELD_ROWS(fields),
                                            .noun = "field",
                                            .unknown = MR_CODE_UNKNOWN_FIELD,
                                            .missing = MR_CODE_MISSING_FIELD};

static enum mr_status take_fields(struct announcement *announcement, struct mr_request *req,
                                  struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = NULL;
    MR_TRY(mr_body_fields(req, &body, err));
    MR_TRY(mr_fields_take_all(&table, announcement, announcement->fields, body, mr_body_is_form(req), err));
    return mr_fields_check_required(&table, announcement->fields, err);
}

/* Cloud Storage accepts the browser only from this origin. "null" is a page without one. */
static enum mr_status take_origin(struct announcement *announcement, const struct mr_request *req,
                                  struct mr_err *err)
{
    const char *origin = mr_request_header(req, "Origin");
    if (!origin || strcmp(origin, "null") == 0)
        return MR_OK;
    if (!mr_origin_is_valid(origin))
        return mr_fail_code(err, MR_CODE_BAD_ORIGIN, "Origin must be scheme://host[:port]");
    announcement->origin = origin;
    return MR_OK;
}

/* A new record; its texts are copies. */
static enum mr_status make_record(const struct announcement *announcement, int64_t user_id,
                                  struct mr_upload_record *ret, struct mr_err *err)
{
    char object[MR_OBJECT_NAME_SIZE];
    MR_TRY(mr_uuid_generate(ret->id, err));
    mr_object_name_input(ret->id, object);
    ret->user_id = user_id;
    ret->size = announcement->size;
    ret->object = strdup(object);
    ret->file_name = strdup(announcement->file_name.text);
    ret->content_type = strdup(announcement->content_type);
    return ret->object && ret->file_name && ret->content_type ? MR_OK : mr_fail_oom(err);
}

/* No client has the URI of the session yet. What fails here is left to the sweep. */
static void drop_session(struct mr_web *web, const struct mr_upload_record *record)
{
    if (record->session_uri &&
        mr_storage_cancel_session(web->cloud.storage, record->session_uri, NULL) != MR_OK)
        return;
    (void)!mr_orphans_forget(web->db, record->object, NULL);
}

static enum mr_status begin_at_storage(struct mr_web *web, const struct announcement *announcement,
                                       struct mr_upload_record *record, struct mr_err *err)
{
    const struct mr_upload_session session = {.name = record->object,
                                              .content_type = record->content_type,
                                              .size = record->size,
                                              .origin = announcement->origin};
    return mr_storage_begin_session(web->cloud.storage, &session, &record->session_uri, err);
}

static enum mr_status try_to_begin(struct mr_web *web, const struct announcement *announcement,
                                   struct mr_upload_record *record, char ret_expires_at[MR_TIME_TEXT_MAX],
                                   struct mr_err *err)
{
    int64_t expires_s = web->config->upload_expires_s;
    MR_TRY(mr_orphans_add(web->db, record->object, expires_s + ORPHAN_MARGIN_S, err));
    MR_TRY(begin_at_storage(web, announcement, record, err));
    return mr_uploads_insert(web->db, record, expires_s, ret_expires_at, err);
}

static enum mr_status begin_session(struct mr_web *web, const struct announcement *announcement,
                                    struct mr_upload_record *record, char ret_expires_at[MR_TIME_TEXT_MAX],
                                    struct mr_err *err)
{
    enum mr_status status = try_to_begin(web, announcement, record, ret_expires_at, err);
    if (status != MR_OK) {
        drop_session(web, record);
        return mr_wrap(err, status, "start the upload");
    }
    return MR_OK;
}

static enum mr_status answer(struct mr_request *req, const struct mr_upload_record *record,
                             const char *expires_at, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:i}", "message",
                  "send the file to upload_url, then create a task with upload_id", "upload_id", record->id,
                  "upload_url", record->session_uri, "method", "PUT", "expires_at", expires_at,
                  "chunk_multiple", CHUNK_MULTIPLE);
    if (!body)
        return mr_fail_oom(err);
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, 201, MR_TAKE(body), err);
}

enum mr_status mr_api_upload_create(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO(announcement)
    struct announcement announcement = {.fields = json_object(),
                                        .content_type = "application/octet-stream",
                                        .max_size = web->config->max_direct_upload_bytes};
    char expires_at[MR_TIME_TEXT_MAX];
    MR_AUTO(mr_upload_record) struct mr_upload_record record = {0};
    if (!announcement.fields)
        return mr_fail_oom(err);
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(take_origin(&announcement, req, err));
    MR_TRY(take_fields(&announcement, req, err));
    const struct mr_quota_need need = {.uploads = 1, .bytes = announcement.size};
    MR_TRY(mr_quota_check(web->db, &web->config->quotas, user_id, &need, err));
    MR_TRY(make_record(&announcement, user_id, &record, err));
    MR_TRY(begin_session(web, &announcement, &record, expires_at, err));
    return answer(req, &record, expires_at, err);
}

enum mr_status mr_api_upload_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    json_t *list = NULL;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_uploads_list(web->db, user_id, &list, err));
    return mr_respond_json(req, 200, list, err);
}

enum mr_status mr_api_upload_cancel(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    struct mr_err cause;
    MR_AUTO(mr_upload_record) struct mr_upload_record record = {0};
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_uploads_cancel(web->db, user_id, mr_request_param(req, "upload_id"), &record, err));
    if (mr_upload_remove(web, &record, &cause) != MR_OK)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "cannot remove an upload: the sweep will", &cause,
                   "{s:s}", "upload_id", record.id);
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the upload is canceled"), err);
}

static enum mr_status compare(const struct mr_upload_record *record, const struct mr_object *object,
                              struct mr_err *err)
{
    if (object->size != record->size)
        return mr_fail_code(err, MR_CODE_UPLOAD_MISMATCH,
                            "file has %" PRId64 " bytes, but %" PRId64 " were announced", object->size,
                            record->size);
    if (strcmp(object->content_type, record->content_type) != 0)
        return mr_fail_code(err, MR_CODE_UPLOAD_MISMATCH, "file is stored as %s, but %s was announced",
                            object->content_type, record->content_type);
    return MR_OK;
}

static enum mr_status look_up(struct mr_web *web, const struct mr_upload_record *record,
                              struct mr_object *ret, struct mr_err *err)
{
    enum mr_status status = mr_storage_stat(web->cloud.storage, record->object, ret, err);
    if (status == MR_NOT_FOUND)
        return mr_fail_code(err, MR_CODE_UPLOAD_INCOMPLETE, "file is incomplete: finish the upload first");
    if (status != MR_OK)
        return status;
    return compare(record, ret, err);
}

static enum mr_status find_upload(struct mr_web *web, int64_t user_id, const char *upload_id,
                                  struct mr_upload_record *ret_record, struct mr_object *ret_object,
                                  struct mr_err *err)
{
    MR_TRY(mr_uploads_find(web->db, user_id, upload_id, ret_record, err));
    return look_up(web, ret_record, ret_object, err);
}

enum mr_status mr_upload_check(struct mr_web *web, int64_t user_id, const char *upload_id,
                               struct mr_upload_input *ret, struct mr_err *err)
{
    MR_AUTO(mr_upload_record) struct mr_upload_record record = {0};
    struct mr_object object;
    enum mr_status status = find_upload(web, user_id, upload_id, &record, &object, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "upload_id");
    *ret = (struct mr_upload_input){
        .generation = object.generation, .size = object.size, .file_name = mr_file_name_of(record.file_name)};
    ret->is_video = mr_file_is_video(&ret->file_name, record.content_type);
    snprintf(ret->id, sizeof ret->id, "%s", record.id);
    snprintf(ret->object, sizeof ret->object, "%s", record.object);
    return MR_OK;
}
