#include "infra/local/emulator/storage/settings.h"

#include "shared/base/utf8.h"

static const char *const text_settings[] = {"contentType",     "cacheControl",    "contentDisposition",
                                            "contentEncoding", "contentLanguage", "customTime",
                                            "storageClass"};
enum { TEXT_SETTINGS = sizeof text_settings / sizeof *text_settings };

static enum mr_status apply_texts(json_t *settings, const json_t *resource, struct mr_err *err)
{
    for (size_t i = 0; i < TEXT_SETTINGS; i++) {
        json_t *value = json_object_get(resource, text_settings[i]);
        if (!value)
            continue;
        if (json_is_null(value))
            json_object_del(settings, text_settings[i]);
        else if (!json_is_string(value))
            return mr_fail(err, MR_INVALID, "Invalid value for: %s", text_settings[i]);
        else if (json_object_set(settings, text_settings[i], value) < 0)
            return mr_fail_oom(err);
    }
    return MR_OK;
}

static enum mr_status apply_metadata(json_t *settings, const json_t *resource, struct mr_err *err)
{
    json_t *given = json_object_get(resource, "metadata");
    if (!given)
        return MR_OK;
    if (json_is_null(given)) {
        json_object_del(settings, "metadata");
        return MR_OK;
    }
    if (!json_is_object(given))
        return mr_fail(err, MR_INVALID, "Invalid value for: metadata");
    json_t *metadata = json_object_get(settings, "metadata");
    if (!metadata) {
        metadata = json_object();
        if (json_object_set_new(settings, "metadata", metadata) < 0)
            return mr_fail_oom(err);
    }
    const char *key;
    json_t *value;
    json_object_foreach (given, key, value) {
        if (json_is_null(value))
            json_object_del(metadata, key);
        else if (!json_is_string(value))
            return mr_fail(err, MR_INVALID, "Invalid value for: metadata.%s", key);
        else if (json_object_set(metadata, key, value) < 0)
            return mr_fail_oom(err);
    }
    if (!json_object_size(metadata))
        json_object_del(settings, "metadata");
    return MR_OK;
}

enum mr_status em_settings_apply(const json_t *old, const json_t *resource, bool replace, json_t **ret,
                                 struct mr_err *err)
{
    MR_AUTO_JSON json_t *settings = old && !replace ? json_deep_copy(old) : json_object();
    if (!settings)
        return mr_fail_oom(err);
    MR_TRY(apply_texts(settings, resource, err));
    MR_TRY(apply_metadata(settings, resource, err));
    *ret = MR_TAKE(settings);
    return MR_OK;
}

enum mr_status em_object_name_check(const char *name, struct mr_err *err)
{
    size_t len = strlen(name);
    if (len < 1 || len > 1024)
        return mr_fail(err, MR_INVALID, "An object's name has 1 to 1024 bytes of UTF-8.");
    if (!mr_utf8_is_valid(name, len) || strpbrk(name, "\r\n"))
        return mr_fail(err, MR_INVALID, "An object's name is UTF-8 without line breaks.");
    if (!strcmp(name, ".") || !strcmp(name, "..") || !strncmp(name, ".well-known/acme-challenge/", 27))
        return mr_fail(err, MR_INVALID, "Disallowed object name: %s", name);
    return MR_OK;
}
