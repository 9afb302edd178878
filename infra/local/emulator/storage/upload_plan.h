/*
 * What an upload wants to write, read from the request before its bytes: bucket, name, settings, expected
 * checksums and conditions. A plan is executed at once, or kept by a resumable session.
 */
#ifndef EM_STORAGE_UPLOAD_PLAN_H
#define EM_STORAGE_UPLOAD_PLAN_H

#include "infra/local/emulator/storage/store.h"
#include "shared/http/form.h"
#include "shared/http/server.h"

/* The size limit of an object, in bytes: https://cloud.google.com/storage/quotas#objects */
#define EM_OBJECT_BYTES_MAX (5LL * 1024 * 1024 * 1024 * 1024)

/* Zero-initialise it, and free it in every case. */
struct em_upload_plan {
    struct em_store_write write; /* points into the fields below and into the request */
    char *name;
    json_t *settings;
};
void em_upload_plan_free(struct em_upload_plan *plan);
MR_DEFINE_VALUE_CLEANUP(em_upload_plan, em_upload_plan_free)

/*
 * The plan of a JSON API request: from the query, the X-Goog-Hash header and the client's resource (NULL:
 * none). The name is in the query or in the resource; two different names are MR_INVALID. content_type (NULL:
 * none) applies if the resource has none.
 */
MR_MUST_CHECK enum mr_status em_upload_plan_make(const struct mr_request *req, const json_t *resource,
                                                 const char *content_type, struct em_upload_plan *ret,
                                                 struct mr_err *err);
/* The plan of an XML API request: the name is in the path, everything else in headers. */
MR_MUST_CHECK enum mr_status em_upload_plan_make_xml(const struct mr_request *req, struct em_upload_plan *ret,
                                                     struct mr_err *err);

/* Reads `source` to its end and makes the object. The caller owns the reference *ret. */
MR_MUST_CHECK enum mr_status em_upload_plan_execute(const struct em_upload_plan *plan, struct em_store *store,
                                                    mr_form_source *source, void *ctx, struct em_stored **ret,
                                                    struct mr_err *err);
/* The body of a request (struct mr_request *) as a source. */
enum mr_status em_request_source(void *req, void *data, size_t len, size_t *ret_len, struct mr_err *err);

#endif
