/*
 * What a client orders with POST and PUT /api/tasks, from the request to the draft of a task.
 *
 * Fields come as JSON, as a urlencoded form or as multipart; one table (task_request_fields.c) holds each field's
 * name, type, check and the kinds of task it belongs to. The checked values go into `given`, and in canonical
 * form into `fields`. What the fields together make is decided afterwards (task_request_plan.c). The file of a multipart body
 * is stored while it arrives (task_request_file.c); the object is in the ledger of strays before its first byte is,
 * so that whatever ends the request early leaves nothing behind. Belongs to the request's thread.
 */
#ifndef MR_WEB_API_TASK_REQUEST_H
#define MR_WEB_API_TASK_REQUEST_H

#include "shared/data/tasks.h"
#include "shared/http/form.h"
#include "web/api/file_name.h"
#include "web/api/uploads.h"
#include "web/app.h"

enum { MR_SHA256_HEX_MAX = 65, MR_INPUT_OBJECT_MAX = 64 };

/* The file that came with the request. */
struct mr_task_request_file {
    bool is_stored;
    struct mr_file_name name;
    bool is_video; /* by its name, or by the part's media type */
    char object[MR_INPUT_OBJECT_MAX];
    struct mr_object stored;
    char sha256[MR_SHA256_HEX_MAX]; /* of its bytes; "" without an idempotency key, for nobody asks then */
};

/* The values of the fields; NULL or 0: not given. They belong to the order's `fields`. */
struct mr_task_request_given {
    const char *new_format, *preset, *url, *upload_id, *priority, *callback_url, *kind;
    const json_t *options;
    int64_t records;
    const char *name, *description;
};

struct mr_task_request {
    struct mr_web *web; /* not owned */
    const char *kind;   /* of the task to be, where the route says it; NULL: the fields do */
    int64_t user_id;
    char file_id[MR_UUID_TEXT_MAX]; /* of the task to be */
    json_t *fields;                 /* an object: the checked fields that were given, in canonical form */
    struct mr_task_request_given given;
    struct mr_task_request_file file;
    struct mr_file_name url_name;         /* the file name that url ends with */
    json_t *options;                      /* of a task without a file, or of a preset */
    const char *idempotency_key;          /* of the request; NULL without one */
    char request_hash[MR_SHA256_HEX_MAX]; /* filled with a key */
    char traceparent[MR_TRACEPARENT_MAX]; /* "" without a well-formed one */
};
/* An order without anything in it yet; may be freed whether this succeeds or not. */
MR_MUST_CHECK enum mr_status mr_task_request_init(struct mr_task_request *wanted, struct mr_web *web,
                                                  int64_t user_id, struct mr_err *err);
void mr_task_request_free(struct mr_task_request *wanted);
MR_DEFINE_VALUE_CLEANUP(mr_task_request, mr_task_request_free)

/* ---- task_request_fields.c ---- */

/* What fields may be for; a field's place in the table says which of these it belongs to. */
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
 * Checks one field and adds it to the order. is_form: it comes from a form, where a number or an object is
 * text, too, and an empty text means absent. MR_INVALID; the message begins with the field's name. Codes
 * "unknown_field", "wrong_type", "repeated_field", and those of the field.
 */
MR_MUST_CHECK enum mr_status mr_task_request_take(struct mr_task_request *wanted, const char *name,
                                                  const json_t *value, bool is_form, struct mr_err *err);
/* All fields of a body without a file: JSON or any form, up to 64 KiB. */
MR_MUST_CHECK enum mr_status mr_task_request_take_body(struct mr_task_request *wanted, struct mr_request *req,
                                                       struct mr_err *err);
/* MR_INVALID with code "unknown_field" for a field that was given and is not for this. */
MR_MUST_CHECK enum mr_status mr_task_request_check_use(const struct mr_task_request *wanted,
                                                       enum mr_task_request_use use, struct mr_err *err);

/* MR_INVALID with code "preset_and_options" if both were given. */
MR_MUST_CHECK enum mr_status mr_task_request_check_preset(const struct mr_task_request *wanted,
                                                          struct mr_err *err);

/* ---- task_request_file.c ---- */

/* True for the names that a file part may have. */
bool mr_task_request_is_file(const char *name);
/* Stores the part as the task's input. */
MR_MUST_CHECK enum mr_status mr_task_request_store_file(struct mr_task_request *wanted, struct mr_form *form,
                                                        const struct mr_form_part *part, struct mr_err *err);
/* The file is not needed after all. What cannot be deleted now stays in the ledger for the sweep. */
void mr_task_request_drop_file(struct mr_task_request *wanted);

/* ---- task_request_plan.c ---- */

/* What the fields make: a draft that points into the order. MR_INVALID for what makes no sense together. An
 * upload_id is passed on; mr_task_request_plan_upload follows once it is known what was uploaded. */
MR_MUST_CHECK enum mr_status mr_task_request_plan(struct mr_task_request *wanted, struct mr_task_draft *ret,
                                                  struct mr_err *err);
/* Makes the upload the draft's input; input must live as long as the draft. MR_INVALID with code
 * "missing_field" if only a video could have gone without newFormat. */
MR_MUST_CHECK enum mr_status mr_task_request_plan_upload(struct mr_task_request *wanted,
                                                         const struct mr_upload_input *input,
                                                         struct mr_task_draft *draft, struct mr_err *err);

/* ---- task_request_submit.c ---- */

/*
 * Reads the order from the request, with its file if it has one, and makes the task of it. *ret_view is the
 * caller's; with *ret_is_replay it is the task that the order's idempotency key had made before. When it
 * fails the file is dropped, unless the task may be there all the same.
 */
MR_MUST_CHECK enum mr_status mr_task_request_submit(struct mr_task_request *wanted, struct mr_request *req,
                                                    json_t **ret_view, bool *ret_is_replay,
                                                    struct mr_err *err);

/* ---- task_request_headers.c: what the request's headers say ---- */

/* Idempotency-Key and traceparent. MR_INVALID with code "invalid_idempotency_key". */
MR_MUST_CHECK enum mr_status mr_task_request_take_headers(struct mr_task_request *wanted,
                                                          const struct mr_request *req, struct mr_err *err);
/*
 * With a key: fills request_hash with the hash of what was ordered, the checked fields and the file's name
 * and bytes. Not of the body, which looks different at each try (multipart boundaries).
 */
MR_MUST_CHECK enum mr_status mr_task_request_hash(struct mr_task_request *wanted, struct mr_err *err);

#endif
