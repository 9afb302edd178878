/*
 * The store: buckets and objects as files in DATA_DIR/storage, indexed by name in memory.
 *
 *   storage/<bucket>/bucket.json             the bucket's resource
 *   storage/<bucket>/<sha256>.json           the sidecar of an object; <sha256> is the hash of its name
 *   storage/<bucket>/<sha256>.<generation>   the bytes of that object
 *   storage/.incoming/                       bytes that are not committed yet; emptied at start
 *   storage/.sessions/                       resumable sessions (storage/session.h)
 *
 * The rename of the sidecar is the commit: it names the generation whose bytes are valid. So a crash leaves
 * the old object or the new one, and at most an orphaned file, which the next start removes.
 *
 * Changes are optimistic: they write and sync their files without the lock, and then replace the generation
 * that they started from. If another request replaced it first, they start again. A reader gets an open
 * descriptor and keeps its generation whatever happens later.
 *
 * Any thread may call any function here. Failures use the codes listed in google_error.h.
 */
#ifndef EM_STORAGE_STORE_H
#define EM_STORAGE_STORE_H

#include "infra/local/emulator/storage/conditions.h"
#include "infra/local/emulator/storage/incoming.h"
#include "infra/local/emulator/storage/listing.h"

struct em_store;

/* Opens or creates DATA_DIR/storage and reads every sidecar. data_dir itself must exist. MR_UNAVAILABLE if a
 * file cannot be read or written, MR_INVALID for a damaged one. */
MR_MUST_CHECK enum mr_status em_store_open(const char *data_dir, struct em_store **ret, struct mr_err *err);
void em_store_free(struct em_store *store);
MR_DEFINE_CLEANUP(em_store, em_store_free)

/* The directory for the files of resumable sessions; owned by the store. */
const char *em_store_session_directory(const struct em_store *store);

/* Buckets. A resource is the JSON API's, without links; the caller owns *ret. */

/* MR_CONFLICT if the bucket exists, MR_INVALID for a name that Cloud Storage refuses. */
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
/* MR_CONFLICT unless the bucket is empty. */
MR_MUST_CHECK enum mr_status em_store_bucket_delete(struct em_store *store, const char *name,
                                                    const struct em_conditions *conditions,
                                                    struct mr_err *err);

/* Objects. */

/* A new file for the bytes of an object; the caller owns *ret. */
MR_MUST_CHECK enum mr_status em_store_incoming(const struct em_store *store, struct em_incoming **ret,
                                               struct mr_err *err);

/* The object that incoming bytes are to become. Everything is borrowed from the caller. */
struct em_store_write {
    const char *bucket;
    const char *name;
    json_t *settings;          /* from em_settings_apply */
    struct em_digest expected; /* the bytes must have these checksums, else MR_INVALID */
    struct em_conditions conditions;
    int64_t component_count; /* for a composed object, which has no MD5; else 0 */
    bool without_md5;        /* an upload whose answer need not name it, see em_request_wants */
};
/* Checks a write before its bytes arrive; em_store_insert checks again and decides. MR_NOT_FOUND without the
 * bucket, MR_INVALID for a bad name, MR_CONFLICT (condition_not_met) if the conditions do not hold. */
MR_MUST_CHECK enum mr_status em_store_check_write(struct em_store *store, const struct em_store_write *write,
                                                  struct mr_err *err);
/* Makes `incoming` the live generation. On MR_OK the store owns the file, and the caller a reference in *ret;
 * on failure the file still belongs to incoming. */
MR_MUST_CHECK enum mr_status em_store_insert(struct em_store *store, const struct em_store_write *write,
                                             struct em_incoming *incoming, struct em_stored **ret,
                                             struct mr_err *err);

/* The live object, if it fulfils the conditions of a read; the caller owns the reference. ret_fd (may be NULL)
 * gets its bytes, open for reading. MR_NOT_FOUND without the object. */
MR_MUST_CHECK enum mr_status em_store_get(struct em_store *store, const char *bucket, const char *name,
                                          const struct em_conditions *conditions, struct em_stored **ret,
                                          int *ret_fd, struct mr_err *err);
/* Applies a client's resource to the settings: see em_settings_apply. */
MR_MUST_CHECK enum mr_status em_store_change(struct em_store *store, const char *bucket, const char *name,
                                             const struct em_conditions *conditions, const json_t *resource,
                                             bool replace, struct em_stored **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_store_delete(struct em_store *store, const char *bucket, const char *name,
                                             const struct em_conditions *conditions, struct mr_err *err);
/* One page of the bucket's objects. Free *ret in every case. */
MR_MUST_CHECK enum mr_status em_store_list(struct em_store *store, const char *bucket,
                                           const struct em_list_query *query, struct em_listing *ret,
                                           struct mr_err *err);

#endif
