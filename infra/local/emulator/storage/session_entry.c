/* One resumable session: in memory, and in its files. */
#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/session_internal.h"
#include "shared/base/crc32c.h"

void em_session_entry_free(struct em_session_entry *entry)
{
    if (!entry)
        return;
    struct em_upload_session *session = &entry->session;
    free((char *)(uintptr_t)session->write.bucket);
    free((char *)(uintptr_t)session->write.name);
    free(session->origin);
    json_decref(session->write.settings);
    em_stored_unref(session->result);
    em_incoming_free(session->incoming);
    pthread_mutex_destroy(&entry->busy);
    free(entry);
}

enum mr_status em_session_entry_new(const char *id, const struct em_store_write *write, const char *origin,
                                    struct em_session_entry **ret, struct mr_err *err)
{
    MR_AUTO(em_session_entry) struct em_session_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return mr_fail_oom(err);
    pthread_mutex_init(&entry->busy, NULL);
    snprintf(entry->session.id, sizeof entry->session.id, "%s", id);
    entry->session.write = *write;
    entry->session.write.settings = json_deep_copy(write->settings);
    entry->session.write.bucket = strdup(write->bucket);
    entry->session.write.name = strdup(write->name);
    entry->session.origin = origin ? strdup(origin) : NULL;
    if (!entry->session.write.settings || !entry->session.write.bucket || !entry->session.write.name ||
        (origin && !entry->session.origin))
        return mr_fail_oom(err);
    *ret = MR_TAKE(entry);
    return MR_OK;
}

enum mr_status em_session_path(const struct em_upload_sessions *sessions, const char *id, const char *suffix,
                               char **ret, struct mr_err *err)
{
    return em_path_format(ret, err, "%s/%s.%s", sessions->directory, id, suffix);
}

static json_t *session_to_json(const struct em_upload_session *session)
{
    char md5[25], crc32c[9];
    const struct em_digest *expected = &session->write.expected;
    em_md5_text(expected->md5, md5);
    mr_crc32c_text(expected->crc32c, crc32c);
    return json_pack("{s:s, s:s, s:O, s:o, s:I, s:I, s:i, s:b, s:s*, s:s*, s:s*, s:o*}", "bucket",
                     session->write.bucket, "name", session->write.name, "settings", session->write.settings,
                     "conditions", em_conditions_to_json(&session->write.conditions), "total",
                     (json_int_t)session->total, "created_us", (json_int_t)session->created_us, "state",
                     (int)session->state, "without_md5", (int)session->write.without_md5, "md5Hash",
                     expected->has_md5 ? md5 : NULL, "crc32c", expected->has_crc32c ? crc32c : NULL, "origin",
                     session->origin, "result",
                     session->result ? em_stored_to_sidecar(session->result) : NULL);
}

enum mr_status em_session_save(const struct em_upload_sessions *sessions,
                               const struct em_upload_session *session, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *json = session_to_json(session);
    if (!json)
        return mr_fail_oom(err);
    MR_TRY(em_session_path(sessions, session->id, "json", &path, err));
    return em_json_write_file(path, json, err);
}

static enum mr_status entry_from_json(const char *id, json_t *json, struct em_session_entry **ret,
                                      struct mr_err *err)
{
    struct em_store_write write = {0};
    json_int_t total = 0, created = 0;
    json_t *conditions = NULL, *result = NULL;
    const char *origin = NULL;
    int state = 0, without_md5 = 0;
    if (json_unpack(json, "{s:s, s:s, s:o, s:o, s:I, s:I, s:i, s?b, s?s, s?o}", "bucket", &write.bucket,
                    "name", &write.name, "settings", &write.settings, "conditions", &conditions, "total",
                    &total, "created_us", &created, "state", &state, "without_md5", &without_md5, "origin",
                    &origin, "result", &result) < 0)
        return mr_fail(err, MR_INVALID, "not a session's file");
    write.without_md5 = without_md5;
    em_conditions_from_json(conditions, &write.conditions);
    MR_AUTO(em_session_entry) struct em_session_entry *entry = NULL;
    MR_TRY(em_digest_add_resource(&write.expected, json, err));
    MR_TRY(em_session_entry_new(id, &write, origin, &entry, err));
    if (result)
        MR_TRY(em_stored_from_sidecar(write.bucket, result, &entry->session.result, err));
    entry->session.total = total;
    entry->session.created_us = created;
    entry->session.state = (enum em_upload_session_state)state;
    *ret = MR_TAKE(entry);
    return MR_OK;
}

void em_session_remove_files(const struct em_upload_sessions *sessions, const char *id)
{
    static const char *const suffixes[] = {"json", "data"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        MR_AUTO_STR char *path = NULL;
        if (em_session_path(sessions, id, suffixes[i], &path, NULL) == MR_OK)
            unlink(path);
    }
}

enum mr_status em_session_load(const struct em_upload_sessions *sessions, const char *id,
                               struct em_session_entry **ret, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *json = NULL;
    MR_TRY(em_session_path(sessions, id, "json", &path, err));
    MR_TRY(em_json_read_file(path, &json, err));
    enum mr_status status = entry_from_json(id, json, ret, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", path);
    return MR_OK;
}
