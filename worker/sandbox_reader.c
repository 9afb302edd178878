#include "worker/sandbox_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum mr_status mr_reader_init(struct mr_reader *reader, size_t head_len, size_t len_at, size_t body_max,
                              struct mr_err *err)
{
    *reader = (struct mr_reader){.head_len = head_len, .len_at = len_at, .body_max = body_max};
    if (body_max && !(reader->body = malloc(body_max)))
        return mr_fail_oom(err);
    return MR_OK;
}

void mr_reader_free(struct mr_reader *reader)
{
    free(reader->body);
    reader->body = NULL;
}

uint32_t mr_reader_len(const struct mr_reader *reader)
{
    uint32_t len;
    memcpy(&len, reader->head + reader->len_at, sizeof len);
    return len;
}

/* Bytes of the whole record as far as known; 0 if its length is out of bounds. */
static size_t record_size(const struct mr_reader *reader)
{
    if (reader->got < reader->head_len || !reader->body_max)
        return reader->head_len;
    uint32_t len = mr_reader_len(reader);
    return len <= reader->body_max ? reader->head_len + len : 0;
}

enum mr_read_state mr_reader_next(struct mr_reader *reader, int fd, bool *ret_any)
{
    *ret_any = false;
    size_t size = record_size(reader);
    if (reader->got == size) /* the record of the last call has been used */
        reader->got = 0, size = reader->head_len;
    for (;;) {
        char *at = reader->got < reader->head_len ? reader->head + reader->got
                                                  : reader->body + (reader->got - reader->head_len);
        ssize_t n = read(fd, at, size - reader->got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return MR_READ_AGAIN;
        if (n == 0)
            return reader->got == 0 ? MR_READ_END : MR_READ_CUT;
        if (n < 0 && errno == ECONNRESET) /* a socket closed with the reply unread */
            return reader->got == 0 ? MR_READ_END : MR_READ_CUT;
        if (n < 0)
            return MR_READ_BROKEN;
        *ret_any = true;
        reader->got += (size_t)n;
        size = record_size(reader);
        if (size == 0)
            return MR_READ_BROKEN;
        if (reader->got == size)
            return MR_READ_RECORD;
    }
}
