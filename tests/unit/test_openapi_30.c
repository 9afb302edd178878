#include "web/openapi_30.h"
#include "web/static_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *in, *out;
} cases[] = {
    {"{'const': 'a'}", "{'type': 'string', 'enum': ['a']}"},
    {"{'const': true}", "{'type': 'boolean', 'enum': [true]}"},
    {"{'type': 'string', 'examples': ['a', 'b']}", "{'type': 'string', 'example': 'a'}"},
    {"{'content': {'a/b': {'examples': {'x': {'value': {'const': 1}}}}}}",
     "{'content': {'a/b': {'examples': {'x': {'value': {'const': 1}}}}}}"},
    {"{'description': 'd', 'oneOf': [{'type': 'string', 'minLength': 1}, {'type': 'null'}]}",
     "{'description': 'd', 'type': 'string', 'minLength': 1, 'nullable': true}"},
    {"{'oneOf': [{'type': 'null'}, {'$ref': '#/a'}]}", "{'allOf': [{'$ref': '#/a'}], 'nullable': true}"},
    {"{'oneOf': [{'$ref': '#/a'}, {'$ref': '#/b'}, {'type': 'null'}]}",
     "{'oneOf': [{'$ref': '#/a'}, {'$ref': '#/b'}], 'nullable': true}"},
    {"{'oneOf': [{'$ref': '#/a'}, {'$ref': '#/b'}]}", "{'oneOf': [{'$ref': '#/a'}, {'$ref': '#/b'}]}"},
    {"{'$ref': '#/a'}", "{'$ref': '#/a'}"},
    {"{'$ref': '#/a', 'description': 'd'}", "{'allOf': [{'$ref': '#/a'}], 'description': 'd'}"},
    {"{'properties': {'const': {'const': 'a'}, 'if': {'type': 'string'}, 'examples': {'examples': [1]}}}",
     "{'properties': {'const': {'type': 'string', 'enum': ['a']}, 'if': {'type': 'string'}, "
     "'examples': {'example': 1}}}"},
    {"{'if': {}, 'then': false, 'else': {}, 'unevaluatedProperties': false, 'not': {'required': ['a']}}",
     "{'not': {'required': ['a']}}"},
    {"{'type': 'string', 'contentEncoding': 'base64'}", "{'type': 'string', 'format': 'byte'}"},
    {"{'example': {'const': 1}, 'default': {'if': 1}}", "{'example': {'const': 1}, 'default': {'if': 1}}"},
};

static json_t *parse(const char *text)
{
    char json[512];
    snprintf(json, sizeof json, "%s", text);
    for (char *p = json; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json_t *value = json_loads(json, 0, NULL);
    assert_non_null(value);
    return value;
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *document = parse("{}");
        MR_AUTO_JSON json_t *wanted = parse(cases[i].out);
        json_object_set_new(document, "schema", parse(cases[i].in));
        assert_int_equal(mr_openapi_to_30(document, NULL), MR_OK);
        if (!json_equal(json_object_get(document, "schema"), wanted))
            fail_msg("%s becomes %s", cases[i].in, json_dumps(document, 0));
    }
}

/* No schema of the document has a word that 3.0 does not know, or siblings of a reference. */
static void check(const json_t *node, bool names)
{
    static const char *const words[] = {
        "const", "if", "then", "else", "$schema", "contentSchema", "webhooks", "unevaluatedProperties"};
    const char *key;
    json_t *child;
    size_t i;
    for (i = 0; !names && i < sizeof words / sizeof *words; i++)
        if (json_object_get(node, words[i]))
            fail_msg("%s is left in %s", words[i], json_dumps(node, 0));
    if (!names && json_object_get(node, "$ref"))
        assert_int_equal(json_object_size(node), 1);
    if (!names && json_object_get(node, "type"))
        assert_true(json_is_string(json_object_get(node, "type")) &&
                    strcmp(json_string_value(json_object_get(node, "type")), "null") != 0);
    json_object_foreach ((json_t *)node, key, child)
        if (names || (strcmp(key, "examples") != 0 && strcmp(key, "example") != 0))
            check(child, !names && (strcmp(key, "properties") == 0 || strcmp(key, "schemas") == 0));
    json_array_foreach (node, i, child)
        check(child, false);
}

static void test_our_document(void **state)
{
    (void)state;
    const struct mr_static_file *file = mr_static_files;
    while (file->name && strcmp(file->name, "openapi.json") != 0)
        file++;
    assert_non_null(file->name);
    MR_AUTO_JSON json_t *document = json_loadb((const char *)file->data, file->len, 0, NULL);
    MR_AUTO_JSON json_t *schemas =
        json_incref(json_object_get(json_object_get(document, "components"), "schemas"));
    size_t count = json_object_size(schemas);
    assert_int_equal(mr_openapi_to_30(document, NULL), MR_OK);
    assert_string_equal(json_string_value(json_object_get(document, "openapi")), "3.0.3");
    assert_int_equal(json_object_size(schemas), count);
    check(document, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_our_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
