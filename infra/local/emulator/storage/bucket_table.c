/* The buckets in memory, sorted by name. */
#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/store_internal.h"

enum mr_status em_bucket_new(const struct em_store *store, const char *name, const json_t *resource,
                             struct em_bucket **ret, struct mr_err *err)
{
    MR_AUTO(em_bucket) struct em_bucket *bucket = calloc(1, sizeof *bucket);
    if (!bucket)
        return mr_fail_oom(err);
    bucket->resource = json_deep_copy(resource);
    bucket->name = strdup(name);
    if (!bucket->resource || !bucket->name)
        return mr_fail_oom(err);
    MR_TRY(em_path_format(&bucket->directory, err, "%s/%s", store->directory, name));
    *ret = MR_TAKE(bucket);
    return MR_OK;
}

void em_bucket_free(struct em_bucket *bucket)
{
    if (!bucket)
        return;
    em_index_free(&bucket->objects);
    json_decref(bucket->resource);
    free(bucket->directory);
    free(bucket->name);
    free(bucket);
}

/* The position of `name`, or the position where it would be inserted. */
static size_t position_locked(const struct em_store *store, const char *name, bool *ret_exists)
{
    size_t at = 0;
    int order = 1;
    while (at < store->bucket_count && (order = strcmp(store->buckets[at]->name, name)) < 0)
        at++;
    *ret_exists = at < store->bucket_count && order == 0;
    return at;
}

enum mr_status em_store_find_bucket_locked(const struct em_store *store, const char *name,
                                           struct em_bucket **ret, struct mr_err *err)
{
    bool exists;
    size_t at = position_locked(store, name, &exists);
    if (!exists)
        return mr_fail(err, MR_NOT_FOUND, "The specified bucket does not exist: %s", name);
    *ret = store->buckets[at];
    return MR_OK;
}

enum mr_status em_store_add_bucket_locked(struct em_store *store, struct em_bucket *bucket,
                                          struct mr_err *err)
{
    bool exists;
    size_t at = position_locked(store, bucket->name, &exists);
    struct em_bucket **buckets =
        reallocarray(store->buckets, store->bucket_count + 1, sizeof(struct em_bucket *));
    if (!buckets)
        return mr_fail_oom(err);
    store->buckets = buckets;
    memmove(buckets + at + 1, buckets + at, (store->bucket_count - at) * sizeof(struct em_bucket *));
    buckets[at] = bucket;
    store->bucket_count++;
    return MR_OK;
}

void em_store_remove_bucket_locked(struct em_store *store, struct em_bucket *bucket)
{
    bool exists;
    size_t at = position_locked(store, bucket->name, &exists);
    store->bucket_count--;
    memmove(store->buckets + at, store->buckets + at + 1,
            (store->bucket_count - at) * sizeof(struct em_bucket *));
    em_bucket_free(bucket);
}
