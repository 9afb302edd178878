/*
 * Google Cloud as configured: HTTP client, credentials, storage, Pub/Sub and the check of incoming tokens,
 * opened together for web and worker. Shared by all threads.
 */
#ifndef MR_GCP_CLOUD_H
#define MR_GCP_CLOUD_H

#include "shared/base/config.h"
#include "shared/gcp/oidc.h"
#include "shared/gcp/pubsub.h"
#include "shared/gcp/refusals.h"
#include "shared/gcp/signer.h"
#include "shared/gcp/storage.h"

struct mr_cloud {
    struct mr_http_client *http;
    struct mr_token_source *tokens; /* NULL when every service is an emulator and nothing is signed */
    struct mr_refusals *refusals;
    struct mr_storage *storage;
    struct mr_pubsub *pubsub;
    struct mr_oidc *oidc;
    struct mr_signer *signer; /* NULL unless DOWNLOAD_MODE=redirect */
    char *project;
};

/* program: its name, which User-Agent begins with. log gets a line when the cloud refuses a call, and must outlive
 * *ret. Asks the metadata server for the project if the configuration does not name it. Close *ret in every
 * case. */
MR_MUST_CHECK enum mr_status mr_cloud_open(const struct mr_config *config, const char *program,
                                           const struct mr_log *log, struct mr_cloud *ret,
                                           struct mr_err *err);
void mr_cloud_close(struct mr_cloud *cloud);

#endif
