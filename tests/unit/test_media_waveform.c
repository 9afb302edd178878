/* The waveform beside the outputs: against the samples of the outputs themselves. */
#include "tests/unit/video_fixture.h"
#include "worker/sandbox_confine.h"

#include <libavcodec/avcodec.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RATE = 48000, SCALE = 127 };

static int make_inputs(void **state)
{
    (void)state;
    /* One second of silence, one that swells, one that is full; the other channel is silent. */
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i aevalsrc=sin(2*PI*440*t)*clip(t-1\\,0\\,1)|0:s=48000:d=3 -f lavfi -i "
        "testsrc2=s=64x64:r=25:d=3 -map 0 -c:a pcm_s16le swell.wav -map 0 -c:a flac swell.flac -map 0 -c:a "
        "libmp3lame swell.mp3 -map 1 -map 0 -c:v libx264 -c:a aac swell.mp4 -map 1 -c:v libx264 mute.mp4 "
        "-map 0 -c:a pcm_s16le -t 0.001 short.wav");
    return 0;
}

/* An output of a conversion beside the first. */
static json_t *read_waveform(const char *output, int number)
{
    char path[256];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s.%d", video_dir()->path, output, number);
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        fail_msg("%s: %s", path, error.text);
    return json;
}

static json_int_t number_of(const json_t *json, const char *name)
{
    const json_t *number = json_object_get(json, name);
    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

/* The points are the extremes of the first channel's samples, where the other is silent. */
static void check_points(const json_t *waveform, const struct media_samples *samples, double tolerance,
                         const char *what)
{
    const json_t *data = json_object_get(waveform, "data");
    size_t stretch = (size_t)number_of(waveform, "samples_per_pixel"), count = json_array_size(data) / 2;
    assert_int_equal(count, number_of(waveform, "length"));
    assert_int_equal(count, (samples->count + stretch - 1) / stretch);
    for (size_t i = 0; i < count; i++) {
        float lowest = 0, highest = 0;
        for (size_t at = i * stretch; at < (i + 1) * stretch && at < samples->count; at++) {
            lowest = fminf(lowest, samples->data[at]);
            highest = fmaxf(highest, samples->data[at]);
        }
        double low = (double)json_integer_value(json_array_get(data, 2 * i)),
               high = (double)json_integer_value(json_array_get(data, 2 * i + 1));
        if (fabs(low - lowest * SCALE) > tolerance || fabs(high - highest * SCALE) > tolerance)
            fail_msg("%s: point %zu of %zu is %g to %g, and the samples are %g to %g", what, i, count, low,
                     high, (double)lowest * SCALE, (double)highest * SCALE);
    }
}

static void test_points(void **state)
{
    (void)state;
    static const struct {
        const char *input, *format, *options;
        int points;
        double tolerance; /* a lossy encoder changes the samples that it was given */
    } rows[] = {
        {"swell.wav", "wav", "{\"waveform\":{\"points\":800}}", 800, 1},
        {"swell.wav", "flac", "{\"waveform\":{\"points\":16}}", 16, 1},
        {"swell.wav", "wav", "{\"waveform\":{\"points\":10000}}", 10000, 1},
        {"swell.flac", "flac", "{\"waveform\":{\"points\":100}}", 100, 1}, /* copied */
        {"swell.mp3", "mp3", "{\"waveform\":{\"points\":100}}", 100, 1},   /* copied */
        {"swell.mp4", "mp4", "{\"waveform\":{\"points\":100}}", 100, 1},   /* copied */
        {"swell.flac", "wav", "{\"waveform\":{\"points\":50},\"trim\":{\"start\":1,\"duration\":1.5}}", 50,
         1},
        {"swell.mp4", "webm", "{\"waveform\":{\"points\":60}}", 60, 12},
        {"short.wav", "wav", "{\"waveform\":{\"points\":800}}", 800, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(rows[i].input, "with", rows[i].format, rows[i].options);
        const json_t *outputs = json_object_get(receipt, "outputs");
        assert_int_equal(json_array_size(outputs), 2);
        assert_string_equal(json_string_value(json_object_get(json_array_get(outputs, 1), "format")), "json");
        MR_AUTO_JSON json_t *waveform = read_waveform("with", 1);
        assert_int_equal(number_of(json_array_get(outputs, 1), "size"),
                         media_file_size(video_dir(), "with.1"));
        assert_int_equal(number_of(waveform, "version"), 2);
        assert_int_equal(number_of(waveform, "channels"), 1);
        assert_int_equal(number_of(waveform, "bits"), 8);
        assert_int_equal(number_of(waveform, "sample_rate"), RATE);
        assert_true(number_of(waveform, "length") <= rows[i].points);
        struct media_samples samples = media_decode(video_dir(), "with", RATE);
        if (samples.count / 64 > (size_t)rows[i].points) /* long enough */
            assert_true(2 * number_of(waveform, "length") >= rows[i].points);
        check_points(waveform, &samples, rows[i].tolerance, rows[i].input);
        media_samples_free(&samples);
    }
}

/* Where the picture is black: nothing in the first second, all in the last. */
static void test_picture(void **state)
{
    (void)state;
    enum { WIDTH = 300, HEIGHT = 101, PIXEL = 2 };
    size_t len = 0;
    MR_AUTO_JSON json_t *receipt =
        edit_ok("swell.wav", "drawn", "mp3", "{\"waveform\":{\"points\":300,\"height\":101}}");
    const json_t *outputs = json_object_get(receipt, "outputs");
    assert_int_equal(json_array_size(outputs), 3);
    const json_t *picture = json_array_get(outputs, 2);
    assert_string_equal(json_string_value(json_object_get(picture, "format")), "png");
    assert_int_equal(number_of(picture, "width"), WIDTH);
    assert_int_equal(number_of(picture, "height"), HEIGHT);
    MR_AUTO_STR char *pixels =
        media_run(video_dir(), &len, "ffmpeg -v error -f png_pipe -i drawn.2 -f rawvideo -pix_fmt ya8 -");
    assert_int_equal(len, WIDTH * HEIGHT * PIXEL);
    int drawn[3] = {0};
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            drawn[x / (WIDTH / 3)] += pixels[(y * WIDTH + x) * PIXEL + 1] != 0;
    assert_true(drawn[0] >= 90 && drawn[0] <= 210);        /* a line */
    assert_true(drawn[1] > 4000 && drawn[1] < 6500);       /* a half */
    assert_true(drawn[2] > 9000 && drawn[2] <= 101 * 100); /* nearly all */
}

static void test_no_audio(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *receipt = edit_ok("mute.mp4", "mute.out", "mp4", "{\"waveform\":{\"points\":300}}");
    assert_int_equal(json_array_size(json_object_get(receipt, "outputs")), 1);
    const json_t *dropped = json_array_get(json_object_get(receipt, "dropped"), 0);
    assert_string_equal(json_string_value(json_object_get(dropped, "what")), "waveform");
}

/* After the parts and the thumbnail, over all parts. */
static void test_with_parts_and_a_thumbnail(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *receipt =
        edit_ok("swell.mp4", "parts", "mp4",
                "{\"split\":{\"seconds\":1},\"thumbnail\":{\"at\":0.5},\"waveform\":{\"points\":300}}");
    const json_t *outputs = json_object_get(receipt, "outputs");
    assert_int_equal(json_array_size(outputs), 5);
    assert_string_equal(json_string_value(json_object_get(json_array_get(outputs, 3), "format")), "jpg");
    MR_AUTO_JSON json_t *waveform = read_waveform("parts", 4);
    double seconds =
        (double)(number_of(waveform, "length") * number_of(waveform, "samples_per_pixel")) / RATE;
    assert_true(seconds > 2.95 && seconds < 3.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_no_audio),
        cmocka_unit_test(test_with_parts_and_a_thumbnail),
    };
    if (!video_start())
        return 1;
    int failed = cmocka_run_group_tests_name("media waveform", tests, make_inputs, NULL);
    video_stop();
    return failed;
}
