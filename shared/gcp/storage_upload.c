/*
 * Uploads of unknown length. An object that fits into the first chunk is sent as one multipart request; for a longer one
 * a resumable session begins, and a thread sends one chunk while the caller fills the next one: two are in memory.
 */
#include "shared/base/crc32c.h"
#include "shared/gcp/storage_chunks.h"
#include "shared/gcp/storage_object.h"
#include "shared/gcp/storage_put.h"

#include <pthread.h>

enum { EAGER_BYTES = 256 << 10 };

struct mr_upload {
    struct mr_storage *storage;
    char *name;
    char *content_type;
    struct mr_buf filling; /* the last bytes written */
    int64_t size;          /* bytes written */
    uint32_t crc32c;       /* of all bytes written */
    bool closed;           /* finished, or a write failed: the object would lack bytes */
    bool finished;         /* the object exists */

    struct mr_chunks chunks; /* the bytes before; the sender's while it is busy, else the writer's */
    bool has_sender;
    pthread_t sender;
    pthread_mutex_t lock; /* protects all fields below */
    pthread_cond_t changed;
    bool busy; /* the sender has bytes to send */
    bool stopping;
    enum mr_status status; /* of the sender; after a failure it sends nothing more */
    struct mr_err failure;
};

enum mr_status mr_upload_begin(struct mr_storage *storage, const char *name, const char *content_type,
                               struct mr_upload **ret, struct mr_err *err)
{
    MR_TRY(mr_storage_check_name(name, err));
    MR_AUTO(mr_upload) struct mr_upload *upload = calloc(1, sizeof *upload);
    if (!upload)
        return mr_fail_oom(err);
    pthread_mutex_init(&upload->lock, NULL);
    pthread_cond_init(&upload->changed, NULL);
    upload->storage = upload->chunks.storage = storage;
    upload->filling = MR_BUF_INIT(storage->chunk_bytes + MR_MULTIPART_ROOM);
    upload->chunks.unsent = upload->filling;
    upload->name = strdup(name);
    upload->content_type = strdup(content_type);
    if (!upload->name || !upload->content_type)
        return mr_fail_oom(err);
    upload->chunks.name = upload->name;
    *ret = MR_TAKE(upload);
    return MR_OK;
}

int64_t mr_upload_size(const struct mr_upload *upload)
{
    return upload->size;
}

/* One chunk; the first one begins the session. */
static enum mr_status send_chunk(struct mr_upload *upload, struct mr_err *err)
{
    struct mr_chunks *chunks = &upload->chunks;
    struct mr_chunks_answer answer = {0};
    int failures = 0;
    if (!chunks->session)
        MR_TRY(mr_chunks_begin(chunks, upload->content_type, err));
    MR_TRY(mr_chunks_advance(chunks, false, &answer, &failures, err));
    if (answer.complete)
        return mr_fail(err, MR_UNAVAILABLE, "the upload session ended early");
    return MR_OK;
}

static void *sender(void *arg)
{
    struct mr_upload *upload = arg;
    pthread_mutex_lock(&upload->lock);
    for (;;) {
        while (!upload->busy && !upload->stopping)
            pthread_cond_wait(&upload->changed, &upload->lock);
        if (!upload->busy)
            break;
        pthread_mutex_unlock(&upload->lock);
        struct mr_err failure = {0};
        enum mr_status status = send_chunk(upload, &failure);
        pthread_mutex_lock(&upload->lock);
        upload->status = status;
        upload->failure = failure;
        upload->busy = false;
        pthread_cond_signal(&upload->changed);
    }
    pthread_mutex_unlock(&upload->lock);
    return NULL;
}

/* Until the sender has nothing to do; returns its failure. */
static enum mr_status wait_for_sender(struct mr_upload *upload, struct mr_err *err)
{
    pthread_mutex_lock(&upload->lock);
    while (upload->busy)
        pthread_cond_wait(&upload->changed, &upload->lock);
    enum mr_status status = upload->status;
    pthread_mutex_unlock(&upload->lock);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &upload->failure);
}

static void stop_sender(struct mr_upload *upload)
{
    if (!upload->has_sender)
        return;
    pthread_mutex_lock(&upload->lock);
    upload->stopping = true;
    pthread_cond_signal(&upload->changed);
    pthread_mutex_unlock(&upload->lock);
    pthread_join(upload->sender, NULL);
    upload->has_sender = false;
}

/* The next chunk is whole where the session has not stored all of the last one. */
static enum mr_status fill_chunk(struct mr_upload *upload, struct mr_err *err)
{
    struct mr_buf *unsent = &upload->chunks.unsent, *filling = &upload->filling;
    if (!unsent->len) {
        struct mr_buf empty = *unsent;
        *unsent = *filling;
        *filling = empty;
        return MR_OK;
    }
    size_t room = upload->storage->chunk_bytes - unsent->len;
    size_t count = filling->len < room ? filling->len : room;
    MR_TRY(mr_buf_append(unsent, filling->data, count, err));
    mr_buf_consume(filling, count);
    return MR_OK;
}

/* Gives bytes to the sender once it has sent those that it got before. */
static enum mr_status hand_over(struct mr_upload *upload, struct mr_err *err)
{
    MR_TRY(wait_for_sender(upload, err));
    MR_TRY(fill_chunk(upload, err));
    if (!upload->has_sender) {
        int fault = pthread_create(&upload->sender, NULL, sender, upload);
        if (fault)
            return mr_fail_errno(err, MR_EXHAUSTED, fault, "start the thread of an upload");
        upload->has_sender = true;
    }
    pthread_mutex_lock(&upload->lock);
    upload->busy = true;
    pthread_cond_signal(&upload->changed);
    pthread_mutex_unlock(&upload->lock);
    return MR_OK;
}

/* Room for a whole chunk at once, once it is likely to be filled: growing by doubling would leave holes in the heap. */
static enum mr_status make_room(struct mr_upload *upload, struct mr_err *err)
{
    struct mr_buf *filling = &upload->filling;
    if (upload->size < EAGER_BYTES || filling->capacity > upload->storage->chunk_bytes)
        return MR_OK;
    return mr_buf_reserve(filling, upload->storage->chunk_bytes - filling->len, err);
}

static enum mr_status take(struct mr_upload *upload, const char *bytes, size_t len, struct mr_err *err)
{
    upload->crc32c = mr_crc32c(upload->crc32c, bytes, len);
    upload->size += (int64_t)len;
    while (len) {
        MR_TRY(make_room(upload, err));
        size_t room = upload->storage->chunk_bytes - upload->filling.len;
        if (!room) {
            MR_TRY(hand_over(upload, err));
            continue;
        }
        size_t part = len < room ? len : room;
        MR_TRY(mr_buf_append(&upload->filling, bytes, part, err));
        bytes += part;
        len -= part;
    }
    return MR_OK;
}

enum mr_status mr_upload_write(struct mr_upload *upload, const void *data, size_t len, struct mr_err *err)
{
    if (upload->closed)
        return mr_fail(err, MR_INTERNAL, "write to an upload that is finished or has failed");
    enum mr_status status = take(upload, data, len, err);
    upload->closed = status != MR_OK;
    return mr_storage_conflict(mr_wrap(err, status, "upload object"), err);
}

/* Sends what is left. The attempt whose answer was lost may be the one that completed the object. */
static enum mr_status send_rest(struct mr_upload *upload, struct mr_object *ret, struct mr_err *err)
{
    struct mr_chunks_answer answer = {0};
    struct mr_err failure = {0};
    int failures = 0;
    while (!answer.complete) {
        enum mr_status status = mr_chunks_advance(&upload->chunks, true, &answer, &failures, &failure);
        bool ended = status == MR_CONFLICT || failure.code == MR_CODE_SESSION_LOST;
        if (status != MR_OK && ended && failures &&
            mr_storage_adopt(upload->storage, upload->name, upload->size, upload->crc32c, ret, status) ==
                MR_OK)
            return MR_OK;
        if (status != MR_OK)
            return mr_fail_from(err, &failure);
    }
    *ret = answer.object;
    return MR_OK;
}

static enum mr_status finish_session(struct mr_upload *upload, struct mr_object *ret, struct mr_err *err)
{
    struct mr_chunks *chunks = &upload->chunks;
    MR_TRY(wait_for_sender(upload, err));
    while (chunks->unsent.len + upload->filling.len > upload->storage->chunk_bytes) {
        MR_TRY(hand_over(upload, err));
        MR_TRY(wait_for_sender(upload, err));
    }
    stop_sender(upload);
    MR_TRY(fill_chunk(upload, err));
    chunks->crc32c = upload->crc32c;
    struct mr_object object = {0};
    MR_TRY(send_rest(upload, &object, err));
    MR_TRY(mr_storage_verify(upload->storage, upload->name, upload->size, upload->crc32c, &object, err));
    *ret = object;
    return MR_OK;
}

static enum mr_status finish_in_one_request(struct mr_upload *upload, struct mr_object *ret,
                                            struct mr_err *err)
{
    enum mr_status status = mr_storage_insert(upload->storage, upload->name, upload->content_type,
                                              &upload->filling, upload->crc32c, ret, err);
    mr_buf_clear(&upload->filling); /* it contains the request now */
    return status;
}

enum mr_status mr_upload_finish(struct mr_upload *upload, struct mr_object *ret, struct mr_err *err)
{
    if (upload->closed)
        return mr_fail(err, MR_INTERNAL, "upload finished twice, or after a failed write");
    upload->closed = true;
    enum mr_status status =
        upload->has_sender ? finish_session(upload, ret, err) : finish_in_one_request(upload, ret, err);
    upload->finished = status == MR_OK;
    return mr_storage_conflict(mr_wrap(err, status, "upload object"), err);
}

void mr_upload_free(struct mr_upload *upload)
{
    if (!upload)
        return;
    struct mr_chunks *chunks = &upload->chunks;
    atomic_store(&chunks->abandoned, true);
    stop_sender(upload);
    if (chunks->session && !upload->finished) /* if this fails, the session expires by itself */
        (void)!mr_storage_cancel_session(upload->storage, chunks->session, NULL);
    mr_buf_free(&chunks->unsent);
    mr_buf_free(&upload->filling);
    pthread_cond_destroy(&upload->changed);
    pthread_mutex_destroy(&upload->lock);
    free(chunks->session);
    free(upload->name);
    free(upload->content_type);
    free(upload);
}
