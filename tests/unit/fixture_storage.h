/* A storage client whose Cloud Storage is a script (fake_http.h): one at a time, for the tests of a program. */
#ifndef MR_TESTS_UNIT_FIXTURE_STORAGE_H
#define MR_TESTS_UNIT_FIXTURE_STORAGE_H

#include "shared/gcp/storage.h"
#include "tests/unit/fake_http.h"

/* Valid between fixture_storage_start and fixture_storage_stop. */
extern struct mr_http_client *test_http;
extern struct fake_http *test_fake;
extern struct mr_storage *test_storage;

/* Starts the script's server and a client for this bucket; chunk_bytes as in struct mr_storage_options. Fails the
 * test when it cannot. */
void fixture_storage_start(const char *bucket, size_t chunk_bytes);
void fixture_storage_stop(void);

/* Cloud Storage's JSON of an object "n" of generation 77 with this content. */
void fixture_object_json(char *out, size_t size, const char *data, size_t len);

#endif
