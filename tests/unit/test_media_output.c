/* The limits of a format's table, with smaller ones in their place: a pipeline in a sandbox of its own. */
#include "tests/unit/media_fixture.h"

#include "worker/media/pipeline.h"
#include "worker/media/receipt.h"
#include "worker/protocol.h"

#include <libavutil/log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mr_sandbox *sandbox;
static struct media_dir dir;

enum { SMALL = 64 << 10, WANTS = MR_WANT_VIDEO | MR_WANT_AUDIO_IF_ANY };

/* As mr_media_run, but that an AVI may have SMALL bytes. */
static enum mr_status convert(const json_t *spec, const struct mr_sandbox_fds *fds, json_t **ret_receipt,
                              struct mr_err *err)
{
    MR_AUTO(mr_notes) struct mr_notes notes = {0};
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer input = {0};
    struct mr_options options;
    struct mr_media_format format = *mr_media_format_find("avi");
    const struct mr_gain gain = {.filters = ""};
    const struct mr_selection selection = {.wants = WANTS};
    av_log_set_level(AV_LOG_QUIET); /* the sandbox would not let it ask whether that is a terminal */
    format.max_bytes = SMALL;
    MR_AUTO(mr_pipeline)
    struct mr_pipeline pipeline = {.input = &input,
                                   .spec = &format,
                                   .options = &options,
                                   .fds = fds,
                                   .notes = &notes,
                                   .max_us = INT64_MAX,
                                   .gains = &gain};
    enum mr_status status = mr_options_read(NULL, NULL, &options, err);
    if (!status)
        status = mr_notes_init(&notes, err);
    if (!status)
        status = mr_source_open(&source, fds, MR_SOURCE_INPUT,
                                json_integer_value(json_object_get(spec, "input_size")), err);
    if (!status)
        status = mr_demuxer_open(&input, &source, NULL, &selection, 0, err);
    if (!status)
        status = mr_pipeline_init(&pipeline, err);
    if (!status)
        status = mr_pipeline_run(&pipeline, err);
    return status ? status : mr_receipt_make(&pipeline, ret_receipt, err);
}

static int run(const void *text, size_t len, const struct mr_sandbox_fds *fds)
{
    return media_act(convert, text, len, fds);
}

/* AVI's second gibibyte begins a chunk that would have to be patched when it has left. */
static void test_largest_file(void **state)
{
    (void)state;
    json_t *receipt = NULL;
    struct mr_err err = {.code = MR_CODE_NONE};
    media_ffmpeg(&dir, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v mpeg4 small.mp4");
    media_ffmpeg(&dir, "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v mpeg4 -q:v 2 large.mp4");
    assert_int_equal(media_convert(sandbox, &dir, "small.mp4", "small.avi", "avi", &receipt, &err), MR_OK);
    json_decref(receipt);
    assert_true(media_file_size(&dir, "small.avi") < SMALL);
    assert_int_not_equal(media_convert(sandbox, &dir, "large.mp4", "large.avi", "avi", &receipt, &err),
                         MR_OK);
    assert_string_equal(mr_code_name(err.code), "output_too_large");
    assert_non_null(strstr(err.message, "mkv"));
}

int main(void)
{
    struct mr_err err;
    if (mr_sandbox_start(run, &sandbox, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    media_dir_make(&dir);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_largest_file)};
    int failed = cmocka_run_group_tests_name("outputs", tests, NULL, NULL);
    mr_sandbox_stop(sandbox);
    media_dir_remove(&dir);
    return failed;
}
