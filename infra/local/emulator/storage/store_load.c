/* Loads the store at start: reads every bucket and sidecar, and removes files that a crash left behind. */
#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/store_internal.h"

#include <inttypes.h>

struct loading {
    struct em_store *store;
    struct em_bucket *bucket;
    json_t *expected; /* an object; its keys are the names of the files that belong in the directory */
};

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && !strcmp(text + len - end_len, end);
}

static enum mr_status load_object(struct loading *loading, const json_t *sidecar, struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(em_stored_from_sidecar(loading->bucket->name, sidecar, &stored, err));
    MR_TRY(em_index_reserve(&loading->bucket->objects, err));
    em_index_put(&loading->bucket->objects, stored);
    if (stored->generation > loading->store->last_generation)
        loading->store->last_generation = stored->generation;
    char file[EM_OBJECT_FILE_MAX], data[EM_OBJECT_FILE_MAX + 24];
    em_object_file_name(stored->name, file);
    snprintf(data, sizeof data, "%s.%" PRId64, file, stored->generation);
    return json_object_set_new(loading->expected, data, json_true()) < 0 ? mr_fail_oom(err) : MR_OK;
}

static enum mr_status load_sidecar(void *ctx, const char *name, struct mr_err *err)
{
    struct loading *loading = ctx;
    if (!ends_with(name, ".json"))
        return MR_OK;
    if (json_object_set_new(loading->expected, name, json_true()) < 0)
        return mr_fail_oom(err);
    if (!strcmp(name, "bucket.json"))
        return MR_OK;
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *sidecar = NULL;
    MR_TRY(em_path_format(&path, err, "%s/%s", loading->bucket->directory, name));
    MR_TRY(em_json_read_file(path, &sidecar, err));
    enum mr_status status = load_object(loading, sidecar, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", path);
    return MR_OK;
}

/* Removes a file that no sidecar names: bytes of an older generation, or a temporary sidecar. */
static enum mr_status remove_orphan(void *ctx, const char *name, struct mr_err *err)
{
    const struct loading *loading = ctx;
    if (json_object_get(loading->expected, name))
        return MR_OK;
    MR_AUTO_STR char *path = NULL;
    MR_TRY(em_path_format(&path, err, "%s/%s", loading->bucket->directory, name));
    unlink(path);
    return MR_OK;
}

static enum mr_status load_bucket(void *ctx, const char *name, struct mr_err *err)
{
    struct em_store *store = ctx;
    if (name[0] == '.')
        return MR_OK;
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO(em_bucket) struct em_bucket *bucket = NULL;
    MR_TRY(em_path_format(&path, err, "%s/%s/bucket.json", store->directory, name));
    enum mr_status status = em_json_read_file(path, &resource, err);
    /* A crash after creating the directory and before writing the file: the bucket was never confirmed. */
    if (status == MR_NOT_FOUND)
        return MR_OK;
    if (status != MR_OK)
        return status;
    MR_TRY(em_bucket_new(store, name, resource, &bucket, err));
    MR_AUTO_JSON json_t *expected = json_object();
    if (!expected)
        return mr_fail_oom(err);
    struct loading loading = {store, bucket, expected};
    MR_TRY(em_dir_each(bucket->directory, load_sidecar, &loading, err));
    MR_TRY(em_dir_each(bucket->directory, remove_orphan, &loading, err));
    MR_TRY(em_store_add_bucket_locked(store, bucket, err));
    (void)MR_TAKE(bucket);
    return MR_OK;
}

static enum mr_status remove_incoming(void *ctx, const char *name, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_TRY(em_path_format(&path, err, "%s/%s", (const char *)ctx, name));
    unlink(path);
    return MR_OK;
}

enum mr_status em_store_load(struct em_store *store, struct mr_err *err)
{
    MR_TRY(em_dir_each(store->incoming, remove_incoming, store->incoming, err));
    return em_dir_each(store->directory, load_bucket, store, err);
}
