/* The emulator's table of what it speaks: parameters, and the names of what it does not. See test_emulator_spoken.py for
 * the answers. */
#include "infra/local/emulator/api/router.h"
#include "infra/local/emulator/api/unspoken.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void test_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *parameters, *name, *value;
        enum em_parameter expected;
    } cases[] = {
        {"prefix alt=json|media fields", "prefix", "", EM_PARAMETER_SPOKEN},
        {"prefix alt=json|media fields", "fields", "items(name)", EM_PARAMETER_SPOKEN},
        {"prefix alt=json|media fields", "alt", "json", EM_PARAMETER_SPOKEN},
        {"prefix alt=json|media fields", "alt", "MEDIA", EM_PARAMETER_SPOKEN},
        {"prefix alt=json|media fields", "alt", "proto", EM_PARAMETER_OTHER_VALUE},
        {"prefix alt=json|media fields", "alt", "json|media", EM_PARAMETER_OTHER_VALUE},
        {"prefix alt=json|media fields", "alt", "", EM_PARAMETER_OTHER_VALUE},
        {"prefix alt=json|media fields", "matchGlob", "*", EM_PARAMETER_UNSPOKEN},
        {"prefix alt=json|media fields", "pre", "", EM_PARAMETER_UNSPOKEN},
        {"prefix alt=json|media fields", "prefixes", "", EM_PARAMETER_UNSPOKEN},
        {"prefix alt=json|media fields", "alt=json", "", EM_PARAMETER_UNSPOKEN},
        {"prefix alt=json|media fields", "", "", EM_PARAMETER_UNSPOKEN},
        {"acl=|private x", "acl", "", EM_PARAMETER_SPOKEN},
        {"acl=|private x", "acl", "private", EM_PARAMETER_SPOKEN},
        {"acl=|private x", "acl", "publicRead", EM_PARAMETER_OTHER_VALUE},
        {"alt=media x alt=json", "alt", "json", EM_PARAMETER_OTHER_VALUE}, /* the first one counts */
        {EM_JSON_PARAMETERS, "$alt", "json;enum-encoding=int", EM_PARAMETER_SPOKEN},
        {"", "x", "", EM_PARAMETER_UNSPOKEN},
        {"*", "x", "y", EM_PARAMETER_SPOKEN},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(em_parameter_find(cases[i].parameters, cases[i].name, cases[i].value),
                         cases[i].expected);
}

static void test_names_of_routes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/storage/v1/b/music/o/a%2Fb/moveTo/o/c", "b/{}/o/{}/moveTo"},
        {"/b/music/notificationConfigs/7", "b/{}/notificationConfigs"},
        {"/storage/v1/b/music/o/a:b", "b/{}/o/{}"},
        {"/storage/v1/b/b/o/o/acl/allUsers", "b/{}/o/{}/acl"},
        {"/storage/v1/b", "b"},
        {"/storage/v1/projects/p/hmacKeys/k", "projects/{}/hmacKeys"},
        {"/storage/v1/channels/stop", "channels"},
        {"/upload/storage/v1/b/music/o", "upload/storage/v1/b/{}/o"},
        {"/upload/nothing/known", "upload/nothing"},
        {"/v1/projects/p/topics/t:getIamPolicy", "v1/projects/{}/topics/{}:getIamPolicy"},
        {"/v1/projects/p/topics/t%3AgetIamPolicy", "v1/projects/{}/topics/{}:getIamPolicy"},
        {"/v1/projects/p:q/snapshots/s", "v1/projects/{}/snapshots"},
        {"/v1", "v1"},
        {"/", ""},
    };
    char name[EM_ROUTE_NAME_MAX], path[600], long_word[500];
    for (size_t i = 0; i < COUNT(cases); i++) {
        em_route_name(cases[i][0], name);
        assert_string_equal(name, cases[i][1]);
    }
    memset(long_word, 'x', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    snprintf(path, sizeof path, "/v1/projects/p/topics/t:%s", long_word);
    em_route_name(path, name);
    assert_true(strlen(name) < 80);
}

static void test_other_verbs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool expected;
    } cases[] = {
        {"/v1/projects/{p}/topics/{t}", "/v1/projects/p/topics/t", false},
        {"/v1/projects/{p}/topics/{t}", "/v1/projects/p/topics/t:getIamPolicy", true},
        {"/v1/projects/{p}/topics/{t}", "/v1/projects/p/topics/t%3agetIamPolicy", true},
        {"/v1/projects/{p}/topics/{t}:publish", "/v1/projects/p/topics/t:publish", false},
        {"/v1/projects/{p}/topics", "/v1/projects/example.com:p/topics", false},
        {"/storage/v1/b/{bucket}/o/{object}", "/storage/v1/b/music/o/a:b", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(em_has_other_verb(cases[i].pattern, cases[i].path), cases[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_names_of_routes),
        cmocka_unit_test(test_other_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
