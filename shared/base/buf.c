#include "shared/base/buf.h"

#include <stdarg.h>
#include <stdint.h>

void mr_buf_free(struct mr_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    *buf = MR_BUF_INIT(buf->max);
}

void mr_buf_clear(struct mr_buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

enum mr_status mr_buf_reserve(struct mr_buf *buf, size_t extra, struct mr_err *err)
{
    if (extra > buf->max || buf->len > buf->max - extra)
        return mr_fail(err, MR_TOO_LARGE, "more than %zu bytes", buf->max);
    size_t need = buf->len + extra + 1;
    if (need <= buf->capacity)
        return MR_OK;
    size_t capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    if (capacity > buf->max + 1)
        capacity = buf->max + 1;
    char *data = realloc(buf->data, capacity);
    if (!data)
        return mr_fail_oom(err);
    buf->data = data;
    buf->capacity = capacity;
    buf->data[buf->len] = '\0';
    return MR_OK;
}

enum mr_status mr_buf_append(struct mr_buf *buf, const void *data, size_t len, struct mr_err *err)
{
    MR_TRY(mr_buf_reserve(buf, len, err));
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return MR_OK;
}

enum mr_status mr_buf_append_str(struct mr_buf *buf, const char *text, struct mr_err *err)
{
    return mr_buf_append(buf, text, strlen(text), err);
}

enum mr_status mr_buf_appendf(struct mr_buf *buf, struct mr_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need < 0)
        return mr_fail(err, MR_INTERNAL, "format error");
    MR_TRY(mr_buf_reserve(buf, (size_t)need, err));
    va_start(args, format);
    vsnprintf(buf->data + buf->len, (size_t)need + 1, format, args);
    va_end(args);
    buf->len += (size_t)need;
    return MR_OK;
}

void mr_buf_consume(struct mr_buf *buf, size_t count)
{
    if (count > buf->len)
        count = buf->len;
    if (!count)
        return;
    memmove(buf->data, buf->data + count, buf->len - count);
    buf->len -= count;
    buf->data[buf->len] = '\0';
}

const char *mr_buf_str(const struct mr_buf *buf)
{
    return buf->data ? buf->data : "";
}

char *mr_buf_take(struct mr_buf *buf)
{
    char *data = buf->data;
    *buf = MR_BUF_INIT(buf->max);
    return data;
}
