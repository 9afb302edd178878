#include "infra/local/emulator/storage/http.h"

#include "shared/base/encoding.h"

enum { RECEIVE_BYTES = 256 * 1024 };

enum mr_status em_conditions_of_request(const struct mr_request *req, bool source, struct em_conditions *ret,
                                        struct mr_err *err)
{
    struct em_conditions conditions = {0};
    const char *name = source ? "sourceGeneration" : "generation";
    const char *generation = mr_request_query(req, name);
    if (generation && !mr_parse_int64(generation, 0, INT64_MAX, &conditions.generation))
        return mr_fail(err, MR_INVALID, "Invalid value for %s: %s", name, generation);
    enum mr_status status = MR_OK;
    for (int i = 0; status == MR_OK && i < EM_CONDITION_COUNT; i++)
        status =
            em_conditions_set(&conditions, (enum em_condition)i,
                              mr_request_query(req, em_condition_name((enum em_condition)i, source)), err);
    if (status == MR_OK)
        *ret = conditions;
    return status;
}

enum mr_status em_request_resource(struct mr_request *req, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(EM_RESOURCE_BYTES_MAX);
    MR_TRY(mr_request_body(req, &body, err));
    /* Google's clients leave out the body, or its Content-Type, where nothing is to be said. */
    json_error_t reason;
    json_t *resource = body.len ? json_loadb(body.data, body.len, 0, &reason) : json_object();
    if (!resource)
        return body.len ? mr_fail(err, MR_INVALID, "Parse Error: line %d: %s", reason.line, reason.text)
                        : mr_fail_oom(err);
    if (!json_is_object(resource)) {
        json_decref(resource);
        return mr_fail(err, MR_INVALID, "Parse Error: the body is no JSON object.");
    }
    *ret = resource;
    return MR_OK;
}

enum mr_status em_answer_object(struct mr_request *req, const struct em_stored *stored, struct mr_err *err)
{
    char etag[EM_ETAG_MAX];
    em_stored_etag(stored, etag);
    json_t *resource = em_stored_resource(stored, mr_request_base_url(req));
    if (!resource)
        return mr_fail_oom(err);
    enum mr_status status = mr_respond_header(req, "ETag", etag, err);
    if (status != MR_OK) {
        json_decref(resource);
        return status;
    }
    return mr_respond_json(req, 200, resource, err);
}

enum mr_status em_request_source(void *req, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    return mr_request_read(req, data, len, ret_len, err);
}

enum mr_status em_receive(mr_form_source *source, void *ctx, struct em_incoming *incoming, struct mr_err *err)
{
    MR_AUTO_STR char *chunk = malloc(RECEIVE_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    size_t len = 1;
    enum mr_status status = MR_OK;
    while (status == MR_OK && len) {
        status = source(ctx, chunk, RECEIVE_BYTES, &len, err);
        if (status == MR_OK)
            status = em_incoming_write(incoming, chunk, len, err);
    }
    return status;
}

/* ---- what an upload wants ------------------------------------------------------ */

void em_upload_plan_free(struct em_upload_plan *plan)
{
    free(plan->name);
    json_decref(plan->settings);
    *plan = (struct em_upload_plan){0};
}

/* The object's name, from the one place or the other. */
static enum mr_status plan_name(const struct mr_request *req, const json_t *resource, char **ret,
                                struct mr_err *err)
{
    const char *in_query = mr_request_query(req, "name");
    const char *in_resource = json_string_value(json_object_get(resource, "name"));
    if (in_query && in_resource && strcmp(in_query, in_resource))
        return mr_fail(err, MR_INVALID, "Value '%s' in content does not agree with value '%s'.", in_resource,
                       in_query);
    const char *name = in_query ? in_query : in_resource;
    if (!name)
        return mr_fail(err, MR_INVALID, "Required parameter: name");
    *ret = strdup(name);
    return *ret ? em_object_name_check(name, err) : mr_fail_oom(err);
}

enum mr_status em_upload_plan_make(const struct mr_request *req, const json_t *resource,
                                   const char *content_type, struct em_upload_plan *ret, struct mr_err *err)
{
    MR_TRY(plan_name(req, resource, &ret->name, err));
    MR_TRY(em_settings_apply(NULL, resource, true, &ret->settings, err));
    if (content_type && *content_type && !json_object_get(ret->settings, "contentType") &&
        json_object_set_new(ret->settings, "contentType", json_string(content_type)) < 0)
        return mr_fail_oom(err);
    struct em_store_write *write = &ret->write;
    MR_TRY(em_digest_add_resource(&write->expected, resource, err));
    MR_TRY(em_digest_add_header(&write->expected, mr_request_header(req, "X-Goog-Hash"), err));
    MR_TRY(em_conditions_of_request(req, false, &write->conditions, err));
    write->bucket = mr_request_param(req, "bucket");
    write->name = ret->name;
    write->settings = ret->settings;
    return MR_OK;
}
