/* What cameras, recorders and hostile hands make of films, through the real sandbox. */
#include "tests/unit/film_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TS_PACKET = 188 };

/* A second of picture and of sound in one MPEG-TS: white from `white` s on. */
static void make_ts(const char *file, const char *size, const char *pixels, double white, int clock)
{
    media_ffmpeg(
        films_dir(),
        "-f lavfi -i color=black:s=%s:r=25:d=2 -f lavfi -i sine=997:d=2:r=48000 -vf "
        "drawbox=color=white:t=fill:enable='gte(t,%f)' -c:v libx264 -preset ultrafast -pix_fmt %s -g "
        "25 -c:a aac -output_ts_offset %d %s",
        size, white, pixels, clock, file);
}

static void concatenate(const char *first, const char *second, const char *to)
{
    size_t len;
    char *data = media_run(films_dir(), &len, "cat %s %s", first, second);
    media_write_file(films_dir(), to, data, len);
    free(data);
}

/* The file from a whole MPEG-TS packet on, some thousandths after its beginning. */
static void behead(const char *from, const char *to, int permille)
{
    size_t len;
    char *data = media_run(films_dir(), &len, "cat %s", from);
    size_t at = len / TS_PACKET * (size_t)permille / 1000 * TS_PACKET;
    media_write_file(films_dir(), to, data + at, len - at);
    free(data);
}

/* ---- clocks that jump ---- */

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
            struct film film = look("joined");
            assert_true(has_what(receipt, "warnings", "clock_jumps"));
            assert_near(film.picture_s, 4, 0.1, inputs[i]);
            assert_near(film.picture_s - film.sound_s, 0, 0.07, inputs[i]);
            assert_true(brightness("joined", 1.5, "16:16:0:0") > 200);
            assert_true(brightness("joined", 2.5, "16:16:0:0") < 50);
            assert_true(brightness("joined", 3.5, "16:16:0:0") > 200);
        }
    /* 33 bits of 90 kHz end after 26.5 hours. */
    make_ts("wrap.ts", "64x48", "yuv420p", 1, 95441);
    MR_AUTO_JSON json_t *receipt = edit_ok("wrap.ts", "wrap.mp4", "mp4", NULL);
    struct film film = look("wrap.mp4");
    assert_near(film.picture_s, 2, 0.1, "the wrapped picture");
    assert_near(film.picture_s - film.sound_s, 0, 0.07, "the wrapped sound");
    assert_false(has_what(receipt, "warnings", "clock_jumps"));
}

/* ---- streams that change, or begin in the middle ---- */

static void test_size_changes(void **state)
{
    (void)state;
    make_ts("large.ts", "128x72", "yuv422p10le", 1, 0);
    concatenate("one.ts", "large.ts", "grows.ts");
    MR_AUTO_JSON json_t *encoded = edit_ok("grows.ts", "grown.webm", "webm", NULL);
    struct film film = look("grown.webm");
    assert_int_equal(film.width, 64);
    assert_int_equal(film.height, 48);
    assert_int_equal(film.frames, 100);
    assert_true(has_what(encoded, "changed", "resolution"));
    assert_true(brightness("grown.webm", 3.5, "16:16:24:16") > 200);
    assert_true(brightness("grown.webm", 3.5, "64:4:0:0") < 40); /* 16:9 in 4:3: bars */
    MR_AUTO_JSON json_t *copied = edit_ok("grows.ts", "grown.mkv", "mkv", NULL);
    assert_true(has_what(copied, "warnings", "size_changes"));
    size_t len;
    free(media_run(films_dir(), &len, "ffmpeg -v error -xerror -i grown.mkv -f null -"));
}

/* Cut out of a stream: what comes before the first key frame cannot be shown. */
static void test_begins_without_key_frame(void **state)
{
    (void)state;
    media_ffmpeg(films_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -f lavfi -i sine=997:d=4:r=48000 -c:v "
                              "libx264 -pix_fmt yuv420p -bf 3 -g 50 -x264-params open-gop=1:scenecut=0 -c:a "
                              "aac open.ts");
    behead("open.ts", "headless.ts", 400);
    static const char *const formats[] = {"mp4", "mkv", "webm"};
    for (size_t i = 0; i < 3; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("headless.ts", "headless", formats[i], NULL);
        struct film film = look("headless");
        assert_true(film.frames >= 45 && film.frames <= 60);
        assert_near(film.picture_s - film.sound_s, 0, 0.08, formats[i]);
        assert_int_equal(has_what(receipt, "warnings", "no_key_frame"), i < 2);
        size_t len;
        char *first = media_run(films_dir(), &len,
                                "ffprobe -v error -select_streams v -show_entries packet=flags -of csv=p=0 "
                                "-read_intervals %%+#1 headless");
        assert_int_equal(first[0], 'K');
        free(first);
    }
}

/* A piece of such a stream is whole, wherever its key frame is. */
static void test_trims_streams(void **state)
{
    (void)state;
    media_ffmpeg(films_dir(),
                 "-f lavfi -i testsrc2=s=64x48:r=25:d=24 -c:v libx264 -preset ultrafast -pix_fmt "
                 "yuv420p -g 250 sparse.ts");
    static const char *const options[] = {"{\"trim\":{\"start\":8,\"duration\":1}}",
                                          "{\"trim\":{\"start\":19,\"duration\":1}}"};
    for (size_t i = 0; i < 2; i++) {
        json_decref(edit_ok("sparse.ts", "piece.mp4", "mp4", options[i]));
        struct film film = look("piece.mp4");
        assert_int_equal(film.frames, 25);
        assert_near(film.picture_s, 1, 0.001, "the piece's end");
    }
}

/* AVI states no times for H.264's pictures. */
static void test_no_time_stamps(void **state)
{
    (void)state;
    media_ffmpeg(films_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -pix_fmt yuv420p raw.h264");
    media_ffmpeg(films_dir(), "-i raw.h264 -c copy untimed.avi");
    static const char *const formats[] = {"mp4", "mkv", "webm", "gif"};
    for (size_t i = 0; i < 4; i++) {
        json_decref(edit_ok("untimed.avi", "timed", formats[i], NULL));
        struct film film = look("timed");
        assert_int_equal(film.frames, 50);
        assert_near(film.picture_s, 2, 0.13, formats[i]);
    }
}

/* Key frames alone are hit: the film is refused, or what is left is told. */
static void test_damaged_key_frames(void **state)
{
    (void)state;
    media_ffmpeg(films_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v mpeg4 -g 10 whole.avi");
    size_t len, places_len;
    char *data = media_run(films_dir(), &len, "cat whole.avi");
    char *places = media_run(
        films_dir(), &places_len,
        "ffprobe -v error -select_streams v -show_entries packet=pos,size,flags -of csv=p=0 whole.avi");
    for (char *save = NULL, *line = strtok_r(places, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        long size = 0, at = 0;
        if (sscanf(line, "%ld,%ld,K", &size, &at) == 2 && strchr(line, 'K'))
            memset(data + at + 8, 0xff, (size_t)size);
    }
    media_write_file(films_dir(), "hit.avi", data, len);
    free(places);
    free(data);
    expect_failure("hit.avi", "mp4", NULL, "invalid_media", "damaged");
}

/* ---- counts, sizes, rates ---- */

static void test_a_hundred_streams(void **state)
{
    (void)state;
    char maps[1000] = "";
    for (size_t i = 0; i < 100; i++)
        snprintf(maps + strlen(maps), sizeof maps - strlen(maps), " -map 0:v");
    media_ffmpeg(films_dir(), "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v mpeg4 few.mp4");
    media_ffmpeg(films_dir(), "-i few.mp4%s -c copy hundred.mp4", maps);
    media_ffmpeg(films_dir(), "-i few.mp4%s -c copy hundred.mkv", maps);
    expect_failure("hundred.mp4", "mp4", NULL, "resource_limit", "100 streams");
    expect_failure("hundred.mkv", "mp3", NULL, "resource_limit", "100 streams");
}

/* Films of odd sides, odd rates, one frame; what is too small for a codec is enlarged, none fails. */
static void test_odd_films(void **state)
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
        media_ffmpeg(films_dir(), "-f lavfi -i %s -c:v %s odd.mkv", cases[i].source, cases[i].encoder);
        for (size_t f = 0; f < 4; f++) {
            json_decref(edit_ok("odd.mkv", "odd", formats[f], NULL));
            struct film film = look("odd");
            assert_int_equal(film.width, cases[i].width);
            assert_int_equal(film.height, cases[i].height);
            assert_true(film.frames > 0 && (f > 0 || film.frames == cases[i].frames));
            assert_near(film.picture_s, cases[i].seconds, 0.05, cases[i].source);
        }
    }
}

/* A piece shorter than a frame has one. */
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
            struct film film = look("short");
            assert_int_equal(film.frames, 1);
        }
}

/* A picture that stands through several parts is in all of them. */
static void test_still_is_split(void **state)
{
    (void)state;
    media_ffmpeg(films_dir(),
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
            struct film film = look(file);
            assert_near(film.picture_s, seconds[i], 0.002, file);
            assert_near(film.sound_s, seconds[i], 0.06, file);
        }
    }
}

int main(void)
{
    if (!films_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_jumps),
        cmocka_unit_test(test_size_changes),
        cmocka_unit_test(test_begins_without_key_frame),
        cmocka_unit_test(test_trims_streams),
        cmocka_unit_test(test_no_time_stamps),
        cmocka_unit_test(test_damaged_key_frames),
        cmocka_unit_test(test_a_hundred_streams),
        cmocka_unit_test(test_odd_films),
        cmocka_unit_test(test_short_pieces),
        cmocka_unit_test(test_still_is_split),
    };
    int failed = cmocka_run_group_tests_name("films", tests, NULL, NULL);
    films_stop();
    return failed;
}
