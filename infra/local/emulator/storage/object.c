#include "infra/local/emulator/storage/object.h"

#include "shared/base/clock.h"
#include "shared/base/crc32c.h"
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

/* The fields that are links; they need the name as one escaped segment. NULL without memory. */
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
