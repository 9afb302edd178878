/* The filmstrip beside the outputs: each frame is the one that is shown at its time, and the text says where it is. */
#include "tests/unit/video_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RATE = 25, COLUMNS = 10, CUES_MAX = 200 };

struct cue {
    double from, to; /* in seconds */
    int x, y, width, height;
};

static int make_inputs(void **state)
{
    (void)state;
    /* The luma of frame n is 16 + n. */
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i color=black:s=128x72:r=25:d=8,format=yuv420p,geq=lum=16+N:cb=128:cr=128 -f lavfi -i "
        "sine=d=8 "
        "-map 0 -c:v libx264 -crf 1 -g 250 -bf 2 ramp.mp4 -map 0 -map 1 -c:v libx264 -crf 1 -t 8 both.mp4 "
        "-map 0 -vf select=eq(n\\,0)+eq(n\\,100)+eq(n\\,140) -fps_mode vfr -c:v libx264 -crf 1 slides.mkv "
        "-map 0 -vf scale=16:128,setsar=1 -c:v libx264 -crf 1 -t 1 tall.mp4");
    media_ffmpeg(video_dir(), "-i ramp.mp4 -c copy -metadata:s:v rotate=90 turned.mov");
    return 0;
}

static void expect_near(const char *what, double found, double wanted, double tolerance)
{
    if (!(fabs(found - wanted) <= tolerance))
        fail_msg("%s is %g, not %g", what, found, wanted);
}

static size_t read_cues(const char *output, int number, const char *picture, struct cue cues[CUES_MAX])
{
    char path[256], line[512], name[256];
    snprintf(path, sizeof path, "%s/%s.%d", video_dir()->path, output, number);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "WEBVTT\n");
    size_t count = 0;
    while (fgets(line, sizeof line, file)) {
        assert_string_equal(line, "\n");
        int from[3], to[3];
        struct cue cue;
        assert_non_null(fgets(line, sizeof line, file));
        assert_int_equal(sscanf(line, "%2d:%2d:%lf --> %2d:%2d:%lf", &from[0], &from[1], &cue.from, &to[0],
                                &to[1], &cue.to),
                         6);
        cue.from += from[0] * 3600 + from[1] * 60;
        cue.to += to[0] * 3600 + to[1] * 60;
        assert_non_null(fgets(line, sizeof line, file));
        assert_int_equal(
            sscanf(line, "%255[^#]#xywh=%d,%d,%d,%d\n", name, &cue.x, &cue.y, &cue.width, &cue.height), 5);
        assert_string_equal(name, picture);
        assert_true(count < CUES_MAX);
        cues[count++] = cue;
    }
    fclose(file);
    return count;
}

/* The mean luma of a frame in the picture, as the numbers of the video. */
static double luma_of(const unsigned char *pixels, int stride, const struct cue *cue)
{
    double sum = 0;
    for (int y = 2; y < cue->height - 2; y++)
        for (int x = 2; x < cue->width - 2; x++)
            sum += pixels[(cue->y + y) * stride + cue->x + x];
    return sum / (cue->width - 4) / (cue->height - 4) * 219 / 255 + 16;
}

static unsigned char *read_picture(const char *output, int number, const json_t *facts, int *ret_width)
{
    size_t len = 0;
    char *pixels =
        media_run(video_dir(), &len, "ffmpeg -v error -f jpeg_pipe -i %s.%d -f rawvideo -pix_fmt gray -",
                  output, number);
    *ret_width = (int)json_integer_value(json_object_get(facts, "width"));
    assert_int_equal(len, *ret_width * json_integer_value(json_object_get(facts, "height")));
    return (unsigned char *)pixels;
}

struct row {
    const char *input, *format, *options;
    size_t count;        /* of frames */
    double interval;     /* in seconds */
    double length;       /* of the video, likewise */
    int width, height;   /* of a frame */
    int lumas[CUES_MAX]; /* of the first frames; 0: as the time says */
};

static void check(const struct row *row, const json_t *facts, const char *output, const struct cue *cues)
{
    int stride;
    unsigned char *pixels = read_picture(output, 1, facts, &stride);
    for (size_t i = 0; i < row->count; i++) {
        const struct cue *cue = &cues[i];
        assert_int_equal(cue->x, (int)(i % COLUMNS) * row->width);
        assert_int_equal(cue->y, (int)(i / COLUMNS) * row->height);
        assert_int_equal(cue->width, row->width);
        assert_int_equal(cue->height, row->height);
        expect_near("the begin of a cue", cue->from, (double)i * row->interval, 0.0011);
        expect_near("the end of a cue", cue->to,
                    i + 1 < row->count ? (double)(i + 1) * row->interval : row->length, 0.05);
        double wanted = row->lumas[i] ? row->lumas[i] : 16 + cue->from * RATE;
        if (row->height < 2 * row->width)
            expect_near(row->input, luma_of(pixels, stride, cue), wanted, 3);
    }
    free(pixels);
}

static void test_frames(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"ramp.mp4",
         "webm",
         "{\"filmstrip\":{\"frames\":20,\"width\":64},\"crf\":10}",
         20,
         0.4,
         8,
         64,
         36,
         {0}},
        {"ramp.mp4",
         "mp4",
         "{\"filmstrip\":{\"frames\":24,\"width\":64}}",
         20,
         0.4,
         8,
         64,
         36,
         {0}}, /* copied */
        {"ramp.mp4", "mkv", "{\"filmstrip\":{\"frames\":2}}", 2, 6.4, 8, 160, 90, {0}},
        {"ramp.mp4", "mp4", "{\"filmstrip\":{\"frames\":200,\"width\":16}}", 80, 0.1, 8, 16, 10, {0}},
        {"slides.mkv",
         "mkv",
         "{\"filmstrip\":{\"frames\":8,\"width\":64}}",
         8,
         0.8,
         5.64,
         64,
         36,
         {16, 16, 16, 16, 16, 116, 116, 156}},
        {"ramp.mp4",
         "mp4",
         "{\"filmstrip\":{\"frames\":20,\"width\":64},\"trim\":{\"start\":4,\"duration\":2},\"crf\":10}",
         20,
         0.1,
         2,
         64,
         36,
         {116, 118, 121, 123, 126, 128, 131, 133, 136, 138,
          141, 143, 146, 148, 151, 153, 156, 158, 161, 163}},
        {"ramp.mp4", "gif", "{\"filmstrip\":{\"frames\":20,\"width\":64}}", 20, 0.4, 8, 64, 36, {0}},
        {"ramp.mp4", "avi", "{\"filmstrip\":{\"frames\":20,\"width\":64}}", 20, 0.4, 8, 64, 36, {0}},
        {"turned.mov", "mov", "{\"filmstrip\":{\"frames\":20,\"width\":36}}", 20, 0.4, 8, 36, 64, {0}},
        {"turned.mov", "webm", "{\"filmstrip\":{\"frames\":20,\"width\":36}}", 20, 0.4, 8, 36, 64, {0}},
        {"tall.mp4", "mp4", "{\"filmstrip\":{\"frames\":10,\"width\":16}}", 10, 0.1, 1, 16, 32, {0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        MR_AUTO_JSON json_t *receipt = edit_ok(row->input, "strip", row->format, row->options);
        const json_t *outputs = json_object_get(receipt, "outputs");
        assert_int_equal(json_array_size(outputs), 3);
        assert_string_equal(json_string_value(json_object_get(json_array_get(outputs, 1), "format")), "jpg");
        assert_string_equal(json_string_value(json_object_get(json_array_get(outputs, 2), "format")), "vtt");
        char picture[64];
        snprintf(picture, sizeof picture, "%.*s-filmstrip.jpg", (int)strcspn(row->input, "."), row->input);
        struct cue cues[CUES_MAX];
        size_t count = read_cues("strip", 2, picture, cues);
        if (count != row->count)
            fail_msg("%s %s: %zu frames, not %zu", row->input, row->options, count, row->count);
        check(row, json_array_get(outputs, 1), "strip", cues);
    }
}

/* After the parts and the thumbnail, before the waveform; of the first part. */
static void test_beside_others(void **state)
{
    (void)state;
    static const char *const formats[] = {NULL, NULL, NULL, NULL, "jpg", "jpg", "vtt", "json"};
    enum { OUTPUTS = sizeof formats / sizeof *formats };
    MR_AUTO_JSON json_t *receipt =
        edit_ok("both.mp4", "all", "mp4",
                "{\"split\":{\"seconds\":2},\"thumbnail\":{\"at\":0.5},\"filmstrip\":{\"frames\":10},"
                "\"waveform\":{\"points\":100}}");
    const json_t *outputs = json_object_get(receipt, "outputs");
    assert_int_equal(json_array_size(outputs), OUTPUTS);
    for (size_t i = 0; i < OUTPUTS; i++)
        if (formats[i])
            assert_string_equal(json_string_value(json_object_get(json_array_get(outputs, i), "format")),
                                formats[i]);
    struct cue cues[CUES_MAX];
    assert_int_equal(read_cues("all", 6, "both-filmstrip.jpg", cues), 10);
    expect_near("the end of the last cue", cues[9].to, 2, 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_beside_others),
    };
    if (!video_start())
        return 1;
    int failed = cmocka_run_group_tests_name("media filmstrip", tests, make_inputs, NULL);
    video_stop();
    return failed;
}
