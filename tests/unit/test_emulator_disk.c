/* What the emulator keeps on disk: objects, upload sessions and its key, in a temporary directory. */
#include "infra/local/emulator/identity.h"
#include "infra/local/emulator/storage/session.h"
#include "infra/local/emulator/storage/store.h"
#include "shared/base/jwt.h"

#include <ftw.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static char directory[64];

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info, (void)flag, (void)walk;
    return remove(path);
}

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "emulator-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct em_store *open_store(void)
{
    struct em_store *store = NULL;
    struct mr_err err = {0};
    if (em_store_open(directory, &store, &err) != MR_OK)
        fail_msg("%s", err.message);
    return store;
}

static void make_bucket(struct em_store *store, const char *name)
{
    MR_AUTO_JSON json_t *given = json_pack("{s:s}", "name", name);
    MR_AUTO_JSON json_t *resource = NULL;
    assert_int_equal(em_store_bucket_insert(store, given, &resource, NULL), MR_OK);
}

static enum mr_status put(struct em_store *store, const struct em_store_write *write, const char *text,
                          int64_t *ret_generation, struct mr_err *err)
{
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_AUTO_JSON json_t *settings = json_object();
    struct em_store_write whole = *write;
    whole.settings = settings;
    assert_int_equal(em_store_incoming(store, &incoming, NULL), MR_OK);
    assert_int_equal(em_incoming_write(incoming, text, strlen(text), NULL), MR_OK);
    enum mr_status status = em_store_insert(store, &whole, incoming, &stored, err);
    if (status == MR_OK && ret_generation)
        *ret_generation = stored->generation;
    return status;
}

static void assert_object(struct em_store *store, const char *name, const char *text)
{
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_AUTO_FD int fd = -1;
    char data[256] = "";
    assert_int_equal(em_store_get(store, "bucket", name, &(struct em_conditions){0}, &stored, &fd, NULL),
                     MR_OK);
    assert_int_equal(read(fd, data, sizeof data - 1), strlen(text));
    assert_string_equal(data, text);
    assert_int_equal(stored->size, strlen(text));
}

static void test_store_keeps(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "../../../tmp/evil", "a/b/c", "ünï cødé ✓", "%2e%2e"};
    struct em_store *store = open_store();
    make_bucket(store, "bucket");
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(
            put(store, &(struct em_store_write){.bucket = "bucket", .name = names[i]}, names[i], NULL, NULL),
            MR_OK);
    em_store_free(store);
    store = open_store();
    for (size_t i = 0; i < COUNT(names); i++)
        assert_object(store, names[i], names[i]);
    em_store_free(store);
}

static void test_store_refuses(void **state)
{
    (void)state;
    struct em_store *store = open_store();
    struct mr_err err = {0};
    struct em_store_write write = {.bucket = "bucket", .name = "x"};
    assert_int_equal(put(store, &write, "1", NULL, &err), MR_NOT_FOUND);
    make_bucket(store, "bucket");
    write.expected = (struct em_digest){.has_crc32c = true, .crc32c = 1};
    assert_int_equal(put(store, &write, "1", NULL, &err), MR_INVALID);
    write.expected = (struct em_digest){0};
    write.conditions.given[EM_IF_GENERATION_MATCH] = true;
    assert_int_equal(put(store, &write, "1", NULL, &err), MR_OK);
    assert_int_equal(put(store, &write, "2", NULL, &err), MR_CONFLICT);
    assert_string_equal(mr_code_name(err.code), "condition_not_met");
    assert_object(store, "x", "1");
    struct em_conditions none = {0};
    assert_int_equal(em_store_bucket_delete(store, "bucket", &none, &err), MR_CONFLICT);
    assert_int_equal(em_store_delete(store, "bucket", "x", &none, &err), MR_OK);
    assert_int_equal(em_store_delete(store, "bucket", "x", &none, &err), MR_NOT_FOUND);
    assert_int_equal(em_store_bucket_delete(store, "bucket", &none, &err), MR_OK);
    static const char *const bad_buckets[] = {"",      "ab",   "..",  "a/b",      ".x.",
                                              "UPPER", "a..b", "-ab", ".incoming"};
    for (size_t i = 0; i < COUNT(bad_buckets); i++) {
        MR_AUTO_JSON json_t *given = json_pack("{s:s}", "name", bad_buckets[i]);
        MR_AUTO_JSON json_t *resource = NULL;
        assert_int_equal(em_store_bucket_insert(store, given, &resource, NULL), MR_INVALID);
    }
    em_store_free(store);
}

/* A reader keeps the old generation; generations increase; the old bytes are removed. */
static void test_store_replaces(void **state)
{
    (void)state;
    struct em_store *store = open_store();
    struct em_store_write write = {.bucket = "bucket", .name = "x"};
    int64_t first = 0, second = 0;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_AUTO_FD int fd = -1;
    char data[16] = "";
    make_bucket(store, "bucket");
    assert_int_equal(put(store, &write, "old", &first, NULL), MR_OK);
    assert_int_equal(em_store_get(store, "bucket", "x", &(struct em_conditions){0}, &stored, &fd, NULL),
                     MR_OK);
    assert_int_equal(put(store, &write, "newer", &second, NULL), MR_OK);
    assert_true(second > first);
    assert_int_equal(read(fd, data, sizeof data), 3);
    assert_string_equal(data, "old");
    assert_object(store, "x", "newer");
    struct em_conditions pinned = {.generation = first};
    MR_AUTO(em_stored) struct em_stored *none = NULL;
    assert_int_equal(em_store_get(store, "bucket", "x", &pinned, &none, NULL, NULL), MR_NOT_FOUND);
    em_store_free(store);
}

enum { RACERS = 8 };
struct race {
    struct em_store *store;
    int number;
    enum mr_status status;
};

static void *race(void *ctx)
{
    struct race *race = ctx;
    struct em_store_write write = {.bucket = "bucket", .name = "one"};
    write.conditions.given[EM_IF_GENERATION_MATCH] = true;
    char text[2] = {(char)('0' + race->number), '\0'};
    race->status = put(race->store, &write, text, NULL, NULL);
    return NULL;
}

/* With ifGenerationMatch=0 exactly one of many writers succeeds. */
static void test_store_race(void **state)
{
    (void)state;
    struct em_store *store = open_store();
    struct race races[RACERS];
    pthread_t threads[RACERS];
    make_bucket(store, "bucket");
    for (int i = 0; i < RACERS; i++) {
        races[i] = (struct race){store, i, MR_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &races[i]), 0);
    }
    int winner = -1, winners = 0;
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        if (races[i].status == MR_OK) {
            winner = i;
            winners++;
        } else {
            assert_int_equal(races[i].status, MR_CONFLICT);
        }
    }
    assert_int_equal(winners, 1);
    assert_object(store, "one", (char[]){(char)('0' + winner), '\0'});
    em_store_free(store);
}

static void test_sessions(void **state)
{
    (void)state;
    struct em_store *store = open_store();
    struct em_upload_sessions *sessions = NULL;
    MR_AUTO_JSON json_t *settings = json_pack("{s:s}", "contentType", "a/b");
    struct em_store_write write = {.bucket = "bucket", .name = "x", .settings = settings};
    char id[EM_SESSION_ID_MAX];
    struct em_upload_session *session = NULL;
    make_bucket(store, "bucket");
    assert_int_equal(em_upload_sessions_open(em_store_session_directory(store), &sessions, NULL), MR_OK);
    assert_int_equal(em_upload_session_create(sessions, &write, 6, "https://app", id, NULL), MR_OK);
    assert_int_equal(em_upload_session_acquire(sessions, id, &session, NULL), MR_OK);
    assert_int_equal(em_incoming_write(session->incoming, "123", 3, NULL), MR_OK);
    em_upload_session_release(session);
    em_upload_sessions_free(sessions);

    assert_int_equal(em_upload_sessions_open(em_store_session_directory(store), &sessions, NULL), MR_OK);
    assert_int_equal(em_upload_session_acquire(sessions, id, &session, NULL), MR_OK);
    assert_int_equal(session->incoming->size, 3);
    assert_string_equal(em_upload_session_origin(sessions, id), "https://app");
    assert_null(em_upload_session_origin(sessions, "nonsense"));
    assert_int_equal(session->total, 6);
    assert_int_equal(em_incoming_write(session->incoming, "456", 3, NULL), MR_OK);
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    assert_int_equal(em_store_insert(store, &session->write, session->incoming, &stored, NULL), MR_OK);
    assert_int_equal(em_upload_session_finish(sessions, session, stored, NULL), MR_OK);
    em_upload_session_release(session);
    assert_string_equal(em_stored_setting(stored, "contentType"), "a/b");
    assert_object(store, "x", "123456");
    em_upload_sessions_free(sessions);

    assert_int_equal(em_upload_sessions_open(em_store_session_directory(store), &sessions, NULL), MR_OK);
    assert_int_equal(em_upload_session_acquire(sessions, id, &session, NULL), MR_OK);
    assert_int_equal(session->state, EM_SESSION_DONE);
    assert_int_equal(session->result->generation, stored->generation);
    em_upload_session_release(session);
    assert_int_equal(em_upload_session_acquire(sessions, "nonsense", &session, NULL), MR_NOT_FOUND);
    em_upload_sessions_free(sessions);
    em_store_free(store);
}

/* Takes the public key out of the certificate that the emulator publishes, as a verifier does. */
static enum mr_status one_key(void *ctx, const char *key_id, char **ret_public_key, struct mr_err *err)
{
    const struct em_identity *identity = ctx;
    assert_string_equal(key_id, em_identity_key_id(identity));
    BIO *in = BIO_new_mem_buf(em_identity_certificate(identity), -1), *out = BIO_new(BIO_s_mem());
    X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
    assert_int_equal(PEM_write_bio_PUBKEY(out, X509_get0_pubkey(certificate)), 1);
    char *data = NULL;
    long len = BIO_get_mem_data(out, &data);
    *ret_public_key = strndup(data, (size_t)len);
    X509_free(certificate);
    BIO_free(in);
    BIO_free(out);
    return *ret_public_key ? MR_OK : mr_fail_oom(err);
}

static void test_identity(void **state)
{
    (void)state;
    MR_AUTO(em_identity) struct em_identity *identity = NULL;
    MR_AUTO(em_identity) struct em_identity *again = NULL;
    assert_int_equal(em_identity_new(directory, &identity, NULL), MR_OK);
    assert_int_equal(em_identity_new(directory, &again, NULL), MR_OK);
    assert_string_equal(em_identity_key_id(identity), em_identity_key_id(again));
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s/identity/key.pem", directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    unsigned char *signature = NULL;
    size_t len = 0;
    assert_int_equal(em_identity_sign(identity, "data", 4, &signature, &len, NULL), MR_OK);
    assert_true(em_identity_verify(again, "data", 4, signature, len));
    assert_false(em_identity_verify(again, "date", 4, signature, len));
    free(signature);
}

static void test_token(void **state)
{
    (void)state;
    MR_AUTO(em_identity) struct em_identity *identity = NULL;
    MR_AUTO_STR char *token = NULL;
    MR_AUTO_JSON json_t *claims = NULL;
    struct mr_err err = {0};
    assert_int_equal(em_identity_new(directory, &identity, NULL), MR_OK);
    assert_int_equal(
        em_identity_mint(identity, "push@p.iam.gserviceaccount.com", "https://a/b", &token, &err), MR_OK);
    if (mr_jwt_verify_rs256(token, one_key, identity, &claims, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_string_equal(json_string_value(json_object_get(claims, "iss")), "https://accounts.google.com");
    assert_string_equal(json_string_value(json_object_get(claims, "aud")), "https://a/b");
    assert_string_equal(json_string_value(json_object_get(claims, "email")),
                        "push@p.iam.gserviceaccount.com");
    assert_true(json_is_true(json_object_get(claims, "email_verified")));
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")) -
                         json_integer_value(json_object_get(claims, "iat")),
                     3600);
    const char *subject = json_string_value(json_object_get(claims, "sub"));
    assert_int_equal(strspn(subject, "0123456789"), 21);
    assert_string_equal(json_string_value(json_object_get(claims, "azp")), subject);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(test_store_keeps), ON_DISK(test_store_refuses), ON_DISK(test_store_replaces),
        ON_DISK(test_store_race),  ON_DISK(test_sessions),      ON_DISK(test_identity),
        ON_DISK(test_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
