/*
 * V4 signed URLs: a URL that allows one method on one object until it expires, without credentials.
 * Sources: https://cloud.google.com/storage/docs/access-control/signed-urls,
 * https://cloud.google.com/storage/docs/authentication/canonical-requests
 */
#ifndef MR_GCP_SIGNED_URL_H
#define MR_GCP_SIGNED_URL_H

#include "shared/gcp/signer.h"

#include <stdint.h>

enum { MR_SIGNED_URL_MAX = 16 * 1024, MR_SIGNED_URL_SECONDS_MAX = 604800, MR_SIGNED_URL_PARAMETERS_MAX = 8 };

struct mr_signed_url {
    const char *method;   /* "GET", "HEAD": the only method that the URL allows */
    const char *base_url; /* scheme://host[:port] */
    const char *bucket;
    const char *object;
    int64_t seconds; /* valid from now on, 1 to MR_SIGNED_URL_SECONDS_MAX */
    /* Further query parameters, signed too: name, value, …, NULL; at most MR_SIGNED_URL_PARAMETERS_MAX pairs.
     * E.g. response-content-disposition. May be NULL. */
    const char *const *parameters;
};

/*
 * The pure part: appends the URL without X-Goog-Signature, and the string to sign, for the account `email` at
 * now_us (microseconds since 1970). MR_INVALID if a value is out of range.
 */
MR_MUST_CHECK enum mr_status mr_signed_url_prepare(const struct mr_signed_url *wanted, const char *email,
                                                   int64_t now_us, struct mr_buf *ret_url,
                                                   struct mr_buf *ret_to_sign, struct mr_err *err);

/* Appends the complete URL, a bearer secret: do not log it. Any thread may call. */
MR_MUST_CHECK enum mr_status mr_signed_url_make(struct mr_signer *signer, const struct mr_signed_url *wanted,
                                                struct mr_buf *ret_url, struct mr_err *err);

#endif
