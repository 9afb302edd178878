#include "infra/local/emulator/api/google_request.h"

#include "shared/base/encoding.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

/* In the JSON of protocol buffers, null always means absent: removing it here spares every reader the check. */
static void strip_nulls(json_t *json)
{
    size_t index = 0;
    const char *key = NULL;
    void *next = NULL;
    json_t *value = NULL;
    json_array_foreach (json, index, value)
        strip_nulls(value);
    json_object_foreach_safe(json, next, key, value)
    {
        if (json_is_null(value))
            json_object_del(json, key);
        else
            strip_nulls(value);
    }
}

json_t *em_json_object_parse(const char *text, size_t len, size_t flags, json_error_t *ret_reason)
{
    *ret_reason = (json_error_t){.text = "out of memory"};
    if (!len)
        return json_object();
    MR_AUTO_JSON json_t *json = json_loadb(text, len, flags | JSON_DECODE_ANY, ret_reason);
    if (json_is_null(json))
        return json_object();
    if (json && !json_is_object(json)) {
        snprintf(ret_reason->text, sizeof ret_reason->text, "expected an object");
        return NULL;
    }
    return MR_TAKE(json);
}

enum mr_status em_google_body(struct mr_request *req, size_t max, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(max);
    MR_TRY(mr_request_body(req, &body, err));
    json_error_t fault;
    MR_AUTO_JSON json_t *json = em_json_object_parse(body.data, body.len, JSON_REJECT_DUPLICATES, &fault);
    if (!json)
        return mr_fail(err, MR_INVALID, "Invalid JSON payload received. Line %d, column %d: %s", fault.line,
                       fault.column, fault.text);
    strip_nulls(json);
    *ret = MR_TAKE(json);
    return MR_OK;
}

enum mr_status em_page_of(const struct mr_request *req, struct em_page *ret, struct mr_err *err)
{
    const char *size_text = mr_request_query(req, "pageSize");
    const char *token = mr_request_query(req, "pageToken");
    int64_t size = 0;
    if (size_text && *size_text && !mr_parse_int64(size_text, 0, INT32_MAX, &size))
        return mr_fail(err, MR_INVALID, "Invalid pageSize '%s'.", size_text);
    if (size == 0)
        size = PAGE_DEFAULT;
    *ret = (struct em_page){.size = (size_t)(size < PAGE_MAX ? size : PAGE_MAX), .after = token ? token : ""};
    return MR_OK;
}
