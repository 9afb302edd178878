/* What the files of the store share: storage/store.c, storage/load.c, storage/bucket.c. */
#ifndef EM_STORAGE_STORE_INTERNAL_H
#define EM_STORAGE_STORE_INTERNAL_H

#include "infra/local/emulator/storage/store.h"

#include <pthread.h>

struct em_bucket {
    char *name;
    char *directory;
    json_t *resource; /* never leaves: callers get deep copies, see storage/object.h */
    struct em_index objects;
};

struct em_store {
    char *directory;
    char *incoming;
    char *sessions;
    pthread_mutex_t lock;
    /* All fields below are protected by lock. */
    struct em_bucket **buckets; /* sorted by name */
    size_t bucket_count;
    int64_t last_generation;
};

/* A bucket without objects; copies resource. The directory is not made. */
MR_MUST_CHECK enum mr_status em_bucket_new(const struct em_store *store, const char *name,
                                           const json_t *resource, struct em_bucket **ret,
                                           struct mr_err *err);
void em_bucket_free(struct em_bucket *bucket);
MR_DEFINE_CLEANUP(em_bucket, em_bucket_free)

/* MR_NOT_FOUND if it does not exist. */
MR_MUST_CHECK enum mr_status em_store_find_bucket_locked(const struct em_store *store, const char *name,
                                                         struct em_bucket **ret, struct mr_err *err);
/* Takes the bucket. */
MR_MUST_CHECK enum mr_status em_store_add_bucket_locked(struct em_store *store, struct em_bucket *bucket,
                                                        struct mr_err *err);

/* The file name of an object without its suffix: the SHA-256 of its name in hex, so that any name is a safe
 * one. */
enum { EM_OBJECT_FILE_MAX = 65 };
void em_object_file_name(const char *name, char out[EM_OBJECT_FILE_MAX]);

/* Reads everything below store->directory; only before the store is shared. */
MR_MUST_CHECK enum mr_status em_store_load(struct em_store *store, struct mr_err *err);

#endif
