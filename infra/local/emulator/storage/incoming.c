#include "infra/local/emulator/storage/incoming.h"

#include "infra/local/emulator/storage/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

enum { CHUNK_BYTES = 256 * 1024 };

static enum mr_status new_incoming(struct em_incoming **ret, struct mr_err *err)
{
    MR_AUTO(em_incoming) struct em_incoming *incoming = calloc(1, sizeof *incoming);
    if (!incoming)
        return mr_fail_oom(err);
    incoming->fd = -1;
    MR_TRY(em_hash_begin(&incoming->hash, err));
    *ret = MR_TAKE(incoming);
    return MR_OK;
}

enum mr_status em_incoming_create(const char *directory, struct em_incoming **ret, struct mr_err *err)
{
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_AUTO_STR char *path = NULL;
    MR_TRY(new_incoming(&incoming, err));
    MR_TRY(em_path_format(&path, err, "%s/XXXXXX", directory));
    incoming->fd = mkostemp(path, O_CLOEXEC);
    if (incoming->fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "create a file in %s", directory);
    incoming->path = MR_TAKE(path);
    *ret = MR_TAKE(incoming);
    return MR_OK;
}

/* Hashes the rest of an open file; *ret_size is the number of its bytes. */
static enum mr_status hash_file(int fd, struct em_hash *hash, int64_t *ret_size, struct mr_err *err)
{
    MR_AUTO_STR char *chunk = malloc(CHUNK_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    for (int64_t size = 0;;) {
        ssize_t got = read(fd, chunk, CHUNK_BYTES);
        if (got < 0)
            return mr_fail_errno(err, MR_UNAVAILABLE, errno, "read what has arrived");
        if (got == 0) {
            *ret_size = size;
            return MR_OK;
        }
        MR_TRY(em_hash_update(hash, chunk, (size_t)got, err));
        size += got;
    }
}

enum mr_status em_incoming_open(const char *path, struct em_incoming **ret, struct mr_err *err)
{
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_TRY(new_incoming(&incoming, err));
    incoming->keep = true;
    incoming->path = strdup(path);
    if (!incoming->path)
        return mr_fail_oom(err);
    incoming->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (incoming->fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "open %s", path);
    MR_TRY(hash_file(incoming->fd, &incoming->hash, &incoming->size, err));
    *ret = MR_TAKE(incoming);
    return MR_OK;
}

enum mr_status em_incoming_write(struct em_incoming *incoming, const void *data, size_t len,
                                 struct mr_err *err)
{
    const char *from = data;
    while (len) {
        ssize_t written = write(incoming->fd, from, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return mr_fail_errno(err, MR_UNAVAILABLE, errno, "write %s", incoming->path);
        /* Hash only what was written, so that size, hash and file agree even if the disk is full. */
        MR_TRY(em_hash_update(&incoming->hash, from, (size_t)written, err));
        incoming->size += written;
        from += written;
        len -= (size_t)written;
    }
    return MR_OK;
}

enum mr_status em_incoming_append_file(struct em_incoming *incoming, int fd, struct mr_err *err)
{
    MR_AUTO_STR char *chunk = malloc(CHUNK_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    for (;;) {
        ssize_t got = read(fd, chunk, CHUNK_BYTES);
        if (got == 0)
            return MR_OK;
        if (got < 0)
            return mr_fail_errno(err, MR_UNAVAILABLE, errno, "read an object");
        MR_TRY(em_incoming_write(incoming, chunk, (size_t)got, err));
    }
}

enum mr_status em_incoming_append_object(struct em_incoming *incoming, int fd, int64_t size, uint32_t crc32c,
                                         struct mr_err *err)
{
    for (int64_t left = size; left > 0;) {
        ssize_t copied = sendfile(incoming->fd, fd, NULL, (size_t)left);
        if (copied < 0 && errno == EINTR)
            continue;
        if (copied <= 0)
            return mr_fail_errno(err, MR_UNAVAILABLE, copied ? errno : EIO, "copy the bytes of an object");
        left -= copied;
    }
    em_hash_combine(&incoming->hash, crc32c, size);
    incoming->size += size;
    return MR_OK;
}

void em_incoming_suspend(struct em_incoming *incoming)
{
    if (incoming->fd < 0)
        return;
    sync_file_range(incoming->fd, 0, 0,
                    SYNC_FILE_RANGE_WRITE); /* so that the sync at the end has less to do */
    close(incoming->fd);
    incoming->fd = -1;
}

enum mr_status em_incoming_resume(struct em_incoming *incoming, struct mr_err *err)
{
    if (incoming->fd >= 0)
        return MR_OK;
    incoming->fd = open(incoming->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (incoming->fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "open %s", incoming->path);
    struct stat info;
    if (fstat(incoming->fd, &info) < 0 || info.st_size != incoming->size)
        return mr_fail(err, MR_INTERNAL, "%s was changed by another program", incoming->path);
    return MR_OK;
}

static enum mr_status read_digest(const char *path, struct em_hash *hash, struct em_digest *ret,
                                  struct mr_err *err)
{
    int64_t size = 0;
    MR_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "open %s", path);
    MR_TRY(em_hash_begin(hash, err));
    MR_TRY(hash_file(fd, hash, &size, err));
    return em_hash_get(hash, ret, err);
}

enum mr_status em_incoming_finish(struct em_incoming *incoming, bool needs_md5, struct em_digest *ret,
                                  struct mr_err *err)
{
    if (fdatasync(incoming->fd) < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "sync %s", incoming->path);
    if (!needs_md5 || !incoming->hash.without_md5)
        return em_hash_get(&incoming->hash, ret, err);
    struct em_hash hash = {0};
    enum mr_status status = read_digest(incoming->path, &hash, ret, err);
    em_hash_free(&hash);
    return status;
}

void em_incoming_free(struct em_incoming *incoming)
{
    if (!incoming)
        return;
    if (incoming->fd >= 0)
        close(incoming->fd);
    if (incoming->path && !incoming->keep)
        unlink(incoming->path);
    free(incoming->path);
    em_hash_free(&incoming->hash);
    free(incoming);
}
