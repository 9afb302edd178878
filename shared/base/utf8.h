/* UTF-8 (RFC 3629). All functions are pure; any thread may call them. */
#ifndef MR_BASE_UTF8_H
#define MR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* True if text is well-formed UTF-8 (RFC 3629) without NUL in its len bytes. */
bool mr_utf8_is_valid(const char *text, size_t len);
/* How many bytes of text (UTF-8) are at most max and whole characters: to cut or to quote it. */
size_t mr_utf8_prefix(const char *text, size_t max);

#endif
