#include "web/openapi_30.h"

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof *(names))

/* Members whose names are data: a property may be called "const" or "type". */
static bool holds_names(const char *key)
{
    static const char *const keys[] = {"properties", "schemas",   "responses", "headers",
                                       "content",    "paths",     "variables", "securitySchemes",
                                       "x-webhooks", "parameters"};
    return IS_ONE_OF(key, keys);
}

/* Members that are data, not schemas. */
static bool is_data(const char *key)
{
    static const char *const keys[] = {"example", "examples", "default", "enum", "mapping", "required"};
    return IS_ONE_OF(key, keys);
}

static const char *const unknown_to_30[] = {
    "if",
    "then",
    "else",
    "unevaluatedProperties",
    "contentMediaType",
    "contentSchema",
    "contentEncoding",
    "dependentSchemas",
    "dependentRequired",
    "propertyNames",
};

static bool is_null_type(const json_t *schema)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    return type && strcmp(type, "null") == 0;
}

/* "const" becomes an enumeration of one value. */
static int rewrite_const(json_t *node)
{
    json_t *value = json_object_get(node, "const");
    if (!value)
        return 0;
    int failed = json_is_string(value) && !json_object_get(node, "type") &&
                 json_object_set_new(node, "type", json_string("string")) != 0;
    failed |= json_is_boolean(value) && !json_object_get(node, "type") &&
              json_object_set_new(node, "type", json_string("boolean")) != 0;
    return failed | json_object_set_new(node, "enum", json_pack("[O]", value)) |
           json_object_del(node, "const");
}

/* The list of a schema's examples becomes one; those of a media type are an object, in 3.0 as well. */
static int rewrite_examples(json_t *node)
{
    json_t *examples = json_object_get(node, "examples");
    if (!json_is_array(examples))
        return 0;
    int failed =
        json_array_size(examples) && json_object_set(node, "example", json_array_get(examples, 0)) != 0;
    return failed | json_object_del(node, "examples");
}

/* One alternative beside null: a reference cannot have siblings, anything else is merged into the schema. */
static int make_nullable(json_t *node, json_t *other)
{
    int failed = json_object_set_new(node, "nullable", json_true());
    if (json_object_get(other, "$ref"))
        return failed | json_object_set_new(node, "allOf", json_pack("[O]", other));
    return failed | json_object_update_missing(node, other);
}

static int rewrite_null(json_t *node)
{
    json_t *alternatives = json_object_get(node, "oneOf"), *one;
    size_t i, count = json_array_size(alternatives);
    json_array_foreach (alternatives, i, one)
        if (is_null_type(one))
            break;
    if (i == count)
        return 0;
    if (count > 2)
        return json_object_set_new(node, "nullable", json_true()) | json_array_remove(alternatives, i);
    MR_AUTO_JSON json_t *other = json_incref(json_array_get(alternatives, 1 - i));
    return json_object_del(node, "oneOf") | make_nullable(node, other);
}

/* What stands beside a reference is ignored in 3.0. */
static int rewrite_reference(json_t *node)
{
    json_t *target = json_object_get(node, "$ref");
    if (!target || json_object_size(node) == 1)
        return 0;
    return json_object_set_new(node, "allOf", json_pack("[{s:O}]", "$ref", target)) |
           json_object_del(node, "$ref");
}

static int rewrite_schema(json_t *node)
{
    const char *encoding = json_string_value(json_object_get(node, "contentEncoding"));
    int failed = encoding && strcmp(encoding, "base64") == 0 &&
                 json_object_set_new(node, "format", json_string("byte")) != 0;
    for (size_t i = 0; i < sizeof unknown_to_30 / sizeof *unknown_to_30; i++)
        json_object_del(node, unknown_to_30[i]);
    return failed | rewrite_const(node) | rewrite_examples(node) | rewrite_null(node) |
           rewrite_reference(node);
}

/* The document is ours and its depth is known: recursion is bounded. */
static int rewrite(json_t *node, bool names)
{
    const char *key;
    json_t *child;
    size_t i;
    int failed = json_is_object(node) && !names ? rewrite_schema(node) : 0;
    json_object_foreach (node, key, child)
        if (names || !is_data(key))
            failed |= rewrite(child, !names && json_is_object(child) && holds_names(key));
    json_array_foreach (node, i, child)
        failed |= rewrite(child, false);
    return failed;
}

static int rewrite_top(json_t *document)
{
    json_t *info = json_object_get(document, "info"), *hooks = json_object_get(document, "webhooks");
    json_object_del(info, "summary");
    json_object_del(json_object_get(info, "license"), "identifier");
    int failed = json_object_set_new(document, "openapi", json_string("3.0.3"));
    if (hooks)
        failed |= json_object_set(document, "x-webhooks", hooks) | json_object_del(document, "webhooks");
    return failed;
}

enum mr_status mr_openapi_to_30(json_t *document, struct mr_err *err)
{
    return rewrite_top(document) | rewrite(document, false) ? mr_fail_oom(err) : MR_OK;
}
