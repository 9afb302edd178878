/* Reads of the store: one object, its bytes, and lists. */
#include "infra/local/emulator/storage/store_internal.h"

#include <errno.h>
#include <fcntl.h>

static enum mr_status open_data(const struct em_store *store, const struct em_stored *stored, int *ret_fd,
                                struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_TRY(em_store_data_path(store, stored, &path, err));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "open the bytes of %s", stored->name);
    *ret_fd = fd;
    return MR_OK;
}

static enum mr_status look_locked(const struct em_store *store, const char *bucket_name, const char *name,
                                  struct em_stored **ret, int *ret_fd, struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    MR_TRY(em_store_find_bucket_locked(store, bucket_name, &bucket, err));
    struct em_stored *live = em_index_find(&bucket->objects, name);
    /* Open the file under the lock: without it, a newer generation could remove the file first. */
    if (live && ret_fd)
        MR_TRY(open_data(store, live, ret_fd, err));
    *ret = live ? em_stored_ref(live) : NULL;
    return MR_OK;
}

enum mr_status em_store_look(struct em_store *store, const char *bucket, const char *name,
                             struct em_stored **ret, int *ret_fd, struct mr_err *err)
{
    pthread_mutex_lock(&store->lock);
    enum mr_status status = look_locked(store, bucket, name, ret, ret_fd, err);
    pthread_mutex_unlock(&store->lock);
    return status;
}

enum mr_status em_store_no_such_object(const char *bucket, const char *name, struct mr_err *err)
{
    return mr_fail(err, MR_NOT_FOUND, "No such object: %s/%s", bucket, name);
}

enum mr_status em_store_get(struct em_store *store, const char *bucket, const char *name,
                            const struct em_conditions *conditions, struct em_stored **ret, int *ret_fd,
                            struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *live = NULL;
    MR_AUTO_FD int fd = -1;
    MR_TRY(em_store_look(store, bucket, name, &live, ret_fd ? &fd : NULL, err));
    if (!live)
        return em_store_no_such_object(bucket, name, err);
    MR_TRY(em_conditions_check(conditions, em_stored_version(live), true, err));
    if (ret_fd) {
        *ret_fd = fd;
        fd = -1;
    }
    *ret = MR_TAKE(live);
    return MR_OK;
}

static enum mr_status list_locked(const struct em_store *store, const char *bucket_name,
                                  const struct em_list_query *query, struct em_listing *ret,
                                  struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    MR_TRY(em_store_find_bucket_locked(store, bucket_name, &bucket, err));
    return em_listing_make(&bucket->objects, query, ret, err);
}

enum mr_status em_store_list(struct em_store *store, const char *bucket, const struct em_list_query *query,
                             struct em_listing *ret, struct mr_err *err)
{
    pthread_mutex_lock(&store->lock);
    enum mr_status status = list_locked(store, bucket, query, ret, err);
    pthread_mutex_unlock(&store->lock);
    return status;
}
