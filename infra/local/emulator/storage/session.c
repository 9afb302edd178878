#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/session_internal.h"
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/random.h"

#define SESSION_LIFE_US (7LL * 24 * 3600 * 1000000)

static struct em_session_entry *entry_of(struct em_upload_session *session)
{
    return (struct em_session_entry *)session;
}

static enum mr_status load_session(void *ctx, const char *name, struct mr_err *err)
{
    struct em_upload_sessions *sessions = ctx;
    char id[EM_SESSION_ID_MAX];
    if (strlen(name) != EM_SESSION_ID_MAX - 1 + strlen(".json") ||
        strcmp(name + EM_SESSION_ID_MAX - 1, ".json"))
        return MR_OK;
    snprintf(id, sizeof id, "%.*s", EM_SESSION_ID_MAX - 1, name);
    MR_AUTO(em_session_entry) struct em_session_entry *entry = NULL;
    MR_TRY(em_session_load(sessions, id, &entry, err));
    if (entry->session.created_us + SESSION_LIFE_US < mr_time_now_us()) {
        em_session_remove_files(sessions, id);
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
        struct em_session_entry *entry = sessions->first;
        sessions->first = entry->next;
        em_session_entry_free(entry);
    }
    pthread_mutex_destroy(&sessions->lock);
    free(sessions->directory);
    free(sessions);
}

enum mr_status em_upload_session_create(struct em_upload_sessions *sessions,
                                        const struct em_store_write *write, int64_t total, const char *origin,
                                        char ret_id[EM_SESSION_ID_MAX], struct mr_err *err)
{
    unsigned char random[(EM_SESSION_ID_MAX - 1) / 2];
    char id[EM_SESSION_ID_MAX];
    MR_AUTO(em_session_entry) struct em_session_entry *entry = NULL;
    MR_TRY(mr_random_bytes(random, sizeof random, err));
    mr_hex_encode(random, sizeof random, id);
    MR_TRY(em_session_entry_new(id, write, origin, &entry, err));
    entry->session.total = total;
    entry->session.created_us = mr_time_now_us();
    MR_TRY(em_session_save(sessions, &entry->session, err));
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
    MR_TRY(em_session_path(sessions, session->id, "data", &path, err));
    MR_TRY(em_incoming_open(path, &session->incoming, err));
    session->incoming->hash.without_md5 = session->write.without_md5;
    return MR_OK;
}

static struct em_session_entry *find(struct em_upload_sessions *sessions, const char *id)
{
    pthread_mutex_lock(&sessions->lock);
    struct em_session_entry *entry = sessions->first;
    while (entry && strcmp(entry->session.id, id))
        entry = entry->next;
    pthread_mutex_unlock(&sessions->lock);
    return entry;
}

const char *em_upload_session_origin(struct em_upload_sessions *sessions, const char *id)
{
    const struct em_session_entry *entry = find(sessions, id);
    return entry ? entry->session.origin : NULL;
}

enum mr_status em_upload_session_acquire(struct em_upload_sessions *sessions, const char *id,
                                         struct em_upload_session **ret, struct mr_err *err)
{
    struct em_session_entry *entry = find(sessions, id);
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
    return em_session_save(sessions, session, err);
}

enum mr_status em_upload_session_cancel(struct em_upload_sessions *sessions,
                                        struct em_upload_session *session, struct mr_err *err)
{
    session->state = EM_SESSION_CANCELED;
    if (session->incoming)
        session->incoming->keep = false;
    em_incoming_free(MR_TAKE(session->incoming));
    return em_session_save(sessions, session, err);
}
