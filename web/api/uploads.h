/* Direct uploads as the tasks' handlers need them. */
#ifndef MR_WEB_API_UPLOADS_H
#define MR_WEB_API_UPLOADS_H

#include "shared/data/uploads.h"
#include "web/api/file_name.h"
#include "web/app.h"

/* A finished direct upload, ready to become a task's input. */
struct mr_upload_input {
    char id[MR_UUID_TEXT_MAX]; /* for the draft's upload_id */
    char object[64];           /* its name, for input_object */
    int64_t generation;
    int64_t size;
    struct mr_file_name file_name;
    bool is_video; /* by its name, or by the contentType it was announced with */
};

/*
 * Checks the upload_id of an order against the caller's uploads and against what Cloud Storage holds; takes
 * nothing yet (mr_tasks_insert does, by the draft's upload_id). MR_NOT_FOUND "unknown_upload": unknown,
 * another user's, taken, expired. MR_CONFLICT "upload_incomplete": not all bytes are there yet. MR_INVALID
 * "upload_mismatch": the object is not what was announced; it stays until the upload expires. The messages
 * begin with "upload_id: ".
 */
MR_MUST_CHECK enum mr_status mr_upload_check(struct mr_web *web, int64_t user_id, const char *upload_id,
                                             struct mr_upload_input *ret, struct mr_err *err);

#endif
