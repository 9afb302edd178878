#include "infra/local/emulator/storage/incoming.h"

#include "infra/local/emulator/storage/file.h"

#include <errno.h>
#include <fcntl.h>
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

static enum mr_status rehash(struct em_incoming *incoming, struct mr_err *err)
{
    MR_AUTO_STR char *chunk = malloc(CHUNK_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    for (;;) {
        ssize_t got = read(incoming->fd, chunk, CHUNK_BYTES);
        if (got == 0)
            return MR_OK;
        if (got < 0)
            return mr_fail_errno(err, MR_UNAVAILABLE, errno, "read %s", incoming->path);
        MR_TRY(em_hash_update(&incoming->hash, chunk, (size_t)got, err));
        incoming->size += got;
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
    MR_TRY(rehash(incoming, err));
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

void em_incoming_suspend(struct em_incoming *incoming)
{
    if (incoming->fd >= 0)
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

enum mr_status em_incoming_finish(struct em_incoming *incoming, struct em_digest *ret, struct mr_err *err)
{
    if (fdatasync(incoming->fd) < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "sync %s", incoming->path);
    return em_hash_get(&incoming->hash, ret, err);
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
