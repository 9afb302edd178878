#include "shared/gcp/signed_url.h"

#include "shared/base/encoding.h"

#include <inttypes.h>
#include <openssl/sha.h>

#define ALGORITHM "GOOG4-RSA-SHA256"

enum { STAMP_MAX = 24, SCOPE_MAX = 64, OWN_PARAMETERS = 5, HOST_MAX = 300, SIGNATURE_BYTES_MAX = 1024 };
enum { PARAMETERS = OWN_PARAMETERS + MR_SIGNED_URL_PARAMETERS_MAX };

/* ---- the query ----------------------------------------------------------------------- */

struct parameter {
    char *name, *value; /* encoded */
};

struct query {
    struct parameter items[PARAMETERS];
    size_t count;
};

static void query_free(struct query *query)
{
    for (size_t i = 0; i < query->count; i++) {
        free(query->items[i].name);
        free(query->items[i].value);
    }
}
MR_DEFINE_VALUE_CLEANUP(query, query_free)

static enum mr_status encoded(const char *text, char **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(MR_SIGNED_URL_MAX);
    enum mr_status status = mr_buf_append_str(&out, "", err);
    if (status == MR_OK)
        status = mr_percent_encode(&out, text, false, err);
    if (status == MR_OK)
        *ret = mr_buf_take(&out);
    return status;
}

static enum mr_status add_parameter(struct query *query, const char *name, const char *value,
                                    struct mr_err *err)
{
    if (query->count == PARAMETERS)
        return mr_fail(err, MR_INVALID, "signed URL: more than %d parameters", MR_SIGNED_URL_PARAMETERS_MAX);
    struct parameter *parameter = &query->items[query->count++];
    enum mr_status status = encoded(name, &parameter->name, err);
    return status == MR_OK ? encoded(value, &parameter->value, err) : status;
}

/* Sorted by the encoded names, as the canonical request wants them. */
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct parameter *)a)->name, ((const struct parameter *)b)->name);
}

static enum mr_status fill_query(struct query *query, const struct mr_signed_url *wanted, const char *email,
                                 const char *stamp, const char *scope, struct mr_err *err)
{
    char expires[MR_INT64_TEXT_MAX], credential[HOST_MAX + SCOPE_MAX];
    mr_int64_text(wanted->seconds, expires);
    snprintf(credential, sizeof credential, "%.*s/%s", HOST_MAX - 2, email, scope);
    const char *const own[OWN_PARAMETERS][2] = {{"X-Goog-Algorithm", ALGORITHM},
                                                {"X-Goog-Credential", credential},
                                                {"X-Goog-Date", stamp},
                                                {"X-Goog-Expires", expires},
                                                {"X-Goog-SignedHeaders", "host"}};
    enum mr_status status = MR_OK;
    for (size_t i = 0; status == MR_OK && i < OWN_PARAMETERS; i++)
        status = add_parameter(query, own[i][0], own[i][1], err);
    for (const char *const *pair = wanted->parameters; status == MR_OK && pair && *pair; pair += 2)
        status = add_parameter(query, pair[0], pair[1], err);
    qsort(query->items, query->count, sizeof *query->items, by_name);
    return status;
}

static enum mr_status append_query(struct mr_buf *out, const struct query *query, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    for (size_t i = 0; status == MR_OK && i < query->count; i++)
        status =
            mr_buf_appendf(out, err, "%s%s=%s", i ? "&" : "", query->items[i].name, query->items[i].value);
    return status;
}

/* ---- the canonical request -------------------------------------------------------------- */

/* The host without its port, as Google's test vectors sign it. */
static enum mr_status host_of(const char *base_url, char out[HOST_MAX], struct mr_err *err)
{
    const char *host = strstr(base_url, "://");
    size_t len = host ? strcspn(host + 3, ":/") : 0;
    if (!len || len >= HOST_MAX || strchr(host + 3, '/'))
        return mr_fail(err, MR_INVALID, "signed URL: the base is not scheme://host[:port]");
    snprintf(out, HOST_MAX, "%.*s", (int)len, host + 3);
    return MR_OK;
}

/* "/bucket/object", where slashes stay, unlike in the JSON API. */
static enum mr_status append_path(struct mr_buf *out, const struct mr_signed_url *wanted, struct mr_err *err)
{
    enum mr_status status = mr_buf_append_str(out, "/", err);
    if (status == MR_OK)
        status = mr_percent_encode(out, wanted->bucket, false, err);
    if (status == MR_OK)
        status = mr_buf_append_str(out, "/", err);
    return status == MR_OK ? mr_percent_encode(out, wanted->object, true, err) : status;
}

static enum mr_status append_canonical(struct mr_buf *out, const struct mr_signed_url *wanted,
                                       const struct query *query, struct mr_err *err)
{
    char host[HOST_MAX];
    enum mr_status status = host_of(wanted->base_url, host, err);
    if (status == MR_OK)
        status = mr_buf_appendf(out, err, "%s\n", wanted->method);
    if (status == MR_OK)
        status = append_path(out, wanted, err);
    if (status == MR_OK)
        status = mr_buf_append_str(out, "\n", err);
    if (status == MR_OK)
        status = append_query(out, query, err);
    if (status == MR_OK)
        status = mr_buf_appendf(out, err, "\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD", host);
    return status;
}

/* ---- the URL ------------------------------------------------------------------------------ */

static enum mr_status make_stamps(int64_t now_us, char stamp[STAMP_MAX], char scope[SCOPE_MAX],
                                  struct mr_err *err)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm utc;
    char day[STAMP_MAX];
    if (!gmtime_r(&now, &utc) || !strftime(stamp, STAMP_MAX, "%Y%m%dT%H%M%SZ", &utc) ||
        !strftime(day, sizeof day, "%Y%m%d", &utc))
        return mr_fail(err, MR_INVALID, "signed URL: impossible time");
    snprintf(scope, SCOPE_MAX, "%s/auto/storage/goog4_request", day);
    return MR_OK;
}

enum mr_status mr_signed_url_prepare(const struct mr_signed_url *wanted, const char *email, int64_t now_us,
                                     struct mr_buf *ret_url, struct mr_buf *ret_to_sign, struct mr_err *err)
{
    if (wanted->seconds < 1 || wanted->seconds > MR_SIGNED_URL_SECONDS_MAX)
        return mr_fail(err, MR_INVALID, "signed URL: valid for %" PRId64 " s", wanted->seconds);
    MR_AUTO(query) struct query query = {0};
    MR_AUTO(mr_buf) struct mr_buf canonical = MR_BUF_INIT(MR_SIGNED_URL_MAX);
    char stamp[STAMP_MAX], scope[SCOPE_MAX], hex[2 * SHA256_DIGEST_LENGTH + 1];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    enum mr_status status = make_stamps(now_us, stamp, scope, err);
    if (status == MR_OK)
        status = fill_query(&query, wanted, email, stamp, scope, err);
    if (status == MR_OK)
        status = append_canonical(&canonical, wanted, &query, err);
    if (status != MR_OK)
        return status;
    SHA256((const unsigned char *)canonical.data, canonical.len, digest);
    mr_hex_encode(digest, sizeof digest, hex);
    status = mr_buf_appendf(ret_to_sign, err, ALGORITHM "\n%s\n%s\n%s", stamp, scope, hex);
    if (status == MR_OK)
        status = mr_buf_append_str(ret_url, wanted->base_url, err);
    if (status == MR_OK)
        status = append_path(ret_url, wanted, err);
    if (status == MR_OK)
        status = mr_buf_append_str(ret_url, "?", err);
    return status == MR_OK ? append_query(ret_url, &query, err) : status;
}

enum mr_status mr_signed_url_make(struct mr_signer *signer, const struct mr_signed_url *wanted,
                                  struct mr_buf *ret_url, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf to_sign = MR_BUF_INIT(MR_SIGNED_URL_MAX);
    MR_AUTO_STR char *owned = NULL;
    const char *email = NULL;
    unsigned char *signature = NULL;
    size_t len = 0;
    char hex[2 * SIGNATURE_BYTES_MAX + 1];
    enum mr_status status = mr_signer_email(signer, &email, err);
    if (status == MR_OK)
        status = mr_signed_url_prepare(wanted, email, mr_time_now_us(), ret_url, &to_sign, err);
    if (status == MR_OK)
        status = mr_signer_sign(signer, to_sign.data, to_sign.len, &signature, &len, err);
    if (status != MR_OK)
        return status;
    owned = (char *)signature;
    if (len > SIGNATURE_BYTES_MAX)
        return mr_fail(err, MR_UNAVAILABLE, "signed URL: a signature of %zu bytes", len);
    mr_hex_encode(signature, len, hex);
    return mr_buf_appendf(ret_url, err, "&X-Goog-Signature=%s", hex);
}
