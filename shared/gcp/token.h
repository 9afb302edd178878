/*
 * Access tokens for Google's APIs, from a service-account key file or from the metadata server, and whose
 * tokens they are. Source: https://cloud.google.com/compute/docs/access/authenticate-workloads
 *
 * A token is cached per process. In its last 225 s one thread refreshes it while the others go on using the
 * old one. Any thread may call.
 */
#ifndef MR_GCP_TOKEN_H
#define MR_GCP_TOKEN_H

#include "shared/base/buf.h"
#include "shared/gcp/service_key.h"
#include "shared/http/client.h"

struct mr_token_source;

struct mr_token_options {
    const char *credentials_file; /* GOOGLE_APPLICATION_CREDENTIALS; NULL or "": metadata server */
    const char *metadata_host;    /* GCE_METADATA_HOST, host[:port]; NULL or "": metadata.google.internal */
};

/* Reads the key file, if there is one; fetches no token yet. http is not owned and must outlive the source. */
MR_MUST_CHECK enum mr_status mr_token_source_new(struct mr_http_client *http,
                                                 const struct mr_token_options *options,
                                                 struct mr_token_source **ret, struct mr_err *err);
void mr_token_source_free(struct mr_token_source *source);
MR_DEFINE_CLEANUP(mr_token_source, mr_token_source_free)

/* Appends "Authorization: Bearer …" to out, a secret. Fetches or refreshes the token when due. */
MR_MUST_CHECK enum mr_status mr_token_header(struct mr_token_source *source, struct mr_buf *out,
                                             struct mr_err *err);
/* Drops the cached token: call it after a 401, then try once more. */
void mr_token_invalidate(struct mr_token_source *source);

/* The project id, from the key file or the metadata server; malloc'ed. */
MR_MUST_CHECK enum mr_status mr_token_project(struct mr_token_source *source, char **ret, struct mr_err *err);
/* The service account's e-mail address, likewise. */
MR_MUST_CHECK enum mr_status mr_token_email(struct mr_token_source *source, char **ret, struct mr_err *err);
/* The key file's content, owned by source; NULL if tokens come from the metadata server. */
const struct mr_service_key *mr_token_key(const struct mr_token_source *source);

#endif
