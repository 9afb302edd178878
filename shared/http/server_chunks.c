#include "shared/http/server_chunks.h"

#include <ctype.h>

enum { DIGITS_MAX = 15, LINE_MAX_BYTES = 1024, TRAILERS_MAX = 4096 };

static enum mr_status malformed(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_MALFORMED_REQUEST, "the chunks of the body are malformed");
}

/* Feeds a byte of a line; *ret_end is true with its LF. Only CRLF ends a line. */
static enum mr_status read_line_byte(struct mr_chunks *chunks, char byte, size_t max, bool *ret_end,
                                     struct mr_err *err)
{
    *ret_end = chunks->cr && byte == '\n';
    if (chunks->cr != (byte == '\n') || ++chunks->line > max)
        return malformed(err);
    chunks->cr = byte == '\r';
    return MR_OK;
}

static enum mr_status read_size_byte(struct mr_chunks *chunks, char byte, struct mr_err *err)
{
    bool end = false;
    if (isxdigit((unsigned char)byte)) {
        if (++chunks->digits > DIGITS_MAX)
            return malformed(err);
        int digit = isdigit((unsigned char)byte) ? byte - '0' : (byte | 0x20) - 'a' + 10;
        chunks->left = chunks->left * 16 + digit;
        return MR_OK;
    }
    if (!chunks->digits || !strchr("\r; \t", byte))
        return malformed(err);
    chunks->state = MR_CHUNKS_LINE;
    chunks->line = 0;
    return read_line_byte(chunks, byte, LINE_MAX_BYTES, &end, err);
}

static enum mr_status read_line(struct mr_chunks *chunks, char byte, struct mr_err *err)
{
    bool end = false;
    MR_TRY(read_line_byte(chunks, byte, LINE_MAX_BYTES, &end, err));
    if (end) {
        chunks->state = chunks->left ? MR_CHUNKS_DATA : MR_CHUNKS_TRAILERS;
        chunks->line = chunks->line_text = 0;
    }
    return MR_OK;
}

static enum mr_status read_data_end(struct mr_chunks *chunks, char byte, struct mr_err *err)
{
    bool end = false;
    MR_TRY(read_line_byte(chunks, byte, 2, &end, err));
    if (end)
        *chunks = (struct mr_chunks){.state = MR_CHUNKS_SIZE};
    return MR_OK;
}

static enum mr_status read_trailers(struct mr_chunks *chunks, char byte, struct mr_err *err)
{
    bool end = false;
    MR_TRY(read_line_byte(chunks, byte, TRAILERS_MAX, &end, err));
    if (end && !chunks->line_text)
        chunks->state = MR_CHUNKS_ENDED;
    chunks->line_text = end ? 0 : chunks->line_text + (byte != '\r');
    return MR_OK;
}

static enum mr_status read_byte(struct mr_chunks *chunks, char byte, struct mr_err *err)
{
    switch (chunks->state) {
    case MR_CHUNKS_SIZE:
        return read_size_byte(chunks, byte, err);
    case MR_CHUNKS_LINE:
        return read_line(chunks, byte, err);
    case MR_CHUNKS_DATA_END:
        return read_data_end(chunks, byte, err);
    case MR_CHUNKS_TRAILERS:
        return read_trailers(chunks, byte, err);
    case MR_CHUNKS_DATA:
    case MR_CHUNKS_ENDED:
        break;
    }
    return MR_OK;
}

enum mr_status mr_chunks_next(struct mr_chunks *chunks, const char *data, size_t len, size_t *ret_used,
                              size_t *ret_len, struct mr_err *err)
{
    size_t used = 0, content = 0;
    while (used < len && chunks->state != MR_CHUNKS_ENDED && !content) {
        if (chunks->state != MR_CHUNKS_DATA) {
            MR_TRY(read_byte(chunks, data[used++], err));
            continue;
        }
        content = len - used < (size_t)chunks->left ? len - used : (size_t)chunks->left;
        used += content;
        chunks->left -= (int64_t)content;
        if (!chunks->left) {
            chunks->state = MR_CHUNKS_DATA_END;
            chunks->line = 0;
        }
    }
    *ret_used = used;
    *ret_len = content;
    return MR_OK;
}
