/* Several outputs of one job: their order, objects, names and types. */
#include "shared/base/crc32c.h"
#include "tests/unit/fixture_db.h"
#include "tests/unit/fixture_storage.h"
#include "worker/output_set.h"
#include "worker/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_worker worker;
static const struct mr_job job = {.worker = &worker};

static int setup(void **state)
{
    fixture_db_setup(state);
    fixture_storage_start("b", 0);
    worker.db = test_db;
    worker.cloud.storage = test_storage;
    return 0;
}

static int teardown(void **state)
{
    fixture_storage_stop();
    return fixture_db_teardown(state);
}

static struct mr_output_set *set_of(const char *file_name, const char *format, bool has_extras)
{
    MR_AUTO_JSON json_t *options = json_pack("{s:{}, s:{}}", "thumbnail", "waveform");
    const struct mr_output_plan plan = {.object = "results/set/1-2",
                                        .file_name = file_name,
                                        .format = mr_format_find(format),
                                        .options = has_extras ? options : NULL};
    struct mr_output_set *set = NULL;
    assert_int_equal(mr_output_set_new(&job, &plan, &set, NULL), MR_OK);
    return set;
}

static const char body[] = "body", jpeg[] = "\xff\xd8\xff\xe0";

struct written {
    uint32_t output;
    int64_t offset;
    const char *data; /* 4 bytes; NULL after the last */
};

/* Storage that takes the objects as they are written, one of 4 bytes for each output, and then no more. */
static void storage_takes(const struct written *written)
{
    enum { MAX = 5 };
    char bodies[MAX][128], crc[9];
    struct fake_step steps[MAX + 1];
    size_t count = 0;
    for (; count < MAX && written[count].data; count++) {
        mr_crc32c_text(mr_crc32c(0, written[count].data, 4), crc);
        snprintf(bodies[count], sizeof bodies[count],
                 "{\"name\":\"x\",\"size\":\"4\",\"generation\":\"7\",\"crc32c\":\"%s\"}", crc);
        steps[count] = (struct fake_step){.status = 200, .body = bodies[count]};
    }
    steps[count] = (struct fake_step){.status = 403, .body = "{}"};
    fake_http_script(test_fake, steps, count + 1, false);
}

static enum mr_status write_all(struct mr_output_set *set, const struct written *written, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    for (; status == MR_OK && written->data; written++)
        status = mr_output_set_write(set, written->output, written->offset, written->data, 4, err);
    return status;
}

static void outputs_out_of_order_are_refused(void **state)
{
    (void)state;
    static const struct written table[][4] = {
        {{1, 0, body}},                             /* the first is missing */
        {{0, 0, body}, {2, 0, body}},               /* one is left out */
        {{0, 0, body}, {1, 0, body}, {0, 4, body}}, /* back to a finished one */
        {{0, 8, body}, {1, 0, body}},               /* the head of the first is missing */
        {{MR_OUTPUTS_MAX, 0, body}},                /* too many */
        {{UINT32_MAX, 0, body}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        storage_takes(table[i]);
        MR_AUTO(mr_output_set) struct mr_output_set *set = set_of("a.mp4", "mp4", false);
        struct mr_err err = {0};
        if (write_all(set, table[i], &err) != MR_INVALID)
            fail_msg("row %zu was taken", i);
        assert_string_equal(mr_code_name(err.code), "sandbox_protocol");
    }
}

static void a_job_without_outputs_is_refused(void **state)
{
    (void)state;
    MR_AUTO(mr_output_set) struct mr_output_set *set = set_of("a.mp4", "mp4", false);
    struct mr_err err = {0};
    size_t count = 1;
    assert_int_equal(mr_output_set_finish(set, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "sandbox_protocol");
    (void)mr_output_set_outputs(set, &count);
    assert_int_equal(count, 0);
}

struct expected {
    const char *object, *file_name, *format, *content_type;
};

static void check_outputs(const struct mr_output_set *set, const struct expected *expected)
{
    size_t count = 0;
    const struct mr_output *outputs = mr_output_set_outputs(set, &count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(expected[i].object);
        assert_string_equal(outputs[i].object, expected[i].object);
        assert_string_equal(outputs[i].file_name, expected[i].file_name);
        assert_string_equal(outputs[i].format, expected[i].format);
        assert_string_equal(outputs[i].content_type, expected[i].content_type);
        assert_int_equal(outputs[i].object_generation, 7);
        assert_int_equal(outputs[i].size, 4);
    }
    assert_null(expected[count].object);
}

#define VIDEO "mp4", "video/mp4"

static void outputs_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *file_name;
        bool has_extras;
        struct written written[5];
        struct expected expected[5];
    } table[] = {
        {"My video.mov", false, {{0, 0, body}}, {{"results/set/1-2.mp4", "My video.mp4", VIDEO}}},
        {"Año 1.mov",
         false,
         {{0, 0, body}, {1, 0, body}, {2, 0, body}},
         {{"results/set/1-2.mp4", "Año 1-1.mp4", VIDEO},
          {"results/set/1-2-1.mp4", "Año 1-2.mp4", VIDEO},
          {"results/set/1-2-2.mp4", "Año 1-3.mp4", VIDEO}}},
        {"x.mp4",
         true,
         {{0, 0, body}, {1, 0, jpeg}},
         {{"results/set/1-2.mp4", "x.mp4", VIDEO}, {"results/set/1-2-1.jpg", "x.jpg", "jpg", "image/jpeg"}}},
        {"x.mp4",
         true,
         {{0, 0, body}, {1, 0, body}, {2, 0, jpeg}},
         {{"results/set/1-2.mp4", "x-1.mp4", VIDEO},
          {"results/set/1-2-1.mp4", "x-2.mp4", VIDEO},
          {"results/set/1-2-2.jpg", "x.jpg", "jpg", "image/jpeg"}}},
        {"x.mp4",
         true,
         {{0, 0, body}, {1, 0, "{  }"}, {2, 0, "\x89PNG"}},
         {{"results/set/1-2.mp4", "x.mp4", VIDEO},
          {"results/set/1-2-1.json", "x.json", "json", "application/json"},
          {"results/set/1-2-2.png", "x.png", "png", "image/png"}}},
        {"x.mp4",
         false,
         {{0, 0, body}, {1, 0, "{  }"}},
         {{"results/set/1-2.mp4", "x-1.mp4", VIDEO}, {"results/set/1-2-1.mp4", "x-2.mp4", VIDEO}}},
        /* nobody requested a thumbnail */
        {"x.mp4",
         false,
         {{0, 0, body}, {1, 0, jpeg}},
         {{"results/set/1-2.mp4", "x-1.mp4", VIDEO}, {"results/set/1-2-1.mp4", "x-2.mp4", VIDEO}}},
        {".hidden", false, {{0, 0, body}}, {{"results/set/1-2.mp4", ".hidden.mp4", VIDEO}}},
        {"", false, {{0, 0, body}}, {{"results/set/1-2.mp4", "output.mp4", VIDEO}}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        storage_takes(table[i].written);
        MR_AUTO(mr_output_set)
        struct mr_output_set *set = set_of(table[i].file_name, "mp4", table[i].has_extras);
        assert_int_equal(write_all(set, table[i].written, NULL), MR_OK);
        assert_int_equal(mr_output_set_finish(set, NULL), MR_OK);
        check_outputs(set, table[i].expected);
    }
}

static void a_long_name_is_cut_at_a_character(void **state)
{
    (void)state;
    char name[600] = "x"; /* the cut would be within a character */
    for (size_t i = 0; i < 130; i++)
        memcpy(name + 1 + 2 * i, "ñ", 2);
    memcpy(name + 261, ".mov", 5);
    static const struct written one[] = {{0, 0, body}, {0, 0, NULL}};
    storage_takes(one);
    MR_AUTO(mr_output_set) struct mr_output_set *set = set_of(name, "mp3", false);
    size_t count = 0;
    assert_int_equal(mr_output_set_write(set, 0, 0, body, 4, NULL), MR_OK);
    assert_int_equal(mr_output_set_finish(set, NULL), MR_OK);
    const struct mr_output *outputs = mr_output_set_outputs(set, &count);
    assert_int_equal(strlen(outputs[0].file_name), 199 + strlen(".mp3"));
    assert_string_equal(outputs[0].file_name + 197, "ñ.mp3");
}

/* Stored objects are reported, so that they can be deleted; the ledger keeps them until then. */
static void a_failing_job_leaves_known_objects(void **state)
{
    (void)state;
    static const struct written first[] = {{0, 0, body}, {0, 0, NULL}};
    static const struct written all[] = {{0, 0, body}, {1, 0, body}, {2, 0, body}, {0, 0, NULL}};
    storage_takes(first);
    const struct mr_output_plan plan = {
        .object = "results/left/1-1", .file_name = "a.mp4", .format = mr_format_find("mp4")};
    MR_AUTO(mr_output_set) struct mr_output_set *set = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_output_set_new(&job, &plan, &set, &err), MR_OK);
    assert_int_equal(write_all(set, all, &err), MR_UNAVAILABLE);
    size_t count = 0;
    const struct mr_output *outputs = mr_output_set_outputs(set, &count);
    assert_int_equal(count, 1);
    assert_string_equal(outputs[0].object, "results/left/1-1.mp4");
    MR_AUTO_STR char *orphans =
        fixture_db_ask(test_db, "SELECT string_agg(name, ' ' ORDER BY name) AS answer FROM stray_objects"
                                " WHERE name LIKE 'results/left/%'");
    assert_string_equal(orphans, "results/left/1-1-1.mp4 results/left/1-1.mp4");
}

/* Copies are named like outputs that were written. One that is shorter than its source is no copy, but it is known. */
static void copies_are_outputs(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {"results/set/1-2.mp4", "a-1.mp4", VIDEO},
        {"results/set/1-2-1.mp4", "a-2.mp4", VIDEO},
        {"results/set/1-2-2.jpg", "a.jpg", "jpg", "image/jpeg"},
        {NULL, NULL, NULL, NULL},
    };
    static const char *const sources[] = {"results/x/3-4.mp4", "results/x/3-4-1.mp4", "results/x/3-4-2.jpg"};
    static const struct written stored[] = {
        {0, 0, body}, {1, 0, body}, {2, 0, body}, {3, 0, body}, {0, 0, NULL}};
    storage_takes(stored);
    MR_AUTO(mr_output_set) struct mr_output_set *set = set_of("a.mov", "mp4", false);
    struct mr_err err = {0};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        const struct mr_output source = {.object = (char *)(uintptr_t)sources[i],
                                         .object_generation = 3,
                                         .format = (char *)(uintptr_t)expected[i].format,
                                         .content_type = (char *)(uintptr_t)expected[i].content_type,
                                         .size = 4};
        if (mr_output_set_copy(set, &source, &err) != MR_OK)
            fail_msg("%s", err.message);
    }
    assert_int_equal(mr_output_set_finish(set, NULL), MR_OK);
    check_outputs(set, expected);
    char object[] = "results/x/3-4-3.mp4", format[] = "mp4", type[] = "video/mp4";
    const struct mr_output longer = {
        .object = object, .object_generation = 3, .format = format, .content_type = type, .size = 5};
    assert_int_equal(mr_output_set_copy(set, &longer, &err), MR_UNAVAILABLE);
    assert_string_equal(mr_output_set_outputs(set, &count)[3].object, "results/set/1-2-3.mp4");
    assert_int_equal(count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_out_of_order_are_refused),
        cmocka_unit_test(a_job_without_outputs_is_refused),
        cmocka_unit_test(outputs_are_named),
        cmocka_unit_test(a_long_name_is_cut_at_a_character),
        cmocka_unit_test(copies_are_outputs),
        cmocka_unit_test(a_failing_job_leaves_known_objects),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
