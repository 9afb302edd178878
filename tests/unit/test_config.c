/* The configuration table: defaults, bounds, what is required, and that the first fault is named. */
#include "shared/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef0123456789abcdef"

struct variable {
    const char *name, *value;
};

/* A getter over name-value pairs, ended by a NULL name; the last of a name wins. */
static const char *from_pairs(void *ctx, const char *name)
{
    const char *found = NULL;
    for (const struct variable *v = ctx; v->name; v++)
        if (strcmp(v->name, name) == 0)
            found = v->value;
    return found;
}

enum { GIVEN_MAX = 12 };

/* What both programs need, followed by `further` (name, value; a NULL value takes a variable away). */
static void fill(struct variable given[GIVEN_MAX], const char *name, const char *value)
{
    const struct variable base[] = {{"DATABASE_URL", "dbname=x"},
                                    {"BUCKET", "b"},
                                    {"JWT_SECRET", SECRET},
                                    {"PUSH_AUDIENCE", "https://a.example.com"},
                                    {"PUSH_SERVICE_ACCOUNT", "p@example.com"},
                                    {name, value},
                                    {NULL, NULL}};
    memcpy(given, base, sizeof base);
}

static enum mr_status load(enum mr_program program, const char *name, const char *value,
                           struct mr_config *config, struct mr_err *err)
{
    struct variable given[GIVEN_MAX];
    fill(given, name, value);
    return mr_config_load_from(program, from_pairs, given, config, err);
}

static void test_defaults(void **state)
{
    (void)state;
    struct mr_config config;
    struct mr_err err = {0};
    assert_int_equal(load(MR_PROGRAM_WEB, "BUCKET", "b", &config, &err), MR_OK);
    assert_int_equal(config.port, 8080);
    assert_string_equal(config.log_level, "info");
    assert_string_equal(config.topic, "mediarun-tasks");
    assert_string_equal(config.push_auth, "oidc");
    assert_string_equal(config.certs_url, "https://www.googleapis.com/oauth2/v1/certs");
    assert_string_equal(config.storage_host, "");
    assert_string_equal(config.jwt_secret, SECRET);
    assert_int_equal(config.max_upload_bytes, 1 << 30);
    assert_int_equal(config.slots, 0); /* the worker's alone */
    mr_config_free(&config);
    assert_int_equal(load(MR_PROGRAM_WORKER, "BUCKET", "b", &config, &err), MR_OK);
    assert_int_equal(config.lease_seconds, 10);
    assert_int_equal(config.sandbox_memory_mib, 1024);
    assert_null(config.jwt_secret); /* the worker has no business with it */
    mr_config_free(&config);
    assert_int_equal(err.status, MR_OK);
}

static void test_good_values(void **state)
{
    (void)state;
    static const struct {
        enum mr_program program;
        const char *name, *value;
        size_t offset;
        int64_t expected;
    } cases[] = {
        {MR_PROGRAM_WEB, "PORT", "0", offsetof(struct mr_config, port), 0},
        {MR_PROGRAM_WEB, "PORT", "65535", offsetof(struct mr_config, port), 65535},
        {MR_PROGRAM_WEB, "PORT", "", offsetof(struct mr_config, port), 8080}, /* empty is as not set */
        {MR_PROGRAM_WEB, "MAX_UPLOAD_BYTES", "4398046511104", offsetof(struct mr_config, max_upload_bytes),
         INT64_C(1) << 42},
        {MR_PROGRAM_WEB, "CORS_ORIGINS", "*", offsetof(struct mr_config, port), 8080},
        {MR_PROGRAM_WEB, "CORS_ORIGINS", "https://a.example, http://[::1]:5173,capacitor://localhost",
         offsetof(struct mr_config, port), 8080},
        {MR_PROGRAM_WORKER, "SLOTS", "256", offsetof(struct mr_config, slots), 256},
        {MR_PROGRAM_WORKER, "SANDBOX_MEMORY_MIB", "0", offsetof(struct mr_config, sandbox_memory_mib), 0},
        /* What is wrong for the other program only is not looked at. */
        {MR_PROGRAM_WEB, "SLOTS", "nonsense", offsetof(struct mr_config, port), 8080},
        {MR_PROGRAM_WORKER, "JWT_SECRET", "short", offsetof(struct mr_config, port), 8080},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_config config;
        struct mr_err err = {0};
        assert_int_equal(load(cases[i].program, cases[i].name, cases[i].value, &config, &err), MR_OK);
        int64_t got = *(const int64_t *)((const char *)&config + cases[i].offset);
        assert_int_equal(got, cases[i].expected);
        mr_config_free(&config);
    }
}

static void test_bad_values(void **state)
{
    (void)state;
    char too_long[600];
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    const struct {
        enum mr_program program;
        const char *name, *value;
        const char *said; /* besides the name */
    } cases[] = {
        {MR_PROGRAM_WEB, "PORT", "65536", "from 0 to 65535"},
        {MR_PROGRAM_WEB, "PORT", "-1", "whole number"},
        {MR_PROGRAM_WEB, "PORT", "80x", "whole number"},
        {MR_PROGRAM_WEB, "PORT", " 80", "whole number"},
        {MR_PROGRAM_WEB, "PORT", "0x50", "whole number"},
        {MR_PROGRAM_WEB, "PORT", "99999999999999999999", "whole number"},
        {MR_PROGRAM_WEB, "WEB_THREADS", "0", "from 1"},
        {MR_PROGRAM_WEB, "LOG_LEVEL", "loud", "debug|info"},
        {MR_PROGRAM_WEB, "LOG_LEVEL", "inf", "debug|info"},
        {MR_PROGRAM_WEB, "PUSH_AUTH", "OIDC", "oidc|iam|none"},
        {MR_PROGRAM_WEB, "DATABASE_URL", NULL, "not set"},
        {MR_PROGRAM_WORKER, "BUCKET", "", "not set"},
        {MR_PROGRAM_WEB, "CORS_ORIGINS", "app.example.com", "https://"},
        {MR_PROGRAM_WEB, "CORS_ORIGINS", "https://a.example,https://b.example/", "path"},
        {MR_PROGRAM_WEB, "CORS_ORIGINS", "https://App.example", "lower case"},
        {MR_PROGRAM_WEB, "CORS_ORIGINS", "https://", "origins"},
        {MR_PROGRAM_WEB, "CORS_ORIGINS", "**", "origins"},
        {MR_PROGRAM_WEB, "JWT_SECRET", NULL, "not set"},
        {MR_PROGRAM_WEB, "OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318",
         "OTEL_EXPORTER_OTLP_ENDPOINT must begin with http://"},
        {MR_PROGRAM_WEB, "OTEL_TRACES_SAMPLER", "always_off", "OTEL_TRACES_SAMPLER must be one of"},
        {MR_PROGRAM_WORKER, "METRICS_TOKEN", "0123456789abcdef0123456789abcde",
         "METRICS_TOKEN is shorter than 32"},
        {MR_PROGRAM_WEB, "JWT_SECRET", "0123456789abcdef0123456789abcde", "32"},
        {MR_PROGRAM_WEB, "BUCKET", too_long, "longer than 222"},
        {MR_PROGRAM_WORKER, "PUSH_AUDIENCE", NULL, "PUSH_AUTH"},
        {MR_PROGRAM_WORKER, "PUSH_SERVICE_ACCOUNT", "", "PUSH_AUTH"},
        {MR_PROGRAM_WORKER, "LEASE_SECONDS", "2", "from 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_config config;
        struct mr_err err = {0};
        assert_int_equal(load(cases[i].program, cases[i].name, cases[i].value, &config, &err), MR_INVALID);
        assert_non_null(strstr(err.message, cases[i].name));
        assert_non_null(strstr(err.message, cases[i].said));
        mr_config_free(&config); /* free in every case */
    }
}

/* A value that is refused may be a secret: it is not repeated. */
static void test_values_are_not_repeated(void **state)
{
    (void)state;
    struct mr_config config;
    struct mr_err err = {0};
    assert_int_equal(load(MR_PROGRAM_WEB, "JWT_SECRET", "tooshort", &config, &err), MR_INVALID);
    assert_null(strstr(err.message, "tooshort"));
    mr_config_free(&config);
}

static void test_without_push_auth(void **state)
{
    (void)state;
    struct variable given[] = {
        {"DATABASE_URL", "dbname=x"}, {"BUCKET", "b"}, {"PUSH_AUTH", "none"}, {NULL, NULL}};
    struct mr_config config;
    struct mr_err err = {0};
    assert_int_equal(mr_config_load_from(MR_PROGRAM_WORKER, from_pairs, given, &config, &err), MR_OK);
    assert_string_equal(config.push_audience, "");
    mr_config_free(&config);
}

static void test_environment(void **state)
{
    (void)state;
    struct mr_config config;
    struct mr_err err = {0};
    clearenv();
    assert_int_equal(mr_config_load(MR_PROGRAM_WORKER, &config, &err), MR_INVALID);
    assert_non_null(strstr(err.message, "DATABASE_URL"));
    mr_config_free(&config);
    setenv("DATABASE_URL", "dbname=x", 1);
    setenv("BUCKET", "b", 1);
    setenv("PUSH_AUTH", "none", 1);
    setenv("SLOTS", "7", 1);
    assert_int_equal(mr_config_load(MR_PROGRAM_WORKER, &config, &err), MR_OK);
    assert_int_equal(config.slots, 7);
    mr_config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),          cmocka_unit_test(test_good_values),
        cmocka_unit_test(test_bad_values),        cmocka_unit_test(test_values_are_not_repeated),
        cmocka_unit_test(test_without_push_auth), cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
