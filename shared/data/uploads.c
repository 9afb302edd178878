#include "shared/data/uploads.h"

#include "shared/base/encoding.h"
#include "shared/base/json.h"

#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
#define COLUMNS     "id, user_id, object, session_uri, file_name, content_type, size"

void mr_upload_record_free(struct mr_upload_record *record)
{
    free(record->object);
    free(record->session_uri);
    free(record->file_name);
    free(record->content_type);
    *record = (struct mr_upload_record){0};
}

static enum mr_status record_of(const struct mr_rows *rows, int row, struct mr_upload_record *ret,
                                struct mr_err *err)
{
    MR_AUTO(mr_upload_record)
    struct mr_upload_record record = {
        .user_id = mr_rows_int64(rows, row, "user_id"),
        .object = strdup(mr_rows_text(rows, row, "object")),
        .session_uri = strdup(mr_rows_text(rows, row, "session_uri")),
        .file_name = strdup(mr_rows_text(rows, row, "file_name")),
        .content_type = strdup(mr_rows_text(rows, row, "content_type")),
        .size = mr_rows_int64(rows, row, "size"),
    };
    snprintf(record.id, sizeof record.id, "%s", mr_rows_text(rows, row, "id"));
    if (!record.object || !record.session_uri || !record.file_name || !record.content_type)
        return mr_fail_oom(err);
    *ret = record;
    record = (struct mr_upload_record){0};
    return MR_OK;
}

enum mr_status mr_uploads_insert(struct mr_db *db, const struct mr_upload_record *record, int64_t expires_s,
                                 char ret_expires_at[MR_TIME_TEXT_MAX], struct mr_err *err)
{
    static const struct mr_statement insert = {
        "uploads_insert",
        "INSERT INTO uploads (" COLUMNS
        ", expires_at) VALUES ($1::uuid, $2::bigint, $3, $4, $5, $6, $7::bigint,"
        " now() + make_interval(secs => $8::int)) RETURNING " UTC("expires_at") " AS expires_at",
        8};
    char user[MR_INT64_TEXT_MAX], size[MR_INT64_TEXT_MAX], seconds[MR_INT64_TEXT_MAX];
    mr_int64_text(record->user_id, user);
    mr_int64_text(record->size, size);
    mr_int64_text(expires_s, seconds);
    const char *params[] = {
        record->id,           user, record->object, record->session_uri, record->file_name,
        record->content_type, size, seconds};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_exec(db, &insert, params, &rows, err);
    if (status == MR_NOT_FOUND) /* the row that it refers to */
        return mr_fail(err, MR_UNAUTHENTICATED, "token rejected: its user no longer exists");
    if (status != MR_OK)
        return status;
    snprintf(ret_expires_at, MR_TIME_TEXT_MAX, "%s", mr_rows_text(rows, 0, "expires_at"));
    return MR_OK;
}

/* Runs a statement for one upload of a user, which returns its row. */
static enum mr_status one_of_user(struct mr_db *db, const struct mr_statement *statement, int64_t user_id,
                                  const char *id, struct mr_upload_record *ret, struct mr_err *err)
{
    char user[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    if (mr_uuid_is_valid(id))
        MR_TRY(mr_db_exec(db, statement, (const char *const[]){id, user}, &rows, err));
    if (!rows || mr_rows_count(rows) == 0)
        return mr_fail_code(err, MR_CODE_UNKNOWN_UPLOAD,
                            "upload not found: begin one with POST /api/uploads");
    return record_of(rows, 0, ret, err);
}

enum mr_status mr_uploads_find(struct mr_db *db, int64_t user_id, const char *id,
                               struct mr_upload_record *ret, struct mr_err *err)
{
    static const struct mr_statement find = {
        "uploads_find",
        "SELECT " COLUMNS " FROM uploads WHERE id = $1::uuid AND user_id = $2::bigint AND expires_at > now()",
        2};
    return one_of_user(db, &find, user_id, id, ret, err);
}

enum mr_status mr_uploads_cancel(struct mr_db *db, int64_t user_id, const char *id,
                                 struct mr_upload_record *ret, struct mr_err *err)
{
    static const struct mr_statement cancel = {
        "uploads_cancel",
        "UPDATE uploads SET expires_at = '-infinity' WHERE id = $1::uuid AND user_id = $2::bigint"
        " AND expires_at > now() RETURNING " COLUMNS,
        2};
    return one_of_user(db, &cancel, user_id, id, ret, err);
}

enum mr_status mr_uploads_list(struct mr_db *db, int64_t user_id, json_t **ret, struct mr_err *err)
{
    static const struct mr_statement list = {
        "uploads_list",
        "SELECT coalesce(json_agg(json_build_object('upload_id', id, 'fileName', file_name, 'contentType',"
        " content_type, 'size', size, 'created_at', " UTC("created_at") ", 'expires_at', " UTC(
            "expires_at") ")"
                          " ORDER BY created_at DESC), '[]') AS list FROM uploads"
                          " WHERE user_id = $1::bigint AND expires_at > now()",
        1};
    char user[MR_INT64_TEXT_MAX];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(user_id, user);
    MR_TRY(mr_db_exec(db, &list, (const char *const[]){user}, &rows, err));
    const char *text = mr_rows_text(rows, 0, "list");
    return mr_json_parse(text, strlen(text), 0, ret, err);
}

static enum mr_status records_of(const struct mr_rows *rows, struct mr_upload_record *ret, size_t *ret_count,
                                 struct mr_err *err)
{
    *ret_count = 0;
    for (int row = 0; row < mr_rows_count(rows); row++) {
        MR_TRY(record_of(rows, row, &ret[*ret_count], err));
        ++*ret_count;
    }
    return MR_OK;
}

enum mr_status mr_uploads_give_up(struct mr_db *db, struct mr_upload_record *ret, size_t max,
                                  size_t *ret_count, struct mr_err *err)
{
    /* A task that waits for the row's lock checks expires_at again when it gets it, and finds the upload
     * expired. In random order: an upload that cannot be cleaned up today must not block the others. */
    static const struct mr_statement give_up = {
        "uploads_give_up",
        "UPDATE uploads SET expires_at = '-infinity' WHERE id IN (SELECT id FROM uploads"
        " WHERE expires_at <= now() ORDER BY random() LIMIT $1::bigint FOR UPDATE SKIP LOCKED)"
        " RETURNING " COLUMNS,
        1};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &give_up, (const char *const[]){limit}, &rows, err));
    enum mr_status status = records_of(rows, ret, ret_count, err);
    if (status != MR_OK)
        while (*ret_count)
            mr_upload_record_free(&ret[--*ret_count]);
    return status;
}

enum mr_status mr_uploads_forget(struct mr_db *db, const char *id, int64_t keep_object_s, struct mr_err *err)
{
    static const struct mr_statement forget = {
        "uploads_forget",
        "WITH gone AS (DELETE FROM uploads WHERE id = $1::uuid AND expires_at = '-infinity' RETURNING object)"
        " DELETE FROM stray_objects WHERE name = ANY (ARRAY(SELECT object FROM gone))",
        1};
    static const struct mr_statement keep = {
        "uploads_forget_later",
        "WITH gone AS (DELETE FROM uploads WHERE id = $1::uuid AND expires_at = '-infinity'"
        " RETURNING object) INSERT INTO stray_objects (name, delete_after)"
        " SELECT object, now() + make_interval(secs => $2::int) FROM gone ON CONFLICT (name) DO UPDATE"
        " SET delete_after = excluded.delete_after",
        2};
    char seconds[MR_INT64_TEXT_MAX];
    mr_int64_text(keep_object_s, seconds);
    return mr_db_exec(db, keep_object_s ? &keep : &forget, (const char *const[]){id, seconds}, NULL, err);
}
