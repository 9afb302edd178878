/*
 * multipart/related (RFC 2387), as Cloud Storage's multipart uploads use it: a JSON part, then a part with any
 * number of bytes. It is read as a stream through a window of 256 KiB. Lines end as the first boundary's does, with
 * CR LF, or with LF alone, as Google's Python client (apitools, in gcloud) writes them. A body that ends before its
 * closing boundary is MR_INVALID. (shared/http/form.h reads multipart/form-data, whose parts have names.)
 */
#ifndef EM_STORAGE_RELATED_H
#define EM_STORAGE_RELATED_H

#include "shared/http/form.h"

struct em_related;

/* content_type is the value of the header. MR_INVALID without a usable boundary. source(ctx) is borrowed; it is
 * called later, by the functions below. */
MR_MUST_CHECK enum mr_status em_related_new(const char *content_type, mr_form_source *source, void *ctx,
                                            struct em_related **ret, struct mr_err *err);
void em_related_free(struct em_related *related);
MR_DEFINE_CLEANUP(em_related, em_related_free)

/* Moves to the next part and skips what is unread of the current one. *ret_type is the part's Content-Type (""
 * if it has none), valid until the next call; NULL after the last part. */
MR_MUST_CHECK enum mr_status em_related_next(struct em_related *related, const char **ret_type,
                                             struct mr_err *err);
/* Reads the next bytes of the part; *ret_len is 0 at its end. */
MR_MUST_CHECK enum mr_status em_related_read(struct em_related *related, void *data, size_t len,
                                             size_t *ret_len, struct mr_err *err);

#endif
