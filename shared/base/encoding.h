/*
 * Text forms of bytes and numbers: base64, base64url, hex, percent-encoding, decimal integers. All functions are
 * pure; any thread may call them.
 */
#ifndef MR_BASE_ENCODING_H
#define MR_BASE_ENCODING_H

#include "shared/base/buf.h"
#include "shared/base/err.h"

#include <stdint.h>

/* Standard base64 with padding (RFC 4648 §4). *ret is malloc'ed. */
MR_MUST_CHECK enum mr_status mr_base64_encode(const void *data, size_t len, char **ret, struct mr_err *err);
/* Accepts both alphabets, with or without padding; MR_INVALID for anything else. *ret_data is malloc'ed,
 * NUL-terminated. */
MR_MUST_CHECK enum mr_status mr_base64_decode(const char *text, size_t len, unsigned char **ret_data,
                                              size_t *ret_len, struct mr_err *err);

/* Lower-case hex; out must hold 2*len+1 bytes. */
void mr_hex_encode(const void *data, size_t len, char *out);

/* Appends text with every byte but RFC 3986's unreserved ones escaped; '/' stays when keep_slash. */
MR_MUST_CHECK enum mr_status mr_percent_encode(struct mr_buf *out, const char *text, bool keep_slash,
                                               struct mr_err *err);
/* Decodes %XX in place (and '+' as blank if plus_is_blank). MR_INVALID on a broken escape or an encoded NUL.
 */
MR_MUST_CHECK enum mr_status mr_percent_decode(char *text, bool plus_is_blank, struct mr_err *err);

#define MR_INT64_TEXT_MAX 24
/* The decimal text of a number, for SQL parameters and headers. */
void mr_int64_text(int64_t value, char out[MR_INT64_TEXT_MAX]);

/* A whole decimal number within [min, max], nothing before or after it. */
bool mr_parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret);

#endif
