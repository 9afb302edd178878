/*
 * The canonical form of a request, over which a V4 signature is made. Both sides compute it, so it normalizes
 * whatever a client may spell in two ways.
 * Source: https://cloud.google.com/storage/docs/authentication/canonical-requests
 */
#ifndef EM_STORAGE_CANONICAL_REQUEST_H
#define EM_STORAGE_CANONICAL_REQUEST_H

#include "shared/base/buf.h"
#include "shared/http/server.h"

/* Appends the canonical form of req to `out`. signed_headers is the value of X-Goog-SignedHeaders; with_port
 * keeps the port of the host header. MR_INVALID if a signed header is missing or the host is not signed. */
MR_MUST_CHECK enum mr_status em_canonical_request(const struct mr_request *req, const char *signed_headers,
                                                  bool with_port, struct mr_buf *out, struct mr_err *err);

#endif
