/* The emulator's Cloud Storage: the parts that need no files, in tables. See test_emulator_disk.c for the store. */
#include "infra/local/emulator/storage/conditions.h"
#include "infra/local/emulator/storage/listing.h"
#include "infra/local/emulator/storage/range.h"
#include "infra/local/emulator/storage/related.h"
#include "infra/local/emulator/storage/settings.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

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

static void test_conditions(void **state)
{
    (void)state;
    static const struct {
        enum em_condition condition;
        const char *value;
        struct em_version live;
        bool reading;
        const char *code; /* NULL: the conditions hold */
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

/* With any page size, the pages together hold all entries. */
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

struct chunks {
    const char *data;
    size_t len, at, chunk;
};

static enum mr_status read_chunk(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    (void)err;
    struct chunks *chunks = ctx;
    size_t rest = chunks->len - chunks->at;
    size_t give = chunks->chunk < rest ? chunks->chunk : rest;
    *ret_len = give < len ? give : len;
    memcpy(data, chunks->data + chunks->at, *ret_len);
    chunks->at += *ret_len;
    return MR_OK;
}

/* Writes the parts as "type=body;", and "!status" after a failure. */
static void read_parts(const char *content_type, const char *body, size_t chunk, struct mr_buf *out)
{
    struct chunks chunks = {body, strlen(body), 0, chunk};
    MR_AUTO(em_related) struct em_related *related = NULL;
    mr_buf_clear(out);
    enum mr_status status = em_related_new(content_type, read_chunk, &chunks, &related, NULL);
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
        /* apitools: LF alone ends the lines, so a CR before the boundary belongs to the part. */
        {"multipart/related; boundary='=='",
         "--==\nContent-Type: application/json\nMIME-Version: 1.0\n\n{}\n--==\nContent-Type: "
         "a/b\n\n1\n2\r\n--==--",
         "application/json={};a/b=1\n2\r;"},
        {"multipart/related; boundary=B", "preamble\n--B \n\n\n--B\n\nx\n--\n-B\n--B--\n", "=;=x\n--\n-B;"},
        {"multipart/related; boundary=B", "--B\r\n\n1\n--B\n\r\n--B--", "=1\n--B\n;"},
        {"multipart/related; boundary=B", "--B\n\nx\n--Bother\n", "=x;!invalid"},
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
        for (size_t chunk = 1; chunk <= 64; chunk++) {
            read_parts(cases[i].content_type, cases[i].body, chunk, &out);
            /* How much of a broken part is read before the failure depends on the chunk size. */
            const char *fault = strchr(cases[i].expected, '!');
            if (fault)
                assert_non_null(strstr(mr_buf_str(&out), fault));
            else
                assert_string_equal(mr_buf_str(&out), cases[i].expected);
        }
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),      cmocka_unit_test(test_content_range),
        cmocka_unit_test(test_conditions), cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_pages), cmocka_unit_test(test_related),
        cmocka_unit_test(test_settings),   cmocka_unit_test(test_names),
        cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
