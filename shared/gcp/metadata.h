/*
 * The metadata server of Google's platforms. Source: https://cloud.google.com/compute/docs/metadata/overview
 * Any thread may call.
 */
#ifndef MR_GCP_METADATA_H
#define MR_GCP_METADATA_H

#include "shared/http/client.h"

/* GETs http://HOST/computeMetadata/v1/PATH; host is host[:port]. MR_UNAVAILABLE if the server that answers is
 * not a metadata server. Zero-initialise *res; free it in every case. */
MR_MUST_CHECK enum mr_status mr_metadata_get(struct mr_http_client *http, const char *host, const char *path,
                                             struct mr_http_response *res, struct mr_err *err);

#endif
