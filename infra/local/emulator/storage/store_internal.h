/* What the files of the store share: storage/store.c, storage/load.c, storage/bucket.c. */
#ifndef MR_EMULATOR_STORAGE_STORE_INTERNAL_H
#define MR_EMULATOR_STORAGE_STORE_INTERNAL_H

#include "infra/local/emulator/storage/store.h"

#include <pthread.h>

struct mr_bucket {
    char *name;
    char *directory;
    json_t *resource; /* never leaves: callers get deep copies, see storage/object.h */
    struct mr_index objects;
};

struct mr_store {
    char *directory;
    char *incoming;
    char *sessions;
    pthread_mutex_t lock;
    /* All fields below are protected by lock. */
    struct mr_bucket **buckets; /* sorted by name */
    size_t bucket_count;
    int64_t last_generation;
};

/* A bucket without objects; copies resource. The directory is not made. */
MR_MUST_CHECK enum mr_status mr_bucket_new(const struct mr_store *store, const char *name,
                                           const json_t *resource, struct mr_bucket **ret,
                                           struct mr_err *err);
void mr_bucket_free(struct mr_bucket *bucket);
MR_DEFINE_CLEANUP(mr_bucket, mr_bucket_free)

/* MR_NOT_FOUND if it does not exist. */
MR_MUST_CHECK enum mr_status mr_store_find_bucket_locked(const struct mr_store *store, const char *name,
                                                         struct mr_bucket **ret, struct mr_err *err);
/* Takes the bucket. */
MR_MUST_CHECK enum mr_status mr_store_add_bucket_locked(struct mr_store *store, struct mr_bucket *bucket,
                                                        struct mr_err *err);

/* The file name of an object without its suffix: the SHA-256 of its name in hex, so that any name is a safe
 * one. */
enum { MR_OBJECT_FILE_MAX = 65 };
void mr_object_file_name(const char *name, char out[MR_OBJECT_FILE_MAX]);

/* Reads everything below store->directory; only before the store is shared. */
MR_MUST_CHECK enum mr_status mr_store_load(struct mr_store *store, struct mr_err *err);

#endif
