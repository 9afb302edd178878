#include "infra/local/emulator/storage/session.h"

#include "infra/local/emulator/storage/file.h"
#include "shared/base/encoding.h"

#include <pthread.h>

#define SESSION_LIFE_US (7LL * 24 * 3600 * 1000000)

/* What callers see comes first, so that a session can be found back from it. */
struct entry {
    struct em_upload_session session;
    pthread_mutex_t busy; /* held by the request that has acquired the session */
    struct entry *next;
};

struct em_upload_sessions {
    char *directory;
    pthread_mutex_t lock;
    struct entry *first; /* protected by lock; entries are only ever added */
};

static struct entry *entry_of(struct em_upload_session *session)
{
    return (struct entry *)session;
}

static void entry_free(struct entry *entry)
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
MR_DEFINE_CLEANUP(entry, entry_free)

static enum mr_status entry_new(const char *id, const struct em_store_write *write, const char *origin,
                                struct entry **ret, struct mr_err *err)
{
    MR_AUTO(entry) struct entry *entry = calloc(1, sizeof *entry);
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

/* ---- files -------------------------------------------------------------------- */

static enum mr_status path_of(const struct em_upload_sessions *sessions, const char *id, const char *suffix,
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
    return json_pack("{s:s, s:s, s:O, s:o, s:I, s:I, s:i, s:s*, s:s*, s:s*, s:o*}", "bucket",
                     session->write.bucket, "name", session->write.name, "settings", session->write.settings,
                     "conditions", em_conditions_to_json(&session->write.conditions), "total",
                     (json_int_t)session->total, "created_us", (json_int_t)session->created_us, "state",
                     (int)session->state, "md5Hash", expected->has_md5 ? md5 : NULL, "crc32c",
                     expected->has_crc32c ? crc32c : NULL, "origin", session->origin, "result",
                     session->result ? em_stored_to_sidecar(session->result) : NULL);
}

static enum mr_status save(const struct em_upload_sessions *sessions, const struct em_upload_session *session,
                           struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *json = session_to_json(session);
    if (!json)
        return mr_fail_oom(err);
    MR_TRY(path_of(sessions, session->id, "json", &path, err));
    return em_json_write_file(path, json, err);
}

static enum mr_status entry_from_json(const char *id, json_t *json, struct entry **ret, struct mr_err *err)
{
    struct em_store_write write = {0};
    json_int_t total = 0, created = 0;
    json_t *conditions = NULL, *result = NULL;
    const char *origin = NULL;
    int state = 0;
    if (json_unpack(json, "{s:s, s:s, s:o, s:o, s:I, s:I, s:i, s?s, s?o}", "bucket", &write.bucket, "name",
                    &write.name, "settings", &write.settings, "conditions", &conditions, "total", &total,
                    "created_us", &created, "state", &state, "origin", &origin, "result", &result) < 0)
        return mr_fail(err, MR_INVALID, "not a session's file");
    em_conditions_from_json(conditions, &write.conditions);
    MR_AUTO(entry) struct entry *entry = NULL;
    MR_TRY(em_digest_add_resource(&write.expected, json, err));
    MR_TRY(entry_new(id, &write, origin, &entry, err));
    if (result)
        MR_TRY(em_stored_from_sidecar(write.bucket, result, &entry->session.result, err));
    entry->session.total = total;
    entry->session.created_us = created;
    entry->session.state = (enum em_upload_session_state)state;
    *ret = MR_TAKE(entry);
    return MR_OK;
}

static void forget(const struct em_upload_sessions *sessions, const char *id)
{
    static const char *const suffixes[] = {"json", "data"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        MR_AUTO_STR char *path = NULL;
        if (path_of(sessions, id, suffixes[i], &path, NULL) == MR_OK)
            unlink(path);
    }
}

static enum mr_status load_session(void *ctx, const char *name, struct mr_err *err)
{
    struct em_upload_sessions *sessions = ctx;
    char id[EM_SESSION_ID_MAX];
    if (strlen(name) != EM_SESSION_ID_MAX - 1 + strlen(".json") ||
        strcmp(name + EM_SESSION_ID_MAX - 1, ".json"))
        return MR_OK;
    snprintf(id, sizeof id, "%.*s", EM_SESSION_ID_MAX - 1, name);
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *json = NULL;
    MR_AUTO(entry) struct entry *entry = NULL;
    enum mr_status status = path_of(sessions, id, "json", &path, err);
    if (status == MR_OK)
        status = em_json_read_file(path, &json, err);
    if (status == MR_OK)
        status = entry_from_json(id, json, &entry, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", path);
    if (entry->session.created_us + SESSION_LIFE_US < mr_time_now_us()) {
        forget(sessions, id);
        return MR_OK;
    }
    entry->next = sessions->first;
    sessions->first = MR_TAKE(entry);
    return MR_OK;
}

enum mr_status em_upload_sessions_open(const char *directory, struct em_upload_sessions **ret,
                                       struct mr_err *err)
{
    MR_AUTO(em_upload_sessions) struct em_upload_sessions *sessions = calloc(1, sizeof *sessions);
    if (!sessions)
        return mr_fail_oom(err);
    pthread_mutex_init(&sessions->lock, NULL);
    sessions->directory = strdup(directory);
    if (!sessions->directory)
        return mr_fail_oom(err);
    MR_TRY(em_dir_each(directory, load_session, sessions, err));
    *ret = MR_TAKE(sessions);
    return MR_OK;
}

void em_upload_sessions_free(struct em_upload_sessions *sessions)
{
    if (!sessions)
        return;
    while (sessions->first) {
        struct entry *entry = sessions->first;
        sessions->first = entry->next;
        entry_free(entry);
    }
    pthread_mutex_destroy(&sessions->lock);
    free(sessions->directory);
    free(sessions);
}

/* ---- operations ---------------------------------------------------------------- */

enum mr_status em_upload_session_create(struct em_upload_sessions *sessions,
                                        const struct em_store_write *write, int64_t total, const char *origin,
                                        char ret_id[EM_SESSION_ID_MAX], struct mr_err *err)
{
    unsigned char random[(EM_SESSION_ID_MAX - 1) / 2];
    char id[EM_SESSION_ID_MAX];
    MR_AUTO(entry) struct entry *entry = NULL;
    MR_TRY(mr_random_bytes(random, sizeof random, err));
    mr_hex_encode(random, sizeof random, id);
    MR_TRY(entry_new(id, write, origin, &entry, err));
    entry->session.total = total;
    entry->session.created_us = mr_time_now_us();
    MR_TRY(save(sessions, &entry->session, err));
    memcpy(ret_id, id, sizeof id);
    pthread_mutex_lock(&sessions->lock);
    entry->next = sessions->first;
    sessions->first = MR_TAKE(entry);
    pthread_mutex_unlock(&sessions->lock);
    return MR_OK;
}

static enum mr_status open_incoming(const struct em_upload_sessions *sessions,
                                    struct em_upload_session *session, struct mr_err *err)
{
    if (session->state != EM_SESSION_OPEN)
        return MR_OK;
    if (session->incoming)
        return em_incoming_resume(session->incoming, err);
    MR_AUTO_STR char *path = NULL;
    MR_TRY(path_of(sessions, session->id, "data", &path, err));
    return em_incoming_open(path, &session->incoming, err);
}

static struct entry *find(struct em_upload_sessions *sessions, const char *id)
{
    pthread_mutex_lock(&sessions->lock);
    struct entry *entry = sessions->first;
    while (entry && strcmp(entry->session.id, id))
        entry = entry->next;
    pthread_mutex_unlock(&sessions->lock);
    return entry;
}

const char *em_upload_session_origin(struct em_upload_sessions *sessions, const char *id)
{
    const struct entry *entry = find(sessions, id);
    return entry ? entry->session.origin : NULL;
}

enum mr_status em_upload_session_acquire(struct em_upload_sessions *sessions, const char *id,
                                         struct em_upload_session **ret, struct mr_err *err)
{
    struct entry *entry = find(sessions, id);
    if (!entry)
        return mr_fail(err, MR_NOT_FOUND, "No such upload session.");
    pthread_mutex_lock(&entry->busy);
    enum mr_status status = open_incoming(sessions, &entry->session, err);
    if (status != MR_OK)
        pthread_mutex_unlock(&entry->busy);
    else
        *ret = &entry->session;
    return status;
}

void em_upload_session_release(struct em_upload_session *session)
{
    if (!session)
        return;
    if (session->incoming)
        em_incoming_suspend(session->incoming);
    pthread_mutex_unlock(&entry_of(session)->busy);
}

enum mr_status em_upload_session_finish(struct em_upload_sessions *sessions,
                                        struct em_upload_session *session, struct em_stored *result,
                                        struct mr_err *err)
{
    session->state = EM_SESSION_DONE;
    session->result = em_stored_ref(result);
    em_incoming_free(MR_TAKE(session->incoming));
    return save(sessions, session, err);
}

enum mr_status em_upload_session_cancel(struct em_upload_sessions *sessions,
                                        struct em_upload_session *session, struct mr_err *err)
{
    session->state = EM_SESSION_CANCELED;
    if (session->incoming)
        session->incoming->keep = false;
    em_incoming_free(MR_TAKE(session->incoming));
    return save(sessions, session, err);
}
