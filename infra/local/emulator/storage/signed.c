#include "infra/local/emulator/storage/signed.h"

#include "shared/base/encoding.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <strings.h>

#define ALGORITHM "GOOG4-RSA-SHA256"
enum { CANONICAL_MAX = 64 * 1024, PARAMETERS_MAX = 64, EXPIRES_MAX_S = 604800, SIGNATURE_MAX = 1024 };

/* ---- the canonical request, part by part ------------------------------------------------ */

/* Decodes and encodes again, so that both sides agree however the client spelled it. */
static enum mr_status append_normalized(struct mr_buf *out, const char *text, size_t len, bool keep_slash,
                                        struct mr_err *err)
{
    MR_AUTO_STR char *copy = strndup(text, len);
    if (!copy)
        return mr_fail_oom(err);
    MR_TRY(mr_percent_decode(copy, false, err));
    return mr_percent_encode(out, copy, keep_slash, err);
}

static enum mr_status normalize_parameter(const char *text, size_t len, char **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf parameter = MR_BUF_INIT(CANONICAL_MAX);
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    MR_TRY(append_normalized(&parameter, text, name_len, false, err));
    MR_TRY(mr_buf_append_str(&parameter, "=", err));
    if (equals)
        MR_TRY(append_normalized(&parameter, equals + 1, len - name_len - 1, false, err));
    *ret = mr_buf_take(&parameter);
    return MR_OK;
}

/* The parameters of a query, normalised. */
struct parameters {
    char *items[PARAMETERS_MAX];
    size_t count;
};

static void parameters_free(struct parameters *parameters)
{
    for (size_t i = 0; i < parameters->count; i++)
        free(parameters->items[i]);
}
MR_DEFINE_VALUE_CLEANUP(parameters, parameters_free)

static enum mr_status split_query(const char *query, struct parameters *ret, struct mr_err *err)
{
    static const char signature[] = "X-Goog-Signature=";
    enum mr_status status = MR_OK;
    for (const char *at = query; status == MR_OK && *at;) {
        size_t len = strcspn(at, "&");
        if (ret->count == PARAMETERS_MAX)
            return mr_fail(err, MR_INVALID, "More than %d query parameters.", PARAMETERS_MAX);
        if (len && strncasecmp(at, signature, strlen(signature)) != 0) {
            status = normalize_parameter(at, len, &ret->items[ret->count], err);
            if (status == MR_OK)
                ret->count++;
        }
        at += len + (at[len] == '&');
    }
    return status;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum mr_status append_query(struct mr_buf *out, const struct mr_request *req, struct mr_err *err)
{
    MR_AUTO(parameters) struct parameters parameters = {0};
    enum mr_status status = split_query(mr_request_query_string(req), &parameters, err);
    qsort(parameters.items, parameters.count, sizeof *parameters.items, by_bytes);
    for (size_t i = 0; status == MR_OK && i < parameters.count; i++)
        status = mr_buf_appendf(out, err, "%s%s", i ? "&" : "", parameters.items[i]);
    return status;
}

/* A header's value, trimmed, each run of blanks as one. */
static enum mr_status append_value(struct mr_buf *out, const char *value, size_t len, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    bool blank = false, begun = false;
    for (size_t i = 0; status == MR_OK && i < len; i++) {
        if (value[i] == ' ' || value[i] == '\t') {
            blank = begun;
            continue;
        }
        if (blank)
            status = mr_buf_append(out, " ", 1, err);
        if (status == MR_OK)
            status = mr_buf_append(out, value + i, 1, err);
        blank = false;
        begun = true;
    }
    return status;
}

/* The signed headers in the order in which X-Goog-SignedHeaders names them. */
static enum mr_status append_headers(struct mr_buf *out, const struct mr_request *req, const char *names,
                                     bool with_port, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    bool has_host = false;
    for (const char *at = names; status == MR_OK && *at;) {
        char name[128];
        size_t len = strcspn(at, ";");
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        const char *value = mr_request_header(req, name);
        if (!value)
            return mr_fail(err, MR_INVALID, "The signed header %s is missing.", name);
        bool is_host = !strcmp(name, "host");
        has_host = has_host || is_host;
        size_t value_len = is_host && !with_port ? strcspn(value, ":") : strlen(value);
        status = mr_buf_appendf(out, err, "%s:", name);
        if (status == MR_OK)
            status = append_value(out, value, value_len, err);
        if (status == MR_OK)
            status = mr_buf_append_str(out, "\n", err);
        at += len + (at[len] == ';');
    }
    if (status == MR_OK && !has_host)
        status = mr_fail(err, MR_INVALID, "The host header has to be signed.");
    return status;
}

static enum mr_status canonical_request(const struct mr_request *req, const char *signed_headers,
                                        bool with_port, struct mr_buf *out, struct mr_err *err)
{
    const char *path = mr_request_path(req), *payload = mr_request_header(req, "x-goog-content-sha256");
    MR_TRY(mr_buf_appendf(out, err, "%s\n", mr_request_method(req)));
    MR_TRY(append_normalized(out, path, strlen(path), true, err));
    MR_TRY(mr_buf_append_str(out, "\n", err));
    MR_TRY(append_query(out, req, err));
    MR_TRY(mr_buf_append_str(out, "\n", err));
    MR_TRY(append_headers(out, req, signed_headers, with_port, err));
    return mr_buf_appendf(out, err, "\n%s\n%s", signed_headers, payload ? payload : "UNSIGNED-PAYLOAD");
}

/* ---- checks ------------------------------------------------------------------------------- */

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

static bool signature_holds(const struct em_identity *identity, const struct mr_buf *canonical,
                            const char *date, const char *scope, const char *signature)
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
    enum mr_status status = check_time(date, expires, err);
    /* Google's vectors sign the host without its port; some clients sign what they send. */
    for (int with_port = 0; status == MR_OK && with_port < 2; with_port++) {
        MR_AUTO(mr_buf) struct mr_buf canonical = MR_BUF_INIT(CANONICAL_MAX);
        status = canonical_request(req, headers, with_port, &canonical, err);
        if (status == MR_OK && signature_holds(identity, &canonical, date, scope + 1, signature))
            return MR_OK;
    }
    return status == MR_OK ? mr_fail(err, MR_DENIED,
                                     "The request signature we calculated does not match the signature you "
                                     "provided.")
                           : status;
}
