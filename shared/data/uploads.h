/*
 * Direct uploads: a client uploads its file to Cloud Storage itself, with a resumable session that web began for
 * it; afterwards a task takes the object as its input.
 *
 * A row exists from the beginning of the session until a task takes the upload (mr_tasks_insert deletes the row
 * and the object's entry in the ledger of orphaned objects in its one statement) or the sweep gives it up. It can
 * be taken only while `expires_at > now()`: giving it up begins with setting expires_at to -infinity, so that
 * either a task or the sweep gets it, without a lock that is held during calls of Cloud Storage. Any thread may
 * call.
 */
#ifndef MR_DATA_UPLOADS_H
#define MR_DATA_UPLOADS_H

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/random.h"
#include "shared/data/db.h"

/* An upload that has begun; its texts are owned. session_uri is a bearer secret: never log it. */
struct mr_upload_record {
    char id[MR_UUID_TEXT_MAX];
    int64_t user_id;
    char *object;
    char *session_uri;
    char *file_name;
    char *content_type;
    int64_t size; /* announced, in bytes */
};
void mr_upload_record_free(struct mr_upload_record *record);
MR_DEFINE_VALUE_CLEANUP(mr_upload_record, mr_upload_record_free)

/* Notes an upload that can be taken for expires_s seconds. ret_expires_at gets the end, ISO 8601 in UTC.
 * MR_CONFLICT if the id exists. */
MR_MUST_CHECK enum mr_status mr_uploads_insert(struct mr_db *db, const struct mr_upload_record *record,
                                               int64_t expires_s, char ret_expires_at[MR_TIME_TEXT_MAX],
                                               struct mr_err *err);

/* The user's upload that can still be taken; the caller frees *ret. MR_NOT_FOUND with code "unknown_upload":
 * unknown (or not a UUID), another user's, taken, or expired. */
MR_MUST_CHECK enum mr_status mr_uploads_find(struct mr_db *db, int64_t user_id, const char *id,
                                             struct mr_upload_record *ret, struct mr_err *err);

/* The user's uploads that can still be taken, newest first, as an array for clients. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_uploads_list(struct mr_db *db, int64_t user_id, json_t **ret,
                                             struct mr_err *err);

/* Gives up one upload of the user, as mr_uploads_give_up does for those that expired. MR_NOT_FOUND as mr_uploads_find. */
MR_MUST_CHECK enum mr_status mr_uploads_cancel(struct mr_db *db, int64_t user_id, const char *id,
                                               struct mr_upload_record *ret, struct mr_err *err);

/*
 * Gives up expired uploads: from now on no task can take them. Fills ret (room for max); the caller frees each.
 * Rows stay until mr_uploads_forget, so that an upload that could not be cleaned up is returned again.
 */
MR_MUST_CHECK enum mr_status mr_uploads_give_up(struct mr_db *db, struct mr_upload_record *ret, size_t max,
                                                size_t *ret_count, struct mr_err *err);

/*
 * Deletes the row of an upload that was given up and whose object is deleted. keep_object_s 0: its session is
 * gone, so the object's entry in the ledger of orphaned objects is deleted, too. Otherwise the session may still
 * make the object: it becomes due in the ledger after that many seconds.
 */
MR_MUST_CHECK enum mr_status mr_uploads_forget(struct mr_db *db, const char *id, int64_t keep_object_s,
                                               struct mr_err *err);

#endif
