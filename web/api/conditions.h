/* Conditional requests (RFC 9110 §13.1). Pure functions, any thread. */
#ifndef MR_WEB_API_CONDITIONS_H
#define MR_WEB_API_CONDITIONS_H

#include <stdbool.h>

/* True if the value of If-Match or If-None-Match is * or lists etag, which has its quotes. weak: W/ does not matter
 * (If-None-Match). */
bool mr_etag_is_listed(const char *header, const char *etag, bool weak);

#endif
