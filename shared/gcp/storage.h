/*
 * Cloud Storage over its JSON API. Sources: https://cloud.google.com/storage/docs/json_api/v1,
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 *
 * Requests that may be repeated are retried here, with backoff: reads always, writes because each carries
 * ifGenerationMatch=0 (an object name is written once; MR_UNAVAILABLE if it exists). Uploads hold two chunks in
 * memory, whatever the size, and compare the CRC32C that Cloud Storage computed with their own. A call that Cloud
 * Storage refuses is MR_UNAVAILABLE, except where a function says otherwise (refusals.h). A struct mr_storage is
 * shared by all threads; an upload belongs to one.
 */
#ifndef MR_GCP_STORAGE_H
#define MR_GCP_STORAGE_H

#include "shared/base/json.h"
#include "shared/gcp/refusals.h"
#include "shared/gcp/token.h"
#include "shared/http/client.h"

struct mr_storage;

struct mr_storage_options {
    const char *base_url; /* STORAGE_EMULATOR_HOST with scheme; NULL or "": https://storage.googleapis.com */
    const char *bucket;
    struct mr_token_source *tokens; /* NULL: no Authorization (emulators) */
    struct mr_refusals *refusals;   /* NULL: refusals are not reported */
    size_t chunk_bytes;             /* of resumable uploads; a multiple of 256 KiB; 0: 2 MiB */
};

/* Texts are copied; http, tokens and refusals are not owned and must outlive the client. */
MR_MUST_CHECK enum mr_status mr_storage_new(struct mr_http_client *http,
                                            const struct mr_storage_options *options, struct mr_storage **ret,
                                            struct mr_err *err);
void mr_storage_free(struct mr_storage *storage);
MR_DEFINE_CLEANUP(mr_storage, mr_storage_free)

/* Scheme and host, without a slash at its end. Owned by storage. */
const char *mr_storage_base_url(const struct mr_storage *storage);

/* MR_OK if the bucket exists and this account may create, read and delete its objects. MR_NOT_FOUND: no such
 * bucket; MR_DENIED names the missing permissions. Takes at most 15 s. */
MR_MUST_CHECK enum mr_status mr_storage_check_access(struct mr_storage *storage, struct mr_err *err);

enum { MR_OBJECT_NAME_MAX = 1024 }; /* bytes */

struct mr_object {
    int64_t size; /* bytes */
    int64_t generation;
    uint32_t crc32c;
    bool has_crc32c;
    char content_type[128]; /* "" if none; cut if longer */
};

/* The metadata of an object. MR_NOT_FOUND if it does not exist. */
MR_MUST_CHECK enum mr_status mr_storage_stat(struct mr_storage *storage, const char *name,
                                             struct mr_object *ret, struct mr_err *err);

struct mr_read {
    const char *name;
    int64_t generation; /* > 0: this one only; 0: the newest */
    int64_t offset;
    int64_t length; /* -1: to the end */
    mr_http_sink *sink;
    void *sink_ctx;
};

/* CRC32C of a whole object, as Cloud Storage says. */
struct mr_checksum {
    bool is_known;
    uint32_t crc32c;
};

/*
 * Reads [offset, offset + length) of an object in order into the sink. A transfer that breaks is resumed where it
 * stopped. If these are all bytes of the object, their CRC32C is compared before the sink gets the last of them.
 * When it differs the object is read again as long as the sink has nothing, then it is MR_UNAVAILABLE with code
 * "corrupted". A part has no checksum of its own: *ret_whole, which may be NULL, gets that of the object, so that the
 * caller can compare once it has all parts (mr_crc32c_combine).
 * MR_NOT_FOUND; MR_INVALID if the range starts past the end (an empty range of an empty object is MR_OK); what the
 * sink returns.
 */
MR_MUST_CHECK enum mr_status mr_storage_read(struct mr_storage *storage, const struct mr_read *read,
                                             struct mr_checksum *ret_whole, struct mr_err *err);

/* Reads a whole object into out, which is cleared first, and reads it again if its CRC32C differs. MR_TOO_LARGE if it
 * does not fit; else as mr_storage_read. */
MR_MUST_CHECK enum mr_status mr_storage_load(struct mr_storage *storage, const char *name, int64_t generation,
                                             struct mr_buf *out, struct mr_err *err);

/*
 * Uploads an object of unknown length: begin, write any number of times, finish. Up to one chunk goes as a
 * single multipart request, more as a resumable session, whose chunks a thread of the upload's own sends: a write waits
 * only while one chunk is being sent and the next one is full, and a chunk's failure is that of a later write or of
 * finish. name and content_type are copied. After a failed write the upload can only be freed. Freeing an unfinished
 * upload ends its transfer and cancels its session, so that nothing remains.
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

/* A resumable session for a client that uploads to Cloud Storage itself. */
struct mr_upload_session {
    const char *name; /* of the object */
    const char *content_type;
    int64_t size; /* bytes; -1: not known */
    /* "https://app.example": the web page whose browser uploads, and the only one that may then; NULL: no browser */
    const char *origin;
    bool is_own; /* the upload's answer needs only what struct mr_object has */
};
/* *ret_uri (malloc'ed) is a bearer secret, valid for a week. Cloud Storage enforces the announced size, and
 * refuses the upload if an object of that name exists by then. A session that nobody uses expires. */
MR_MUST_CHECK enum mr_status mr_storage_begin_session(struct mr_storage *storage,
                                                      const struct mr_upload_session *session, char **ret_uri,
                                                      struct mr_err *err);
/* Ends a session and drops its bytes; an object that it has already made stays. MR_OK also for a session that
 * is gone. One attempt, of at most 5 s. */
MR_MUST_CHECK enum mr_status mr_storage_cancel_session(struct mr_storage *storage, const char *uri,
                                                       struct mr_err *err);

/* Writes a whole small object in one request. */
MR_MUST_CHECK enum mr_status mr_storage_put(struct mr_storage *storage, const char *name,
                                            const char *content_type, const void *data, size_t len,
                                            struct mr_object *ret, struct mr_err *err);

/* Concatenates 1 to 32 objects into a new one; the sources stay. */
MR_MUST_CHECK enum mr_status mr_storage_compose(struct mr_storage *storage, const char *const *sources,
                                                size_t count, const char *name, const char *content_type,
                                                struct mr_object *ret, struct mr_err *err);

/* A new object with the bytes of this generation of another one, made inside Cloud Storage; generation 0: the newest. The source
 * stays. MR_NOT_FOUND if it does not exist. */
MR_MUST_CHECK enum mr_status mr_storage_copy(struct mr_storage *storage, const char *source,
                                             int64_t generation, const char *name, const char *content_type,
                                             struct mr_object *ret, struct mr_err *err);

/* Deletes an object; MR_OK also if it does not exist. */
MR_MUST_CHECK enum mr_status mr_storage_delete(struct mr_storage *storage, const char *name,
                                               struct mr_err *err);

#endif
