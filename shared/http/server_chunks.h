/*
 * The chunked transfer coding (RFC 9112 §7.1), read incrementally from bytes as they arrive. Sizes are bounded,
 * extensions and trailers are skipped. Pure; any thread.
 */
#ifndef MR_HTTP_SERVER_CHUNKS_H
#define MR_HTTP_SERVER_CHUNKS_H

#include "shared/base/err.h"

#include <stdint.h>

enum mr_chunks_state {
    MR_CHUNKS_SIZE,     /* within the digits of a size */
    MR_CHUNKS_LINE,     /* after them, up to the line's end */
    MR_CHUNKS_DATA,     /* `left` bytes of data follow */
    MR_CHUNKS_DATA_END, /* the line end after the data follows */
    MR_CHUNKS_TRAILERS, /* after the last chunk */
    MR_CHUNKS_ENDED,
};

/* Begins zeroed. */
struct mr_chunks {
    enum mr_chunks_state state;
    int64_t left;
    int digits;       /* of the size */
    size_t line;      /* bytes of the line, or of the trailers */
    size_t line_text; /* bytes of the last line of the trailers */
    bool cr;          /* the last byte was a CR that a LF must follow */
};

/*
 * Reads from the len bytes at data up to the end of the first run of content. *ret_used bytes are done with; the
 * last *ret_len of them are content. Nothing is left to be read when *ret_used is len, or in state MR_CHUNKS_ENDED.
 * MR_INVALID ("malformed_request").
 */
MR_MUST_CHECK enum mr_status mr_chunks_next(struct mr_chunks *chunks, const char *data, size_t len,
                                            size_t *ret_used, size_t *ret_len, struct mr_err *err);

#endif
