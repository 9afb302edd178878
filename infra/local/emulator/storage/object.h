/*
 * struct em_stored: one generation of an object, without its bytes.
 *
 * It is immutable once it is in the index, and reference-counted: a reader keeps its reference, and the file it
 * opened, while a newer generation becomes live. A change makes a copy. `settings` holds the fields that
 * clients may set, validated (storage/settings.h); the emulator sets the rest.
 *
 * jansson's reference counts are not safe across threads (json_decref reads before it decrements), so each
 * object has its own copy of the settings, and all JSON that leaves it is a deep copy.
 */
#ifndef EM_STORAGE_OBJECT_H
#define EM_STORAGE_OBJECT_H

#include "infra/local/emulator/storage/hash.h"

#include <stdatomic.h>

struct em_stored {
    atomic_int refs;
    char *bucket;
    char *name;
    int64_t generation;     /* microseconds since 1970, strictly increasing */
    int64_t metageneration; /* 1 for new bytes; each change of the settings adds 1 */
    int64_t size;
    int64_t created_us;
    int64_t updated_us;
    struct em_digest digest; /* a composed object has no MD5 */
    int64_t component_count; /* how many sources were composed; 0 for an uploaded object */
    json_t *settings;
};

/* A draft with one reference; all numbers are 0. Copies the strings and settings. MR_EXHAUSTED without
 * memory. */
MR_MUST_CHECK enum mr_status em_stored_new(const char *bucket, const char *name, const json_t *settings,
                                           struct em_stored **ret, struct mr_err *err);
/* A draft with everything from `from` except the settings. */
MR_MUST_CHECK enum mr_status em_stored_copy(const struct em_stored *from, const json_t *settings,
                                            struct em_stored **ret, struct mr_err *err);
/* Take and drop a reference; any thread. */
struct em_stored *em_stored_ref(struct em_stored *stored);
void em_stored_unref(struct em_stored *stored);
MR_DEFINE_CLEANUP(em_stored, em_stored_unref)

/* A setting that is a string, e.g. "contentType"; NULL if it is not set. */
const char *em_stored_setting(const struct em_stored *stored, const char *name);

#define EM_ETAG_MAX 80
void em_stored_etag(const struct em_stored *stored, char out[EM_ETAG_MAX]);

/* The JSON of the sidecar file (NULL without memory), and back (MR_INVALID for anything else). */
json_t *em_stored_to_sidecar(const struct em_stored *stored);
MR_MUST_CHECK enum mr_status em_stored_from_sidecar(const char *bucket, const json_t *sidecar,
                                                    struct em_stored **ret, struct mr_err *err);

/* The object resource of the JSON API; links begin with base_url. NULL without memory.
 * Source: https://cloud.google.com/storage/docs/json_api/v1/objects#resource */
json_t *em_stored_resource(const struct em_stored *stored, const char *base_url);

#endif
