/* Audio: its loudness, measured and set, cut, at every rate; judged by ffmpeg's own filters and
 * decoders. */
#include "tests/unit/media_fixture.h"

#include "worker/media/convert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_sandbox *sandbox;
static struct media_dir dir;

static json_t *edit_ok(const char *input, const char *output, const char *format, const char *options)
{
    json_t *receipt = NULL;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *json = json_loads(options, 0, NULL);
    assert_non_null(json);
    if (media_edit(sandbox, &dir, input, output, format, json, &receipt, &err))
        fail_msg("%s to %s (%s): %s: %s", input, output, options, mr_code_name(err.code), err.message);
    return receipt;
}

struct loudness {
    double integrated, true_peak;
};

static double last_number(const char *text, const char *key)
{
    const char *at = NULL;
    for (const char *next = strstr(text, key); next; next = strstr(next + 1, key))
        at = next;
    return at ? strtod(at + strlen(key) + 1, NULL) : NAN;
}

/* As ffmpeg hears a file. */
static struct loudness hear(const char *file)
{
    size_t len;
    char *text = media_run(&dir, &len,
                           "ffmpeg -v error -i %s -map 0:a:0 -af ebur128=peak=true:metadata=1,"
                           "ametadata=print:file=- -f null -",
                           file);
    char *whole = realloc(text, len + 1);
    assert_non_null(whole);
    whole[len] = '\0';
    double peak = 0;
    for (int i = 0; i < 8; i++) {
        char key[40];
        snprintf(key, sizeof key, "lavfi.r128.true_peaks_ch%d", i);
        peak = fmax(peak, last_number(whole, key));
    }
    /* Three decimals of the amplitude are printed: too few for a low one. */
    struct loudness heard = {last_number(whole, "lavfi.r128.I"), peak > 0.01 ? 20 * log10(peak) : NAN};
    free(whole);
    return heard;
}

static struct loudness told(const json_t *receipt, const char *side)
{
    const json_t *json = json_object_get(json_object_get(receipt, "loudness"), side);
    struct loudness loudness = {NAN, NAN};
    (void)json_unpack((json_t *)(uintptr_t)json, "{s:F, s:F}", "integrated", &loudness.integrated,
                      "true_peak", &loudness.true_peak);
    return loudness;
}

static void assert_near(double value, double expected, double slack, const char *what)
{
    if (!(fabs(value - expected) <= slack))
        fail_msg("%s: %.3f, not %.3f", what, value, expected);
}

static void assert_peak(double peak, double heard, double slack, const char *what)
{
    if (!isnan(heard))
        assert_near(peak, heard, slack, what);
}

/* Sources of lavfi; the first are made after EBU Tech 3341. */
static const struct {
    const char *file;
    const char *source;
    const char *arguments;
} audio_cases[] = {
    {"sine.wav", "sine=1000:d=20:r=48000,volume=-4.94dB", "-ac 2 -c:a pcm_s24le"},
    {"gate.wav", "sine=1000:d=20:r=48000,volume=if(between(t\\,5\\,15)\\,0.5\\,0.1):eval=frame", "-ac 2"},
    {"between.wav", "aevalsrc=0.5*sin(2*PI*t*12000+PI/4):s=48000:d=4,afade=d=1,afade=out:st=3:d=1", "-ac 1"},
    {"sixth.wav", "aevalsrc=0.5*sin(2*PI*t*7350+PI/3):s=44100:d=4,afade=d=1,afade=out:st=3:d=1", "-ac 1"},
    {"pink.wav", "anoisesrc=c=pink:d=10:r=44100:a=0.7:s=1", "-ac 2"},
    {"wide.flac", "anoisesrc=c=white:d=5:r=96000:a=0.2:s=2", "-c:a flac"},
    {"low.wav", "sine=40:d=5:r=8000", "-ac 1 -c:a pcm_u8"},
    {"float.wav", "sine=440:d=5:r=22050,volume=24dB,afade=d=1,afade=out:st=4:d=1", "-c:a pcm_f32le"},
    {"bursts.wav",
     "anoisesrc=c=brown:d=12:r=44100:a=0.8:s=3,volume=if(lt(mod(t\\,4)\\,0.7)\\,0.8\\,0.0003):eval=frame",
     "-ac 2"},
    {"sparse.wav",
     "anoisesrc=c=pink:d=12:r=44100:a=0.9:s=7,volume=if(lt(mod(t\\,0.5)\\,0.02)\\,0.9\\,0.02):eval=frame",
     "-ac 1"},
    {"surround.wav",
     "anoisesrc=c=pink:d=5:r=48000:a=0.3:s=4,pan=5.1|FL=c0|FC=0.5*c0|LFE=c0|BL=0.7*c0|BR=0.2*c0",
     "-c:a pcm_s16le"},
    {"quiet.wav", "anoisesrc=c=pink:d=10:r=48000:a=0.004:s=5", "-ac 2 -c:a pcm_s24le"},
    {"loud.wav", "anoisesrc=c=pink:d=10:r=48000:a=1:s=6,volume=18dB", "-ac 2"},
};
enum { AUDIO_CASES = sizeof audio_cases / sizeof *audio_cases };

static void make_audio(void)
{
    for (size_t i = 0; i < AUDIO_CASES; i++)
        media_ffmpeg(&dir, "-f lavfi -i %s %s %s", audio_cases[i].source, audio_cases[i].arguments,
                     audio_cases[i].file);
}

/* What the receipt says of input and output is what ffmpeg hears, copied or not. */
static void test_meter(void **state)
{
    (void)state;
    static const char *const formats[] = {"flac", "mp3", "wav", "opus", "m4a"};
    for (size_t i = 0; i < AUDIO_CASES; i++) {
        const char *format = formats[i % 5];
        MR_AUTO_JSON json_t *receipt =
            edit_ok(audio_cases[i].file, "meter.out", format, "{\"verify\":\"decode\"}");
        struct loudness heard = hear(audio_cases[i].file), in = told(receipt, "in"),
                        out = told(receipt, "out");
        assert_near(in.integrated, heard.integrated, 0.1, audio_cases[i].file);
        assert_peak(in.true_peak, heard.true_peak, 0.2, audio_cases[i].file);
        heard = hear("meter.out");
        /* What a lossy codec itself does to the audio is not reported: no loudness was requested. */
        bool is_lossy = strcmp(format, "flac") && strcmp(format, "wav");
        assert_near(out.integrated, heard.integrated, is_lossy ? 0.6 : 0.2, audio_cases[i].file);
        assert_peak(out.true_peak, heard.true_peak, is_lossy ? 3 : 0.2, audio_cases[i].file);
    }
}

static bool has_warning(const json_t *receipt, const char *code)
{
    size_t i;
    const json_t *warning;
    json_array_foreach (json_object_get(receipt, "warnings"), i, warning) {
        if (strcmp(json_string_value(json_object_get(warning, "code")), code) == 0)
            return true;
    }
    return false;
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *file, *format;
        double target;
        bool is_reached;
    } cases[] = {
        {"pink.wav", "mp3", -14, true},     {"pink.wav", "wav", -10, true},
        {"pink.wav", "ogg", -9, true},      {"wide.flac", "m4a", -16, true},
        {"low.wav", "opus", -23, true},     {"float.wav", "wav", -16, true},
        {"bursts.wav", "mp3", -14, true},   {"bursts.wav", "opus", -23, true},
        {"sparse.wav", "mp3", -14, true},   {"sparse.wav", "wav", -16, true},
        {"sparse.wav", "m4a", -16, true},   {"surround.wav", "mp3", -16, true},
        {"surround.wav", "m4a", -23, true}, {"quiet.wav", "wav", -16, true},
        {"quiet.wav", "mp3", -14, true},    {"loud.wav", "wma", -23, true},
        {"loud.wav", "wav", -14, true},     {"sparse.wav", "flac", -5, false},
        {"quiet.wav", "mp4", -16, true},    {"bursts.wav", "webm", -16, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char options[64], what[64], video[24];
        const char *file = cases[i].file;
        snprintf(options, sizeof options, "{\"loudness\":%.1f}", cases[i].target);
        snprintf(what, sizeof what, "%s to %s, %.0f", file, cases[i].format, cases[i].target);
        if (strcmp(cases[i].format, "mp4") == 0 || strcmp(cases[i].format, "webm") == 0) {
            snprintf(video, sizeof video, "video.%.10s.mkv", file);
            media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64:d=10:r=5 -i %s -c:v mpeg4 -c:a flac %s", file,
                         video);
            file = video;
        }
        MR_AUTO_JSON json_t *receipt = edit_ok(file, "target.out", cases[i].format, options);
        struct loudness heard = hear("target.out"), out = told(receipt, "out");
        if (cases[i].is_reached)
            assert_near(heard.integrated, cases[i].target, 0.5, what);
        assert_near(out.integrated, heard.integrated, 0.1, what);
        if (heard.true_peak > -0.9)
            fail_msg("%s: a true peak of %.2f", what, heard.true_peak);
        assert_int_equal(has_warning(receipt, "loudness_missed"), !cases[i].is_reached);
    }
}

/* Nothing to measure, nothing to gain, and the receipt says so. */
static void test_silence(void **state)
{
    (void)state;
    media_ffmpeg(&dir, "-f lavfi -i anullsrc=r=44100 -t 3 silence.wav");
    media_ffmpeg(&dir, "-f lavfi -i sine=d=0.2 short.wav");
    static const char *const files[] = {"silence.wav", "short.wav"};
    for (size_t i = 0; i < 2; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(files[i], "silence.mp3", "mp3", "{\"loudness\":-16}");
        assert_true(json_is_null(json_object_get(json_object_get(receipt, "loudness"), "in")));
        assert_true(has_warning(receipt, "loudness_missed"));
    }
}

/* A ramp without equal samples within a second: each sample shows its position. */
static void make_ramp(void)
{
    media_ffmpeg(&dir, "-f lavfi -i aevalsrc=mod(n\\,44100)/44100-0.5+floor(n/44100)/1000:s=44100:d=10 -c:a "
                       "pcm_s16le ramp.wav");
}

static int16_t *read_samples(const char *file, const char *arguments, size_t *ret_count)
{
    size_t len;
    char *data = media_run(&dir, &len, "ffmpeg -v error -i %s %s -f s16le -", file, arguments);
    *ret_count = len / sizeof(int16_t);
    return (int16_t *)(void *)data;
}

static void assert_same_samples(const char *file, const int16_t *expected, size_t expected_count)
{
    size_t count;
    int16_t *samples = read_samples(file, "", &count);
    if (count != expected_count || memcmp(samples, expected, count * sizeof *samples) != 0)
        fail_msg("%s: %zu samples, and not the %zu expected", file, count, expected_count);
    free(samples);
}

/* A part of lossless audio has the same samples. */
static void test_trim(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        size_t from, count;
    } cases[] = {
        {"{\"trim\":{\"start\":1.5,\"duration\":2.25}}", 66150, 99225},
        {"{\"trim\":{\"duration\":0.001}}", 0, 44},
        {"{\"trim\":{\"start\":9.9}}", 436590, 4410},
        {"{\"trim\":{\"start\":8,\"duration\":100}}", 352800, 88200},
    };
    size_t count;
    int16_t *whole = read_samples("ramp.wav", "", &count);
    media_ffmpeg(&dir, "-i ramp.wav -f lavfi -i testsrc=s=64x64:d=10:r=5 -c:a flac -c:v mpeg4 ramp.mkv");
    static const char *const files[] = {"ramp.wav", "ramp.mkv"};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        json_decref(edit_ok(files[i % 2], "piece.wav", "wav", cases[i / 2].options));
        assert_same_samples("piece.wav", whole + cases[i / 2].from, cases[i / 2].count);
    }
    free(whole);
}

static void expect_failure(const char *input, const char *format, const char *options, const char *code)
{
    MR_AUTO_JSON json_t *receipt = NULL;
    struct mr_err err = {.code = MR_CODE_NONE};
    MR_AUTO_JSON json_t *json = json_loads(options, 0, NULL);
    enum mr_status status = media_edit(sandbox, &dir, input, "bad.out", format, json, &receipt, &err);
    if (status == MR_OK || strcmp(mr_code_name(err.code), code) != 0)
        fail_msg("%s to %s: %s (%s), not %s", input, format, mr_code_name(err.code), err.message, code);
}

static void test_beyond_the_end(void **state)
{
    (void)state;
    expect_failure("ramp.wav", "mp3", "{\"trim\":{\"start\":11}}", "bad_option");
    expect_failure("ramp.wav", "wav", "{\"trim\":{\"start\":1000,\"duration\":1}}", "bad_option");
}

/* The parts one behind the other are the whole: no gap, no overlap. */
static void test_too_many_parts(void **state)
{
    (void)state;
    media_ffmpeg(&dir, "-f lavfi -i anullsrc=r=8000:cl=mono -t 1001 -c:a pcm_s16le long.wav");
    expect_failure("long.wav", "wav", "{\"split\":{\"seconds\":1}}", "too_many_parts");
}

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        size_t from, count, parts;
    } cases[] = {
        {"{\"split\":{\"seconds\":3}}", 0, 441000, 4},
        {"{\"split\":{\"seconds\":5}}", 0, 441000, 2},
        {"{\"split\":{\"seconds\":1.7},\"trim\":{\"start\":0.5,\"duration\":6}}", 22050, 264600, 4},
    };
    size_t whole_count;
    int16_t *whole = read_samples("ramp.wav", "", &whole_count);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("ramp.wav", "part.wav", "wav", cases[i].options);
        assert_int_equal(json_array_size(json_object_get(receipt, "outputs")), cases[i].parts);
        size_t at = cases[i].from;
        for (size_t part = 0; part < cases[i].parts; part++) {
            char file[24];
            size_t count;
            snprintf(file, sizeof file, part ? "part.wav.%zu" : "part.wav", part);
            int16_t *samples = read_samples(file, "", &count);
            assert_true(at + count <= whole_count);
            assert_memory_equal(samples, whole + at, count * sizeof *samples);
            at += count;
            free(samples);
        }
        assert_int_equal(at, cases[i].from + cases[i].count);
    }
    free(whole);
}

/* Each part has the tags and the cover, and its own chapters; lossy ones are as long as they should be. */
static void test_parts_are_dressed(void **state)
{
    (void)state;
    static const char text[] = ";FFMETADATA1\ntitle=Song\nartist=Singer\n"
                               "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=one\n"
                               "[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=10000\ntitle=two\n";
    media_write_file(&dir, "song.txt", text, sizeof text - 1);
    media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64 -frames:v 1 song.png");
    media_ffmpeg(&dir,
                 "-i ramp.wav -i song.png -i song.txt -map 0 -map 1 -map_metadata 2 -c:v copy -disposition:v "
                 "attached_pic song.mp3");
    static const size_t chapters[] = {2, 1};
    static const char *const formats[] = {"mp3", "m4a", "ogg"};
    for (size_t f = 0; f < 3; f++) {
        json_decref(
            edit_ok("song.mp3", "dressed", formats[f], "{\"split\":{\"seconds\":5},\"loudness\":-20}"));
        for (int part = 0; part < 2; part++) {
            const char *file = part ? "dressed.1" : "dressed";
            MR_AUTO_JSON json_t *probe = media_probe(&dir, file);
            char *dump = json_dumps(probe, 0);
            bool is_dressed = strstr(dump, "Song") && strstr(dump, "Singer") &&
                              strstr(dump, "attached_pic\": 1") &&
                              json_array_size(json_object_get(probe, "chapters")) == chapters[part];
            if (!is_dressed)
                fail_msg("%s, part %d: %s", formats[f], part, dump);
            free(dump);
            struct media_samples samples = media_decode(&dir, file, 44100);
            assert_near((double)samples.count / 44100, 5, 0.05, formats[f]);
            media_samples_free(&samples);
        }
    }
}

static void test_extremes(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        int channels_max, rates[4], bit_rates[3];
    } formats[] = {
        {"mp3", 2, {8000, 44100, 48000}, {32000, 128000, 320000}},
        {"aac", 6, {8000, 44100, 96000}, {8000, 128000, 512000}},
        {"m4a", 6, {8000, 44100, 96000}, {8000, 128000, 512000}},
        {"ogg", 8, {8000, 11025, 44100, 48000}, {32000, 128000, 480000}},
        {"opus", 8, {48000}, {8000, 128000, 510000}},
        {"wma", 2, {8000, 22050, 44100, 48000}, {24000, 128000, 320000}},
        {"flac", 8, {8000, 44100, 192000}, {0}},
        {"wav", 8, {8000, 44100, 192000}, {0}},
    };
    media_ffmpeg(&dir, "-f lavfi -i sine=d=0.3:r=44100 tiny.wav");
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
        for (int channels = 1; channels <= formats[f].channels_max; channels++)
            for (int r = 0; r < 4 && formats[f].rates[r]; r++)
                for (int b = 0; b < 3 && (b == 0 || formats[f].bit_rates[b]); b++) {
                    bool is_between = channels > 2 && channels < formats[f].channels_max;
                    if (is_between && (r > 0 || b > 0))
                        continue;
                    char options[128];
                    int asked = formats[f].bit_rates[b];
                    int len = snprintf(options, sizeof options, "{\"channels\":%d,\"sample_rate\":%d",
                                       channels, formats[f].rates[r]);
                    snprintf(options + len, sizeof options - (size_t)len, asked ? ",\"bitrate\":%d}" : "}",
                             asked);
                    MR_AUTO_JSON json_t *receipt =
                        edit_ok("tiny.wav", "tiny.out", formats[f].format, options);
                    const json_t *output = json_object_get(receipt, "output");
                    assert_int_equal(json_integer_value(json_object_get(output, "channels")), channels);
                    assert_int_equal(json_integer_value(json_object_get(output, "sample_rate")),
                                     formats[f].rates[r]);
                }
}

static const char *why_changed(const json_t *receipt, const char *what)
{
    size_t i;
    const json_t *change;
    json_array_foreach (json_object_get(receipt, "changed"), i, change) {
        if (strcmp(json_string_value(json_object_get(change, "what")), what) == 0)
            return json_string_value(json_object_get(change, "why"));
    }
    return "";
}

static void test_nearest_bit_rate(void **state)
{
    (void)state;
    static const struct {
        const char *format, *options;
        bool is_reported;
    } cases[] = {
        {"ogg", "{\"channels\":1,\"bitrate\":480000}", true},
        {"opus", "{\"channels\":1,\"bitrate\":510000}", true},
        {"ogg", "{\"channels\":2,\"bitrate\":128000}", false},
        {"ogg", "{\"channels\":2,\"sample_rate\":192000,\"bitrate\":128000}", false},
        {"mp3", "{\"bitrate\":128000}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("tiny.wav", "tiny.out", cases[i].format, cases[i].options);
        assert_int_equal(strstr(why_changed(receipt, "audio.bit_rate"), "nearest") != NULL,
                         cases[i].is_reported);
    }
}

/* In parts and between logos the audio is as long as the video, and the receipt says what that took. */
static void test_ends_with_the_video(void **state)
{
    (void)state;
    static const struct {
        int video_s, audio_s;
        const char *why;
    } cases[] = {{4, 8, "cut"}, {8, 4, "silence"}, {5, 5, ""}};
    media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64 -frames:v 1 logo.png");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64:d=%d:r=5 -f lavfi -i sine=d=%d -c:v mpeg4 ends.mkv",
                     cases[i].video_s, cases[i].audio_s);
        MR_AUTO_JSON json_t *receipt = edit_ok("ends.mkv", "ends.mp4", "mp4", "{\"logo\":{\"intro\":1}}");
        const char *why = why_changed(receipt, "audio.duration");
        if (cases[i].why[0] ? !strstr(why, cases[i].why) : why[0])
            fail_msg("%d s of video, %d s of audio: %s", cases[i].video_s, cases[i].audio_s, why);
    }
}

/* A gap of a minute in the audio is a minute of silence. */
static void test_hole(void **state)
{
    (void)state;
    media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64:d=70:r=2 -f lavfi -i sine=997:d=10:r=48000 -af "
                       "asetpts=PTS+gte(N\\,235)*60/TB -c:v mpeg4 -c:a pcm_s16le hole.mkv");
    json_decref(edit_ok("hole.mkv", "hole.mov", "mov", "{}"));
    struct media_samples samples = media_decode(&dir, "hole.mov", 8000);
    double power = 0;
    for (size_t i = 8000 * 10; i < 8000 * 60; i++)
        power += (double)samples.data[i] * (double)samples.data[i];
    assert_near((double)samples.count / 8000, 70, 0.1, "the length of the audio");
    assert_true(power < 0.01);
    media_samples_free(&samples);
}

/* Audio that changes its rate and channels stays in step with the video. */
static void test_change_in_mid_stream(void **state)
{
    (void)state;
    media_ffmpeg(
        &dir, "-f lavfi -i testsrc=s=64x64:d=3:r=5 -f lavfi -i sine=997:d=3:r=44100 -c:v mpeg2video -c:a mp2 "
              "-ac 1 one.ts");
    media_ffmpeg(
        &dir, "-f lavfi -i testsrc=s=64x64:d=3:r=5 -f lavfi -i sine=997:d=3:r=48000 -c:v mpeg2video -c:a mp2 "
              "-ac 2 -output_ts_offset 3.2 two.ts");
    size_t len;
    char *one = media_run(&dir, &len, "cat one.ts two.ts");
    media_write_file(&dir, "both.ts", one, len);
    free(one);
    MR_AUTO_JSON json_t *receipt = edit_ok("both.ts", "both.mp4", "mp4", "{}");
    struct media_samples samples = media_decode(&dir, "both.mp4", 8000);
    assert_near((double)samples.count / 8000, 6, 0.15, "the length of the audio");
    assert_true(media_tone_db(&samples, 997) > -25);
    media_samples_free(&samples);
    assert_near(told(receipt, "in").integrated, told(receipt, "out").integrated, 4, "loudness");
}

int main(void)
{
    struct mr_err err;
    if (mr_sandbox_start(mr_media_run, &sandbox, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    media_dir_make(&dir);
    make_audio();
    make_ramp();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meter),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_beyond_the_end),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_too_many_parts),
        cmocka_unit_test(test_parts_are_dressed),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_nearest_bit_rate),
        cmocka_unit_test(test_ends_with_the_video),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_change_in_mid_stream),
    };
    int failed = cmocka_run_group_tests_name("audio", tests, NULL, NULL);
    mr_sandbox_stop(sandbox);
    media_dir_remove(&dir);
    return failed;
}
