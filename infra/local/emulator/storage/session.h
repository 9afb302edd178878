/*
 * Resumable upload sessions. Each has a JSON file and a file with the bytes received so far, in
 * DATA_DIR/storage/.sessions, so it survives a restart of the emulator. After a week it is removed at start.
 *
 * A session belongs to the request that has acquired it; other requests for it wait. Sessions stay in memory
 * until the emulator ends, because finished and canceled ones still answer. Any thread may call any function
 * here.
 */
#ifndef EM_STORAGE_SESSION_H
#define EM_STORAGE_SESSION_H

#include "infra/local/emulator/storage/store.h"

enum { EM_SESSION_ID_MAX = 33 };

enum em_upload_session_state { EM_SESSION_OPEN, EM_SESSION_DONE, EM_SESSION_CANCELED };

struct em_upload_session {
    char id[EM_SESSION_ID_MAX];
    struct em_store_write write; /* its strings and settings belong to the session */
    int64_t total;               /* the object's size as announced; -1 while unknown */
    int64_t created_us;
    enum em_upload_session_state state;
    struct em_stored *result;     /* the object, once the session is finished */
    struct em_incoming *incoming; /* the bytes so far, while the session is open */
    char *origin;                 /* Origin of the request that started it; NULL: none. Never changes. */
};

struct em_upload_sessions;

/* Reads the sessions in `directory`. MR_INVALID for a damaged file. */
MR_MUST_CHECK enum mr_status em_upload_sessions_open(const char *directory, struct em_upload_sessions **ret,
                                                     struct mr_err *err);
void em_upload_sessions_free(struct em_upload_sessions *sessions);
MR_DEFINE_CLEANUP(em_upload_sessions, em_upload_sessions_free)

/* A new session; its file is synced when this returns. Copies `write` and origin (NULL: none). ret_id gets its
 * id. */
MR_MUST_CHECK enum mr_status em_upload_session_create(struct em_upload_sessions *sessions,
                                                      const struct em_store_write *write, int64_t total,
                                                      const char *origin, char ret_id[EM_SESSION_ID_MAX],
                                                      struct mr_err *err);

/* The origin of a session, acquired or not; NULL if there is no such session or it has no origin. */
const char *em_upload_session_origin(struct em_upload_sessions *sessions, const char *id);

/* Gives the session to this thread alone until it is released; waits while another thread has it. The incoming
 * file of an open session is opened. MR_NOT_FOUND for an unknown id. */
MR_MUST_CHECK enum mr_status em_upload_session_acquire(struct em_upload_sessions *sessions, const char *id,
                                                       struct em_upload_session **ret, struct mr_err *err);
/* Releases an acquired session; NULL is allowed. */
void em_upload_session_release(struct em_upload_session *session);
static inline void em_upload_session_held_cleanup(struct em_upload_session **session)
{
    em_upload_session_release(*session);
}

/* Ends an acquired session: with its object, or canceled (the bytes are removed). Saved when these return. */
MR_MUST_CHECK enum mr_status em_upload_session_finish(struct em_upload_sessions *sessions,
                                                      struct em_upload_session *session,
                                                      struct em_stored *result, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_upload_session_cancel(struct em_upload_sessions *sessions,
                                                      struct em_upload_session *session, struct mr_err *err);

#endif
