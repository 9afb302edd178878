/*
 * Cloud Storage over its JSON API. Sources: https://cloud.google.com/storage/docs/json_api/v1,
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 *
 * What may be repeated is repeated here, with backoff: reads always, writes because each carries
 * ifGenerationMatch=0 (an object name is written once; MR_CONFLICT if it exists). Uploads hold one chunk in
 * memory, whatever the size, and compare the CRC32C that Cloud Storage computed with their own. A struct
 * mr_storage is shared by all threads; an upload belongs to one.
 */
#ifndef MR_GCP_STORAGE_H
#define MR_GCP_STORAGE_H

#include "shared/base/json.h"
#include "shared/gcp/token.h"
#include "shared/http/client.h"

struct mr_storage;

struct mr_storage_options {
    const char *base_url; /* STORAGE_EMULATOR_HOST with scheme; NULL or "": https://storage.googleapis.com */
    const char *bucket;
    struct mr_token_source *tokens; /* NULL: no Authorization (emulators) */
    size_t chunk_bytes;             /* of resumable uploads; a multiple of 256 KiB; 0: 2 MiB */
};

MR_MUST_CHECK enum mr_status mr_storage_new(struct mr_http_client *http,
                                            const struct mr_storage_options *options, struct mr_storage **ret,
                                            struct mr_err *err);
void mr_storage_free(struct mr_storage *storage);
MR_DEFINE_CLEANUP(mr_storage, mr_storage_free)

/* Scheme and host, without a slash at its end. Owned by storage. */
const char *mr_storage_base_url(const struct mr_storage *storage);

/* Asks, for at most 15 s, whether the bucket exists (MR_NOT_FOUND) and its objects may be created, read and
 * deleted (MR_DENIED names what may not). */
MR_MUST_CHECK enum mr_status mr_storage_check_access(struct mr_storage *storage, struct mr_err *err);

enum { MR_OBJECT_NAME_MAX = 1024 };

struct mr_object {
    int64_t size;
    int64_t generation;
    uint32_t crc32c;
    bool has_crc32c;
    char content_type[128];
};

/* The metadata of an object. MR_NOT_FOUND if it does not exist. */
MR_MUST_CHECK enum mr_status mr_storage_stat(struct mr_storage *storage, const char *name,
                                             struct mr_object *ret, struct mr_err *err);

/*
 * Reads [offset, offset+length) of an object (length -1: to its end; generation > 0 pins it) and gives it to
 * the sink in order. A transfer that breaks is resumed where it stopped. MR_NOT_FOUND; MR_INVALID if the
 * range starts past the end (an empty range of an empty object is MR_OK).
 */
MR_MUST_CHECK enum mr_status mr_storage_read(struct mr_storage *storage, const char *name, int64_t generation,
                                             int64_t offset, int64_t length, mr_http_sink *sink,
                                             void *sink_ctx, struct mr_err *err);

/*
 * Upload: begin, write any number of times, finish or abort. Up to one chunk goes as a single multipart
 * request, more as a resumable session. name and content_type are copied. abort (and freeing an unfinished
 * upload) cancels the session, so that nothing remains. A failed write ends the upload: begin anew.
 */
struct mr_upload;
MR_MUST_CHECK enum mr_status mr_upload_begin(struct mr_storage *storage, const char *name,
                                             const char *content_type, struct mr_upload **ret,
                                             struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_upload_write(struct mr_upload *upload, const void *data, size_t len,
                                             struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_upload_finish(struct mr_upload *upload, struct mr_object *ret,
                                              struct mr_err *err);
void mr_upload_free(struct mr_upload *upload);
MR_DEFINE_CLEANUP(mr_upload, mr_upload_free)
/* Bytes written so far. */
int64_t mr_upload_size(const struct mr_upload *upload);

/*
 * A resumable session on behalf of somebody else, who then sends the bytes: *ret_uri (malloc'ed) is a bearer
 * secret, good for a week. Cloud Storage holds the sender to the announced size, and refuses the object if
 * its name exists by then. A session whose URI got lost on the way does no harm: it expires.
 */
struct mr_session_order {
    const char *name;
    const char *content_type;
    int64_t size;       /* bytes; -1: not known */
    const char *origin; /* "https://app.example": the page in whose browser the sender runs; it alone may then
                           send there. NULL: no browser */
};
MR_MUST_CHECK enum mr_status mr_storage_begin_session(struct mr_storage *storage,
                                                      const struct mr_session_order *order, char **ret_uri,
                                                      struct mr_err *err);
/* Ends a session and drops its bytes; an object that it made already stays. MR_OK for one that is gone, too.
 * Tried once, for at most 5 s. */
MR_MUST_CHECK enum mr_status mr_storage_cancel_session(struct mr_storage *storage, const char *uri,
                                                       struct mr_err *err);

/* A whole small object in one request. */
MR_MUST_CHECK enum mr_status mr_storage_put(struct mr_storage *storage, const char *name,
                                            const char *content_type, const void *data, size_t len,
                                            struct mr_object *ret, struct mr_err *err);

/* Concatenates up to 32 objects into a new one; the sources stay. */
MR_MUST_CHECK enum mr_status mr_storage_compose(struct mr_storage *storage, const char *const *sources,
                                                size_t count, const char *name, const char *content_type,
                                                struct mr_object *ret, struct mr_err *err);

/* Deletes; an object that does not exist is MR_OK. */
MR_MUST_CHECK enum mr_status mr_storage_delete(struct mr_storage *storage, const char *name,
                                               struct mr_err *err);

/* Replaces custom metadata: `metadata` is an object of strings (not consumed). */
MR_MUST_CHECK enum mr_status mr_storage_set_metadata(struct mr_storage *storage, const char *name,
                                                     const json_t *metadata, struct mr_err *err);

#endif
