#include "infra/local/emulator/storage/canonical_request.h"

#include "shared/base/encoding.h"

#include <strings.h>

enum { PARAMETER_MAX = 64 * 1024, PARAMETERS_MAX = 64 };

/* Decodes and encodes again: a client may escape more or fewer characters than we do. */
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
    MR_AUTO(mr_buf) struct mr_buf parameter = MR_BUF_INIT(PARAMETER_MAX);
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
    for (const char *at = query; *at;) {
        size_t len = strcspn(at, "&");
        if (ret->count == PARAMETERS_MAX)
            return mr_fail(err, MR_INVALID, "More than %d query parameters.", PARAMETERS_MAX);
        if (len && strncasecmp(at, signature, strlen(signature)) != 0) {
            MR_TRY(normalize_parameter(at, len, &ret->items[ret->count], err));
            ret->count++;
        }
        at += len + (at[len] == '&');
    }
    return MR_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum mr_status append_query(struct mr_buf *out, const struct mr_request *req, struct mr_err *err)
{
    MR_AUTO(parameters) struct parameters parameters = {0};
    MR_TRY(split_query(mr_request_query_string(req), &parameters, err));
    qsort(parameters.items, parameters.count, sizeof *parameters.items, by_bytes);
    for (size_t i = 0; i < parameters.count; i++)
        MR_TRY(mr_buf_appendf(out, err, "%s%s", i ? "&" : "", parameters.items[i]));
    return MR_OK;
}

/* Appends a header's value without outer blanks, and with a single space for each run of blanks. */
static enum mr_status append_value(struct mr_buf *out, const char *value, size_t len, struct mr_err *err)
{
    bool blank = false, begun = false;
    for (size_t i = 0; i < len; i++) {
        if (value[i] == ' ' || value[i] == '\t') {
            blank = begun;
            continue;
        }
        if (blank)
            MR_TRY(mr_buf_append(out, " ", 1, err));
        MR_TRY(mr_buf_append(out, value + i, 1, err));
        blank = false;
        begun = true;
    }
    return MR_OK;
}

/* Appends the signed headers in the order of X-Goog-SignedHeaders. */
static enum mr_status append_headers(struct mr_buf *out, const struct mr_request *req, const char *names,
                                     bool with_port, struct mr_err *err)
{
    bool has_host = false;
    for (const char *at = names; *at;) {
        char name[128];
        size_t len = strcspn(at, ";");
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        const char *value = mr_request_header(req, name);
        if (!value)
            return mr_fail(err, MR_INVALID, "The signed header %s is missing.", name);
        bool is_host = !strcmp(name, "host");
        has_host = has_host || is_host;
        size_t value_len = is_host && !with_port ? strcspn(value, ":") : strlen(value);
        MR_TRY(mr_buf_appendf(out, err, "%s:", name));
        MR_TRY(append_value(out, value, value_len, err));
        MR_TRY(mr_buf_append_str(out, "\n", err));
        at += len + (at[len] == ';');
    }
    return has_host ? MR_OK : mr_fail(err, MR_INVALID, "The host header must be signed.");
}

enum mr_status em_canonical_request(const struct mr_request *req, const char *signed_headers, bool with_port,
                                    struct mr_buf *out, struct mr_err *err)
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
