/* What the files of the store share: store*.c and bucket_table.c. */
#ifndef EM_STORAGE_STORE_INTERNAL_H
#define EM_STORAGE_STORE_INTERNAL_H

#include "infra/local/emulator/storage/store.h"

#include <pthread.h>

struct em_bucket {
    char *name;
    char *directory;
    json_t *resource; /* callers only get deep copies, see storage/object.h */
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

/* bucket_table.c */

/* A bucket without objects; copies resource. Does not create the directory. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_bucket_new(const struct em_store *store, const char *name,
                                           const json_t *resource, struct em_bucket **ret,
                                           struct mr_err *err);
void em_bucket_free(struct em_bucket *bucket);
MR_DEFINE_CLEANUP(em_bucket, em_bucket_free)
/* MR_NOT_FOUND if there is no such bucket. */
MR_MUST_CHECK enum mr_status em_store_find_bucket_locked(const struct em_store *store, const char *name,
                                                         struct em_bucket **ret, struct mr_err *err);
/* Adds a bucket whose name is new. On MR_OK the store owns it. */
MR_MUST_CHECK enum mr_status em_store_add_bucket_locked(struct em_store *store, struct em_bucket *bucket,
                                                        struct mr_err *err);
/* Removes a bucket of the table and frees it. */
void em_store_remove_bucket_locked(struct em_store *store, struct em_bucket *bucket);

/* store_paths.c */

/* The file name of an object without its suffix: the SHA-256 of the object's name in hex, which is safe
 * whatever the name holds. */
enum { EM_OBJECT_FILE_MAX = 65 };
void em_object_file_name(const char *name, char out[EM_OBJECT_FILE_MAX]);
/* The paths of an object's sidecar and of its bytes; malloc'ed. */
MR_MUST_CHECK enum mr_status em_store_sidecar_path(const struct em_store *store,
                                                   const struct em_stored *stored, char **ret,
                                                   struct mr_err *err);
MR_MUST_CHECK enum mr_status em_store_data_path(const struct em_store *store, const struct em_stored *stored,
                                                char **ret, struct mr_err *err);
/* Removes the bytes of a generation that is no longer live. If that fails, the next start removes them. */
void em_store_remove_data(const struct em_store *store, const struct em_stored *stored);

/* store_read.c */

/* The live object with a reference for the caller, or NULL if there is none. ret_fd (may be NULL) gets its
 * bytes, open for reading. MR_NOT_FOUND only if the bucket does not exist. */
MR_MUST_CHECK enum mr_status em_store_look(struct em_store *store, const char *bucket, const char *name,
                                           struct em_stored **ret, int *ret_fd, struct mr_err *err);
/* Fails with MR_NOT_FOUND and Google's message. */
enum mr_status em_store_no_such_object(const char *bucket, const char *name, struct mr_err *err);

/* store_load.c */

/* Reads everything in store->directory. Call it before other threads know the store. */
MR_MUST_CHECK enum mr_status em_store_load(struct em_store *store, struct mr_err *err);

#endif
