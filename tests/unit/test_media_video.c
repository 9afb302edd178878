/* Video through the real sandbox, judged by ffprobe and by the frames that ffmpeg decodes. */
#include "tests/unit/video_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *format;
    const char *arguments;
    const char *video, *audio; /* what comes out by default */
} makers[] = {
    {"mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac", "h264", "aac"},
    {"mov", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -c:a pcm_s16le", "h264", "aac"},
    {"mkv", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 2 -c:a ac3", NULL, NULL},
    {"webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus", NULL, NULL},
    {"avi", "-c:v mpeg4 -c:a libmp3lame", "mpeg4", "mp3"},
    {"gif", "", "gif", ""},
};
enum { FORMATS = sizeof makers / sizeof *makers };

static void test_matrix(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMATS; i++) {
        char input[32];
        snprintf(input, sizeof input, "in.%s", makers[i].format);
        media_ffmpeg(video_dir(),
                     "-f lavfi -i testsrc2=s=96x64:r=25:d=1 -f lavfi -i sine=997:d=1:r=48000 %s %s",
                     makers[i].arguments, input);
        struct video before = look(input);
        for (size_t t = 0; t < FORMATS; t++) {
            char output[32];
            snprintf(output, sizeof output, "in.%s.%s", makers[i].format, makers[t].format);
            MR_AUTO_JSON json_t *receipt = edit_ok(input, output, makers[t].format, NULL);
            struct video after = look(output);
            if (makers[t].video && strcmp(after.video, makers[t].video) != 0)
                fail_msg("%s holds %s", output, after.video);
            if (makers[t].audio && before.audio[0] && strcmp(after.audio, makers[t].audio) != 0)
                fail_msg("%s holds %s", output, after.audio);
            assert_int_equal(after.width, 96);
            assert_int_equal(after.height, 64);
            assert_near(after.video_s, 1, 0.06, output);
            if (after.audio[0])
                assert_near(after.video_s - after.audio_s, before.video_s - before.audio_s, 0.045, output);
            assert_int_equal(json_integer_value(json_object_get(json_object_get(receipt, "output"), "size")),
                             media_file_size(video_dir(), output));
        }
    }
}

/* The index stands before the media, whether the file was small enough to stay in the head or not. */
static void test_index_comes_first(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=640x360:r=30:d=6 -f lavfi -i sine=997:d=6 -c:v libx264 -preset "
                 "ultrafast -pix_fmt yuv420p -c:a aac long.mkv");
    static const struct {
        const char *input, *output, *format;
    } cases[] = {
        {"in.avi", "small.mp4", "mp4"}, {"long.mkv", "large.mp4", "mp4"}, {"long.mkv", "large.mov", "mov"}};
    for (size_t i = 0; i < 3; i++) {
        json_decref(edit_ok(cases[i].input, cases[i].output, cases[i].format, NULL));
        size_t len;
        char *head = media_run(video_dir(), &len, "head -c 65536 %s", cases[i].output);
        const char *moov = memmem(head, len, "moov", 4), *mdat = memmem(head, len, "mdat", 4);
        if (!moov || (mdat && mdat < moov))
            fail_msg("%s does not begin with its index", cases[i].output);
        free(head);
        free(media_run(video_dir(), &len, "ffmpeg -v error -xerror -i %s -f null -", cases[i].output));
    }
    assert_true(media_file_size(video_dir(), "large.mp4") > 400000);
}

static void test_rotation(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-i in.mp4 -c copy -metadata:s:v rotate=90 turned.mp4");
    MR_AUTO_JSON json_t *kept = edit_ok("turned.mp4", "turned.mov", "mov", NULL);
    assert_true(has_what(kept, "kept", "rotation"));
    MR_AUTO_JSON json_t *applied = edit_ok("turned.mp4", "turned.webm", "webm", NULL);
    assert_true(has_what(applied, "changed", "rotation"));
    struct video video = look("turned.webm");
    assert_int_equal(video.width, 64);
    assert_int_equal(video.height, 96);
}

static void test_odd_sizes_and_pixels(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=97x65:r=25:d=1 -c:v ffv1 -pix_fmt yuv444p odd.mkv");
    json_decref(edit_ok("odd.mkv", "odd.mp4", "mp4", NULL));
    struct video video = look("odd.mp4");
    assert_int_equal(video.width, 96);
    assert_int_equal(video.height, 64);
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=96x64:r=25:d=1 -vf setsar=4/3 -c:v mpeg4 wide.avi");
    json_decref(edit_ok("wide.avi", "wide.gif", "gif", NULL));
    video = look("wide.gif");
    assert_int_equal(video.width, 128);
    json_decref(edit_ok("wide.avi", "wide.mp4", "mp4", NULL));
    MR_AUTO_JSON json_t *probe = media_probe(video_dir(), "wide.mp4");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(probe, "streams"), 0), "sample_aspect_ratio")),
                        "4:3");
}

/* Frames at odd times leave at the same times. */
static void test_variable_rate(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=96x64:r=30:d=4 -f lavfi -i sine=997:d=4 -vf "
                 "select='lt(t,1)+not(mod(n,7))' -vsync vfr -c:v libx264 -preset ultrafast -pix_fmt "
                 "yuv420p -c:a aac vfr.mov");
    struct video before = look("vfr.mov");
    json_decref(edit_ok("vfr.mov", "vfr.mp4", "mp4", "{\"crf\":30}"));
    struct video after = look("vfr.mp4");
    assert_int_equal(after.frames, before.frames);
    assert_near(after.video_s, before.video_s, 0.04, "the end of the video");
    assert_near(after.audio_s, before.audio_s, 0.04, "the end of the audio");
}

static void test_subtitles(void **state)
{
    (void)state;
    static const char text[] = "1\n00:00:00,200 --> 00:00:00,900\nHello\n";
    media_write_file(video_dir(), "text.srt", text, sizeof text - 1);
    media_ffmpeg(video_dir(), "-i in.mp4 -i text.srt -c copy -c:s srt text.mkv");
    static const char *const holders[] = {"mp4", "mov", "mkv", "webm"};
    for (size_t i = 0; i < 4; i++) {
        char output[32];
        size_t len;
        snprintf(output, sizeof output, "text.to.%s", holders[i]);
        MR_AUTO_JSON json_t *receipt = edit_ok("text.mkv", output, holders[i], NULL);
        assert_true(has_what(receipt, "kept", "subtitles"));
        char *said = media_run(video_dir(), &len, "ffmpeg -v error -i %s -map 0:s -f srt -", output);
        if (!strstr(said, "Hello") || !strstr(said, "00:00:00,2"))
            fail_msg("%s says %s", output, said);
        free(said);
    }
    MR_AUTO_JSON json_t *receipt = edit_ok("text.mkv", "text.avi", "avi", NULL);
    assert_true(has_what(receipt, "dropped", "subtitle"));
}

static void make_video(void)
{
    /* White from 2 s to 3 s, black else. */
    media_ffmpeg(video_dir(),
                 "-f lavfi -i color=black:s=320x240:r=30:d=7 -f lavfi -i sine=997:d=7:r=48000 -vf "
                 "drawbox=color=white:t=fill:enable='between(t,1.99,2.98)' -c:v libx264 -preset ultrafast "
                 "-pix_fmt yuv420p -c:a aac video.mp4");
    media_ffmpeg(video_dir(), "-f lavfi -i color=gray:s=64x36 -frames:v 1 logo.png");
}

static void test_trim_is_exact(void **state)
{
    (void)state;
    make_video();
    json_decref(edit_ok("video.mp4", "trim.mp4", "mp4", "{\"trim\":{\"start\":2,\"duration\":1.5}}"));
    struct video video = look("trim.mp4");
    assert_int_equal(video.frames, 45);
    assert_near(video.video_s, 1.5, 0.001, "the end of the video");
    assert_near(video.audio_s, 1.5, 0.022, "the end of the audio");
    assert_true(brightness("trim.mp4", 0, "64:64:0:0") > 200);
    assert_true(brightness("trim.mp4", 0.95, "64:64:0:0") > 200);
    assert_true(brightness("trim.mp4", 1.01, "64:64:0:0") < 40);
    json_decref(edit_ok("video.mp4", "trim.wav", "wav", "{\"trim\":{\"start\":1.001,\"duration\":2.5}}"));
    struct media_samples samples = media_decode(video_dir(), "trim.wav", 48000);
    assert_int_equal(samples.count, 120000);
    media_samples_free(&samples);
    expect_failure("video.mp4", "mp4", "{\"trim\":{\"start\":100}}", "bad_option", NULL);
    expect_failure("video.mp4", "mp4", "{\"trim\":{\"start\":8}}", "bad_option", NULL);
}

static void test_fpv(void **state)
{
    (void)state;
    json_decref(edit_ok("video.mp4", "fpv.mp4", "mp4",
                        "{\"resize\":{\"width\":640,\"height\":360,\"fit\":\"pad\"},\"trim\":{\"start\":0,"
                        "\"duration\":5},\"logo\":{\"intro\":1,\"outro\":1}}"));
    struct video video = look("fpv.mp4");
    assert_int_equal(video.width, 640);
    assert_int_equal(video.height, 360);
    assert_int_equal(video.frames, 7 * 30);
    assert_near(video.video_s, 7, 0.001, "the end of the video");
    assert_near(video.audio_s, 7, 0.022, "the end of the audio");
    static const struct {
        double at;
        const char *crop;
        double wanted;
    } looks[] = {{0.5, "64:64:300:150", 128},
                 {6.5, "64:64:300:150", 128},
                 {3.5, "64:64:300:150", 255},
                 {3.5, "72:360:0:0", 0},
                 {1.5, "64:64:300:150", 0}};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        assert_near(brightness("fpv.mp4", looks[i].at, looks[i].crop), looks[i].wanted, 20, "a brightness");
}

static void test_split(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *receipt =
        edit_ok("video.mp4", "part.mp4", "mp4",
                "{\"fps\":24,\"resize\":{\"aspect\":\"16:9\",\"fit\":\"crop\"},\"split\":{\"seconds\":3},"
                "\"logo\":{\"intro\":1,\"outro\":1},\"thumbnail\":{\"at\":3.5,\"width\":64}}");
    assert_int_equal(json_array_size(json_object_get(receipt, "outputs")), 4);
    static const double seconds[] = {5, 5, 3};
    for (size_t i = 0; i < 3; i++) {
        char file[32];
        snprintf(file, sizeof file, i ? "part.mp4.%zu" : "part.mp4", i);
        struct video video = look(file);
        assert_int_equal(video.width, 320);
        assert_int_equal(video.height, 180);
        assert_int_equal(video.frames, (int)(seconds[i] * 24));
        assert_near(video.video_s, seconds[i], 0.002, file);
        assert_near(video.audio_s, seconds[i], 0.022, file);
        assert_near(brightness(file, 0.5, "64:64:100:50"), 128, 20, file);
    }
    assert_true(brightness("part.mp4.3", 0, "16:16:16:8") > 200);
}

static void test_resize_mute_rate(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        int width, height, frames;
    } cases[] = {
        {"{\"resize\":{\"width\":160}}", 160, 120, 210},
        {"{\"resize\":{\"height\":120}}", 160, 120, 210},
        {"{\"resize\":{\"width\":100,\"height\":100,\"fit\":\"stretch\"},\"mute\":true}", 100, 100, 210},
        {"{\"resize\":{\"aspect\":\"16:9\"},\"fps\":10}", 426, 240, 70},
        {"{\"resize\":{\"width\":64,\"height\":64,\"fit\":\"crop\"},\"codec\":\"mpeg4\"}", 64, 64, 210},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_decref(edit_ok("video.mp4", "sized.mp4", "mp4", cases[i].options));
        struct video video = look("sized.mp4");
        assert_int_equal(video.width, cases[i].width);
        assert_int_equal(video.height, cases[i].height);
        assert_int_equal(video.frames, cases[i].frames);
        assert_int_equal(video.audio[0] == '\0', strstr(cases[i].options, "mute") != NULL);
    }
}

static void test_loudness(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *receipt = edit_ok("video.mp4", "loud.wav", "wav", "{\"loudness\":-16}");
    const json_t *out = json_object_get(json_object_get(receipt, "loudness"), "out");
    assert_near(json_number_value(json_object_get(out, "integrated")), -16, 0.5, "the receipt's loudness");
    MR_AUTO_JSON json_t *again = edit_ok("loud.wav", "again.flac", "flac", NULL);
    const json_t *in = json_object_get(json_object_get(again, "loudness"), "in");
    assert_near(json_number_value(json_object_get(in, "integrated")), -16, 0.5, "the file's loudness");
}

static void test_bad_input(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i sine=997:d=1 song.mp3");
    expect_failure("song.mp3", "mp4", NULL, "no_video", NULL);
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=96x64:d=1 -an mute.mp4");
    expect_failure("mute.mp4", "mp3", NULL, "no_audio", NULL);
    json_decref(edit_ok("mute.mp4", "mute.webm", "webm", NULL));
    media_cut_file(video_dir(), "video.mp4", "cut.mp4", 500);
    expect_failure("cut.mp4", "mkv", NULL, "truncated", NULL);
    media_cut_file(video_dir(), "long.mkv", "cut.mkv", 500);
    expect_failure("cut.mkv", "mp4", NULL, "truncated", NULL);
    static const char list[] = "ffconcat version 1.0\nfile video.mp4\n";
    media_write_file(video_dir(), "list.mp4", list, sizeof list - 1);
    expect_failure("list.mp4", "mp4", NULL, "invalid_media", NULL);
}

int main(void)
{
    if (!video_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),        cmocka_unit_test(test_index_comes_first),
        cmocka_unit_test(test_rotation),      cmocka_unit_test(test_odd_sizes_and_pixels),
        cmocka_unit_test(test_variable_rate), cmocka_unit_test(test_subtitles),
        cmocka_unit_test(test_trim_is_exact), cmocka_unit_test(test_fpv),
        cmocka_unit_test(test_split),         cmocka_unit_test(test_resize_mute_rate),
        cmocka_unit_test(test_loudness),      cmocka_unit_test(test_bad_input),
    };
    int failed = cmocka_run_group_tests_name("video", tests, NULL, NULL);
    video_stop();
    return failed;
}
