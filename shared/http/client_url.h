/*
 * URLs, read by the parser of the library that fetches them, so that the host that is checked is the host that is
 * connected to. Pure functions; any thread.
 */
#ifndef MR_HTTP_CLIENT_URL_H
#define MR_HTTP_CLIENT_URL_H

#include "shared/base/err.h"

enum { MR_URL_MAX = 2048, MR_URL_HOST_MAX = 256, MR_URL_SCHEME_MAX = 32 };

struct mr_url {
    char scheme[MR_URL_SCHEME_MAX]; /* lower case */
    /* Lower case, percent-decoded, without brackets and final dot. An IPv4 address in any notation (decimal,
     * octal, short, …) is in dotted decimal here, an IPv6 address in its short form. */
    char host[MR_URL_HOST_MAX];
    int port;             /* the scheme's default if the URL names none; 0 if there is no default */
    bool has_credentials; /* even empty ones: "http://@host/" */
    bool has_zone;        /* an IPv6 zone id: "[fe80::1%25eth0]" */
};

/* Reads an absolute URL. MR_INVALID with code "url_malformed"; the message does not name the field. */
MR_MUST_CHECK enum mr_status mr_url_parse(const char *text, struct mr_url *ret, struct mr_err *err);

/* The absolute URL of a reference (RFC 3986 §5) in the document `base`: without its fragment, with blanks and
 * non-ASCII bytes escaped. *ret is malloc'ed. MR_INVALID as above. */
MR_MUST_CHECK enum mr_status mr_url_resolve(const char *base, const char *reference, char **ret,
                                            struct mr_err *err);

#endif
