/*
 * Resumable upload sessions. Each is a JSON file and a file of the bytes received so far, below
 * DATA_DIR/storage/.sessions, so a session outlives the emulator; after a week it is forgotten.
 *
 * A session belongs to the request that has acquired it; others for the same session wait. Sessions stay in
 * memory until the emulator ends: a finished or cancelled one still has to answer.
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
    struct em_stored *result;     /* what a finished session made */
    struct em_incoming *incoming; /* the bytes so far, while open */
    char *origin;                 /* of the request that began it; NULL: none. Never changes. */
};

struct em_upload_sessions;

/* Reads the sessions of `directory`. */
MR_MUST_CHECK enum mr_status em_upload_sessions_open(const char *directory, struct em_upload_sessions **ret,
                                                     struct mr_err *err);
void em_upload_sessions_free(struct em_upload_sessions *sessions);
MR_DEFINE_CLEANUP(em_upload_sessions, em_upload_sessions_free)

/* A new session, durable when this returns; copies `write` and origin (NULL: none). ret_id gets its id. */
MR_MUST_CHECK enum mr_status em_upload_session_create(struct em_upload_sessions *sessions,
                                                      const struct em_store_write *write, int64_t total,
                                                      const char *origin, char ret_id[EM_SESSION_ID_MAX],
                                                      struct mr_err *err);

/* The origin of a session, which nobody has to have acquired; NULL if there is no such session or it has
 * none. */
const char *em_upload_session_origin(struct em_upload_sessions *sessions, const char *id);

/* The session for this thread alone, until it is released. MR_NOT_FOUND for an unknown id; waits for another
 * holder. An open session comes with its incoming file opened. */
MR_MUST_CHECK enum mr_status em_upload_session_acquire(struct em_upload_sessions *sessions, const char *id,
                                                       struct em_upload_session **ret, struct mr_err *err);
/* Of an acquired session; NULL is allowed. */
void em_upload_session_release(struct em_upload_session *session);
static inline void em_upload_session_held_cleanup(struct em_upload_session **session)
{
    em_upload_session_release(*session);
}

/* Records the end of an acquired session: with the object it made, or cancelled (its bytes are removed). */
MR_MUST_CHECK enum mr_status em_upload_session_finish(struct em_upload_sessions *sessions,
                                                      struct em_upload_session *session,
                                                      struct em_stored *result, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_upload_session_cancel(struct em_upload_sessions *sessions,
                                                      struct em_upload_session *session, struct mr_err *err);

#endif
