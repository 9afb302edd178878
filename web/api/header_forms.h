/* Syntax checks of header values that clients send and web passes on. Pure. */
#ifndef MR_WEB_API_HEADER_FORMS_H
#define MR_WEB_API_HEADER_FORMS_H

#include <stdbool.h>

/* type/subtype with parameters, if any (RFC 9110 §8.3.1), in 127 characters at most. */
bool mr_media_type_is_valid(const char *text);

/* scheme://host[:port] of http or https (RFC 6454 §6.2), in 260 characters at most: no path, no user, not
 * "null". */
bool mr_origin_is_valid(const char *text);

#endif
