/*
 * Cross-origin requests, as browsers make them. Sources: https://cloud.google.com/storage/docs/cross-origin,
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 *
 * A resumable session allows the Origin of the request that started it, whatever the bucket says and whoever
 * sends the bytes (cors_session.c). The XML API, and so a signed URL, follows the `cors` rules of the bucket
 * (cors_bucket.c). Failures carry the headers as well, so that a script can read the error.
 */
#ifndef EM_STORAGE_CORS_H
#define EM_STORAGE_CORS_H

#include "infra/local/emulator/app.h"

/* What an answer allows. A header whose value is NULL, "" or 0 is left out. */
struct em_cors_permission {
    const char *origin;
    const char *exposed;
    const char *methods, *headers; /* for preflight requests */
    json_int_t max_age_s;
};

MR_MUST_CHECK enum mr_status
em_cors_add_headers(struct mr_request *req, const struct em_cors_permission *permission, struct mr_err *err);
/* Adds the headers and lets handler answer; answers its failure too, with the headers. */
MR_MUST_CHECK enum mr_status em_cors_answer(const struct em_cors_permission *permission,
                                            struct em_app *emulator, struct mr_request *req,
                                            mr_handler *handler, struct mr_err *err);

/* Adds the headers for a session that origin has just started; NULL adds nothing. */
MR_MUST_CHECK enum mr_status em_cors_session_headers(struct mr_request *req, const char *origin,
                                                     struct mr_err *err);
/* Lets handler answer, with the headers of the session in the query (upload_id). */
MR_MUST_CHECK enum mr_status em_cors_session(struct em_app *emulator, struct mr_request *req,
                                             mr_handler *handler, struct mr_err *err);
/* Lets handler answer, with the headers by the rules of the bucket in the path. */
MR_MUST_CHECK enum mr_status em_cors_bucket(struct em_app *emulator, struct mr_request *req,
                                            mr_handler *handler, struct mr_err *err);

#endif
