/* The pushConfig of a subscription. */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/names.h"
#include "infra/local/emulator/pubsub/settings_internal.h"

struct raw_push {
    const char *endpoint;
    json_t *oidc;
    json_t *no_wrapper;
    json_t *attributes;
};
static const struct em_field push_fields[] = {
    {"pushEndpoint", em_read_string, offsetof(struct raw_push, endpoint)},
    {"oidcToken", em_read_object, offsetof(struct raw_push, oidc)},
    {"noWrapper", em_read_object, offsetof(struct raw_push, no_wrapper)},
    {"pubsubWrapper", em_read_ignored, 0}, /* the default */
    {"attributes", em_read_strings, offsetof(struct raw_push, attributes)},
};
static const struct em_field oidc_fields[] = {
    {"serviceAccountEmail", em_read_string, offsetof(struct em_push_settings, oidc_email)},
    {"audience", em_read_string, offsetof(struct em_push_settings, oidc_audience)},
};
static const struct em_field no_wrapper_fields[] = {
    {"writeMetadata", em_read_bool, offsetof(struct em_push_settings, write_metadata)},
};

/* The only attribute of a push configuration is the version of the envelope; all versions are the same today. */
static enum mr_status check_push_attributes(const json_t *attributes, struct mr_err *err)
{
    const char *version = json_string_value(json_object_get(attributes, "x-goog-version"));
    bool known = !version || strcmp(version, "v1") == 0 || strcmp(version, "v1beta1") == 0 ||
                 strcmp(version, "v1beta2") == 0;
    if (known && json_object_size(attributes) == (version ? 1 : 0))
        return MR_OK;
    return mr_fail(err, MR_INVALID, "Invalid pushConfig.attributes: only x-goog-version (v1) is defined.");
}

/* Reads oidcToken and noWrapper into *out, and checks the attributes. */
static enum mr_status read_parts(const struct raw_push *raw, struct em_push_settings *out, struct mr_err *err)
{
    if (raw->oidc)
        MR_TRY(
            em_fields_read(raw->oidc, "pushConfig.oidcToken", oidc_fields, EM_COUNT(oidc_fields), out, err));
    if (raw->no_wrapper)
        MR_TRY(em_fields_read(raw->no_wrapper, "pushConfig.noWrapper", no_wrapper_fields,
                              EM_COUNT(no_wrapper_fields), out, err));
    return check_push_attributes(raw->attributes, err);
}

enum mr_status em_settings_read_push(json_t *push, struct em_push_settings *ret, struct mr_err *err)
{
    struct raw_push raw = {0};
    struct em_push_settings settings = {0};
    MR_TRY(em_fields_read(push, "pushConfig", push_fields, EM_COUNT(push_fields), &raw, err));
    MR_TRY(read_parts(&raw, &settings, err));
    if (!raw.endpoint || !*raw.endpoint)
        return MR_OK; /* a pull subscription */
    if (raw.oidc && (!settings.oidc_email || !strchr(settings.oidc_email, '@')))
        return mr_fail(err, MR_INVALID,
                       "Invalid pushConfig.oidcToken.serviceAccountEmail: expected an e-mail.");
    if (raw.oidc && (!settings.oidc_audience || !*settings.oidc_audience))
        settings.oidc_audience = raw.endpoint;
    settings.endpoint = raw.endpoint;
    settings.no_wrapper = raw.no_wrapper != NULL;
    MR_TRY(em_url_check("pushConfig.pushEndpoint", raw.endpoint, err));
    *ret = settings;
    return MR_OK;
}
