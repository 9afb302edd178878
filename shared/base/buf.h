/*
 * struct mr_buf: a growable byte buffer with a cap set at its initialisation.
 *
 * data is NUL-terminated after len bytes whenever it is not NULL, so text needs no extra step. Growing past
 * max fails with MR_TOO_LARGE and leaves the content as it was. Owned by one thread at a time.
 */
#ifndef MR_BASE_BUF_H
#define MR_BASE_BUF_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct mr_buf {
    char *data;
    size_t len;
    size_t capacity; /* bytes allocated, the final NUL included */
    size_t max;      /* the cap of len */
};

/* An empty buffer that may hold up to max_bytes; allocates nothing. */
#define MR_BUF_INIT(max_bytes)                                                                               \
    (struct mr_buf)                                                                                          \
    {                                                                                                        \
        .max = (max_bytes)                                                                                   \
    }

/* Releases the memory; the buffer is empty and usable again with the same cap. */
void mr_buf_free(struct mr_buf *buf);
MR_DEFINE_VALUE_CLEANUP(mr_buf, mr_buf_free)

/* Sets len to 0, keeps the memory. */
void mr_buf_clear(struct mr_buf *buf);

/* Makes room for `extra` more bytes. MR_TOO_LARGE over the cap, MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_buf_reserve(struct mr_buf *buf, size_t extra, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_buf_append(struct mr_buf *buf, const void *data, size_t len,
                                           struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_buf_append_str(struct mr_buf *buf, const char *text, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_buf_appendf(struct mr_buf *buf, struct mr_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Removes the first `count` bytes (at most len). */
void mr_buf_consume(struct mr_buf *buf, size_t count);

/* The content as a C string; "" for an empty buffer. Valid until the next change. */
const char *mr_buf_str(const struct mr_buf *buf);

/* Hands the malloc'ed content over (NULL if nothing was ever allocated) and leaves the buffer empty. */
char *mr_buf_take(struct mr_buf *buf);

#endif
