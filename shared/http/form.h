/*
 * Form bodies as a stream of parts: multipart/form-data (RFC 7578) and application/x-www-form-urlencoded.
 *
 * Pull model; no file is held in memory: mr_form_next() goes to the next part (skipping the unread rest of the last
 * one), mr_form_read() reads its bytes. A body that ends before the closing boundary is MR_INVALID, never a short
 * file. Names and file names are UTF-8 without control characters. Used by the request's thread.
 */
#ifndef MR_HTTP_FORM_H
#define MR_HTTP_FORM_H

#include "shared/http/server.h"

struct mr_form;

struct mr_form_part {
    const char *name;
    const char *filename;     /* NULL for a plain field; without the client's directory; may be "" */
    const char *content_type; /* NULL if not given */
};

/* Begins to read the body of req. MR_UNSUPPORTED (415) if Content-Type is not a form, MR_INVALID for a missing
 * boundary. */
MR_MUST_CHECK enum mr_status mr_form_open(struct mr_request *req, struct mr_form **ret, struct mr_err *err);

/* As mr_form_open, from any source of bytes (tests, fuzzing), which follows mr_request_read's contract. */
typedef enum mr_status mr_form_source(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_form_open_source(const char *content_type, mr_form_source *source, void *ctx,
                                                 struct mr_form **ret, struct mr_err *err);
void mr_form_free(struct mr_form *form);
MR_DEFINE_CLEANUP(mr_form, mr_form_free)

/* *ret_part is NULL after the last part, else valid until the next call. */
MR_MUST_CHECK enum mr_status mr_form_next(struct mr_form *form, const struct mr_form_part **ret_part,
                                          struct mr_err *err);
/* The next bytes of the current part (decoded, if urlencoded); *ret_len is 0 at its end. */
MR_MUST_CHECK enum mr_status mr_form_read(struct mr_form *form, void *data, size_t len, size_t *ret_len,
                                          struct mr_err *err);
/* The rest of the current part as text; MR_TOO_LARGE over buf's cap, MR_INVALID if it is not UTF-8. */
MR_MUST_CHECK enum mr_status mr_form_value(struct mr_form *form, struct mr_buf *buf, struct mr_err *err);

#endif
