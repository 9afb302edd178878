/*
 * multipart/related (RFC 2387) as Cloud Storage's multipart uploads use it: a part of JSON, then a part of
 * any number of bytes. A stream: nothing but a window of 64 KiB is held. A body that ends before its closing
 * boundary is MR_INVALID. (shared/http/form.h reads multipart/form-data, whose parts have names instead.)
 */
#ifndef EM_STORAGE_RELATED_H
#define EM_STORAGE_RELATED_H

#include "shared/http/form.h"

struct em_related;

/* content_type is the header's value. MR_INVALID without a usable boundary. Reads from source(ctx) later on.
 */
MR_MUST_CHECK enum mr_status em_related_new(const char *content_type, mr_form_source *source, void *ctx,
                                            struct em_related **ret, struct mr_err *err);
void em_related_free(struct em_related *related);
MR_DEFINE_CLEANUP(em_related, em_related_free)

/* Goes to the next part, past what was not read of the last. *ret_type is its Content-Type ("" if it has
 * none), valid until the next call, or NULL after the last part. */
MR_MUST_CHECK enum mr_status em_related_next(struct em_related *related, const char **ret_type,
                                             struct mr_err *err);
/* The next bytes of the part; *ret_len is 0 at its end. */
MR_MUST_CHECK enum mr_status em_related_read(struct em_related *related, void *data, size_t len,
                                             size_t *ret_len, struct mr_err *err);

#endif
