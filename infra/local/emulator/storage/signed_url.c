#include "infra/local/emulator/storage/signed_url.h"

#include "infra/local/emulator/storage/canonical_request.h"
#include "shared/base/clock.h"
#include "shared/base/encoding.h"

#include <ctype.h>
#include <openssl/sha.h>

#define ALGORITHM "GOOG4-RSA-SHA256"
enum { CANONICAL_MAX = 64 * 1024, EXPIRES_MAX_S = 604800, SIGNATURE_MAX = 1024 };

static bool decode_hex(const char *hex, unsigned char *out, size_t max, size_t *ret_len)
{
    size_t len = strlen(hex);
    if (len % 2 || len / 2 > max)
        return false;
    for (size_t i = 0; i < len; i += 2) {
        if (!isxdigit((unsigned char)hex[i]) || !isxdigit((unsigned char)hex[i + 1]))
            return false;
        out[i / 2] = (unsigned char)strtoul((char[]){hex[i], hex[i + 1], '\0'}, NULL, 16);
    }
    *ret_len = len / 2;
    return true;
}

static enum mr_status check_time(const char *date, const char *expires, struct mr_err *err)
{
    struct tm when = {0};
    int64_t seconds = 0;
    const char *end = strptime(date, "%Y%m%dT%H%M%SZ", &when);
    if (!end || *end)
        return mr_fail(err, MR_INVALID, "Invalid X-Goog-Date: %s", date);
    if (!mr_parse_int64(expires, 1, EXPIRES_MAX_S, &seconds))
        return mr_fail(err, MR_INVALID, "Invalid X-Goog-Expires: %s", expires);
    if (mr_time_now_us() / 1000000 > timegm(&when) + seconds)
        return mr_fail_code(err, MR_CODE_URL_EXPIRED, "Invalid argument. Request signature expired.");
    return MR_OK;
}

/* True if `signature` (hex) is valid for the canonical request. */
static bool is_signed(const struct em_identity *identity, const struct mr_buf *canonical, const char *date,
                      const char *scope, const char *signature)
{
    unsigned char digest[SHA256_DIGEST_LENGTH], bytes[SIGNATURE_MAX];
    char hex[2 * SHA256_DIGEST_LENGTH + 1], to_sign[512];
    size_t len = 0;
    SHA256((const unsigned char *)canonical->data, canonical->len, digest);
    mr_hex_encode(digest, sizeof digest, hex);
    int written = snprintf(to_sign, sizeof to_sign, ALGORITHM "\n%s\n%s\n%s", date, scope, hex);
    return written > 0 && (size_t)written < sizeof to_sign &&
           decode_hex(signature, bytes, sizeof bytes, &len) &&
           em_identity_verify(identity, to_sign, (size_t)written, bytes, len);
}

enum mr_status em_signed_url_check(const struct em_identity *identity, const struct mr_request *req,
                                   struct mr_err *err)
{
    const char *algorithm = mr_request_query(req, "X-Goog-Algorithm");
    if (!algorithm)
        return MR_OK;
    const char *credential = mr_request_query(req, "X-Goog-Credential");
    const char *date = mr_request_query(req, "X-Goog-Date");
    const char *expires = mr_request_query(req, "X-Goog-Expires");
    const char *headers = mr_request_query(req, "X-Goog-SignedHeaders");
    const char *signature = mr_request_query(req, "X-Goog-Signature");
    const char *scope = credential ? strchr(credential, '/') : NULL;
    if (strcmp(algorithm, ALGORITHM) || !scope || !date || !expires || !headers || !signature)
        return mr_fail(err, MR_INVALID,
                       "A V4 signed URL has X-Goog-Algorithm (%s), X-Goog-Credential, "
                       "X-Goog-Date, X-Goog-Expires, X-Goog-SignedHeaders and "
                       "X-Goog-Signature.",
                       ALGORITHM);
    MR_TRY(check_time(date, expires, err));
    /* Google's test vectors sign the host without its port; some clients sign it with the port. */
    for (int with_port = 0; with_port < 2; with_port++) {
        MR_AUTO(mr_buf) struct mr_buf canonical = MR_BUF_INIT(CANONICAL_MAX);
        MR_TRY(em_canonical_request(req, headers, with_port, &canonical, err));
        if (is_signed(identity, &canonical, date, scope + 1, signature))
            return MR_OK;
    }
    return mr_fail(err, MR_DENIED,
                   "The request signature we calculated does not match the signature you provided.");
}
