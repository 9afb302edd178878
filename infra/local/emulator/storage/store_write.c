/* Writes to the store: insert, change, delete. */
#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/settings.h"
#include "infra/local/emulator/storage/store_internal.h"
#include "shared/base/clock.h"

#include <errno.h>

static int64_t next_generation(struct em_store *store)
{
    pthread_mutex_lock(&store->lock);
    int64_t now = mr_time_now_us();
    store->last_generation = now > store->last_generation ? now : store->last_generation + 1;
    int64_t generation = store->last_generation;
    pthread_mutex_unlock(&store->lock);
    return generation;
}

/* One attempt to replace `live` (NULL: no object yet) by `next`. */
struct swap {
    struct em_stored *live;
    struct em_stored *next;
    const char *incoming; /* the file with the new bytes; NULL: the bytes do not change */
    char *sidecar, *prepared_sidecar, *data;
    bool raced; /* another request replaced `live` first: start again */
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
    MR_TRY(em_store_sidecar_path(store, swap->next, &swap->sidecar, err));
    MR_TRY(em_store_data_path(store, swap->next, &swap->data, err));
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
        /* Give the file back to its owner, who may retry. */
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

/* Replaces `live` by `next`; *ret_raced is true, and nothing changes, if `live` is no longer the live one. */
static enum mr_status publish(struct em_store *store, struct em_stored *live, struct em_stored *next,
                              const char *incoming, bool *ret_raced, struct mr_err *err)
{
    MR_AUTO(swap) struct swap swap = {.live = live, .next = next, .incoming = incoming};
    MR_TRY(prepare_swap(store, &swap, err));
    pthread_mutex_lock(&store->lock);
    enum mr_status status = swap_locked(store, &swap, err);
    pthread_mutex_unlock(&store->lock);
    if (status != MR_OK)
        return status;
    if (!swap.raced && incoming && live)
        em_store_remove_data(store, live);
    *ret_raced = swap.raced;
    return MR_OK;
}

/* The new generation that results from `write` and its bytes. */
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
    MR_TRY(em_store_look(store, write->bucket, write->name, &live, NULL, err));
    MR_TRY(em_conditions_check(&write->conditions, em_stored_version(live), false, err));
    MR_TRY(draft_of(store, write, incoming->size, digest, &next, err));
    MR_TRY(publish(store, live, next, incoming->path, ret_raced, err));
    if (!*ret_raced)
        *ret = MR_TAKE(next);
    return MR_OK;
}

enum mr_status em_store_insert(struct em_store *store, const struct em_store_write *write,
                               struct em_incoming *incoming, struct em_stored **ret, struct mr_err *err)
{
    struct em_digest digest;
    MR_TRY(em_object_name_check(write->name, err));
    MR_TRY(em_incoming_finish(incoming, write->expected.has_md5, &digest, err));
    MR_TRY(em_digest_compare(&write->expected, &digest, err));
    for (bool raced = true; raced;)
        MR_TRY(try_insert(store, write, incoming, &digest, ret, &raced, err));
    free(MR_TAKE(incoming->path));
    return MR_OK;
}

enum mr_status em_store_check_write(struct em_store *store, const struct em_store_write *write,
                                    struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *live = NULL;
    MR_TRY(em_object_name_check(write->name, err));
    MR_TRY(em_store_look(store, write->bucket, write->name, &live, NULL, err));
    return em_conditions_check(&write->conditions, em_stored_version(live), false, err);
}

/* The live object that is to be changed; MR_NOT_FOUND if there is none. */
static enum mr_status look_for_change(struct em_store *store, const char *bucket, const char *name,
                                      const struct em_conditions *conditions, struct em_stored **ret,
                                      struct mr_err *err)
{
    MR_TRY(em_store_look(store, bucket, name, ret, NULL, err));
    if (!*ret)
        return em_store_no_such_object(bucket, name, err);
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
        MR_TRY(look_for_change(store, bucket, name, conditions, &live, err));
        MR_TRY(em_settings_apply(live->settings, resource, replace, &settings, err));
        MR_TRY(em_stored_copy(live, settings, &next, err));
        next->metageneration++;
        next->updated_us = mr_time_now_us();
        MR_TRY(publish(store, live, next, NULL, &raced, err));
        if (!raced)
            *ret = MR_TAKE(next);
    }
    return MR_OK;
}

/* Removes `live`; *ret_raced is true, and nothing changes, if it is no longer the live one. */
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

static enum mr_status try_delete(struct em_store *store, const struct em_stored *live, bool *ret_raced,
                                 struct mr_err *err)
{
    MR_AUTO_STR char *sidecar = NULL;
    MR_TRY(em_store_sidecar_path(store, live, &sidecar, err));
    pthread_mutex_lock(&store->lock);
    enum mr_status status = remove_locked(store, live, sidecar, ret_raced, err);
    pthread_mutex_unlock(&store->lock);
    return status;
}

enum mr_status em_store_delete(struct em_store *store, const char *bucket, const char *name,
                               const struct em_conditions *conditions, struct mr_err *err)
{
    for (bool raced = true; raced;) {
        MR_AUTO(em_stored) struct em_stored *live = NULL;
        MR_TRY(look_for_change(store, bucket, name, conditions, &live, err));
        MR_TRY(try_delete(store, live, &raced, err));
        if (!raced)
            em_store_remove_data(store, live);
    }
    return MR_OK;
}
