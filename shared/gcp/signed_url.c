#include "shared/gcp/signed_url.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"

#include <inttypes.h>
#include <openssl/sha.h>

#define ALGORITHM "GOOG4-RSA-SHA256"

enum { STAMP_MAX = 24, SCOPE_MAX = 64, OWN_PARAMETERS = 5, HOST_MAX = 300, SIGNATURE_BYTES_MAX = 1024 };
enum { PARAMETERS = OWN_PARAMETERS + MR_SIGNED_URL_PARAMETERS_MAX };

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
    MR_TRY(mr_buf_append_str(&out, "", err)); /* allocates, also for an empty text */
    MR_TRY(mr_percent_encode(&out, text, false, err));
    *ret = mr_buf_take(&out);
    return MR_OK;
}

static enum mr_status add_parameter(struct query *query, const char *name, const char *value,
                                    struct mr_err *err)
{
    if (query->count == PARAMETERS)
        return mr_fail(err, MR_INVALID, "signed URL: more than %d parameters", MR_SIGNED_URL_PARAMETERS_MAX);
    struct parameter *parameter = &query->items[query->count++];
    MR_TRY(encoded(name, &parameter->name, err));
    return encoded(value, &parameter->value, err);
}

/* The canonical request sorts parameters by their encoded names. */
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
    for (size_t i = 0; i < OWN_PARAMETERS; i++)
        MR_TRY(add_parameter(query, own[i][0], own[i][1], err));
    for (const char *const *pair = wanted->parameters; pair && *pair; pair += 2)
        MR_TRY(add_parameter(query, pair[0], pair[1], err));
    qsort(query->items, query->count, sizeof *query->items, by_name);
    return MR_OK;
}

static enum mr_status append_query(struct mr_buf *out, const struct query *query, struct mr_err *err)
{
    for (size_t i = 0; i < query->count; i++)
        MR_TRY(
            mr_buf_appendf(out, err, "%s%s=%s", i ? "&" : "", query->items[i].name, query->items[i].value));
    return MR_OK;
}

/* The host without its port, as Google's test vectors sign it. */
static enum mr_status host_of(const char *base_url, char out[HOST_MAX], struct mr_err *err)
{
    const char *host = strstr(base_url, "://");
    size_t len = host ? strcspn(host + 3, ":/") : 0;
    if (!len || len >= HOST_MAX || strchr(host + 3, '/'))
        return mr_fail(err, MR_INVALID, "signed URL: the base URL must be scheme://host[:port]");
    snprintf(out, HOST_MAX, "%.*s", (int)len, host + 3);
    return MR_OK;
}

/* "/bucket/object"; slashes are kept, unlike in the JSON API. */
static enum mr_status append_path(struct mr_buf *out, const struct mr_signed_url *wanted, struct mr_err *err)
{
    MR_TRY(mr_buf_append_str(out, "/", err));
    MR_TRY(mr_percent_encode(out, wanted->bucket, false, err));
    MR_TRY(mr_buf_append_str(out, "/", err));
    return mr_percent_encode(out, wanted->object, true, err);
}

static enum mr_status append_canonical(struct mr_buf *out, const struct mr_signed_url *wanted,
                                       const struct query *query, struct mr_err *err)
{
    char host[HOST_MAX];
    MR_TRY(host_of(wanted->base_url, host, err));
    MR_TRY(mr_buf_appendf(out, err, "%s\n", wanted->method));
    MR_TRY(append_path(out, wanted, err));
    MR_TRY(mr_buf_append_str(out, "\n", err));
    MR_TRY(append_query(out, query, err));
    return mr_buf_appendf(out, err, "\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD", host);
}

static enum mr_status make_stamps(int64_t now_us, char stamp[STAMP_MAX], char scope[SCOPE_MAX],
                                  struct mr_err *err)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm utc;
    char day[STAMP_MAX];
    if (!gmtime_r(&now, &utc) || !strftime(stamp, STAMP_MAX, "%Y%m%dT%H%M%SZ", &utc) ||
        !strftime(day, sizeof day, "%Y%m%d", &utc))
        return mr_fail(err, MR_INVALID, "signed URL: the time is out of range");
    snprintf(scope, SCOPE_MAX, "%s/auto/storage/goog4_request", day);
    return MR_OK;
}

enum mr_status mr_signed_url_prepare(const struct mr_signed_url *wanted, const char *email, int64_t now_us,
                                     struct mr_buf *ret_url, struct mr_buf *ret_to_sign, struct mr_err *err)
{
    if (wanted->seconds < 1 || wanted->seconds > MR_SIGNED_URL_SECONDS_MAX)
        return mr_fail(err, MR_INVALID, "signed URL: valid for %" PRId64 " s, must be 1 to %d",
                       wanted->seconds, MR_SIGNED_URL_SECONDS_MAX);
    MR_AUTO(query) struct query query = {0};
    MR_AUTO(mr_buf) struct mr_buf canonical = MR_BUF_INIT(MR_SIGNED_URL_MAX);
    char stamp[STAMP_MAX], scope[SCOPE_MAX], hex[2 * SHA256_DIGEST_LENGTH + 1];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    MR_TRY(make_stamps(now_us, stamp, scope, err));
    MR_TRY(fill_query(&query, wanted, email, stamp, scope, err));
    MR_TRY(append_canonical(&canonical, wanted, &query, err));
    SHA256((const unsigned char *)canonical.data, canonical.len, digest);
    mr_hex_encode(digest, sizeof digest, hex);
    MR_TRY(mr_buf_appendf(ret_to_sign, err, ALGORITHM "\n%s\n%s\n%s", stamp, scope, hex));
    MR_TRY(mr_buf_append_str(ret_url, wanted->base_url, err));
    MR_TRY(append_path(ret_url, wanted, err));
    MR_TRY(mr_buf_append_str(ret_url, "?", err));
    return append_query(ret_url, &query, err);
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
    MR_TRY(mr_signer_email(signer, &email, err));
    MR_TRY(mr_signed_url_prepare(wanted, email, mr_time_now_us(), ret_url, &to_sign, err));
    MR_TRY(mr_signer_sign(signer, to_sign.data, to_sign.len, &signature, &len, err));
    owned = (char *)signature;
    if (len > SIGNATURE_BYTES_MAX)
        return mr_fail(err, MR_UNAVAILABLE, "signed URL: a signature of %zu bytes", len);
    mr_hex_encode(signature, len, hex);
    return mr_buf_appendf(ret_url, err, "&X-Goog-Signature=%s", hex);
}
