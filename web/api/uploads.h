/* Direct uploads, for the handlers of tasks. */
#ifndef MR_WEB_API_UPLOADS_H
#define MR_WEB_API_UPLOADS_H

#include "shared/base/random.h"
#include "shared/data/object_names.h"
#include "shared/data/uploads.h"
#include "web/api/file_name.h"
#include "web/app.h"

/* A finished direct upload that can become the input of a task. */
struct mr_upload_input {
    char id[MR_UUID_TEXT_MAX];        /* for upload_id of the draft */
    char object[MR_OBJECT_NAME_SIZE]; /* for input_object of the draft */
    int64_t generation;
    int64_t size;
    struct mr_file_name file_name;
    bool is_video; /* by its name, or by the contentType it was announced with */
};

/*
 * Checks an upload_id against the uploads of the user and the object in Cloud Storage. The upload is not
 * taken yet: mr_tasks_insert does that, by upload_id of the draft. MR_NOT_FOUND "unknown_upload": unknown,
 * another user's, taken or expired. MR_CONFLICT "upload_incomplete": bytes are missing. MR_INVALID
 * "upload_mismatch": the object is not what was announced; it stays until the upload expires. Messages begin
 * with "upload_id: ".
 */
MR_MUST_CHECK enum mr_status mr_upload_check(struct mr_web *web, int64_t user_id, const char *upload_id,
                                             struct mr_upload_input *ret, struct mr_err *err);

#endif
