#include "infra/local/emulator/pubsub/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOLE_BYTES = 1 << 20 }; /* what is read is given back to the file system in such portions */

struct head {
    int64_t publish_us;
    int64_t len;
};

static enum mr_status open_file(struct em_spill *spill, const char *directory, struct mr_err *err)
{
    if (spill->is_open)
        return MR_OK;
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "make a file for a queue in %s", directory);
    *spill = (struct em_spill){.is_open = true, .fd = fd};
    return MR_OK;
}

static bool write_all(int fd, const void *data, size_t len, int64_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, (const char *)data + done, len - done, at + (int64_t)done);
        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t len, int64_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, (char *)data + done, len - done, at + (int64_t)done);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

enum mr_status em_spill_append(struct em_spill *spill, const char *directory, const char *text,
                               int64_t publish_us, struct mr_err *err)
{
    const struct head head = {publish_us, (int64_t)strlen(text)};
    MR_TRY(open_file(spill, directory, err));
    if (!write_all(spill->fd, &head, sizeof head, spill->write_at) ||
        !write_all(spill->fd, text, (size_t)head.len, spill->write_at + (int64_t)sizeof head))
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "write a message to the file of its queue");
    spill->write_at += (int64_t)sizeof head + head.len;
    spill->newest_us = publish_us;
    spill->count++;
    return MR_OK;
}

static enum mr_status take(struct em_spill *spill, char **ret, int64_t *ret_publish_us)
{
    struct head head;
    if (!read_all(spill->fd, &head, sizeof head, spill->read_at))
        return MR_INTERNAL;
    MR_AUTO_STR char *text = malloc((size_t)head.len + 1);
    if (!text || !read_all(spill->fd, text, (size_t)head.len, spill->read_at + (int64_t)sizeof head))
        return MR_INTERNAL;
    text[head.len] = '\0';
    *ret_publish_us = head.publish_us;
    *ret = MR_TAKE(text);
    spill->read_at += (int64_t)sizeof head + head.len;
    spill->count--;
    return MR_OK;
}

enum mr_status em_spill_take(struct em_spill *spill, char **ret, int64_t *ret_publish_us, struct mr_err *err)
{
    const int64_t holes = spill->read_at / HOLE_BYTES;
    enum mr_status status = take(spill, ret, ret_publish_us);
    if (status != MR_OK) {
        em_spill_clear(spill);
        return mr_fail(err, status, "cannot read the file of a queue");
    }
    if (spill->count == 0)
        em_spill_clear(spill);
    else if (spill->read_at / HOLE_BYTES > holes) /* if it cannot be done, the file stays long */
        (void)!fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                         spill->read_at / HOLE_BYTES * HOLE_BYTES);
    return MR_OK;
}

void em_spill_clear(struct em_spill *spill)
{
    if (spill->is_open)
        close(spill->fd);
    *spill = (struct em_spill){0};
}
