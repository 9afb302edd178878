/* Transparency, and the times of pictures: animations whose pictures last unequally, thumbnails. */
#include "tests/unit/video_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEFT = 6, RIGHT = 26, TOLERANCE = 12 };

struct pixel {
    unsigned char red, green, blue, alpha;
};

/* A pixel of the last picture of a file of 32x32. */
static struct pixel pixel_of(const char *file, const char *decoder, int x)
{
    size_t len;
    char *data = media_run(
        video_dir(), &len,
        "ffmpeg -v error %s %s -i %s -vf scale=32:32:flags=neighbor,format=rgba,crop=1:1:%d:16 -f rawvideo -",
        decoder ? "-c:v" : "-nostdin", decoder ? decoder : "-nostdin", file, x);
    assert_true(len >= 4 && len % 4 == 0);
    struct pixel pixel;
    memcpy(&pixel, data + len - 4, 4);
    free(data);
    return pixel;
}

static bool is_near(int value, int wanted)
{
    return abs(value - wanted) <= TOLERANCE;
}

static void check_clear(const char *file, const char *decoder)
{
    struct pixel left = pixel_of(file, decoder, LEFT), right = pixel_of(file, decoder, RIGHT);
    if (left.alpha > TOLERANCE || !is_near(right.alpha, 255) || right.red < 200)
        fail_msg("%s: alpha is %d and %d", file, left.alpha, right.alpha);
}

static void check_colour(const char *file, int red, int green, int blue)
{
    struct pixel left = pixel_of(file, NULL, LEFT), right = pixel_of(file, NULL, RIGHT);
    if (!is_near(left.red, red) || !is_near(left.green, green) || !is_near(left.blue, blue) ||
        right.red < 200 || right.blue > 60)
        fail_msg("%s: the background is %d %d %d", file, left.red, left.green, left.blue);
}

/* The left half is clear, the right half red. */
static void make_clear_files(void)
{
    static const char source[] =
        "-f lavfi -i color=red:s=32x32:r=5:d=0.8,format=rgba,geq=r=255:g=0:b=0:a=255*gte(X\\,16)";
    media_ffmpeg(video_dir(), "%s -vf split[a][b];[a]palettegen[p];[b][p]paletteuse clear.gif", source);
    media_ffmpeg(video_dir(), "%s -c:v prores_ks -pix_fmt yuva444p10le -profile:v 4 clear.mov", source);
    media_ffmpeg(video_dir(), "%s -c:v libvpx-vp9 -pix_fmt yuva420p -deadline realtime clear.webm", source);
    media_ffmpeg(video_dir(), "%s -c:v libvpx -auto-alt-ref 0 -pix_fmt yuva420p -deadline realtime vp8.webm",
                 source);
    media_ffmpeg(video_dir(), "%s -c:v ffv1 -pix_fmt bgra clear.mkv", source);
    media_ffmpeg(video_dir(), "-f lavfi -i color=red:s=32x32:r=5:d=0.8 opaque.gif -pix_fmt yuva420p -vf "
                              "format=yuva420p -c:v ffv1 opaque.mkv");
}

static void test_transparency_stays(void **state)
{
    (void)state;
    static const struct {
        const char *input, *format, *options, *decoder;
        bool is_copy;
    } cases[] = {
        {"clear.gif", "gif", NULL, NULL, true},
        {"clear.gif", "gif", "{\"resize\":{\"width\":16}}", NULL, false},
        {"clear.gif", "webm", NULL, "libvpx-vp9", false},
        {"clear.mov", "webm", NULL, "libvpx-vp9", false},
        {"clear.mov", "gif", NULL, NULL, false},
        {"clear.mov", "mov", NULL, NULL, true},
        {"clear.mkv", "gif", NULL, NULL, false},
        {"clear.mkv", "mkv", "{\"codec\":\"vp9\"}", "libvpx-vp9", false},
        {"clear.webm", "webm", NULL, "libvpx-vp9", true},
        {"clear.webm", "mkv", NULL, "libvpx-vp9", true},
        {"clear.webm", "webm", "{\"trim\":{\"duration\":0.4}}", "libvpx-vp9", false},
        {"vp8.webm", "webm", "{\"crf\":30}", "libvpx-vp9", false},
        {"vp8.webm", "mkv", NULL, "libvpx", true},
        {"clear.webm", "gif", NULL, NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char output[32];
        snprintf(output, sizeof output, "clear%zu.out", i);
        MR_AUTO_JSON json_t *receipt = edit_ok(cases[i].input, output, cases[i].format, cases[i].options);
        check_clear(output, cases[i].decoder);
        assert_true(has_what(receipt, "kept", "transparency"));
        assert_int_equal(json_is_true(json_object_get(receipt, "copied")), cases[i].is_copy);
    }
}

static void test_background(void **state)
{
    (void)state;
    static const char *const inputs[] = {"clear.gif", "clear.mov", "clear.webm", "vp8.webm", "clear.mkv"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        MR_AUTO_JSON json_t *white = edit_ok(inputs[i], "white.out", "mp4", NULL);
        check_colour("white.out", 255, 255, 255);
        char *text = json_dumps(json_object_get(white, "changed"), 0);
        assert_non_null(strstr(text, "mp4 holds no transparency"));
        free(text);
    }
    json_decref(edit_ok("clear.mov", "green.out", "avi", "{\"background\":\"#00Ff00\"}"));
    check_colour("green.out", 0, 255, 0);
    json_decref(edit_ok("clear.gif", "blue.out", "mkv",
                        "{\"background\":\"#0000ff\",\"resize\":{\"width\":64},\"thumbnail\":{\"at\":0}}"));
    check_colour("blue.out", 0, 0, 255);
    check_colour("blue.out.1", 0, 0, 255);
    json_decref(edit_ok("clear.gif", "still.out", "gif", "{\"thumbnail\":{\"at\":0}}"));
    check_colour("still.out.1", 255, 255, 255);
}

static void test_opaque_pictures(void **state)
{
    (void)state;
    static const char *const inputs[] = {"opaque.gif", "opaque.mkv"};
    for (size_t i = 0; i < 2; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(inputs[i], "opaque.out", "webm", NULL);
        MR_AUTO_JSON json_t *probe = media_probe(video_dir(), "opaque.out");
        char *text = json_dumps(probe, 0);
        if (strcasestr(text, "alpha_mode"))
            fail_msg("%s: alpha_mode", inputs[i]);
        free(text);
        assert_false(has_what(receipt, "kept", "transparency") ||
                     has_what(receipt, "changed", "transparency"));
    }
}

/* Delays of a GIF's pictures in hundredths of a second, and its repetitions; -1: it says none. */
static size_t read_gif(const char *file, int delays[8], int *ret_loops)
{
    size_t len, count = 0;
    unsigned char *data = (unsigned char *)media_run(video_dir(), &len, "cat %s", file);
    *ret_loops = -1;
    for (size_t i = 0; i + 16 < len; i++) {
        if (memcmp(data + i, "NETSCAPE2.0", 11) == 0)
            *ret_loops = data[i + 13] | data[i + 14] << 8;
        if (memcmp(data + i, "\x21\xf9\x04", 3) == 0 && data[i + 7] == 0 && count < 8)
            delays[count++] = data[i + 4] | data[i + 5] << 8;
    }
    free(data);
    return count;
}

static void test_times_of_gifs(void **state)
{
    (void)state;
    static const int loops[] = {-1, 0, 3};
    for (size_t i = 0; i < 3; i++) {
        static const char *const options[] = {NULL, "{\"resize\":{\"width\":24}}"};
        media_ffmpeg(video_dir(),
                     "-f lavfi -i testsrc2=s=32x32:r=10:d=0.4 -vf setpts=N*N*0.1/TB -vsync vfr -loop %d "
                     "-final_delay 70 "
                     "times.gif",
                     loops[i]);
        for (size_t k = 0; k < 2; k++) {
            int delays[8] = {0}, found = 0;
            json_decref(edit_ok("times.gif", "times.out", "gif", options[k]));
            assert_int_equal(read_gif("times.out", delays, &found), 4);
            assert_int_equal(found, loops[i]);
            static const int wanted[] = {10, 30, 50, 70};
            for (size_t d = 0; d < 4; d++)
                assert_int_equal(delays[d], wanted[d]);
        }
    }
    /* Faster than an encoder makes it. */
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=32x32:r=50:d=0.2 fast.gif");
    int delays[8] = {0}, found = 0;
    json_decref(edit_ok("fast.gif", "fast.out", "gif", NULL));
    assert_int_equal(read_gif("fast.out", delays, &found), 8);
    assert_int_equal(delays[3], 2);
    /* The last picture lasts elsewhere, too; and an animated PNG says how often it is played. */
    static const char *const formats[] = {"webm", "mkv", "mp4"};
    for (size_t f = 0; f < 3; f++) {
        json_decref(edit_ok("times.gif", "times.out", formats[f], f == 2 ? "{\"codec\":\"mpeg4\"}" : NULL));
        MR_AUTO_JSON json_t *probe = media_probe(video_dir(), "times.out");
        const char *length = json_string_value(json_object_get(json_object_get(probe, "format"), "duration"));
        assert_near(strtod(length, NULL), 1.6, 0.011, formats[f]);
    }
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=32x32:r=10:d=0.4 -plays 3 -f apng plays.apng");
    json_decref(edit_ok("plays.apng", "times.out", "gif", NULL));
    (void)read_gif("times.out", delays, &found);
    assert_int_equal(found, 2);
}

static void test_thumbnail_beyond_the_end(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=32x32:r=10:d=2 -c:v libx264 -preset ultrafast two.mp4");
    media_ffmpeg(video_dir(), "-f lavfi -i color=red:s=16x16:d=1,format=rgba -frames:v 1 logo.png");
    static const char *const options[] = {
        "{\"thumbnail\":{\"at\":2.5}}",
        "{\"thumbnail\":{\"at\":50}}",
        "{\"thumbnail\":{\"at\":2.5},\"crf\":30}",
        "{\"thumbnail\":{\"at\":1.5},\"trim\":{\"duration\":1}}",
        "{\"thumbnail\":{\"at\":1.5},\"split\":{\"seconds\":1}}",
        "{\"thumbnail\":{\"at\":3.5},\"logo\":{\"intro\":1}}",
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        expect_failure("two.mp4", i % 2 ? "mp4" : "mkv", options[i], "bad_option", "options.thumbnail.at");
    json_decref(edit_ok("two.mp4", "thumb.out", "mp4", "{\"thumbnail\":{\"at\":1.95}}"));
    json_decref(
        edit_ok("two.mp4", "thumb.out", "mp4", "{\"thumbnail\":{\"at\":2.9},\"logo\":{\"intro\":1}}"));
}

int main(void)
{
    if (!video_start())
        return 1;
    make_clear_files();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transparency_stays),       cmocka_unit_test(test_background),
        cmocka_unit_test(test_opaque_pictures),          cmocka_unit_test(test_times_of_gifs),
        cmocka_unit_test(test_thumbnail_beyond_the_end),
    };
    int failed = cmocka_run_group_tests_name("pictures", tests, NULL, NULL);
    video_stop();
    return failed;
}
