/* The cloud as configured: which settings open it, who is asked for the project, and which fault is named. */
#include "shared/gcp/cloud.h"
#include "tests/unit/fake_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct settings {
    const char *pairs[20]; /* name, value, … */
};

static const struct mr_log quiet = {.fd = -1, .min = MR_LOG_CRITICAL};

static const char *get(void *ctx, const char *name)
{
    const struct settings *settings = ctx;
    for (const char *const *pair = settings->pairs; *pair; pair += 2)
        if (strcmp(pair[0], name) == 0)
            return pair[1];
    return NULL;
}

static enum mr_status open_with(struct settings *settings, struct mr_cloud *cloud, struct mr_config *config,
                                struct mr_err *err)
{
    assert_int_equal(mr_config_load_from(MR_PROGRAM_WORKER, get, settings, config, err), MR_OK);
    return mr_cloud_open(config, "test", &quiet, cloud, err);
}

#define NEEDED "DATABASE_URL", "x", "BUCKET", "b", "PUSH_AUTH", "none"

static void emulators_need_no_credentials(void **state)
{
    (void)state;
    struct settings settings = {{NEEDED, "STORAGE_EMULATOR_HOST", "http://127.0.0.1:1",
                                 "PUBSUB_EMULATOR_HOST", "127.0.0.1:1", "GOOGLE_CLOUD_PROJECT", "p"}};
    struct mr_config config;
    struct mr_cloud cloud;
    struct mr_err err = {0};
    assert_int_equal(open_with(&settings, &cloud, &config, &err), MR_OK);
    assert_null(cloud.tokens);
    assert_string_equal(cloud.project, "p");
    mr_cloud_close(&cloud);
    mr_config_free(&config);
}

static void emulators_alone_know_no_project(void **state)
{
    (void)state;
    struct settings settings = {
        {NEEDED, "STORAGE_EMULATOR_HOST", "http://127.0.0.1:1", "PUBSUB_EMULATOR_HOST", "127.0.0.1:1"}};
    struct mr_config config;
    struct mr_cloud cloud;
    struct mr_err err = {0};
    assert_int_equal(open_with(&settings, &cloud, &config, &err), MR_INVALID);
    assert_non_null(strstr(err.message, "GOOGLE_CLOUD_PROJECT"));
    mr_cloud_close(&cloud);
    mr_config_free(&config);
}

static void the_metadata_server_knows_the_project(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {.status = 200, .headers = "Metadata-Flavor: Google\r\n", .body = "found-it"}};
    struct fake_http *fake = fake_http_start();
    FAKE_SCRIPT(fake, steps);
    struct settings settings = {{NEEDED, "GCE_METADATA_HOST", fake_http_url(fake) + strlen("http://")}};
    struct mr_config config;
    struct mr_cloud cloud;
    struct mr_err err = {0};
    assert_int_equal(open_with(&settings, &cloud, &config, &err), MR_OK);
    assert_string_equal(cloud.project, "found-it");
    assert_non_null(cloud.tokens);
    mr_cloud_close(&cloud);
    mr_config_free(&config);
    fake_http_stop(fake);
}

static const struct {
    const char *mode;
    enum mr_program program;
    bool signs;
} signing_cases[] = {
    {"stream", MR_PROGRAM_WEB, false},
    {"redirect", MR_PROGRAM_WEB, true},
    {"redirect", MR_PROGRAM_WORKER, false}, /* the worker has no such setting */
};

/* Emulators ask for no credentials, but a signed URL needs a name: the metadata server's, asked when it is
 * time. */
static void who_redirects_can_sign(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof signing_cases / sizeof *signing_cases; i++) {
        struct settings settings = {{NEEDED, "STORAGE_EMULATOR_HOST", "http://127.0.0.1:1",
                                     "PUBSUB_EMULATOR_HOST", "127.0.0.1:1", "GOOGLE_CLOUD_PROJECT", "p",
                                     "DOWNLOAD_MODE", signing_cases[i].mode}};
        if (signing_cases[i].program == MR_PROGRAM_WEB)
            settings.pairs[14] = "JWT_SECRET", settings.pairs[15] = "01234567890123456789012345678901";
        struct mr_config config;
        struct mr_cloud cloud;
        struct mr_err err = {0};
        assert_int_equal(mr_config_load_from(signing_cases[i].program, get, &settings, &config, &err), MR_OK);
        assert_int_equal(mr_cloud_open(&config, "test", &quiet, &cloud, &err), MR_OK);
        assert_int_equal(cloud.signer != NULL, signing_cases[i].signs);
        assert_int_equal(cloud.tokens != NULL, signing_cases[i].signs);
        mr_cloud_close(&cloud);
        mr_config_free(&config);
    }
}

static void a_bad_key_file_is_named(void **state)
{
    (void)state;
    struct settings settings = {
        {NEEDED, "GOOGLE_CLOUD_PROJECT", "p", "GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json"}};
    struct mr_config config;
    struct mr_cloud cloud;
    struct mr_err err = {0};
    assert_int_not_equal(open_with(&settings, &cloud, &config, &err), MR_OK);
    assert_non_null(strstr(err.message, "/nonexistent/key.json"));
    mr_cloud_close(&cloud);
    mr_config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emulators_need_no_credentials),
        cmocka_unit_test(emulators_alone_know_no_project),
        cmocka_unit_test(the_metadata_server_knows_the_project),
        cmocka_unit_test(who_redirects_can_sign),
        cmocka_unit_test(a_bad_key_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
