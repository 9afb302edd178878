/*
 * Encodings: base64, base64url, hex, percent-encoding, UUIDs, times, checksums, and strict integer parsing.
 * All functions are pure or read only the clock and getrandom(2); any thread may call them.
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

#define MR_UUID_TEXT_MAX 37
/* A random UUID, version 4 (RFC 9562), lower case. */
MR_MUST_CHECK enum mr_status mr_uuid_generate(char out[MR_UUID_TEXT_MAX], struct mr_err *err);
/* True for 8-4-4-4-12 hex digits. */
bool mr_uuid_is_valid(const char *text);

/* Fills out with len bytes from getrandom(2). */
MR_MUST_CHECK enum mr_status mr_random_bytes(void *out, size_t len, struct mr_err *err);

#define MR_TIME_TEXT_MAX 32
/* Microseconds since 1970, UTC; and of CLOCK_MONOTONIC, for deadlines. */
int64_t mr_time_now_us(void);
int64_t mr_time_monotonic_us(void);
/* That many milliseconds from now on CLOCK_MONOTONIC, as pthread_cond_timedwait takes it. */
struct timespec mr_time_deadline(int ms);
/* ISO 8601 / RFC 3339 in UTC with microseconds: 2026-01-31T23:59:59.123456Z. */
void mr_time_format(int64_t us, char out[MR_TIME_TEXT_MAX]);

#define MR_INT64_TEXT_MAX 24
/* The decimal text of a number, for SQL parameters and headers. */
void mr_int64_text(int64_t value, char out[MR_INT64_TEXT_MAX]);

/* A whole decimal number within [min, max], nothing before or after it. */
bool mr_parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret);

/* CRC32C (Castagnoli) of more bytes after `crc`; begin with 0. As Cloud Storage's crc32c, before base64. */
uint32_t mr_crc32c(uint32_t crc, const void *data, size_t len);
/* Cloud Storage's text form: base64 of the big-endian value; out gets 8 characters and a NUL. */
void mr_crc32c_text(uint32_t crc, char out[9]);

/* True if text is well-formed UTF-8 (RFC 3629) without NUL in its len bytes. */
bool mr_utf8_is_valid(const char *text, size_t len);
/* How many bytes of text (UTF-8) are at most max and whole characters: to cut or to quote it. */
size_t mr_utf8_prefix(const char *text, size_t max);

#endif
