#include "infra/local/emulator/storage/object.h"

#include "shared/base/encoding.h"

#include <inttypes.h>

enum mr_status em_stored_new(const char *bucket, const char *name, const json_t *settings,
                             struct em_stored **ret, struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *stored = calloc(1, sizeof *stored);
    if (!stored)
        return mr_fail_oom(err);
    atomic_init(&stored->refs, 1);
    stored->settings = json_deep_copy(settings);
    stored->bucket = strdup(bucket);
    stored->name = strdup(name);
    if (!stored->settings || !stored->bucket || !stored->name)
        return mr_fail_oom(err);
    *ret = MR_TAKE(stored);
    return MR_OK;
}

enum mr_status em_stored_copy(const struct em_stored *from, const json_t *settings, struct em_stored **ret,
                              struct mr_err *err)
{
    struct em_stored *copy = NULL;
    MR_TRY(em_stored_new(from->bucket, from->name, settings, &copy, err));
    copy->generation = from->generation;
    copy->metageneration = from->metageneration;
    copy->size = from->size;
    copy->created_us = from->created_us;
    copy->updated_us = from->updated_us;
    copy->digest = from->digest;
    copy->component_count = from->component_count;
    *ret = copy;
    return MR_OK;
}

struct em_stored *em_stored_ref(struct em_stored *stored)
{
    atomic_fetch_add(&stored->refs, 1);
    return stored;
}

void em_stored_unref(struct em_stored *stored)
{
    if (!stored || atomic_fetch_sub(&stored->refs, 1) > 1)
        return;
    free(stored->bucket);
    free(stored->name);
    json_decref(stored->settings);
    free(stored);
}

const char *em_stored_setting(const struct em_stored *stored, const char *name)
{
    return json_string_value(json_object_get(stored->settings, name));
}

void em_stored_etag(const struct em_stored *stored, char out[EM_ETAG_MAX])
{
    char text[48];
    int len = snprintf(text, sizeof text, "%" PRId64 "/%" PRId64, stored->generation, stored->metageneration);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, len);
}

json_t *em_stored_to_sidecar(const struct em_stored *stored)
{
    char md5[25] = "", crc32c[9];
    if (stored->digest.has_md5)
        em_md5_text(stored->digest.md5, md5);
    mr_crc32c_text(stored->digest.crc32c, crc32c);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s*, s:o}", "name", stored->name,
                     "generation", (json_int_t)stored->generation, "metageneration",
                     (json_int_t)stored->metageneration, "size", (json_int_t)stored->size, "created_us",
                     (json_int_t)stored->created_us, "updated_us", (json_int_t)stored->updated_us,
                     "component_count", (json_int_t)stored->component_count, "crc32c", crc32c, "md5Hash",
                     stored->digest.has_md5 ? md5 : NULL, "settings", json_deep_copy(stored->settings));
}

enum mr_status em_stored_from_sidecar(const char *bucket, const json_t *sidecar, struct em_stored **ret,
                                      struct mr_err *err)
{
    const char *name = NULL;
    json_int_t generation = 0, metageneration = 0, size = 0, created = 0, updated = 0, components = 0;
    json_t *settings = NULL;
    if (json_unpack((json_t *)(uintptr_t)sidecar, "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "name", &name,
                    "generation", &generation, "metageneration", &metageneration, "size", &size, "created_us",
                    &created, "updated_us", &updated, "component_count", &components, "settings",
                    &settings) < 0)
        return mr_fail(err, MR_INVALID, "not an object's sidecar");
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(em_stored_new(bucket, name, settings, &stored, err));
    MR_TRY(em_digest_add_resource(&stored->digest, sidecar, err));
    stored->generation = generation;
    stored->metageneration = metageneration;
    stored->size = size;
    stored->created_us = created;
    stored->updated_us = updated;
    stored->component_count = components;
    *ret = MR_TAKE(stored);
    return MR_OK;
}

/* The links of a resource need the name as one escaped segment. */
static json_t *links(const struct em_stored *stored, const char *base_url)
{
    MR_AUTO(mr_buf) struct mr_buf name = MR_BUF_INIT(8192);
    if (mr_percent_encode(&name, stored->name, false, NULL) != MR_OK)
        return NULL;
    const char *escaped = mr_buf_str(&name);
    return json_pack("{s:o, s:o, s:o}", "id",
                     json_sprintf("%s/%s/%" PRId64, stored->bucket, stored->name, stored->generation),
                     "selfLink", json_sprintf("%s/storage/v1/b/%s/o/%s", base_url, stored->bucket, escaped),
                     "mediaLink",
                     json_sprintf("%s/download/storage/v1/b/%s/o/%s?generation=%" PRId64 "&alt=media",
                                  base_url, stored->bucket, escaped, stored->generation));
}

json_t *em_stored_resource(const struct em_stored *stored, const char *base_url)
{
    char md5[25], crc32c[9], created[MR_TIME_TEXT_MAX], updated[MR_TIME_TEXT_MAX], etag[EM_ETAG_MAX];
    em_md5_text(stored->digest.md5, md5);
    mr_crc32c_text(stored->digest.crc32c, crc32c);
    mr_time_format(stored->created_us, created);
    mr_time_format(stored->updated_us, updated);
    em_stored_etag(stored, etag);
    MR_AUTO_JSON json_t *resource = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "storage#object", "name",
        stored->name, "bucket", stored->bucket, "generation", json_sprintf("%" PRId64, stored->generation),
        "metageneration", json_sprintf("%" PRId64, stored->metageneration), "size",
        json_sprintf("%" PRId64, stored->size), "crc32c", crc32c, "etag", etag, "timeCreated", created,
        "updated", updated, "timeStorageClassUpdated", created, "storageClass", "STANDARD");
    MR_AUTO_JSON json_t *more = links(stored, base_url);
    MR_AUTO_JSON json_t *settings = json_deep_copy(stored->settings);
    if (!resource || !more || !settings || json_object_update(resource, more) < 0 ||
        json_object_update(resource, settings) < 0)
        return NULL;
    if (stored->digest.has_md5 && json_object_set_new(resource, "md5Hash", json_string(md5)) < 0)
        return NULL;
    if (stored->component_count &&
        json_object_set_new(resource, "componentCount", json_integer(stored->component_count)) < 0)
        return NULL;
    return MR_TAKE(resource);
}

/* ---- settings ---------------------------------------------------------------- */

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
