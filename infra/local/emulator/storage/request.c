#include "infra/local/emulator/storage/request.h"

#include "infra/local/emulator/api/google_request.h"
#include "shared/base/encoding.h"

enum mr_status em_conditions_of_request(const struct mr_request *req, bool source, struct em_conditions *ret,
                                        struct mr_err *err)
{
    struct em_conditions conditions = {0};
    const char *name = source ? "sourceGeneration" : "generation";
    const char *generation = mr_request_query(req, name);
    if (generation && !mr_parse_int64(generation, 0, INT64_MAX, &conditions.generation))
        return mr_fail(err, MR_INVALID, "Invalid value for %s: %s", name, generation);
    for (int i = 0; i < EM_CONDITION_COUNT; i++) {
        enum em_condition condition = (enum em_condition)i;
        const char *value = mr_request_query(req, em_condition_name(condition, source));
        MR_TRY(em_conditions_set(&conditions, condition, value, err));
    }
    *ret = conditions;
    return MR_OK;
}

enum mr_status em_request_resource(struct mr_request *req, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(EM_RESOURCE_BYTES_MAX);
    MR_TRY(mr_request_body(req, &body, err));
    /* Google's clients leave out an empty body, or its Content-Type. */
    json_error_t reason;
    json_t *resource = em_json_object_parse(body.data, body.len, 0, &reason);
    if (!resource)
        return mr_fail(err, MR_INVALID, "Parse Error: line %d: %s", reason.line, reason.text);
    *ret = resource;
    return MR_OK;
}

enum mr_status em_request_max_results(const struct mr_request *req, size_t *ret, struct mr_err *err)
{
    const char *text = mr_request_query(req, "maxResults");
    int64_t max = 0;
    if (text && !mr_parse_int64(text, 0, INT64_MAX, &max))
        return mr_fail(err, MR_INVALID, "Invalid value for maxResults: %s", text);
    *ret = max > 0 && max < EM_LIST_MAX ? (size_t)max : EM_LIST_MAX;
    return MR_OK;
}

bool em_request_wants(const struct mr_request *req, const char *field)
{
    const char *fields = mr_request_query(req, "fields");
    if (!fields || !fields[0] || strpbrk(fields, "*/("))
        return true;
    const size_t len = strlen(field);
    for (const char *name = fields; *name; name += strspn(name, ",")) {
        size_t name_len = strcspn(name, ",");
        if (name_len == len && strncmp(name, field, len) == 0)
            return true;
        name += name_len;
    }
    return false;
}

static void keep_wanted(const struct mr_request *req, json_t *resource)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(resource, next, name, value) if (!em_request_wants(req, name))
        json_object_del(resource, name);
}

enum mr_status em_answer_object(struct mr_request *req, const struct em_stored *stored, struct mr_err *err)
{
    char etag[EM_ETAG_MAX];
    em_stored_etag(stored, etag);
    MR_AUTO_JSON json_t *resource = em_stored_resource(stored, mr_request_base_url(req));
    if (!resource)
        return mr_fail_oom(err);
    keep_wanted(req, resource);
    MR_TRY(mr_respond_header(req, "ETag", etag, err));
    return mr_respond_json(req, 200, MR_TAKE(resource), err);
}
