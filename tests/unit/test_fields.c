/* Tables of fields: each type from JSON and from a form, nested objects, and what a message says. */
#include "shared/base/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct values {
    int count;
    int64_t size;
    double ratio;
    int64_t start_us;
    bool loud;
    const char *color;
    int shape;
    const char *title;
    struct mr_ratio aspect;
    const json_t *extra;
    int inner;
};

static const char *color(size_t index)
{
    static const char *const colors[] = {"red", "green"};
    return index < 2 ? colors[index] : NULL;
}

static const char *find_color(const char *spelled)
{
    return strcmp(spelled, "verde") == 0 ? "green" : spelled;
}

static const char *shape(size_t index)
{
    static const char *const shapes[] = {"round", "square"};
    return index < 2 ? shapes[index] : NULL;
}

static enum mr_status check_title(void *base, const char *path, json_t **value, struct mr_err *err)
{
    (void)base;
    if (strcmp(json_string_value(*value), "none") == 0)
        return mr_fail_code(err, MR_CODE_UNKNOWN_KIND, "%s must be a title", path);
    if (strcmp(json_string_value(*value), "old") == 0) {
        json_decref(*value);
        *value = json_string("new");
    }
    return MR_OK;
}

static const struct mr_field_words colors = {color, find_color}, shapes = {shape, NULL};

#define AT(member) MR_FIELD_AT(struct values, member)
static const struct mr_field inner_fields[] = {
    {"inner", MR_FIELD_INTEGER, AT(inner), .required = true, .min = -5, .max = 5},
};
static const struct mr_field_rows inner = MR_FIELD_ROWS(inner_fields);
static const struct mr_field fields[] = {
    {"count", MR_FIELD_INTEGER, AT(count), .required = true, .min = 2, .max = 10, .even = true},
    {"size", MR_FIELD_INTEGER, AT(size), .text_too = true},
    {"ratio", MR_FIELD_NUMBER, AT(ratio), .min = 0.5, .max = 1},
    {"start", MR_FIELD_SECONDS, AT(start_us), .max = 60},
    {"loud", MR_FIELD_FLAG, AT(loud)},
    {"color", MR_FIELD_WORD, AT(color), .words = &colors, .code = MR_CODE_UNKNOWN_PRESET},
    {"shape", MR_FIELD_WORD, AT(shape), .words = &shapes},
    {"title", MR_FIELD_TEXT, AT(title), .max = 5, .check = check_title},
    {"aspect", MR_FIELD_RATIO, AT(aspect), .max = 10},
    {"extra", MR_FIELD_OBJECT, AT(extra), .text_too = true},
    {"nested", MR_FIELD_OBJECT, .parts = &inner},
};
static const struct mr_field_table table = {.rows = MR_FIELD_ROWS(fields),
                                            .path = "thing",
                                            .noun = "part",
                                            .unknown = MR_CODE_UNKNOWN_FIELD,
                                            .missing = MR_CODE_MISSING_FIELD};

static void values_are_stored(void **state)
{
    (void)state;
    struct values values = {.inner = 1};
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *json =
        json_loads("{\"count\":4,\"size\":9007199254740993,\"ratio\":0.75,\"start\":1.0000005,\"loud\":true,"
                   "\"color\":\"verde\",\"shape\":\"square\",\"title\":\"ñandú\",\"aspect\":\"16:9\","
                   "\"extra\":{\"a\":1},\"nested\":{\"inner\":-5}}",
                   0, NULL);
    assert_int_equal(mr_fields_read(&table, &values, json, &err), MR_OK);
    assert_int_equal(values.count, 4);
    assert_int_equal(values.size, INT64_C(9007199254740993));
    assert_true(values.ratio == 0.75 && values.loud);
    assert_int_equal(values.start_us, 1000001);
    assert_string_equal(values.color, "green");
    assert_int_equal(values.shape, 2);
    assert_string_equal(values.title, "ñandú");
    assert_int_equal(values.aspect.width, 16);
    assert_int_equal(values.aspect.height, 9);
    assert_int_equal(json_object_size(values.extra), 1);
    assert_int_equal(values.inner, -5);
}

static void messages_begin_with_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *json, *code, *message;
    } cases[] = {
        {"{}", "missing_field", "thing.count is required"},
        {"[]", "wrong_type", "thing must be a JSON object"},
        {"{\"count\":2,\"nested\":{}}", "missing_field", "thing.nested.inner is required"},
        {"{\"count\":2,\"nested\":{\"inner\":6}}", "out_of_range",
         "thing.nested.inner must be a whole number from -5 to 5"},
        {"{\"count\":2,\"nested\":{\"other\":6}}", "unknown_field", "thing.nested.other is not a known part"},
        {"{\"count\":3}", "out_of_range", "thing.count must be an even number from 2 to 10"},
        {"{\"count\":2.0}", "wrong_type", "thing.count must be an even number from 2 to 10"},
        {"{\"count\":null}", "wrong_type", "thing.count must be an even number from 2 to 10"},
        {"{\"size\":1.5}", "wrong_type", "thing.size must be a whole number"},
        {"{\"ratio\":2}", "out_of_range", "thing.ratio must be a number from 0.5 to 1"},
        {"{\"start\":60.1}", "out_of_range", "thing.start must be a number from 0 to 60"},
        {"{\"loud\":0}", "wrong_type", "thing.loud must be true or false"},
        {"{\"color\":\"blue\"}", "unknown_preset", "thing.color must be one of red, green"},
        {"{\"color\":1}", "wrong_type", "thing.color must be one of red, green"},
        {"{\"title\":\"ñandúñ\"}", "too_long", "thing.title must be a string of at most 5 characters"},
        {"{\"title\":\"none\"}", "unknown_kind", "thing.title must be a title"},
        {"{\"aspect\":\"11:1\"}", "out_of_range",
         "thing.aspect must be two whole numbers like 16:9, from 1:10 to 10:1"},
        {"{\"extra\":[]}", "wrong_type", "thing.extra must be a JSON object"},
        {"{\"Count\":2}", "unknown_field", "thing.Count is not a known part"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct values values;
        struct mr_err err = {0};
        MR_AUTO_JSON json_t *json = json_loads(cases[i].json, 0, NULL);
        assert_int_equal(mr_fields_read(&table, &values, json, &err), MR_INVALID);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(mr_code_name(err.code), cases[i].code);
    }
}

static const struct {
    const char *name;
    json_type type; /* of the value that is given: a string, or null */
    const char *text;
    bool is_form;
    const char *kept; /* as JSON; NULL: nothing */
    const char *code; /* NULL: it is taken */
} one_field[] = {
    {"count", JSON_STRING, "4", true, "4", NULL},
    {"count", JSON_STRING, "4", false, NULL, "wrong_type"},
    {"count", JSON_STRING, " 4", true, NULL, "wrong_type"},
    {"count", JSON_STRING, "12", true, NULL, "out_of_range"},
    {"count", JSON_STRING, "", true, NULL, NULL},
    {"count", JSON_NULL, NULL, false, NULL, NULL},
    {"size", JSON_STRING, "4", false, "4", NULL},
    {"size", JSON_STRING, "99999999999999999999", true, NULL, "wrong_type"},
    {"ratio", JSON_STRING, "0.5", true, "0.5", NULL},
    {"loud", JSON_STRING, "true", true, "true", NULL},
    {"loud", JSON_STRING, "yes", true, NULL, "wrong_type"},
    {"color", JSON_STRING, "verde", true, "\"green\"", NULL},
    {"title", JSON_STRING, "old", false, "\"new\"", NULL},
    {"extra", JSON_STRING, "{\"a\":1}", false, "{\"a\":1}", NULL},
    {"extra", JSON_STRING, "{\"a\":1,\"a\":2}", true, NULL, "wrong_type"},
    {"nested", JSON_STRING, "{\"inner\":1}", true, "{\"inner\":1}", NULL},
    {"nested", JSON_STRING, "{\"inner\":1}", false, NULL, "wrong_type"},
    {"other", JSON_STRING, "1", true, NULL, "unknown_field"},
};

static void requests_give_one_field_at_a_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof one_field / sizeof *one_field; i++) {
        struct values values = {0};
        struct mr_err err = {0};
        MR_AUTO_JSON json_t *kept = json_object();
        MR_AUTO_JSON json_t *value =
            one_field[i].type == JSON_STRING ? json_string(one_field[i].text) : json_null();
        MR_AUTO_JSON json_t *expected =
            one_field[i].kept ? json_loads(one_field[i].kept, JSON_DECODE_ANY, NULL) : NULL;
        enum mr_status status =
            mr_fields_take(&table, &values, kept, one_field[i].name, value, one_field[i].is_form, &err);
        if (status != (one_field[i].code ? MR_INVALID : MR_OK))
            fail_msg("%s=%s: %s", one_field[i].name, one_field[i].text, err.message);
        if (one_field[i].code)
            assert_string_equal(mr_code_name(err.code), one_field[i].code);
        const json_t *found = json_object_get(kept, one_field[i].name);
        if (expected)
            assert_true(json_equal(found, expected));
        else
            assert_null(found);
    }
}

static void a_body_is_taken_once_and_whole(void **state)
{
    (void)state;
    struct values values = {0};
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *kept = json_object();
    MR_AUTO_JSON json_t *body = json_pack("{s:s,s:s}", "title", "old", "color", "red");
    assert_int_equal(mr_fields_take_all(&table, &values, kept, body, false, &err), MR_OK);
    assert_ptr_equal(values.title, json_string_value(json_object_get(kept, "title")));
    assert_string_equal(values.title, "new");
    assert_int_equal(mr_fields_check_required(&table, kept, &err), MR_INVALID);
    assert_string_equal(err.message, "thing.count is required");
    assert_int_equal(mr_fields_take_all(&table, &values, kept, body, false, &err), MR_INVALID);
    assert_int_equal(err.code, MR_CODE_REPEATED_FIELD);
    assert_non_null(strstr(err.message, " is given twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_stored),
        cmocka_unit_test(messages_begin_with_the_field),
        cmocka_unit_test(requests_give_one_field_at_a_time),
        cmocka_unit_test(a_body_is_taken_once_and_whole),
    };
    return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
