/* The emulator's object store: its pure parts by tables, the store itself on a temporary directory. */
#include "infra/local/emulator/identity.h"
#include "infra/local/emulator/storage/range.h"
#include "infra/local/emulator/storage/related.h"
#include "infra/local/emulator/storage/session.h"
#include "infra/local/emulator/storage/settings.h"
#include "infra/local/emulator/storage/store.h"
#include "shared/base/encoding.h"
#include "shared/base/jwt.h"

#include <ftw.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- ranges --------------------------------------------------------------------------- */

static void test_range(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t size;
        enum em_object_range kind;
        int64_t first, length;
    } cases[] = {
        {NULL, 10, EM_OBJECT_WHOLE, 0, 10},
        {"bytes=0-3", 10, EM_OBJECT_PART, 0, 4},
        {"Bytes=2-", 10, EM_OBJECT_PART, 2, 8},
        {"bytes=2-99", 10, EM_OBJECT_PART, 2, 8},
        {"bytes=9-9", 10, EM_OBJECT_PART, 9, 1},
        {"bytes=-3", 10, EM_OBJECT_PART, 7, 3},
        {"bytes=-99", 10, EM_OBJECT_PART, 0, 10},
        {"bytes=10-", 10, EM_OBJECT_NO_PART, 0, 10},
        {"bytes=0-0", 0, EM_OBJECT_NO_PART, 0, 0},
        {"bytes=-0", 10, EM_OBJECT_NO_PART, 0, 10},
        {"bytes=-5", 0, EM_OBJECT_NO_PART, 0, 0},
        {"bytes=5-2", 10, EM_OBJECT_WHOLE, 0, 10},
        {"bytes=0-1,4-5", 10, EM_OBJECT_WHOLE, 0, 10},
        {"bytes=a-b", 10, EM_OBJECT_WHOLE, 0, 10},
        {"bytes=-", 10, EM_OBJECT_WHOLE, 0, 10},
        {"items=0-3", 10, EM_OBJECT_WHOLE, 0, 10},
        {"bytes=99999999999999999999999-", 10, EM_OBJECT_WHOLE, 0, 10},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t first = -1, length = -1;
        assert_int_equal(em_object_range_parse(cases[i].value, cases[i].size, &first, &length),
                         cases[i].kind);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(length, cases[i].length);
    }
}

static void test_content_range(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool valid;
        struct em_content_range range;
    } cases[] = {
        {"bytes 0-99/100", true, {false, 0, 99, 100}},
        {"bytes 262144-524287/*", true, {false, 262144, 524287, -1}},
        {"bytes 0-*/*", true, {false, 0, -1, -1}},
        {"bytes 5-*/10", true, {false, 5, -1, 10}},
        {"bytes */*", true, {true, 0, -1, -1}},
        {"bytes */0", true, {true, 0, -1, 0}},
        {"bytes */77", true, {true, 0, -1, 77}},
        {"bytes 0-100/100", false, {0}},
        {"bytes 9-5/100", false, {0}},
        {"bytes 0-5", false, {0}},
        {"bytes -5/10", false, {0}},
        {"bytes *-5/10", false, {0}},
        {"bytes x-5/10", false, {0}},
        {"octets 0-5/10", false, {0}},
        {"bytes", false, {0}},
        {"", false, {0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct em_content_range range;
        struct mr_err err = {0};
        enum mr_status status = em_content_range_parse(cases[i].value, &range, &err);
        assert_int_equal(status, cases[i].valid ? MR_OK : MR_INVALID);
        if (!cases[i].valid)
            continue;
        assert_int_equal(range.query, cases[i].range.query);
        assert_int_equal(range.first, cases[i].range.first);
        assert_int_equal(range.last, cases[i].range.last);
        assert_int_equal(range.total, cases[i].range.total);
    }
}

/* ---- conditions ------------------------------------------------------------------------ */

static void test_conditions(void **state)
{
    (void)state;
    static const struct {
        enum em_condition condition;
        const char *value;
        struct em_version live;
        bool reading;
        const char *code; /* NULL: holds */
    } cases[] = {
        {EM_IF_GENERATION_MATCH, "0", {0, 0}, false, NULL},
        {EM_IF_GENERATION_MATCH, "0", {7, 1}, false, "condition_not_met"},
        {EM_IF_GENERATION_MATCH, "7", {7, 1}, false, NULL},
        {EM_IF_GENERATION_MATCH, "6", {7, 1}, true, "condition_not_met"},
        {EM_IF_GENERATION_MATCH, "6", {0, 0}, false, "condition_not_met"},
        {EM_IF_GENERATION_NOT_MATCH, "0", {0, 0}, false, "condition_not_met"},
        {EM_IF_GENERATION_NOT_MATCH, "0", {7, 1}, false, NULL},
        {EM_IF_GENERATION_NOT_MATCH, "7", {7, 1}, true, "not_modified"},
        {EM_IF_GENERATION_NOT_MATCH, "7", {7, 1}, false, "condition_not_met"},
        {EM_IF_METAGENERATION_MATCH, "2", {7, 2}, false, NULL},
        {EM_IF_METAGENERATION_MATCH, "1", {7, 2}, false, "condition_not_met"},
        {EM_IF_METAGENERATION_NOT_MATCH, "2", {7, 2}, true, "not_modified"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct em_conditions conditions = {0};
        struct mr_err err = {0};
        assert_int_equal(em_conditions_set(&conditions, cases[i].condition, cases[i].value, &err), MR_OK);
        enum mr_status status = em_conditions_check(&conditions, cases[i].live, cases[i].reading, &err);
        assert_int_equal(status, cases[i].code ? MR_CONFLICT : MR_OK);
        if (cases[i].code)
            assert_string_equal(mr_code_name(err.code), cases[i].code);
        MR_AUTO_JSON json_t *json = em_conditions_to_json(&conditions);
        struct em_conditions again;
        em_conditions_from_json(json, &again);
        assert_memory_equal(&conditions, &again, sizeof again);
    }
    struct em_conditions bad = {0};
    assert_int_equal(em_conditions_set(&bad, EM_IF_GENERATION_MATCH, "-1", NULL), MR_INVALID);
    assert_int_equal(em_conditions_set(&bad, EM_IF_GENERATION_MATCH, "x", NULL), MR_INVALID);
    assert_int_equal(em_conditions_set(&bad, EM_IF_GENERATION_MATCH, NULL, NULL), MR_OK);
    assert_false(bad.given[EM_IF_GENERATION_MATCH]);
    struct em_conditions pinned = {.generation = 6};
    assert_int_equal(em_conditions_check(&pinned, (struct em_version){7, 1}, true, NULL), MR_NOT_FOUND);
}

/* ---- listing ----------------------------------------------------------------------------- */

static void index_of(const char *const *names, size_t count, struct em_index *ret)
{
    MR_AUTO_JSON json_t *settings = json_object();
    for (size_t i = 0; i < count; i++) {
        MR_AUTO(em_stored) struct em_stored *stored = NULL;
        assert_int_equal(em_stored_new("bucket", names[i], settings, &stored, NULL), MR_OK);
        assert_int_equal(em_index_reserve(ret, NULL), MR_OK);
        em_index_put(ret, stored);
    }
}

/* The page as one line: names, prefixes in brackets, "+" if there is a next page. */
static void show(const struct em_listing *listing, struct mr_buf *out)
{
    mr_buf_clear(out);
    for (size_t i = 0; i < listing->count; i++)
        assert_int_equal(mr_buf_appendf(out, NULL, "%s ", listing->items[i]->name), MR_OK);
    for (size_t i = 0; i < json_array_size(listing->prefixes); i++)
        assert_int_equal(
            mr_buf_appendf(out, NULL, "[%s] ", json_string_value(json_array_get(listing->prefixes, i))),
            MR_OK);
    if (listing->next_page_token)
        assert_int_equal(mr_buf_append_str(out, "+", NULL), MR_OK);
}

static const char *const sample_names[] = {"b/2", "a", "b/1", "c", "b/x/1", "b/", "d/1", "é"};

static void test_list(void **state)
{
    (void)state;
    static const struct {
        struct em_list_query query;
        const char *expected;
    } cases[] = {
        {{.max_results = 100}, "a b/ b/1 b/2 b/x/1 c d/1 é "},
        {{.max_results = 2}, "a b/ +"},
        {{.max_results = 100, .delimiter = "/"}, "a c é [b/] [d/] "},
        {{.max_results = 2, .delimiter = "/"}, "a [b/] +"},
        {{.max_results = 100, .prefix = "b/", .delimiter = "/"}, "b/ b/1 b/2 [b/x/] "},
        {{.max_results = 100, .prefix = "b"}, "b/ b/1 b/2 b/x/1 "},
        {{.max_results = 100, .prefix = "zz"}, ""},
        {{.max_results = 100, .start_offset = "b/2", .end_offset = "d"}, "b/2 b/x/1 c "},
        {{.max_results = 100, .delimiter = "/", .include_trailing_delimiter = true}, "a b/ c é [b/] [d/] "},
        {{.max_results = 8}, "a b/ b/1 b/2 b/x/1 c d/1 é "},
    };
    struct em_index index = {0};
    MR_AUTO(mr_buf) struct mr_buf line = MR_BUF_INIT(4096);
    index_of(sample_names, COUNT(sample_names), &index);
    for (size_t i = 0; i < COUNT(cases); i++) {
        MR_AUTO(em_listing) struct em_listing listing = {0};
        assert_int_equal(em_listing_make(&index, &cases[i].query, &listing, NULL), MR_OK);
        show(&listing, &line);
        assert_string_equal(mr_buf_str(&line), cases[i].expected);
    }
    em_index_free(&index);
}

/* Whatever the page size, the pages together are the whole. */
static void test_list_pages(void **state)
{
    (void)state;
    struct em_index index = {0};
    index_of(sample_names, COUNT(sample_names), &index);
    for (size_t page = 1; page <= 6; page++) {
        MR_AUTO_STR char *token = NULL;
        size_t entries = 0;
        do {
            struct em_list_query query = {.max_results = page, .delimiter = "/", .page_token = token};
            MR_AUTO(em_listing) struct em_listing listing = {0};
            assert_int_equal(em_listing_make(&index, &query, &listing, NULL), MR_OK);
            entries += listing.count + json_array_size(listing.prefixes);
            free(token);
            token = MR_TAKE(listing.next_page_token);
        } while (token);
        assert_int_equal(entries, 5);
    }
    static const char *const bad[] = {"!", "eA", "bg"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct em_list_query query = {.max_results = 1, .page_token = bad[i]};
        MR_AUTO(em_listing) struct em_listing listing = {0};
        assert_int_equal(em_listing_make(&index, &query, &listing, NULL), MR_INVALID);
    }
    em_index_free(&index);
}

/* ---- multipart/related -------------------------------------------------------------------- */

struct pieces {
    const char *data;
    size_t len, at, piece;
};

static enum mr_status piecewise(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    (void)err;
    struct pieces *pieces = ctx;
    size_t rest = pieces->len - pieces->at;
    size_t give = pieces->piece < rest ? pieces->piece : rest;
    *ret_len = give < len ? give : len;
    memcpy(data, pieces->data + pieces->at, *ret_len);
    pieces->at += *ret_len;
    return MR_OK;
}

/* The parts as "type=body;", or the failing status' name. */
static void read_parts(const char *content_type, const char *body, size_t piece, struct mr_buf *out)
{
    struct pieces pieces = {body, strlen(body), 0, piece};
    MR_AUTO(em_related) struct em_related *related = NULL;
    mr_buf_clear(out);
    enum mr_status status = em_related_new(content_type, piecewise, &pieces, &related, NULL);
    while (status == MR_OK) {
        const char *type = NULL;
        status = em_related_next(related, &type, NULL);
        if (status != MR_OK || !type)
            break;
        assert_int_equal(mr_buf_appendf(out, NULL, "%s=", type), MR_OK);
        char some[7];
        size_t len = 1;
        while (status == MR_OK && len) {
            status = em_related_read(related, some, sizeof some, &len, NULL);
            if (status == MR_OK)
                assert_int_equal(mr_buf_append(out, some, len, NULL), MR_OK);
        }
        if (status == MR_OK)
            assert_int_equal(mr_buf_append_str(out, ";", NULL), MR_OK);
    }
    if (status != MR_OK)
        assert_int_equal(mr_buf_appendf(out, NULL, "!%s", mr_status_name(status)), MR_OK);
}

static void test_related(void **state)
{
    (void)state;
    static const struct {
        const char *content_type, *body, *expected;
    } cases[] = {
        {"multipart/related; boundary=B",
         "--B\r\nContent-Type: application/json\r\n\r\n{}\r\n--B\r\ncontent-type:  "
         "audio/mpeg\r\n\r\nbytes\r\n--B--\r\n",
         "application/json={};audio/mpeg=bytes;"},
        {"multipart/related; boundary=\"a b\"; x=y", "--a b\r\n\r\n1\r\n--a b--", "=1;"},
        {"multipart/related; boundary='=='", "--==\r\n\r\n1\r\n--==--", "=1;"},
        {"multipart/related; boundary=B", "preamble\r\n--B\r\n\r\n\r\n--B  \r\n\r\n--\r\n-B\r\n--\r\n--B--",
         "=;=--\r\n-B\r\n--;"},
        {"multipart/related; boundary=B", "--B--", ""},
        {"multipart/related; boundary=B", "--B\r\n\r\ncut off", "=cut of!invalid"},
        {"multipart/related; boundary=B", "--B\r\n\r\nx\r\n--Bother\r\n", "=x;!invalid"},
        {"multipart/related; boundary=B", "", "!invalid"},
        {"multipart/related", "--B--", "!invalid"},
        {"multipart/related; boundary=", "--B--", "!invalid"},
        {"multipart/related; boundary=\"B", "--B--", "!invalid"},
    };
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(4096);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece <= 64; piece++) {
            read_parts(cases[i].content_type, cases[i].body, piece, &out);
            /* How much of a broken part comes out before the failure depends on the pieces. */
            const char *fault = strchr(cases[i].expected, '!');
            if (fault)
                assert_non_null(strstr(mr_buf_str(&out), fault));
            else
                assert_string_equal(mr_buf_str(&out), cases[i].expected);
        }
}

/* ---- objects -------------------------------------------------------------------------------- */

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *old, *resource;
        bool replace;
        const char *expected; /* NULL: MR_INVALID */
    } cases[] = {
        {NULL, "{\"contentType\":\"a/b\",\"size\":\"7\",\"x\":1}", true, "{\"contentType\":\"a/b\"}"},
        {"{\"contentType\":\"a/b\"}", "{\"cacheControl\":\"no-store\"}", false,
         "{\"cacheControl\":\"no-store\",\"contentType\":\"a/b\"}"},
        {"{\"contentType\":\"a/b\"}", "{\"cacheControl\":\"no-store\"}", true,
         "{\"cacheControl\":\"no-store\"}"},
        {"{\"contentType\":\"a/b\"}", "{\"contentType\":null}", false, "{}"},
        {"{\"metadata\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"metadata\":{\"a\":null,\"c\":\"3\"}}", false,
         "{\"metadata\":{\"b\":\"2\",\"c\":\"3\"}}"},
        {"{\"metadata\":{\"a\":\"1\"}}", "{\"metadata\":null}", false, "{}"},
        {"{\"metadata\":{\"a\":\"1\"}}", "{\"metadata\":{\"a\":null}}", false, "{}"},
        {NULL, "{\"contentType\":7}", true, NULL},
        {NULL, "{\"metadata\":[]}", true, NULL},
        {NULL, "{\"metadata\":{\"a\":1}}", true, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        MR_AUTO_JSON json_t *old = cases[i].old ? json_loads(cases[i].old, 0, NULL) : NULL;
        MR_AUTO_JSON json_t *resource = json_loads(cases[i].resource, 0, NULL);
        MR_AUTO_JSON json_t *settings = NULL;
        enum mr_status status = em_settings_apply(old, resource, cases[i].replace, &settings, NULL);
        assert_int_equal(status, cases[i].expected ? MR_OK : MR_INVALID);
        if (!cases[i].expected)
            continue;
        MR_AUTO_STR char *text = json_dumps(settings, JSON_SORT_KEYS | JSON_COMPACT);
        assert_string_equal(text, cases[i].expected);
    }
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum mr_status status;
    } cases[] = {{"a", MR_OK},
                 {"../../etc/passwd", MR_OK},
                 {"ä/ö ü?#", MR_OK},
                 {"a/..", MR_OK},
                 {"", MR_INVALID},
                 {".", MR_INVALID},
                 {"..", MR_INVALID},
                 {"a\nb", MR_INVALID},
                 {"a\rb", MR_INVALID},
                 {"\xff", MR_INVALID},
                 {".well-known/acme-challenge/x", MR_INVALID}};
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(em_object_name_check(cases[i].name, NULL), cases[i].status);
    char name[1026];
    memset(name, 'n', sizeof name);
    name[1025] = '\0';
    assert_int_equal(em_object_name_check(name, NULL), MR_INVALID);
    name[1024] = '\0';
    assert_int_equal(em_object_name_check(name, NULL), MR_OK);
}

static void test_digest(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum mr_status parsed, compared;
    } cases[] = {
        {NULL, MR_OK, MR_OK},
        /* "123456789" */
        {"crc32c=4waSgw==", MR_OK, MR_OK},
        {"md5=JfnnlDI7RTiF9RgfG2JNCw==", MR_OK, MR_OK},
        {"crc32c=4waSgw==, md5=JfnnlDI7RTiF9RgfG2JNCw==", MR_OK, MR_OK},
        {"crc32c=AAAAAA==", MR_OK, MR_INVALID},
        {"md5=AAAAAAAAAAAAAAAAAAAAAA==", MR_OK, MR_INVALID},
        {"md5=AAAA", MR_INVALID, MR_OK},
        {"crc32c=!", MR_INVALID, MR_OK},
        {"sha1=AAAA", MR_INVALID, MR_OK},
    };
    struct em_hash hash = {0};
    struct em_digest actual;
    assert_int_equal(em_hash_begin(&hash, NULL), MR_OK);
    assert_int_equal(em_hash_update(&hash, "1234", 4, NULL), MR_OK);
    assert_int_equal(em_hash_get(&hash, &actual, NULL), MR_OK);
    assert_int_equal(em_hash_update(&hash, "56789", 5, NULL), MR_OK);
    assert_int_equal(em_hash_get(&hash, &actual, NULL), MR_OK);
    em_hash_free(&hash);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct em_digest expected = {0};
        assert_int_equal(em_digest_add_header(&expected, cases[i].header, NULL), cases[i].parsed);
        if (cases[i].parsed == MR_OK)
            assert_int_equal(em_digest_compare(&expected, &actual, NULL), cases[i].compared);
    }
}

/* ---- the store -------------------------------------------------------------------------------- */

static char directory[64];

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info, (void)flag, (void)walk;
    return remove(path);
}

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/mediarun-emulator-XXXXXX");
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

/* A reader of the old generation keeps it; generations rise; the old bytes do not stay behind. */
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

/* ifGenerationMatch=0 lets exactly one of many writers through. */
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

/* ---- identity ------------------------------------------------------------------------------------ */

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
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_content_range),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_pages),
        cmocka_unit_test(test_related),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_digest),
        ON_DISK(test_store_keeps),
        ON_DISK(test_store_refuses),
        ON_DISK(test_store_replaces),
        ON_DISK(test_store_race),
        ON_DISK(test_sessions),
        ON_DISK(test_identity),
        ON_DISK(test_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
