/* What session.c and session_entry.c share. */
#ifndef EM_STORAGE_SESSION_INTERNAL_H
#define EM_STORAGE_SESSION_INTERNAL_H

#include "infra/local/emulator/storage/session.h"

#include <pthread.h>

/* `session`, which callers see, comes first: so the entry has the same address. */
struct em_session_entry {
    struct em_upload_session session;
    pthread_mutex_t busy; /* held by the request that has acquired the session */
    struct em_session_entry *next;
};

struct em_upload_sessions {
    char *directory;
    pthread_mutex_t lock;
    struct em_session_entry *first; /* protected by lock; entries are only ever added */
};

/* An entry with copies of `write` and origin (NULL: none). MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_session_entry_new(const char *id, const struct em_store_write *write,
                                                  const char *origin, struct em_session_entry **ret,
                                                  struct mr_err *err);
void em_session_entry_free(struct em_session_entry *entry);
MR_DEFINE_CLEANUP(em_session_entry, em_session_entry_free)

/* The path of a session's file: suffix "json", or "data" for the bytes. malloc'ed. */
MR_MUST_CHECK enum mr_status em_session_path(const struct em_upload_sessions *sessions, const char *id,
                                             const char *suffix, char **ret, struct mr_err *err);
/* Writes the session's JSON durably, and reads it back (MR_INVALID for a damaged file). */
MR_MUST_CHECK enum mr_status em_session_save(const struct em_upload_sessions *sessions,
                                             const struct em_upload_session *session, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_session_load(const struct em_upload_sessions *sessions, const char *id,
                                             struct em_session_entry **ret, struct mr_err *err);
/* Removes both files of a session, as far as they exist. */
void em_session_remove_files(const struct em_upload_sessions *sessions, const char *id);

#endif
