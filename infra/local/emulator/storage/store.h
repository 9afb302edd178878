/*
 * The store: buckets and objects as files below DATA_DIR/storage, with their names in memory.
 *
 *   storage/<bucket>/bucket.json             the bucket's resource
 *   storage/<bucket>/<sha256>.json           the sidecar of the object whose name has that hash
 *   storage/<bucket>/<sha256>.<generation>   its bytes
 *   storage/.incoming/                       bytes not committed yet; emptied at start
 *   storage/.sessions/                       resumable sessions (storage/session.h)
 *
 * The rename of the sidecar is the commit: it names the generation whose bytes count, so a crash leaves the
 * old object or the new one, and at most a stray file that the next start removes. Changes are optimistic:
 * they prepare and sync their files without the lock, then take the place of the very generation they looked
 * at, or look again. A reader gets an open descriptor and keeps its generation whatever happens meanwhile.
 *
 * Any thread may call anything here. Failures carry google_error.h's codes.
 */
#ifndef EM_STORAGE_STORE_H
#define EM_STORAGE_STORE_H

#include "infra/local/emulator/storage/conditions.h"
#include "infra/local/emulator/storage/incoming.h"
#include "infra/local/emulator/storage/index.h"

struct em_store;

/* Opens or makes DATA_DIR/storage and reads every sidecar. data_dir itself has to exist. */
MR_MUST_CHECK enum mr_status em_store_open(const char *data_dir, struct em_store **ret, struct mr_err *err);
void em_store_free(struct em_store *store);
MR_DEFINE_CLEANUP(em_store, em_store_free)

/* Where resumable sessions keep their files; owned by the store. */
const char *em_store_session_directory(const struct em_store *store);

/* ---- buckets: resources are the JSON API's, without links; the caller owns *ret -------- */

/* MR_CONFLICT if it exists, MR_INVALID for a name that Cloud Storage would refuse. */
MR_MUST_CHECK enum mr_status em_store_bucket_insert(struct em_store *store, const json_t *resource,
                                                    json_t **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_store_bucket_get(struct em_store *store, const char *name, json_t **ret,
                                                 struct mr_err *err);
/* An array of all resources whose name begins with prefix. */
MR_MUST_CHECK enum mr_status em_store_bucket_list(struct em_store *store, const char *prefix, json_t **ret,
                                                  struct mr_err *err);
/* Merges `changes` into the resource (RFC 7396 at the top level: null removes a field). */
MR_MUST_CHECK enum mr_status em_store_bucket_patch(struct em_store *store, const char *name,
                                                   const struct em_conditions *conditions,
                                                   const json_t *changes, json_t **ret, struct mr_err *err);
/* MR_CONFLICT unless empty. */
MR_MUST_CHECK enum mr_status em_store_bucket_delete(struct em_store *store, const char *name,
                                                    const struct em_conditions *conditions,
                                                    struct mr_err *err);

/* ---- objects ------------------------------------------------------------------ */

/* A file for the bytes of an object to come. */
MR_MUST_CHECK enum mr_status em_store_incoming(const struct em_store *store, struct em_incoming **ret,
                                               struct mr_err *err);

/* What is to become of incoming bytes. */
struct em_store_write {
    const char *bucket;
    const char *name;
    json_t *settings;          /* from em_settings_apply */
    struct em_digest expected; /* MR_INVALID if the bytes have other checksums */
    struct em_conditions conditions;
    int64_t component_count; /* of a composed object, which has no MD5; else 0 */
};
/* MR_NOT_FOUND without the bucket, MR_INVALID for a bad name, MR_CONFLICT (condition_not_met) where the
 * conditions do not hold. A check before the bytes arrive; em_store_insert decides. */
MR_MUST_CHECK enum mr_status em_store_check_write(struct em_store *store, const struct em_store_write *write,
                                                  struct mr_err *err);
/* Makes `incoming` the live generation. Its file is the store's afterwards; on failure it stays incoming's.
 * The caller owns the reference *ret. */
MR_MUST_CHECK enum mr_status em_store_insert(struct em_store *store, const struct em_store_write *write,
                                             struct em_incoming *incoming, struct em_stored **ret,
                                             struct mr_err *err);

/* The live object under conditions of reading; ret_fd (may be NULL) gets its bytes, open for reading. */
MR_MUST_CHECK enum mr_status em_store_get(struct em_store *store, const char *bucket, const char *name,
                                          const struct em_conditions *conditions, struct em_stored **ret,
                                          int *ret_fd, struct mr_err *err);
/* Applies a client's resource to the settings: see em_settings_apply. */
MR_MUST_CHECK enum mr_status em_store_change(struct em_store *store, const char *bucket, const char *name,
                                             const struct em_conditions *conditions, const json_t *resource,
                                             bool replace, struct em_stored **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_store_delete(struct em_store *store, const char *bucket, const char *name,
                                             const struct em_conditions *conditions, struct mr_err *err);
/* Free *ret in every case. */
MR_MUST_CHECK enum mr_status em_store_list(struct em_store *store, const char *bucket,
                                           const struct em_list_query *query, struct em_listing *ret,
                                           struct mr_err *err);

#endif
