/*
 * struct em_stored: one generation of an object, as the emulator knows it without its bytes.
 *
 * Immutable once it stands in the index, and counted: a reader takes a reference and may use it, and the file
 * it opened for it, while a newer generation takes its place. A change makes a copy. `settings` holds the
 * fields that clients may set (contentType, metadata, …), validated; the rest is the emulator's own.
 *
 * jansson's own counts are not for several threads (json_decref reads before it counts), so each object has
 * its settings for itself, and whatever leaves it as JSON is a deep copy.
 */
#ifndef EM_STORAGE_OBJECT_H
#define EM_STORAGE_OBJECT_H

#include "infra/local/emulator/storage/hash.h"

#include <stdatomic.h>

struct em_stored {
    atomic_int refs;
    char *bucket;
    char *name;
    int64_t generation;     /* microseconds since 1970, strictly rising */
    int64_t metageneration; /* 1 for new bytes, +1 with each change of the settings */
    int64_t size;
    int64_t created_us;
    int64_t updated_us;
    struct em_digest digest; /* a composed object has no MD5 */
    int64_t component_count; /* how many sources were composed; 0 for an uploaded object */
    json_t *settings;
};

/* A draft with one reference, all numbers 0. Copies the strings and settings. */
MR_MUST_CHECK enum mr_status em_stored_new(const char *bucket, const char *name, const json_t *settings,
                                           struct em_stored **ret, struct mr_err *err);
/* A draft with everything of `from` but the settings. */
MR_MUST_CHECK enum mr_status em_stored_copy(const struct em_stored *from, const json_t *settings,
                                            struct em_stored **ret, struct mr_err *err);
struct em_stored *em_stored_ref(struct em_stored *stored);
void em_stored_unref(struct em_stored *stored);
MR_DEFINE_CLEANUP(em_stored, em_stored_unref)

/* A text setting, e.g. "contentType"; NULL if not set. */
const char *em_stored_setting(const struct em_stored *stored, const char *name);

#define EM_ETAG_MAX 80
void em_stored_etag(const struct em_stored *stored, char out[EM_ETAG_MAX]);

/* The sidecar file's JSON, and back. NULL: out of memory. */
json_t *em_stored_to_sidecar(const struct em_stored *stored);
MR_MUST_CHECK enum mr_status em_stored_from_sidecar(const char *bucket, const json_t *sidecar,
                                                    struct em_stored **ret, struct mr_err *err);

/* The object resource of the JSON API; links begin with base_url. NULL: out of memory.
 * Source: https://cloud.google.com/storage/docs/json_api/v1/objects#resource */
json_t *em_stored_resource(const struct em_stored *stored, const char *base_url);

/*
 * The settings that follow from `old` (NULL: none yet) and a client's resource. replace: fields that are not
 * given fall away (insert, PUT); otherwise they stay, null removes a field, and metadata is merged key by key
 * (PATCH). Fields that clients cannot set are ignored. MR_INVALID for a wrong type. The caller owns *ret.
 */
MR_MUST_CHECK enum mr_status em_settings_apply(const json_t *old, const json_t *resource, bool replace,
                                               json_t **ret, struct mr_err *err);

/* MR_INVALID unless Cloud Storage would take it as an object's name.
 * Source: https://cloud.google.com/storage/docs/objects#naming */
MR_MUST_CHECK enum mr_status em_object_name_check(const char *name, struct mr_err *err);

#endif
