/*
 * A request to create or change a task (POST and PUT /api/tasks, POST /api/probe), from its body to the draft
 * of a task.
 *
 *   task_request_fields.c   the fields, as a table: name, type, check, and the kinds of task they belong to.
 *                           They come as JSON, as a urlencoded form or as multipart. Checked values go into
 *                           `given` and, in canonical form, into `fields`.
 *   task_request_file.c     the file of a multipart body, stored while it arrives. Its object is in the
 *                           ledger of orphaned objects before the first byte is stored, so that a request
 *                           that ends early leaves nothing behind.
 *   task_request_headers.c  Idempotency-Key, traceparent, and the hash that recognises a repeated request
 *   task_request_plan.c     what the fields together ask for: the draft
 *   task_request_submit.c   all of the above, in order, up to the task
 *
 * A struct mr_task_request belongs to the thread of its HTTP request.
 */
#ifndef MR_WEB_API_TASK_REQUEST_H
#define MR_WEB_API_TASK_REQUEST_H

#include "shared/base/random.h"
#include "shared/data/tasks.h"
#include "shared/http/form.h"
#include "web/api/file_name.h"
#include "web/api/uploads.h"
#include "web/app.h"

enum { MR_SHA256_HEX_MAX = 65 };

/* The file that came with the request. */
struct mr_task_request_file {
    bool is_stored;
    struct mr_file_name name;
    bool is_video; /* by its name, or by the media type of its part */
    char object[MR_OBJECT_NAME_SIZE];
    struct mr_object stored;
    char sha256[MR_SHA256_HEX_MAX]; /* of its bytes; "" without an idempotency key */
};

/* The values of the fields; NULL or 0: not given. The texts belong to `fields`. */
struct mr_task_request_given {
    const char *new_format, *preset, *url, *upload_id, *priority, *callback_url, *kind;
    const json_t *options;
    int64_t records;
    bool reuse;
    const char *name, *description;
};

struct mr_task_request {
    struct mr_web *web; /* not owned */
    const char *kind;   /* of the new task, if the route fixes it; NULL: the fields say it */
    int64_t user_id;
    bool is_guest;
    char file_id[MR_UUID_TEXT_MAX]; /* of the new task */
    json_t *fields;                 /* an object: the checked fields that were given, in canonical form */
    struct mr_task_request_given given;
    struct mr_task_request_file file;
    struct mr_file_name url_name;         /* the file name that url ends with */
    json_t *options;                      /* of a task without a file, or of a preset */
    const char *idempotency_key;          /* of the request; NULL without one */
    char request_hash[MR_SHA256_HEX_MAX]; /* filled with a key */
    struct mr_span span;                  /* of the creation; not recorded without a tracer */
    /* of that span, else of the request; "" without a well-formed one */
    char traceparent[MR_TRACEPARENT_MAX];
};
/* An empty request; free it in every case. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_task_request_init(struct mr_task_request *wanted, struct mr_web *web,
                                                  int64_t user_id, struct mr_err *err);
void mr_task_request_free(struct mr_task_request *wanted);
MR_DEFINE_VALUE_CLEANUP(mr_task_request, mr_task_request_free)

/* What a field may be used for. The rows of task_request_fields.c say which of these they allow. */
enum mr_task_request_use {
    MR_TASK_REQUEST_CONVERT = 1,
    MR_TASK_REQUEST_EDIT = 2,
    MR_TASK_REQUEST_INSERT_RECORDS = 4,
    MR_TASK_REQUEST_REDO = 8,
    MR_TASK_REQUEST_PROBE = 16,
};

/* MR_INVALID with code "unknown_field" unless there is a field of that name. */
MR_MUST_CHECK enum mr_status mr_task_request_check_name(const char *name, struct mr_err *err);
/*
 * Checks one field and adds it to the request. is_form: the value comes from a form, where numbers and
 * objects are text, too, and an empty text means absent. MR_INVALID; the message begins with the name of the
 * field. Codes "unknown_field", "wrong_type", "repeated_field", and those of the field.
 */
MR_MUST_CHECK enum mr_status mr_task_request_take(struct mr_task_request *wanted, const char *name,
                                                  const json_t *value, bool is_form, struct mr_err *err);
/* Takes all fields of a body without a file: JSON or any form, up to 64 KiB. */
MR_MUST_CHECK enum mr_status mr_task_request_take_body(struct mr_task_request *wanted, struct mr_request *req,
                                                       struct mr_err *err);
/* MR_INVALID with code "unknown_field" for a field that was given and does not belong to this use. */
MR_MUST_CHECK enum mr_status mr_task_request_check_use(const struct mr_task_request *wanted,
                                                       enum mr_task_request_use use, struct mr_err *err);

/* MR_DENIED with code "needs_account" for what a guest may not ask for: a webhook, and priority over others. */
MR_MUST_CHECK enum mr_status mr_task_request_check_guest(const struct mr_task_request *wanted,
                                                         struct mr_err *err);

/* MR_INVALID with code "preset_and_options" if both were given. */
MR_MUST_CHECK enum mr_status mr_task_request_check_preset(const struct mr_task_request *wanted,
                                                          struct mr_err *err);

/* True for the names that a file part may have. */
bool mr_task_request_is_file(const char *name);
/* Stores the part as the input of the task. MR_INVALID with code "repeated_field", "missing_field" (no file
 * name) or "empty_file"; failures of storage and database. */
MR_MUST_CHECK enum mr_status mr_task_request_store_file(struct mr_task_request *wanted, struct mr_form *form,
                                                        const struct mr_form_part *part, struct mr_err *err);
/* Deletes the stored file, if any. If that fails, the object stays in the ledger for the sweep. */
void mr_task_request_drop_file(struct mr_task_request *wanted);

/* Makes the draft that the fields ask for; it points into the request. MR_INVALID for fields that do not fit
 * together. An upload_id is only passed on: mr_task_request_plan_upload must follow, once the upload is
 * known. */
MR_MUST_CHECK enum mr_status mr_task_request_plan(struct mr_task_request *wanted, struct mr_task_draft *ret,
                                                  struct mr_err *err);
/* Makes the upload the input of the draft; input must live as long as the draft. MR_INVALID with code
 * "missing_field" if newFormat is missing and the upload is not a video. */
MR_MUST_CHECK enum mr_status mr_task_request_plan_upload(struct mr_task_request *wanted,
                                                         const struct mr_upload_input *input,
                                                         struct mr_task_draft *draft, struct mr_err *err);

/*
 * Reads the body, with its file if it has one, and creates the task. The caller owns *ret_view; with
 * *ret_is_replay it is the task that the idempotency key has created before. After a failure the file is
 * deleted, unless the task may have been created all the same.
 */
MR_MUST_CHECK enum mr_status mr_task_request_submit(struct mr_task_request *wanted, struct mr_request *req,
                                                    json_t **ret_view, bool *ret_is_replay,
                                                    struct mr_err *err);

/* Takes Idempotency-Key and traceparent, and begins the span, to which the log of the request belongs from now on.
 * MR_INVALID with code "invalid_idempotency_key". */
MR_MUST_CHECK enum mr_status mr_task_request_take_headers(struct mr_task_request *wanted,
                                                          struct mr_request *req, struct mr_err *err);
/* With an idempotency key: fills request_hash with the hash of the checked fields and of the name and bytes
 * of the file. The raw body is not hashed: its multipart boundaries differ from attempt to attempt. */
MR_MUST_CHECK enum mr_status mr_task_request_hash(struct mr_task_request *wanted, struct mr_err *err);

#endif
