#include "tests/unit/fixture_storage.h"

#include "shared/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct mr_http_client *test_http;
struct fake_http *test_fake;
struct mr_storage *test_storage;

void fixture_storage_start(const char *bucket, size_t chunk_bytes)
{
    struct mr_err err = {0};
    test_fake = fake_http_start();
    assert_int_equal(mr_http_client_new("mediarun-test/1", &test_http, &err), MR_OK);
    struct mr_storage_options options = {
        .base_url = fake_http_url(test_fake), .bucket = bucket, .chunk_bytes = chunk_bytes};
    assert_int_equal(mr_storage_new(test_http, &options, &test_storage, &err), MR_OK);
}

void fixture_storage_stop(void)
{
    mr_storage_free(test_storage);
    mr_http_client_free(test_http);
    fake_http_stop(test_fake);
    test_storage = NULL;
    test_http = NULL;
    test_fake = NULL;
}

void fixture_object_json(char *out, size_t size, const char *data, size_t len)
{
    char crc[9];
    mr_crc32c_text(mr_crc32c(0, data, len), crc);
    snprintf(out, size,
             "{\"name\":\"n\",\"size\":\"%zu\",\"generation\":\"77\",\"metageneration\":\"1\","
             "\"contentType\":\"audio/mpeg\",\"crc32c\":\"%s\"}",
             len, crc);
}
