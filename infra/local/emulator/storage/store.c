#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/store_internal.h"

enum mr_status em_store_open(const char *data_dir, struct em_store **ret, struct mr_err *err)
{
    MR_AUTO(em_store) struct em_store *store = calloc(1, sizeof *store);
    if (!store)
        return mr_fail_oom(err);
    pthread_mutex_init(&store->lock, NULL);
    MR_TRY(em_path_format(&store->directory, err, "%s/storage", data_dir));
    MR_TRY(em_path_format(&store->incoming, err, "%s/.incoming", store->directory));
    MR_TRY(em_path_format(&store->sessions, err, "%s/.sessions", store->directory));
    MR_TRY(em_dir_make(store->directory, err));
    MR_TRY(em_dir_make(store->incoming, err));
    MR_TRY(em_dir_make(store->sessions, err));
    MR_TRY(em_store_load(store, err));
    *ret = MR_TAKE(store);
    return MR_OK;
}

void em_store_free(struct em_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->bucket_count; i++)
        em_bucket_free(store->buckets[i]);
    free(store->buckets);
    free(store->directory);
    free(store->incoming);
    free(store->sessions);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

const char *em_store_session_directory(const struct em_store *store)
{
    return store->sessions;
}

enum mr_status em_store_incoming(const struct em_store *store, struct em_incoming **ret, struct mr_err *err)
{
    return em_incoming_create(store->incoming, ret, err);
}
