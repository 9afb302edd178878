/* Operations on buckets; see storage/store.h. */
#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/store_internal.h"
#include "shared/base/clock.h"
#include "shared/base/encoding.h"

#include <errno.h>
#include <inttypes.h>

/* Source: https://cloud.google.com/storage/docs/buckets#naming */
static enum mr_status check_name(const char *name, struct mr_err *err)
{
    static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t len = strlen(name);
    bool valid = len >= 3 && len <= 222 && strspn(name, inner) == len && strchr(ends, name[0]) &&
                 strchr(ends, name[len - 1]) && !strstr(name, "..");
    return valid ? MR_OK : mr_fail(err, MR_INVALID, "Invalid bucket name: '%s'", name);
}

/* Merges a client's fields into `resource`, except those that only the server sets. */
static enum mr_status merge(json_t *resource, const json_t *changes, struct mr_err *err)
{
    static const char *const reserved[] = {"kind",        "id",      "name",           "selfLink",  "etag",
                                           "timeCreated", "updated", "metageneration", "generation"};
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)changes, key, value) {
        bool is_reserved = false;
        for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
            is_reserved = is_reserved || !strcmp(key, reserved[i]);
        if (is_reserved)
            continue;
        if (json_is_null(value))
            json_object_del(resource, key);
        else if (json_object_set_new(resource, key, json_deep_copy(value)) < 0)
            return mr_fail_oom(err);
    }
    return MR_OK;
}

/* Sets the fields that change with every update: updated, metageneration, etag. */
static enum mr_status stamp(json_t *resource, int64_t metageneration, struct mr_err *err)
{
    char now[MR_TIME_TEXT_MAX];
    mr_time_format(mr_time_now_us(), now);
    if (json_object_set_new(resource, "updated", json_string(now)) < 0 ||
        json_object_set_new(resource, "metageneration", json_sprintf("%" PRId64, metageneration)) < 0 ||
        json_object_set_new(resource, "etag", json_sprintf("bucket/%" PRId64, metageneration)) < 0)
        return mr_fail_oom(err);
    if (!json_object_get(resource, "timeCreated") &&
        json_object_set_new(resource, "timeCreated", json_string(now)) < 0)
        return mr_fail_oom(err);
    return MR_OK;
}

static enum mr_status write_resource(const struct em_bucket *bucket, const json_t *resource,
                                     struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_TRY(em_path_format(&path, err, "%s/bucket.json", bucket->directory));
    return em_json_write_file(path, resource, err);
}

static enum mr_status new_resource(const char *name, const json_t *given, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "storage#bucket", "id", name, "name", name,
        "projectNumber", "0", "location", "US", "locationType", "multi-region", "storageClass", "STANDARD");
    if (!resource)
        return mr_fail_oom(err);
    MR_TRY(merge(resource, given, err));
    MR_TRY(stamp(resource, 1, err));
    *ret = MR_TAKE(resource);
    return MR_OK;
}

static struct em_version version_of(const json_t *resource)
{
    struct em_version version = {0};
    const char *text = json_string_value(json_object_get(resource, "metageneration"));
    if (text && !mr_parse_int64(text, 0, INT64_MAX, &version.metageneration))
        version.metageneration = 0;
    return version;
}

static enum mr_status insert_locked(struct em_store *store, struct em_bucket *bucket, struct mr_err *err)
{
    struct em_bucket *existing = NULL;
    if (em_store_find_bucket_locked(store, bucket->name, &existing, NULL) == MR_OK)
        return mr_fail(err, MR_CONFLICT,
                       "Your previous request to create the named bucket succeeded and you already own it.");
    MR_TRY(em_dir_make(bucket->directory, err));
    MR_TRY(write_resource(bucket, bucket->resource, err));
    return em_store_add_bucket_locked(store, bucket, err);
}

enum mr_status em_store_bucket_insert(struct em_store *store, const json_t *given, json_t **ret,
                                      struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO(em_bucket) struct em_bucket *bucket = NULL;
    const char *name = json_string_value(json_object_get(given, "name"));
    MR_TRY(check_name(name ? name : "", err));
    MR_TRY(new_resource(name, given, &resource, err));
    MR_TRY(em_bucket_new(store, name, resource, &bucket, err));
    pthread_mutex_lock(&store->lock);
    enum mr_status status = insert_locked(store, bucket, err);
    pthread_mutex_unlock(&store->lock);
    if (status != MR_OK)
        return status;
    (void)MR_TAKE(bucket);
    *ret = MR_TAKE(resource);
    return MR_OK;
}

static enum mr_status get_locked(const struct em_store *store, const char *name, json_t **ret,
                                 struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    MR_TRY(em_store_find_bucket_locked(store, name, &bucket, err));
    json_t *copy = json_deep_copy(bucket->resource);
    if (!copy)
        return mr_fail_oom(err);
    *ret = copy;
    return MR_OK;
}

enum mr_status em_store_bucket_get(struct em_store *store, const char *name, json_t **ret, struct mr_err *err)
{
    pthread_mutex_lock(&store->lock);
    enum mr_status status = get_locked(store, name, ret, err);
    pthread_mutex_unlock(&store->lock);
    return status;
}

enum mr_status em_store_bucket_list(struct em_store *store, const char *prefix, json_t **ret,
                                    struct mr_err *err)
{
    MR_AUTO_JSON json_t *list = json_array();
    bool failed = !list;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; !failed && i < store->bucket_count; i++)
        if (!strncmp(store->buckets[i]->name, prefix, strlen(prefix)))
            failed = json_array_append_new(list, json_deep_copy(store->buckets[i]->resource)) < 0;
    pthread_mutex_unlock(&store->lock);
    if (failed)
        return mr_fail_oom(err);
    *ret = MR_TAKE(list);
    return MR_OK;
}

static enum mr_status patch_locked(struct em_store *store, const char *name,
                                   const struct em_conditions *conditions, const json_t *changes,
                                   json_t **ret, struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    MR_TRY(em_store_find_bucket_locked(store, name, &bucket, err));
    struct em_version version = version_of(bucket->resource);
    MR_TRY(em_conditions_check(conditions, version, false, err));
    MR_AUTO_JSON json_t *resource = json_deep_copy(bucket->resource);
    if (!resource)
        return mr_fail_oom(err);
    MR_TRY(merge(resource, changes, err));
    MR_TRY(stamp(resource, version.metageneration + 1, err));
    MR_TRY(write_resource(bucket, resource, err));
    json_t *copy = json_deep_copy(resource);
    if (!copy)
        return mr_fail_oom(err);
    json_decref(bucket->resource);
    bucket->resource = MR_TAKE(resource);
    *ret = copy;
    return MR_OK;
}

enum mr_status em_store_bucket_patch(struct em_store *store, const char *name,
                                     const struct em_conditions *conditions, const json_t *changes,
                                     json_t **ret, struct mr_err *err)
{
    pthread_mutex_lock(&store->lock);
    enum mr_status status = patch_locked(store, name, conditions, changes, ret, err);
    pthread_mutex_unlock(&store->lock);
    return status;
}

static enum mr_status remove_file(void *ctx, const char *name, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_TRY(em_path_format(&path, err, "%s/%s", (const char *)ctx, name));
    if (unlink(path) < 0 && errno != ENOENT)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "remove %s", path);
    return MR_OK;
}

static enum mr_status delete_locked(struct em_store *store, const char *name,
                                    const struct em_conditions *conditions, struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    MR_TRY(em_store_find_bucket_locked(store, name, &bucket, err));
    MR_TRY(em_conditions_check(conditions, version_of(bucket->resource), false, err));
    if (bucket->objects.count)
        return mr_fail(err, MR_CONFLICT, "The bucket you tried to delete is not empty.");
    MR_TRY(em_dir_each(bucket->directory, remove_file, bucket->directory, err));
    if (rmdir(bucket->directory) < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "remove %s", bucket->directory);
    em_store_remove_bucket_locked(store, bucket);
    return MR_OK;
}

enum mr_status em_store_bucket_delete(struct em_store *store, const char *name,
                                      const struct em_conditions *conditions, struct mr_err *err)
{
    pthread_mutex_lock(&store->lock);
    enum mr_status status = delete_locked(store, name, conditions, err);
    pthread_mutex_unlock(&store->lock);
    return status;
}
