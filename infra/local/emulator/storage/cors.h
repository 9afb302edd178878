/*
 * Cross-origin requests, as browsers make them. Sources: https://cloud.google.com/storage/docs/cross-origin,
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 *
 * A resumable session answers for the Origin of the request that began it, whatever the bucket says and
 * whoever sends the bytes. The XML API (and so a signed URL) goes by the bucket's `cors`. Failures carry the
 * headers, too: a script that may not read them learns nothing.
 */
#ifndef EM_STORAGE_CORS_H
#define EM_STORAGE_CORS_H

#include "infra/local/emulator/storage/http.h"

/* Adds the headers of a session that has begun for origin; NULL: none. */
MR_MUST_CHECK enum mr_status em_cors_session_headers(struct mr_request *req, const char *origin,
                                                     struct mr_err *err);
/* Answers by handler for the session of the query's upload_id. */
MR_MUST_CHECK enum mr_status em_cors_session(struct em_app *emulator, struct mr_request *req,
                                             mr_handler *handler, struct mr_err *err);
/* Answers by handler for the path's bucket. */
MR_MUST_CHECK enum mr_status em_cors_bucket(struct em_app *emulator, struct mr_request *req,
                                            mr_handler *handler, struct mr_err *err);

/* OPTIONS of a session or of the beginning of one; and of an object under the XML API. */
mr_handler em_upload_preflight, em_xml_preflight;

#endif
