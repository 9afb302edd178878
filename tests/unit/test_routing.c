#include "shared/http/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct mr_route routes[] = {
    {.method = "GET", .pattern = "/"},
    {.method = "GET", .pattern = "/tasks"},
    {.method = "POST", .pattern = "/tasks"},
    {.method = "GET", .pattern = "/tasks/latest"},
    {.method = "GET", .pattern = "/tasks/{id}"},
    {.method = "DELETE", .pattern = "/tasks/{id}"},
    {.method = "GET", .pattern = "/tasks/{id}/events/{n}"},
    {.method = "POST", .pattern = "/v1/{sub}:pull"},
    {.method = "POST", .pattern = "/v1/{sub}:ack"},
    {.method = "GET", .pattern = "/v1/{sub}"},
    {.method = "GET", .pattern = "/o/{bucket}/{object*}"},
    {.method = "GET", .pattern = "/o/{bucket}/late"},
    {.method = "HEAD", .pattern = "/head"},
};
enum { COUNT = sizeof routes / sizeof *routes };

enum { NONE = -1, OTHER_METHOD = -2 };

static const struct {
    const char *method, *path;
    int route;
    const char *params; /* "name=value," in the order of the pattern */
} cases[] = {
    {"GET", "/", 0, ""},
    {"GET", "//", 0, ""},
    {"GET", "/tasks", 1, ""},
    {"GET", "/tasks/", 1, ""},
    {"GET", "//tasks///", 1, ""},
    {"GET", "/t%61sks", 1, ""},
    {"HEAD", "/tasks", 1, ""},
    {"POST", "/tasks", 2, ""},
    {"PUT", "/tasks", OTHER_METHOD, ""},
    {"get", "/tasks", OTHER_METHOD, ""},
    {"GET", "/task", NONE, ""},
    {"GET", "/tasksx", NONE, ""},
    {"GET", "/Tasks", NONE, ""},
    {"GET", "/tasks/latest", 3, ""},
    {"DELETE", "/tasks/latest", 5, "id=latest,"},
    {"GET", "/tasks/42", 4, "id=42,"},
    {"GET", "/tasks/42/", 4, "id=42,"},
    {"GET", "/tasks/a%2Fb", 4, "id=a/b,"},
    {"GET", "/tasks/a%20b+c", 4, "id=a b+c,"},
    {"GET", "/tasks/%C3%A4", 4, "id=\xc3\xa4,"},
    {"GET", "/tasks/..", 4, "id=..,"},
    {"GET", "/tasks/42/events", NONE, ""},
    {"GET", "/tasks/42/events/7", 6, "id=42,n=7,"},
    {"POST", "/tasks/42/events/7", OTHER_METHOD, ""},
    {"GET", "/tasks/42/events/7/8", NONE, ""},
    {"POST", "/v1/s:pull", 7, "sub=s,"},
    {"POST", "/v1/s%3Apull", 7, "sub=s,"},
    {"POST", "/v1/a:pull:pull", 7, "sub=a:pull,"},
    {"POST", "/v1/s:ack", 8, "sub=s,"},
    {"POST", "/v1/:pull", OTHER_METHOD, ""}, /* a parameter is never empty */
    {"GET", "/v1/s:pull", 9, "sub=s:pull,"},
    {"GET", "/o/b/x/y%2Fz%20", 10, "bucket=b,object=x/y%2Fz%20,"},
    {"GET", "/o/b/late", 10, "bucket=b,object=late,"}, /* the first route wins */
    {"GET", "/o/b", NONE, ""},
    {"HEAD", "/head", 12, ""},
    {"GET", "/head", OTHER_METHOD, ""},
};

static void describe(const struct mr_route_match *match, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < match->count; i++)
        used += (size_t)snprintf(out + used, size - used, "%.*s=%s,", (int)match->params[i].name_len,
                                 match->params[i].name, match->text + match->params[i].value);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_path path;
        struct mr_route_match match;
        char params[256];
        print_message("  %s %s\n", cases[i].method, cases[i].path);
        assert_int_equal(mr_path_parse(cases[i].path, &path, NULL), MR_OK);
        enum mr_routing found = mr_route_find(routes, COUNT, cases[i].method, &path, &match);
        assert_int_equal(found, cases[i].route == NONE           ? MR_ROUTE_NOT_FOUND
                                : cases[i].route == OTHER_METHOD ? MR_ROUTE_OTHER_METHOD
                                                                 : MR_ROUTE_FOUND);
        if (found != MR_ROUTE_FOUND)
            assert_null(match.route);
        else
            assert_ptr_equal(match.route, &routes[cases[i].route]);
        describe(&match, params, sizeof params);
        assert_string_equal(params, cases[i].params);
    }
}

static void test_parameter_by_name(void **state)
{
    (void)state;
    struct mr_path path;
    struct mr_route_match match;
    assert_int_equal(mr_path_parse("/tasks/42/events/7", &path, NULL), MR_OK);
    assert_int_equal(mr_route_find(routes, COUNT, "GET", &path, &match), MR_ROUTE_FOUND);
    assert_string_equal(mr_route_param(&match, "n"), "7");
    assert_string_equal(mr_route_param(&match, "id"), "42");
    assert_null(mr_route_param(&match, "i"));
    assert_null(mr_route_param(&match, "idx"));
}

static void test_allow(void **state)
{
    (void)state;
    static const struct {
        const char *path, *allow;
    } allowed[] = {{"/tasks", "GET, HEAD, POST"},
                   {"/tasks/1", "GET, HEAD, DELETE"},
                   {"/v1/s:pull", "GET, HEAD, POST"},
                   {"/head", "HEAD"},
                   {"/none", ""}};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        struct mr_path path;
        char allow[MR_ALLOW_MAX];
        assert_int_equal(mr_path_parse(allowed[i].path, &path, NULL), MR_OK);
        mr_route_allow(routes, COUNT, &path, allow);
        assert_string_equal(allow, allowed[i].allow);
    }
}

static void test_broken_paths(void **state)
{
    (void)state;
    static const char *const broken[] = {"", "tasks", "/%", "/%4", "/%zz", "/a/%00", "/%FF", "/%ED%A0%80"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct mr_path path;
        assert_int_equal(mr_path_parse(broken[i], &path, NULL), MR_INVALID);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    char raw[MR_PATH_MAX + 2];
    struct mr_path path;
    struct mr_route_match match;
    memset(raw, 'a', sizeof raw);
    memcpy(raw, "/tasks/", 7);
    raw[MR_PATH_MAX - 1] = '\0';
    assert_int_equal(mr_path_parse(raw, &path, NULL), MR_OK);
    assert_int_equal(mr_route_find(routes, COUNT, "GET", &path, &match), MR_ROUTE_FOUND);
    assert_int_equal(strlen(mr_route_param(&match, "id")), MR_PATH_MAX - 1 - 7);
    raw[MR_PATH_MAX - 1] = 'a';
    raw[MR_PATH_MAX] = '\0';
    assert_int_equal(mr_path_parse(raw, &path, NULL), MR_TOO_LARGE);
    for (size_t i = 0; i < 2 * (MR_PATH_SEGMENTS_MAX + 1); i += 2)
        memcpy(raw + i, "/a", 3);
    assert_int_equal(mr_path_parse(raw, &path, NULL), MR_TOO_LARGE);
    raw[2 * MR_PATH_SEGMENTS_MAX] = '\0';
    assert_int_equal(mr_path_parse(raw, &path, NULL), MR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),  cmocka_unit_test(test_parameter_by_name),
        cmocka_unit_test(test_allow),  cmocka_unit_test(test_broken_paths),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
