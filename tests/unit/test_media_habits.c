/* Video as cameras, recorders and attackers make it, through the real sandbox. */
#include "tests/unit/video_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TS_PACKET = 188 };

/* A second of video and of audio in one MPEG-TS: white from `white` s on. */
static void make_ts(const char *file, const char *size, const char *pixels, double white, int clock)
{
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i color=black:s=%s:r=25:d=2 -f lavfi -i sine=997:d=2:r=48000 -vf "
        "drawbox=color=white:t=fill:enable='gte(t,%f)' -c:v libx264 -preset ultrafast -pix_fmt %s -g "
        "25 -c:a aac -output_ts_offset %d %s",
        size, white, pixels, clock, file);
}

static void concatenate(const char *first, const char *second, const char *to)
{
    size_t len;
    char *data = media_run(video_dir(), &len, "cat %s %s", first, second);
    media_write_file(video_dir(), to, data, len);
    free(data);
}

/* The file from a whole MPEG-TS packet on, some thousandths after its beginning. */
static void behead(const char *from, const char *to, int permille)
{
    size_t len;
    char *data = media_run(video_dir(), &len, "cat %s", from);
    size_t at = len / TS_PACKET * (size_t)permille / 1000 * TS_PACKET;
    media_write_file(video_dir(), to, data + at, len - at);
    free(data);
}

/* Two recordings in one file: copied or encoded, the second goes on where the first ends, in step. */
static void test_clock_jumps(void **state)
{
    (void)state;
    make_ts("one.ts", "64x48", "yuv420p", 1, 0);
    make_ts("two.ts", "64x48", "yuv420p", 1, 3600);
    concatenate("one.ts", "two.ts", "forward.ts");
    concatenate("two.ts", "one.ts", "backward.ts");
    concatenate("one.ts", "one.ts", "again.ts");
    static const char *const inputs[] = {"forward.ts", "backward.ts", "again.ts"};
    static const char *const formats[] = {"mp4", "mkv", "webm", "avi"};
    for (size_t i = 0; i < 3; i++)
        for (size_t f = 0; f < 4; f++) {
            MR_AUTO_JSON json_t *receipt = edit_ok(inputs[i], "joined", formats[f], NULL);
            struct video video = look("joined");
            assert_true(has_what(receipt, "warnings", "clock_jumps"));
            assert_near(video.video_s, 4, 0.1, inputs[i]);
            assert_near(video.video_s - video.audio_s, 0, 0.07, inputs[i]);
            assert_true(brightness("joined", 1.5, "16:16:0:0") > 200);
            assert_true(brightness("joined", 2.5, "16:16:0:0") < 50);
            assert_true(brightness("joined", 3.5, "16:16:0:0") > 200);
        }
    /* 33 bits of 90 kHz end after 26.5 hours. */
    make_ts("wrap.ts", "64x48", "yuv420p", 1, 95441);
    MR_AUTO_JSON json_t *receipt = edit_ok("wrap.ts", "wrap.mp4", "mp4", NULL);
    struct video video = look("wrap.mp4");
    assert_near(video.video_s, 2, 0.1, "the wrapped video");
    assert_near(video.video_s - video.audio_s, 0, 0.07, "the wrapped audio");
    assert_false(has_what(receipt, "warnings", "clock_jumps"));
}

static void test_size_changes(void **state)
{
    (void)state;
    make_ts("large.ts", "128x72", "yuv422p10le", 1, 0);
    concatenate("one.ts", "large.ts", "grows.ts");
    MR_AUTO_JSON json_t *encoded = edit_ok("grows.ts", "grown.webm", "webm", NULL);
    struct video video = look("grown.webm");
    assert_int_equal(video.width, 64);
    assert_int_equal(video.height, 48);
    assert_int_equal(video.frames, 100);
    assert_true(has_what(encoded, "changed", "resolution"));
    assert_true(brightness("grown.webm", 3.5, "16:16:24:16") > 200);
    assert_true(brightness("grown.webm", 3.5, "64:4:0:0") < 40); /* 16:9 in 4:3: bars */
    MR_AUTO_JSON json_t *copied = edit_ok("grows.ts", "grown.mkv", "mkv", NULL);
    assert_true(has_what(copied, "warnings", "size_changes"));
    size_t len;
    free(media_run(video_dir(), &len, "ffmpeg -v error -xerror -i grown.mkv -f null -"));
}

/* Cut out of a stream: what comes before the first key frame cannot be shown. */
static void test_begins_without_key_frame(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -f lavfi -i sine=997:d=4:r=48000 -c:v "
                              "libx264 -pix_fmt yuv420p -bf 3 -g 50 -x264-params open-gop=1:scenecut=0 -c:a "
                              "aac open.ts");
    behead("open.ts", "headless.ts", 400);
    static const char *const formats[] = {"mp4", "mkv", "webm"};
    for (size_t i = 0; i < 3; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("headless.ts", "headless", formats[i], NULL);
        struct video video = look("headless");
        assert_true(video.frames >= 45 && video.frames <= 60);
        assert_near(video.video_s - video.audio_s, 0, 0.08, formats[i]);
        assert_int_equal(has_what(receipt, "warnings", "no_key_frame"), i < 2);
        size_t len;
        char *first = media_run(video_dir(), &len,
                                "ffprobe -v error -select_streams v -show_entries packet=flags -of csv=p=0 "
                                "-read_intervals %%+#1 headless");
        assert_int_equal(first[0], 'K');
        free(first);
    }
}

/* A part of such a stream is whole, wherever its key frame is. */
static void test_trims_streams(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=64x48:r=25:d=24 -c:v libx264 -preset ultrafast -pix_fmt "
                 "yuv420p -g 250 sparse.ts");
    static const char *const options[] = {"{\"trim\":{\"start\":8,\"duration\":1}}",
                                          "{\"trim\":{\"start\":19,\"duration\":1}}"};
    for (size_t i = 0; i < 2; i++) {
        json_decref(edit_ok("sparse.ts", "piece.mp4", "mp4", options[i]));
        struct video video = look("piece.mp4");
        assert_int_equal(video.frames, 25);
        assert_near(video.video_s, 1, 0.001, "the piece's end");
    }
}

/* AVI states no times for H.264's frames. */
static void test_no_time_stamps(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -pix_fmt yuv420p raw.h264");
    media_ffmpeg(video_dir(), "-i raw.h264 -c copy untimed.avi");
    static const char *const formats[] = {"mp4", "mkv", "webm", "gif"};
    for (size_t i = 0; i < 4; i++) {
        json_decref(edit_ok("untimed.avi", "timed", formats[i], NULL));
        struct video video = look("timed");
        assert_int_equal(video.frames, 50);
        assert_near(video.video_s, 2, 0.13, formats[i]);
    }
}

/* Key frames alone are hit: the video is refused, or what is left is reported. */
static void test_damaged_key_frames(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v mpeg4 -g 10 whole.avi");
    size_t len, places_len;
    char *data = media_run(video_dir(), &len, "cat whole.avi");
    char *places = media_run(
        video_dir(), &places_len,
        "ffprobe -v error -select_streams v -show_entries packet=pos,size,flags -of csv=p=0 whole.avi");
    for (char *save = NULL, *line = strtok_r(places, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        long size = 0, at = 0;
        if (sscanf(line, "%ld,%ld,K", &size, &at) == 2 && strchr(line, 'K'))
            memset(data + at + 8, 0xff, (size_t)size);
    }
    media_write_file(video_dir(), "hit.avi", data, len);
    free(places);
    free(data);
    expect_failure("hit.avi", "mp4", NULL, "invalid_media", "damaged");
}

static void test_a_hundred_streams(void **state)
{
    (void)state;
    char maps[1000] = "";
    for (size_t i = 0; i < 100; i++)
        snprintf(maps + strlen(maps), sizeof maps - strlen(maps), " -map 0:v");
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v mpeg4 few.mp4");
    media_ffmpeg(video_dir(), "-i few.mp4%s -c copy hundred.mp4", maps);
    media_ffmpeg(video_dir(), "-i few.mp4%s -c copy hundred.mkv", maps);
    expect_failure("hundred.mp4", "mp4", NULL, "resource_limit", "100 streams");
    expect_failure("hundred.mkv", "mp3", NULL, "resource_limit", "100 streams");
}

/* Videos with odd sides, odd rates, one frame; what is too small for a codec is enlarged, and nothing fails. */
static void test_odd_videos(void **state)
{
    (void)state;
    static const struct {
        const char *source, *encoder;
        int width, height, frames; /* of the MP4 */
        double seconds;
    } cases[] = {
        {"color=red:s=2x2:r=25:d=0.2 -vf format=yuv444p,crop=1:1", "ffv1", 2, 2, 5, 0.2},
        {"testsrc2=s=3x5:r=25:d=0.2", "ffv1 -pix_fmt yuv444p", 2, 4, 5, 0.2},
        {"testsrc2=s=4095x31:r=25:d=0.2", "ffv1 -pix_fmt yuv444p", 4094, 30, 5, 0.2},
        {"testsrc2=s=64x48:r=1000:d=0.1", "ffv1", 64, 48, 100, 0.1},
        {"testsrc2=s=64x48:r=1/7 -frames:v 2", "ffv1", 64, 48, 2, 14},
        {"testsrc2=s=64x48:r=25 -frames:v 1", "ffv1", 64, 48, 1, 0.04},
    };
    static const char *const formats[] = {"mp4", "webm", "avi", "gif"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        media_ffmpeg(video_dir(), "-f lavfi -i %s -c:v %s odd.mkv", cases[i].source, cases[i].encoder);
        for (size_t f = 0; f < 4; f++) {
            json_decref(edit_ok("odd.mkv", "odd", formats[f], NULL));
            struct video video = look("odd");
            assert_int_equal(video.width, cases[i].width);
            assert_int_equal(video.height, cases[i].height);
            assert_true(video.frames > 0 && (f > 0 || video.frames == cases[i].frames));
            assert_near(video.video_s, cases[i].seconds, 0.05, cases[i].source);
        }
    }
}

/* A part shorter than a frame has one. */
static void test_short_pieces(void **state)
{
    (void)state;
    static const char *const formats[] = {"mp4", "webm", "avi", "gif"};
    static const char *const options[] = {"{\"trim\":{\"duration\":0.001}}",
                                          "{\"trim\":{\"start\":0.9,\"duration\":0.001}}",
                                          "{\"trim\":{\"start\":0.5,\"duration\":0.3},\"fps\":1}"};
    for (size_t i = 0; i < 3; i++)
        for (size_t f = 0; f < 4; f++) {
            json_decref(edit_ok("one.ts", "short", formats[f], options[i]));
            struct video video = look("short");
            assert_int_equal(video.frames, 1);
        }
}

/* A still that lasts through several parts is in all of them. */
static void test_still_is_split(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i color=white:s=64x48:r=1/8:d=8 -f lavfi -i sine=997:d=8 -c:v libx264 "
                 "-pix_fmt yuv420p -c:a aac still.mp4");
    static const char *const formats[] = {"mp4", "avi"};
    static const double seconds[] = {3, 3, 2};
    for (size_t f = 0; f < 2; f++) {
        MR_AUTO_JSON json_t *receipt =
            edit_ok("still.mp4", "stills", formats[f], "{\"split\":{\"seconds\":3}}");
        assert_int_equal(json_array_size(json_object_get(receipt, "outputs")), 3);
        for (size_t i = 0; i < 3; i++) {
            char file[32];
            snprintf(file, sizeof file, i ? "stills.%zu" : "stills", i);
            struct video video = look(file);
            assert_near(video.video_s, seconds[i], 0.002, file);
            assert_near(video.audio_s, seconds[i], 0.06, file);
        }
    }
}

/* How loud the file's audio is in a part of its time line. */
static double loudness_of(const char *file, double from, double to)
{
    enum { RATE = 8000 };
    size_t len;
    float *data = (float *)(void *)media_run(
        video_dir(), &len,
        "ffmpeg -v error -i %s -af aresample=async=1:first_pts=0 -ar 8000 -ac 1 -f f32le -", file);
    double sum = 0;
    size_t count = 0;
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE) && i < len / sizeof *data; i++, count++)
        sum += fabs((double)data[i]);
    free(data);
    assert_true(count > 0);
    return sum / (double)count;
}

/* The audio ends as far from the last frame as before. */
static void expect_step(const char *input, const char *format)
{
    json_decref(edit_ok(input, "step", format, "{\"resize\":{\"width\":32}}"));
    struct video before = look(input), video = look("step");
    /* AVI counts in whole frames and in whole audio packets. */
    double slack = strcmp(format, "avi") == 0 ? 0.05 : 0.04;
    assert_near(video.audio_s - video.video_at, before.audio_s - before.video_at, slack, format);
}

static const char *const with_audio[] = {"mp4", "mov", "mkv", "webm", "avi"};
enum { WITH_SOUND = sizeof with_audio / sizeof *with_audio };

/* A minute of frames at odd times. */
static void test_variable_rate_keeps_step(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i color=gray:s=64x48:r=20:d=60 -f lavfi -i sine=997:d=60:r=48000 -vf "
                 "select='not(mod(n,7))+lt(mod(t,9),4)*not(mod(n,2))' -vsync vfr -c:v libx264 -preset "
                 "ultrafast -pix_fmt yuv420p -c:a aac minute.mp4");
    struct video before = look("minute.mp4");
    assert_true(before.frames > 200 && before.frames < 1500);
    for (size_t i = 0; i < WITH_SOUND; i++)
        expect_step("minute.mp4", with_audio[i]);
}

static void test_audio_apart(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=3 -f lavfi -i sine=997:d=3:r=48000 -c:v "
                              "libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac even.mp4");
    media_ffmpeg(video_dir(), "-i even.mp4 -itsoffset 0.5 -i even.mp4 -map 0:v -map 1:a -c copy late.mp4");
    media_ffmpeg(video_dir(), "-itsoffset 0.5 -i even.mp4 -i even.mp4 -map 0:v -map 1:a -c copy early.mp4");
    for (size_t i = 0; i < WITH_SOUND; i++) {
        expect_step("late.mp4", with_audio[i]);
        assert_true(loudness_of("step", 0, 0.45) < 0.003 && loudness_of("step", 0.55, 1) > 0.05);
        expect_step("early.mp4", with_audio[i]);
        assert_true(loudness_of("step", 0.05, 0.45) > 0.05);
    }
    /* An edit list that begins in the middle of a group of pictures (GOP). */
    media_ffmpeg(video_dir(), "-ss 1.5 -i even.mp4 -c copy edited.mp4");
    for (size_t i = 0; i < WITH_SOUND; i++) {
        expect_step("edited.mp4", with_audio[i]);
        assert_near(look("step").video_s, 1.5, 0.07, "the end of the edited video");
    }
}

/* The mean difference between neighbouring rows: the fields of moving video comb. */
static double combing(const char *file)
{
    enum { WIDTH = 64, HEIGHT = 48 };
    size_t len;
    unsigned char *data = (unsigned char *)media_run(
        video_dir(), &len, "ffmpeg -v error -i %s -frames:v 1 -vf select=eq(n\\,5),format=gray -f rawvideo -",
        file);
    assert_int_equal(len, WIDTH * HEIGHT);
    double sum = 0;
    for (size_t i = WIDTH; i < len; i++)
        sum += abs(data[i] - data[i - WIDTH]);
    free(data);
    return sum / (double)len;
}

static void test_fields(void **state)
{
    (void)state;
    /* Columns that move to the side: each row is like the next one, unless it is of another time. */
    static const char source[] = "-f lavfi -i nullsrc=s=64x48:r=50:d=1 -vf "
                                 "geq=lum='255*lt(mod(X+N*4,32),16)':cb=128:cr=128,interlace=lowpass=0";
    media_ffmpeg(video_dir(), "%s -c:v mpeg2video -q:v 2 -flags +ildct+ilme fields.mpg", source);
    media_ffmpeg(video_dir(), "%s -c:v libx264 -crf 10 -pix_fmt yuv420p -flags +ildct+ilme fields.mp4",
                 source);
    static const char *const cases[][2] = {
        {"fields.mpg", "mp4"}, {"fields.mp4", "webm"}, {"fields.mpg", "gif"}};
    for (size_t i = 0; i < 3; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(cases[i][0], "whole", cases[i][1], NULL);
        assert_true(has_what(receipt, "changed", "video.field_order"));
        int frames = look("whole").frames; /* the demuxer of .mpg gives two the same time */
        assert_true(frames == 25 || frames == 24);
        assert_true(combing(cases[i][0]) > 20);
        assert_true(combing("whole") < 0.5 * combing(cases[i][0]));
    }
    MR_AUTO_JSON json_t *copied = edit_ok("fields.mp4", "whole", "mov", NULL);
    assert_true(json_is_true(json_object_get(copied, "copied")));
    assert_false(has_what(copied, "changed", "video.field_order"));
}

static const char *tag_of_video(const json_t *probe, const char *key)
{
    const json_t *stream = json_array_get(json_object_get(probe, "streams"), 0);
    const char *text = json_string_value(json_object_get(stream, key));
    return text ? text : "";
}

/* Tags stay where the format has them; where not, the tones are those of an ordinary screen. */
static void test_hdr(void **state)
{
    (void)state;
    /* 100 cd/m², a sheet of paper, is 0.508 of PQ's range: 509 of 10 bits. */
    media_ffmpeg(video_dir(),
                 "-f lavfi -i color=black:s=64x64:r=25:d=0.4 -vf "
                 "format=yuv420p10le,geq=lum=509:cb=512:cr=512 -c:v libx265 -preset ultrafast -x265-params "
                 "log-level=none -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc hdr.mp4");
    static const char *const tellers[] = {"mp4", "mkv", "webm"};
    for (size_t i = 0; i < 3; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("hdr.mp4", "bright", tellers[i], "{\"fps\":25}");
        MR_AUTO_JSON json_t *probe = media_probe(video_dir(), "bright");
        assert_string_equal(tag_of_video(probe, "color_transfer"), "smpte2084");
        assert_string_equal(tag_of_video(probe, "color_space"), "bt2020nc");
        assert_true(has_what(receipt, "kept", "hdr"));
    }
    static const char *const others[] = {"avi", "gif"};
    for (size_t i = 0; i < 2; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("hdr.mp4", "plain", others[i], NULL);
        assert_true(has_what(receipt, "changed", "video.transfer"));
        assert_true(brightness("plain", 0.1, "64:64:0:0") > 150); /* PQ's numbers as they are: 133 */
    }
}

/* Each is decoded, and to the colour that it had. */
static void test_codecs_and_pixels(void **state)
{
    (void)state;
    static const struct {
        const char *file, *encoder;
    } cases[] = {
        {"hevc8.mkv", "libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p"},
        {"hevc10.mp4", "libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le"},
        {"av1.mp4", "libaom-av1 -cpu-used 8 -pix_fmt yuv420p"},
        {"av1_10.mkv", "libaom-av1 -cpu-used 8 -pix_fmt yuv420p10le"},
        {"full.mp4", "libx264 -pix_fmt yuvj444p -color_range pc"},
        {"deep.mp4", "libx264 -pix_fmt yuv422p10le"},
        {"mpeg2.ts", "mpeg2video -q:v 2"},
        {"mpeg1.mpg", "mpeg1video -q:v 2"},
        {"vp8.webm", "libvpx"},
        {"theora.ogv", "libtheora -q:v 8"},
        {"mjpeg.avi", "mjpeg -q:v 2 -pix_fmt yuvj422p"},
        {"prores.mov", "prores_ks -pix_fmt yuv422p10le"},
        {"huff.avi", "huffyuv -pix_fmt yuv422p"},
        {"clear.gif", "gif"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        media_ffmpeg(video_dir(),
                     "-f lavfi -i color=0xc0c0c0:s=64x64:r=25:d=0.4 -vf noise=alls=8:allf=t -c:v %s %s",
                     cases[i].encoder, cases[i].file);
        json_decref(edit_ok(cases[i].file, "gray.mp4", "mp4", "{\"fps\":25}"));
        struct video video = look("gray.mp4");
        assert_string_equal(video.video, "h264");
        assert_near(video.video_s, 0.4, 0.05, cases[i].file);
        assert_near(brightness("gray.mp4", 0.1, "64:64:0:0"), 0xc0, 4, cases[i].file);
    }
}

static void test_delays_of_gif(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -vf select='not(between(n,3,6))' -vsync "
                              "vfr delays.gif");
    double wanted = look("delays.gif").video_s;
    static const char *const formats[] = {"gif", "webm", "avi"};
    for (size_t i = 0; i < 3; i++) {
        json_decref(edit_ok("delays.gif", "delays", formats[i], NULL));
        assert_near(look("delays").video_s, wanted, 0.011, formats[i]);
    }
}

int main(void)
{
    if (!video_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_jumps),
        cmocka_unit_test(test_size_changes),
        cmocka_unit_test(test_begins_without_key_frame),
        cmocka_unit_test(test_trims_streams),
        cmocka_unit_test(test_no_time_stamps),
        cmocka_unit_test(test_damaged_key_frames),
        cmocka_unit_test(test_a_hundred_streams),
        cmocka_unit_test(test_odd_videos),
        cmocka_unit_test(test_short_pieces),
        cmocka_unit_test(test_still_is_split),
        cmocka_unit_test(test_variable_rate_keeps_step),
        cmocka_unit_test(test_audio_apart),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_hdr),
        cmocka_unit_test(test_codecs_and_pixels),
        cmocka_unit_test(test_delays_of_gif),
    };
    int failed = cmocka_run_group_tests_name("video", tests, NULL, NULL);
    video_stop();
    return failed;
}
