/* UTF-8 (RFC 3629). All functions are pure; any thread may call them. */
#ifndef MR_BASE_UTF8_H
#define MR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* True if text is well-formed UTF-8 (RFC 3629) without NUL in its len bytes. */
bool mr_utf8_is_valid(const char *text, size_t len);
/* How many bytes of text (UTF-8) are at most max and whole characters: to cut or to quote it. */
size_t mr_utf8_prefix(const char *text, size_t max);

/*
 * Makes text that somebody else wrote fit for the database, the log and JSON: copies `len` bytes into out, where each
 * byte that is no UTF-8 becomes '?' and each control character, NUL included, a blank; a character that is cut off at
 * the end is left out. out gets at most out_size - 1 bytes, in whole characters, and a NUL. text and out may be the
 * same.
 */
void mr_utf8_storable(const char *text, size_t len, char *out, size_t out_size);

#endif
