/* Which conversions are cut into units, why others are not, and what a short one pays for the question. */
#include "tests/unit/media_fixture.h"

#include "shared/base/clock.h"
#include "worker/media/cuts.h"
#include "worker/protocol.h"

#include <libavutil/log.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { PLAN_MAX_US = 2000 };
#else
enum { PLAN_MAX_US = 200 };
#endif
enum { ROUNDS = 500, WANTS = MR_WANT_VIDEO | MR_WANT_AUDIO_IF_ANY };

static struct mr_sandbox *sandbox;
static struct media_dir dir;

static enum mr_status plan_often(const struct mr_demuxer *input, struct mr_cuts_wish wish, json_t **ret,
                                 struct mr_err *err)
{
    struct mr_cuts cuts, none, measured;
    wish.unit_seconds = 120;
    const int64_t began_us = mr_time_monotonic_us();
    for (int i = 0; i < ROUNDS; i++)
        MR_TRY(mr_cuts_plan(input, &wish, &none, err));
    const int64_t spent_us = mr_time_monotonic_us() - began_us;
    wish.unit_seconds = 1;
    MR_TRY(mr_cuts_plan(input, &wish, &cuts, err));
    MR_AUTO_JSON json_t *costs = json_loads("[[\"libx264\", \"\", 0.05], [\"libx264\", \"slow\", 100],"
                                            " [\"libmp3lame\", \"\", 0.378], [\"libopus\", \"\", 100]]",
                                            0, NULL);
    wish.costs = NULL;
    const double usual = mr_cuts_work_seconds(input, &wish);
    wish.costs = costs;
    MR_TRY(mr_cuts_plan(input, &wish, &measured, err));
    *ret = json_pack("{s:f,s:f,s:I,s:I,s:I,s:s,s:b,s:I}", "usual", usual, "measured",
                     mr_cuts_work_seconds(input, &wish), "video", (json_int_t)cuts.video.count, "audio",
                     (json_int_t)cuts.audio.count, "audio_measured", (json_int_t)measured.audio.count, "why",
                     cuts.why, "short", !mr_cuts_are_made(&none), "us", (json_int_t)spent_us / ROUNDS);
    return *ret ? MR_OK : mr_fail_oom(err);
}

/* In the place of mr_media_run: it plans, and converts nothing. */
static enum mr_status plan(const json_t *spec, const struct mr_sandbox_fds *fds, json_t **ret,
                           struct mr_err *err)
{
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer input = {0};
    struct mr_options options;
    const char *format = json_string_value(json_object_get(spec, "format"));
    const struct mr_media_format *to = mr_media_format_find(format);
    const struct mr_selection selection = {.wants = mr_media_has_video(to) ? WANTS : MR_WANT_AUDIO};
    const struct mr_cuts_wish wish = {.spec = to, .options = &options, .threads = 1};
    av_log_set_level(AV_LOG_QUIET); /* the sandbox would not let it ask whether that is a terminal */
    MR_TRY(mr_options_read(json_object_get(spec, "options"), mr_format_find(format), &options, err));
    MR_TRY(mr_source_open(&source, fds, MR_SOURCE_INPUT,
                          json_integer_value(json_object_get(spec, "input_size")), err));
    MR_TRY(mr_demuxer_open(&input, &source, NULL, &selection, 0, err));
    return plan_often(&input, wish, ret, err);
}

static int run(const void *text, size_t len, const struct mr_sandbox_fds *fds)
{
    return media_act(plan, text, len, fds);
}

static json_t *planned(const char *input, const char *format, const char *options)
{
    json_t *receipt = NULL;
    struct mr_err err = {.code = MR_CODE_NONE};
    MR_AUTO_JSON json_t *wanted = json_loads(options, 0, NULL);
    assert_non_null(wanted);
    if (media_edit(sandbox, &dir, input, "none", format, wanted, &receipt, &err) != MR_OK)
        fail_msg("%s", err.message);
    return receipt;
}

#define NOT_JOINED "its new format is not one of mp4, mov, mkv and webm with H.264, HEVC, AV1 or VP9"

/* why NULL: it is cut; "": it is short. */
static const struct {
    const char *input, *format, *options, *why;
} conversions[] = {
    {"clip.mp4", "mp4", "{\"crf\": 24}", NULL},
    {"clip.mp4", "webm", "{}", NULL},
    {"clip.mkv", "mp4", "{\"crf\": 24}", NULL},
    {"clip.mp4", "mp4", "{\"fps\": 50}", NULL},
    {"clip.mp4", "mp4", "{\"crf\": 24, \"trim\": {\"start\": 1.5, \"duration\": 8}}", NULL},
    {"clip.mp4", "webm", "{\"loudness\": -16}", NULL},
    {"clip.mp4", "mp4", "{\"bitrate\": 400000}", NULL},
    {"clip.mp4", "mkv", "{\"codec\": \"av1\", \"bitrate\": 400000}",
     "its encoder keeps to a bit rate over the whole"},
    {"clip.mp4", "mp4", "{\"crf\": 24, \"split\": {\"seconds\": 3}}", NULL},
    {"clip.mp4", "mp4", "{\"crf\": 24, \"thumbnail\": {\"at\": 1}, \"logo\": {\"intro\": 1}}", NULL},
    {"clip.mp4", "mp4", "{\"codec\": \"hevc\"}", NULL},
    {"clip.mp4", "mkv", "{\"codec\": \"av1\"}", NULL},
    {"clip.mp4", "webm", "{\"resize\": {\"width\": 160}}", ""},
    {"clip.mp4", "mp4", "{\"codec\": \"mpeg4\", \"resize\": {\"width\": 1280}}", NOT_JOINED},
    {"clip.mp4", "mpegts", "{\"crf\": 24}", NOT_JOINED},
    {"shift.mp4", "mp4", "{\"crf\": 24}", NULL},
    {"clip.ts", "mp4", "{\"crf\": 24}", "its container has no index of key frames"},
    {"odd.mkv", "mp4", "{\"crf\": 24}",
     "its video's codec is not one whose decoder surely begins at any key frame"},
    {"one.mp4", "mp4", "{\"crf\": 24}", "it has too few key frames"},
    {"long.flac", "mp3", "{}", NULL},
    {"long.flac", "opus", "{\"trim\": {\"start\": 5}}", NULL},
    {"long.flac", "ogg", "{}", NULL},
    {"long.flac", "mp3", "{\"loudness\": -16}", NULL},
    {"long.flac", "m4a", "{\"split\": {\"seconds\": 60}}", NULL},
    {"long.flac", "ogg", "{\"split\": {\"seconds\": 60}, \"loudness\": -20}", NULL},
    {"long.flac", "ogg", "{\"split\": {\"seconds\": 3600}}", "it is split into one part"},
};

static void test_what_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        MR_AUTO_JSON json_t *receipt =
            planned(conversions[i].input, conversions[i].format, conversions[i].options);
        const char *why = json_string_value(json_object_get(receipt, "why"));
        json_int_t units = json_integer_value(json_object_get(receipt, "video")) +
                           json_integer_value(json_object_get(receipt, "audio"));
        if (strcmp(why, conversions[i].why ? conversions[i].why : "") != 0 ||
            (units >= 2) != !conversions[i].why)
            fail_msg("%s to %s with %s: %d units, %s", conversions[i].input, conversions[i].format,
                     conversions[i].options, (int)units, why);
    }
}

static void test_what_short_work_pays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        MR_AUTO_JSON json_t *receipt =
            planned(conversions[i].input, conversions[i].format, conversions[i].options);
        assert_true(json_is_true(json_object_get(receipt, "short")));
        assert_true(json_integer_value(json_object_get(receipt, "us")) < PLAN_MAX_US);
    }
}

/* However long: nothing of it is encoded. */
static void test_copies_are_not_cut(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *receipt = planned("clip.mp4", "mp4", "{}");
    assert_int_equal(json_integer_value(json_object_get(receipt, "video")), 0);
    assert_string_equal(json_string_value(json_object_get(receipt, "why")), "");
}

/* Where it is known what encoders cost here, within bounds; and the size of the result counts. */
static void test_estimates(void **state)
{
    (void)state;
    static const struct {
        const char *format, *options;
        double usual, measured;
    } cases[] = {
        {"mp4", "{\"crf\": 24}", 1.843, 5.530},
        {"mp4", "{\"crf\": 24, \"preset\": \"slow\"}", 9.216, 73.728},
        {"mp4", "{\"crf\": 24, \"preset\": \"fast\"}", 3.686, 3.686},
        {"webm", "{}", 2.212, 2.212},
        {"mp4", "{\"crf\": 24, \"resize\": {\"width\": 1280}}", 7.373, 22.118},
        {"mp4", "{\"crf\": 24, \"resize\": {\"height\": 240}}", 0.645, 1.567},
        {"mp4", "{\"crf\": 24, \"resize\": {\"width\": 640, \"height\": 240}}", 1.106, 2.949},
        {"mp4", "{\"crf\": 24, \"trim\": {\"start\": 6}, \"fps\": 15}", 0.461, 1.382},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *receipt = planned("clip.mp4", cases[i].format, cases[i].options);
        double usual = json_number_value(json_object_get(receipt, "usual"));
        double measured = json_number_value(json_object_get(receipt, "measured"));
        if (fabs(usual - cases[i].usual) > 0.02 * usual ||
            fabs(measured - cases[i].measured) > 0.02 * measured)
            fail_msg("%s %s: %.3f, %.3f", cases[i].format, cases[i].options, usual, measured);
    }
}

/* The same of audio, by the number of slices of a second of work. What the encoder gets counts, not what the file has. */
static void test_slices_by_what_was_measured(void **state)
{
    (void)state;
    static const struct {
        const char *input, *format;
        json_int_t usual, measured;
    } cases[] = {
        {"long.flac", "mp3", 5, 14}, {"long.flac", "opus", 5, 39}, {"long.flac", "m4a", 8, 8},
        {"wide.flac", "mp3", 2, 4},  {"wide.flac", "opus", 5, 39},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *receipt = planned(cases[i].input, cases[i].format, "{}");
        assert_int_equal(json_integer_value(json_object_get(receipt, "audio")), cases[i].usual);
        assert_int_equal(json_integer_value(json_object_get(receipt, "audio_measured")), cases[i].measured);
    }
}

/* Where a split clip and its key frames are cut. */
static void test_cuts_of_parts(void **state)
{
    (void)state;
    enum { S = 1000000 };
    static const struct {
        int64_t split_us, total_us;
        int64_t keys[8], wanted[12]; /* in seconds, up to -1 */
    } cases[] = {
        {10 * S, 35 * S, {0, 5, 12, 24, -1}, {0, 5, 10, 20, 30, -1}},
        {10 * S, 30 * S + 40000, {0, 15, -1}, {0, 10, 15, 20, -1}},
        {10 * S, 30 * S + 50000, {0, 15, -1}, {0, 10, 15, 20, 30, -1}},
        {3 * S, 10 * S, {0, 6, -1}, {0, 3, 6, 9, -1}},
        {60 * S, 40 * S, {0, 10, 20, 30, -1}, {0, 10, 20, 30, -1}},
        {1 * S, 3 * S, {0, -1}, {0, 1, 2, -1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_cuts_of_track cuts = {.count = 0};
        size_t count = 0;
        while (cases[i].keys[cuts.count] >= 0)
            cuts.from_us[cuts.count] = cases[i].keys[cuts.count] * S, cuts.count++;
        mr_cuts_split(cases[i].split_us, cases[i].total_us, &cuts);
        for (; cases[i].wanted[count] >= 0; count++)
            if (count >= cuts.count || cuts.from_us[count] != cases[i].wanted[count] * S)
                fail_msg("case %zu, cut %zu", i, count);
        assert_int_equal(cuts.count, count);
    }
}

static void make_inputs(void)
{
    static const char clip[] =
        "-f lavfi -i testsrc2=s=640x480:r=30:d=12 -f lavfi -i sine=d=12 -c:v libx264 -preset ultrafast "
        "-g 30 -c:a aac";
    media_ffmpeg(&dir, "%s clip.mp4", clip);
    media_ffmpeg(&dir, "-i clip.mp4 -c copy clip.mkv");
    media_ffmpeg(&dir, "-i clip.mp4 -c copy clip.ts");
    media_ffmpeg(&dir, "%s -g 3000 -sc_threshold 0 one.mp4", clip);
    media_ffmpeg(&dir, "-i clip.mp4 -c:v mpeg4 -c:a copy shift.mp4");
    media_ffmpeg(&dir, "-i clip.mp4 -c:v libvpx -cpu-used 8 -c:a copy odd.mkv");
    media_ffmpeg(&dir, "-f lavfi -i anullsrc=r=44100 -t 400 long.flac");
    media_ffmpeg(&dir, "-f lavfi -i anullsrc=r=96000:cl=7.1 -t 100 wide.flac");
}

int main(void)
{
    struct mr_err err;
    if (mr_sandbox_start(run, &sandbox, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    media_dir_make(&dir);
    make_inputs();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_cut),        cmocka_unit_test(test_what_short_work_pays),
        cmocka_unit_test(test_copies_are_not_cut), cmocka_unit_test(test_slices_by_what_was_measured),
        cmocka_unit_test(test_cuts_of_parts),      cmocka_unit_test(test_estimates)};
    int failed = cmocka_run_group_tests_name("cuts", tests, NULL, NULL);
    mr_sandbox_stop(sandbox);
    media_dir_remove(&dir);
    return failed;
}
