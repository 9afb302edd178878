#include "shared/gcp/cloud.h"

#include "shared/base/version.h"

static enum mr_oidc_mode mode_of(const char *push_auth)
{
    return strcmp(push_auth, "none") == 0  ? MR_OIDC_NONE
           : strcmp(push_auth, "iam") == 0 ? MR_OIDC_IAM
                                           : MR_OIDC_VERIFY;
}

/* NULL in the worker, which has no such setting. */
static bool signs_urls(const struct mr_config *config)
{
    return config->download_mode && strcmp(config->download_mode, "redirect") == 0;
}

/* Emulators need no tokens; but signed URLs name the account that signed them. */
static enum mr_status open_tokens(const struct mr_config *config, struct mr_cloud *cloud, struct mr_err *err)
{
    if (config->storage_host[0] && config->pubsub_host[0] && !signs_urls(config))
        return MR_OK;
    struct mr_token_options options = {.credentials_file = config->credentials_file,
                                       .metadata_host = config->metadata_host};
    return mr_token_source_new(cloud->http, &options, &cloud->tokens, err);
}

static enum mr_status find_project(const struct mr_config *config, struct mr_cloud *cloud, struct mr_err *err)
{
    if (!config->project[0] && cloud->tokens)
        return mr_token_project(cloud->tokens, &cloud->project, err);
    if (!config->project[0])
        return mr_fail(err, MR_INVALID, "GOOGLE_CLOUD_PROJECT must be set where emulators are used");
    cloud->project = strdup(config->project);
    return cloud->project ? MR_OK : mr_fail_oom(err);
}

static enum mr_status open_signer(const struct mr_config *config, struct mr_cloud *cloud, struct mr_err *err)
{
    struct mr_signer_options options = {
        .tokens = cloud->tokens, .iam_url = config->iam_url, .refusals = cloud->refusals};
    return mr_signer_new(cloud->http, &options, &cloud->signer, err);
}

static enum mr_status open_services(const struct mr_config *config, struct mr_cloud *cloud,
                                    struct mr_err *err)
{
    struct mr_storage_options storage = {.base_url = config->storage_host,
                                         .bucket = config->bucket,
                                         .tokens = config->storage_host[0] ? NULL : cloud->tokens,
                                         .refusals = cloud->refusals};
    struct mr_pubsub_options pubsub = {.emulator_host = config->pubsub_host,
                                       .project = cloud->project,
                                       .tokens = config->pubsub_host[0] ? NULL : cloud->tokens,
                                       .refusals = cloud->refusals};
    struct mr_oidc_options oidc = {.mode = mode_of(config->push_auth),
                                   .certs_url = config->certs_url,
                                   .audience = config->push_audience,
                                   .email = config->push_account};
    MR_TRY(mr_storage_new(cloud->http, &storage, &cloud->storage, err));
    MR_TRY(mr_pubsub_new(cloud->http, &pubsub, &cloud->pubsub, err));
    MR_TRY(mr_oidc_new(cloud->http, &oidc, &cloud->oidc, err));
    return signs_urls(config) ? open_signer(config, cloud, err) : MR_OK;
}

enum mr_status mr_cloud_open(const struct mr_config *config, const char *program, const struct mr_log *log,
                             struct mr_cloud *ret, struct mr_err *err)
{
    *ret = (struct mr_cloud){0};
    char user_agent[64];
    snprintf(user_agent, sizeof user_agent, "%s/%s", program, mr_version);
    MR_TRY(mr_http_client_new(user_agent, &ret->http, err));
    MR_TRY(mr_refusals_new(log, &ret->refusals, err));
    MR_TRY(open_tokens(config, ret, err));
    MR_TRY(find_project(config, ret, err));
    return open_services(config, ret, err);
}

void mr_cloud_close(struct mr_cloud *cloud)
{
    mr_signer_free(cloud->signer);
    mr_oidc_free(cloud->oidc);
    mr_pubsub_free(cloud->pubsub);
    mr_storage_free(cloud->storage);
    mr_token_source_free(cloud->tokens);
    mr_refusals_free(cloud->refusals);
    mr_http_client_free(cloud->http);
    free(cloud->project);
    *cloud = (struct mr_cloud){0};
}
