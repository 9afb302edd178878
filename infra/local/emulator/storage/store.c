#include "infra/local/emulator/storage/store_internal.h"

#include "infra/local/emulator/storage/file.h"
#include "shared/base/encoding.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>

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

void em_object_file_name(const char *name, char out[EM_OBJECT_FILE_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)name, strlen(name), digest);
    mr_hex_encode(digest, sizeof digest, out);
}

/* ---- files of an object ------------------------------------------------------- */

static enum mr_status sidecar_path(const struct em_store *store, const struct em_stored *stored, char **ret,
                                   struct mr_err *err)
{
    char file[EM_OBJECT_FILE_MAX];
    em_object_file_name(stored->name, file);
    return em_path_format(ret, err, "%s/%s/%s.json", store->directory, stored->bucket, file);
}

static enum mr_status data_path(const struct em_store *store, const struct em_stored *stored, char **ret,
                                struct mr_err *err)
{
    char file[EM_OBJECT_FILE_MAX];
    em_object_file_name(stored->name, file);
    return em_path_format(ret, err, "%s/%s/%s.%" PRId64, store->directory, stored->bucket, file,
                          stored->generation);
}

/* The bytes of a generation that is live no more. A failure leaves a stray file to the next start. */
static void remove_data(const struct em_store *store, const struct em_stored *stored)
{
    MR_AUTO_STR char *path = NULL;
    if (data_path(store, stored, &path, NULL) == MR_OK)
        unlink(path);
}

/* ---- looking ------------------------------------------------------------------- */

/* The live object, referenced, or NULL; MR_NOT_FOUND only for the bucket. */
static enum mr_status look(struct em_store *store, const char *bucket_name, const char *name,
                           struct em_stored **ret, int *ret_fd, struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    struct em_stored *live = NULL;
    MR_AUTO_STR char *path = NULL;
    pthread_mutex_lock(&store->lock);
    enum mr_status status = em_store_find_bucket_locked(store, bucket_name, &bucket, err);
    if (status == MR_OK)
        live = em_index_find(&bucket->objects, name);
    if (live)
        em_stored_ref(live);
    /* Opened under the lock: a moment later another generation may have removed this one's file. */
    if (live && ret_fd && (status = data_path(store, live, &path, err)) == MR_OK &&
        (*ret_fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        status = mr_fail_errno(err, MR_UNAVAILABLE, errno, "open the bytes of %s", name);
    pthread_mutex_unlock(&store->lock);
    if (status == MR_OK)
        *ret = live;
    else
        em_stored_unref(live);
    return status;
}

static enum mr_status no_such_object(const char *bucket, const char *name, struct mr_err *err)
{
    return mr_fail(err, MR_NOT_FOUND, "No such object: %s/%s", bucket, name);
}

enum mr_status em_store_get(struct em_store *store, const char *bucket, const char *name,
                            const struct em_conditions *conditions, struct em_stored **ret, int *ret_fd,
                            struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *live = NULL;
    MR_AUTO_FD int fd = -1;
    MR_TRY(look(store, bucket, name, &live, ret_fd ? &fd : NULL, err));
    if (!live)
        return no_such_object(bucket, name, err);
    MR_TRY(em_conditions_check(conditions, em_stored_version(live), true, err));
    if (ret_fd) {
        *ret_fd = fd;
        fd = -1;
    }
    *ret = MR_TAKE(live);
    return MR_OK;
}

enum mr_status em_store_list(struct em_store *store, const char *bucket_name,
                             const struct em_list_query *query, struct em_listing *ret, struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    pthread_mutex_lock(&store->lock);
    enum mr_status status = em_store_find_bucket_locked(store, bucket_name, &bucket, err);
    if (status == MR_OK)
        status = em_index_list(&bucket->objects, query, ret, err);
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* ---- changing ------------------------------------------------------------------- */

static int64_t next_generation(struct em_store *store)
{
    pthread_mutex_lock(&store->lock);
    int64_t now = mr_time_now_us();
    store->last_generation = now > store->last_generation ? now : store->last_generation + 1;
    int64_t generation = store->last_generation;
    pthread_mutex_unlock(&store->lock);
    return generation;
}

/* One attempt to put `next` in the place of `live` (NULL: none). */
struct swap {
    struct em_stored *live;
    struct em_stored *next;
    const char *incoming; /* the file of new bytes; NULL: they stay */
    char *sidecar, *prepared_sidecar, *data;
    bool raced; /* another request was faster: look again */
};

static void swap_release(struct swap *swap)
{
    if (swap->prepared_sidecar)
        unlink(swap->prepared_sidecar);
    free(swap->prepared_sidecar);
    free(swap->sidecar);
    free(swap->data);
}
MR_DEFINE_VALUE_CLEANUP(swap, swap_release)

static enum mr_status prepare_swap(struct em_store *store, struct swap *swap, struct mr_err *err)
{
    MR_TRY(sidecar_path(store, swap->next, &swap->sidecar, err));
    MR_TRY(data_path(store, swap->next, &swap->data, err));
    MR_AUTO_JSON json_t *sidecar = em_stored_to_sidecar(swap->next);
    if (!sidecar)
        return mr_fail_oom(err);
    return em_json_write_beside(swap->sidecar, sidecar, &swap->prepared_sidecar, err);
}

static enum mr_status swap_files(struct swap *swap, struct mr_err *err)
{
    if (swap->incoming && rename(swap->incoming, swap->data) < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "rename the bytes of %s", swap->next->name);
    if (rename(swap->prepared_sidecar, swap->sidecar) < 0) {
        int reason = errno;
        /* Back to its owner, who may try once more. */
        if (swap->incoming && rename(swap->data, swap->incoming) < 0)
            unlink(swap->data);
        return mr_fail_errno(err, MR_UNAVAILABLE, reason, "rename the sidecar of %s", swap->next->name);
    }
    free(MR_TAKE(swap->prepared_sidecar));
    return MR_OK;
}

static enum mr_status swap_locked(struct em_store *store, struct swap *swap, struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    MR_TRY(em_store_find_bucket_locked(store, swap->next->bucket, &bucket, err));
    swap->raced = em_index_find(&bucket->objects, swap->next->name) != swap->live;
    if (swap->raced)
        return MR_OK;
    MR_TRY(em_index_reserve(&bucket->objects, err));
    MR_TRY(swap_files(swap, err));
    em_index_put(&bucket->objects, swap->next);
    return MR_OK;
}

/* Publishes `next` unless something else than `live` has become live since. */
static enum mr_status publish(struct em_store *store, struct em_stored *live, struct em_stored *next,
                              const char *incoming, bool *ret_raced, struct mr_err *err)
{
    MR_AUTO(swap) struct swap swap = {.live = live, .next = next, .incoming = incoming};
    MR_TRY(prepare_swap(store, &swap, err));
    pthread_mutex_lock(&store->lock);
    enum mr_status status = swap_locked(store, &swap, err);
    pthread_mutex_unlock(&store->lock);
    *ret_raced = swap.raced;
    if (status == MR_OK && !swap.raced && incoming && live)
        remove_data(store, live);
    return status;
}

/* The object that `write` and its bytes make. */
static enum mr_status draft_of(struct em_store *store, const struct em_store_write *write, int64_t size,
                               const struct em_digest *digest, struct em_stored **ret, struct mr_err *err)
{
    MR_TRY(em_stored_new(write->bucket, write->name, write->settings, ret, err));
    struct em_stored *draft = *ret;
    draft->generation = next_generation(store);
    draft->metageneration = 1;
    draft->created_us = draft->updated_us = draft->generation;
    draft->size = size;
    draft->digest = *digest;
    draft->component_count = write->component_count;
    if (draft->component_count)
        draft->digest.has_md5 = false;
    return MR_OK;
}

static enum mr_status try_insert(struct em_store *store, const struct em_store_write *write,
                                 const struct em_incoming *incoming, const struct em_digest *digest,
                                 struct em_stored **ret, bool *ret_raced, struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *live = NULL;
    MR_AUTO(em_stored) struct em_stored *next = NULL;
    enum mr_status status = look(store, write->bucket, write->name, &live, NULL, err);
    if (status == MR_OK)
        status = em_conditions_check(&write->conditions, em_stored_version(live), false, err);
    if (status == MR_OK)
        status = draft_of(store, write, incoming->size, digest, &next, err);
    if (status == MR_OK)
        status = publish(store, live, next, incoming->path, ret_raced, err);
    if (status == MR_OK && !*ret_raced)
        *ret = MR_TAKE(next);
    return status;
}

enum mr_status em_store_insert(struct em_store *store, const struct em_store_write *write,
                               struct em_incoming *incoming, struct em_stored **ret, struct mr_err *err)
{
    struct em_digest digest;
    enum mr_status status = em_object_name_check(write->name, err);
    if (status == MR_OK)
        status = em_incoming_finish(incoming, &digest, err);
    if (status == MR_OK)
        status = em_digest_compare(&write->expected, &digest, err);
    bool raced = true;
    while (status == MR_OK && raced)
        status = try_insert(store, write, incoming, &digest, ret, &raced, err);
    if (status == MR_OK)
        free(MR_TAKE(incoming->path));
    return status;
}

enum mr_status em_store_check_write(struct em_store *store, const struct em_store_write *write,
                                    struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *live = NULL;
    MR_TRY(em_object_name_check(write->name, err));
    MR_TRY(look(store, write->bucket, write->name, &live, NULL, err));
    return em_conditions_check(&write->conditions, em_stored_version(live), false, err);
}

/* The live object for a change; MR_NOT_FOUND if there is none. */
static enum mr_status look_for_change(struct em_store *store, const char *bucket, const char *name,
                                      const struct em_conditions *conditions, struct em_stored **ret,
                                      struct mr_err *err)
{
    MR_TRY(look(store, bucket, name, ret, NULL, err));
    if (!*ret)
        return no_such_object(bucket, name, err);
    return em_conditions_check(conditions, em_stored_version(*ret), false, err);
}

enum mr_status em_store_change(struct em_store *store, const char *bucket, const char *name,
                               const struct em_conditions *conditions, const json_t *resource, bool replace,
                               struct em_stored **ret, struct mr_err *err)
{
    for (bool raced = true; raced;) {
        MR_AUTO(em_stored) struct em_stored *live = NULL;
        MR_AUTO(em_stored) struct em_stored *next = NULL;
        MR_AUTO_JSON json_t *settings = NULL;
        enum mr_status status = look_for_change(store, bucket, name, conditions, &live, err);
        if (status == MR_OK)
            status = em_settings_apply(live->settings, resource, replace, &settings, err);
        if (status == MR_OK)
            status = em_stored_copy(live, settings, &next, err);
        if (status != MR_OK)
            return status;
        next->metageneration++;
        next->updated_us = mr_time_now_us();
        status = publish(store, live, next, NULL, &raced, err);
        if (status != MR_OK)
            return status;
        if (!raced)
            *ret = MR_TAKE(next);
    }
    return MR_OK;
}

/* Removes `live` if it still is. */
static enum mr_status remove_locked(struct em_store *store, const struct em_stored *live, const char *sidecar,
                                    bool *ret_raced, struct mr_err *err)
{
    struct em_bucket *bucket = NULL;
    MR_TRY(em_store_find_bucket_locked(store, live->bucket, &bucket, err));
    *ret_raced = em_index_find(&bucket->objects, live->name) != live;
    if (*ret_raced)
        return MR_OK;
    if (unlink(sidecar) < 0 && errno != ENOENT)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "remove the sidecar of %s", live->name);
    em_index_remove(&bucket->objects, live->name);
    return MR_OK;
}

enum mr_status em_store_delete(struct em_store *store, const char *bucket, const char *name,
                               const struct em_conditions *conditions, struct mr_err *err)
{
    for (bool raced = true; raced;) {
        MR_AUTO(em_stored) struct em_stored *live = NULL;
        MR_AUTO_STR char *sidecar = NULL;
        enum mr_status status = look_for_change(store, bucket, name, conditions, &live, err);
        if (status == MR_OK)
            status = sidecar_path(store, live, &sidecar, err);
        if (status != MR_OK)
            return status;
        pthread_mutex_lock(&store->lock);
        status = remove_locked(store, live, sidecar, &raced, err);
        pthread_mutex_unlock(&store->lock);
        if (status != MR_OK)
            return status;
        if (!raced)
            remove_data(store, live);
    }
    return MR_OK;
}
