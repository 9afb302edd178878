/* Media that no recorder makes: samples that are no numbers, absurd rates and sizes, tags without end. */
#include "tests/unit/video_fixture.h"
#include "worker/protocol.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RATE = 44100, SAMPLES = RATE / 2 };

/* Half a second of a sine; every 100th sample is one of `odd`. */
static void make_floats(const char *file, const float *odd, size_t count)
{
    float *data = calloc(SAMPLES, sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < SAMPLES; i++)
        data[i] = i % 100 || !count ? 0.3F * sinf((float)i * 0.1F) : odd[i / 100 % count];
    media_write_file(video_dir(), file, data, SAMPLES * sizeof *data);
    free(data);
}

static const char *const audio_formats[] = {"mp3", "aac", "m4a", "ogg", "opus", "wav", "flac", "wma"};
enum { FORMATS = sizeof audio_formats / sizeof *audio_formats };

/* The result can be decoded, and is as long as the input. */
static void check_half_second(const char *file)
{
    struct media_samples samples = media_decode(video_dir(), file, RATE);
    assert_near((double)samples.count / RATE, 0.5, 0.1, file);
    for (size_t i = 0; i < samples.count; i++)
        assert_true(isfinite(samples.data[i]));
    media_samples_free(&samples);
}

static void test_samples_that_are_no_numbers(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e30F, -1e38F, 1e5F};
    static const char *const inputs[] = {"odd.wav", "odd.caf", "odd.au", "odd.aiff", "odd64.wav"};
    make_floats("odd.raw", odd, sizeof odd / sizeof *odd);
    media_ffmpeg(video_dir(),
                 "-f f32le -ar 44100 -ac 1 -i odd.raw -c:a pcm_f32le odd.wav -c:a pcm_f32le odd.caf "
                 "-c:a pcm_f32be odd.au -c:a pcm_f32be odd.aiff -c:a pcm_f64le odd64.wav");
    for (size_t f = 0; f < FORMATS; f++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("odd.wav", "odd.out", audio_formats[f], NULL);
        assert_true(has_what(receipt, "warnings", "bad_samples"));
        check_half_second("odd.out");
    }
    for (size_t i = 1; i < sizeof inputs / sizeof *inputs; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(inputs[i], "odd.out", "mp3", NULL);
        assert_true(has_what(receipt, "warnings", "bad_samples"));
        check_half_second("odd.out");
    }
    MR_AUTO_JSON json_t *levelled = edit_ok("odd.wav", "odd.out", "aac", "{\"loudness\":-20}");
    assert_true(has_what(levelled, "warnings", "bad_samples"));
    check_half_second("odd.out");
}

/* The WMA encoder refuses noise at a low bit rate: that is a matter of the option. */
static void test_bit_rate_that_is_too_low(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i anoisesrc=c=white:d=2:r=44100:a=1,volume=12dB -ac 1 noise.wav");
    expect_failure("noise.wav", "wma", "{\"bitrate\":24000}", "bad_option", "options.bitrate");
    json_decref(edit_ok("noise.wav", "odd.out", "wma", NULL));
}

static void test_nothing_but_bad_samples(void **state)
{
    (void)state;
    static const char sources[][2][16] = {{"nan", "nan.wav"}, {"inf", "inf.wav"}};
    static const float values[] = {NAN, INFINITY};
    for (size_t i = 0; i < 2; i++) {
        float *data = calloc(SAMPLES, sizeof *data);
        assert_non_null(data);
        for (size_t n = 0; n < SAMPLES; n++)
            data[n] = values[i];
        media_write_file(video_dir(), "only.raw", data, SAMPLES * sizeof *data);
        free(data);
        media_ffmpeg(video_dir(), "-f f32le -ar 44100 -ac 1 -i only.raw -c:a pcm_f32le %s", sources[i][1]);
        for (size_t f = 0; f < FORMATS; f++) {
            json_decref(edit_ok(sources[i][1], "odd.out", audio_formats[f], NULL));
            check_half_second("odd.out");
        }
    }
}

static void test_denormal_samples_are_numbers(void **state)
{
    (void)state;
    static const float odd[] = {1e-40F, -1e-45F, 1e-38F};
    make_floats("tiny.raw", odd, sizeof odd / sizeof *odd);
    media_ffmpeg(video_dir(), "-f f32le -ar 44100 -ac 1 -i tiny.raw -c:a pcm_f32le tiny.wav");
    MR_AUTO_JSON json_t *receipt = edit_ok("tiny.wav", "odd.out", "mp3", NULL);
    assert_false(has_what(receipt, "warnings", "bad_samples"));
    check_half_second("odd.out");
}

static void test_bad_samples_in_a_video(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, 1e30F};
    make_floats("odd.raw", odd, sizeof odd / sizeof *odd);
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -f f32le -ar 44100 -ac 1 -i odd.raw -c:v "
                 "libx264 -pix_fmt yuv420p -c:a pcm_f32le odd.mov -c:v libx264 -pix_fmt yuv420p "
                 "-c:a pcm_f32le odd.mkv");
    static const char *const inputs[] = {"odd.mov", "odd.mkv"};
    static const char *const formats[] = {"mp4", "webm", "avi", "mp3"};
    for (size_t i = 0; i < 2; i++)
        for (size_t f = 0; f < 4; f++) {
            MR_AUTO_JSON json_t *receipt = edit_ok(inputs[i], "odd.out", formats[f], NULL);
            assert_true(has_what(receipt, "warnings", "bad_samples"));
            check_half_second("odd.out");
        }
}

static void put_le(uint8_t *at, uint32_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* A WAV of `len` bytes of 8-bit samples. */
static void make_wav(const char *file, uint32_t rate, uint32_t channels, uint32_t len)
{
    enum { HEAD = 44, BYTES_MAX = 100000 };
    static uint8_t wav[HEAD + BYTES_MAX];
    memcpy(wav, "RIFF\0\0\0\0WAVEfmt \20\0\0\0\1\0", 22);
    memcpy(wav + 36, "data", 4);
    put_le(wav + 4, HEAD - 8 + len, 4);
    put_le(wav + 22, channels, 2);
    put_le(wav + 24, rate, 4);
    put_le(wav + 28, rate * channels, 4);
    put_le(wav + 32, channels, 2);
    put_le(wav + 34, 8, 2);
    put_le(wav + 40, len, 4);
    for (uint32_t i = 0; i < len; i++)
        wav[HEAD + i] = (uint8_t)(128 + i % 100);
    media_write_file(video_dir(), file, wav, HEAD + len);
}

static void test_absurd_forms_of_audio(void **state)
{
    (void)state;
    static const struct {
        uint32_t rate, channels;
        const char *words;
    } refused[] = {{1, 1, "1 Hz"},          {3, 2, "3 Hz"},         {999, 1, "from 1000 to 768000"},
                   {768001, 1, "768001"},   {INT32_MAX, 1, NULL},   {0, 1, NULL},
                   {UINT32_MAX, 1, NULL},   {0x80000000u, 1, NULL}, {44100, 0, NULL},
                   {44100, 65, "channels"}, {44100, 65535, NULL}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        make_wav("absurd.wav", refused[i].rate, refused[i].channels, 65535);
        expect_failure("absurd.wav", "mp3", NULL, "invalid_media", refused[i].words);
        expect_failure("absurd.wav", "mp3", "{\"loudness\":-20}", "invalid_media", refused[i].words);
    }
    static const uint32_t rates[] = {1000, 4000, 384000, 768000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        make_wav("rare.wav", rates[i], 1, 4000);
        json_decref(edit_ok("rare.wav", "rare.out", "mp3", NULL));
        json_decref(edit_ok("rare.wav", "rare.out", "flac", NULL));
    }
}

static void test_absurd_frame_rates_and_sizes(void **state)
{
    (void)state;
    static const char *const formats[] = {"mp4", "webm", "gif", "avi", "mkv"};
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=32x32:r=1000:d=0.2 -c:v mpeg4 fast.mkv");
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=32x32:r=90000:d=0.002 -c:v ffv1 fastest.mkv -c:v rawvideo "
                 "-pix_fmt yuv420p fastest.avi");
    media_write_file(video_dir(), "dot.raw", "ABCDEFGHIJKLMNO", 15);
    media_ffmpeg(video_dir(),
                 "-f rawvideo -pix_fmt rgb24 -s 1x1 -r 25 -i dot.raw -c:v ffv1 -pix_fmt bgr0 dot.mkv");
    static const char *const inputs[] = {"fast.mkv", "fastest.mkv", "fastest.avi", "dot.mkv"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
            json_decref(edit_ok(inputs[i], "absurd.out", formats[f], NULL));
            struct video video = look("absurd.out");
            assert_true(video.frames >= 1 && video.frames <= 300);
            assert_true(video.video_s <= 1);
        }
    /* The size of a GIF stands in its first bytes. */
    size_t len;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=32x32:r=10:d=0.3 huge.gif");
    char *gif = media_run(video_dir(), &len, "cat huge.gif");
    put_le((uint8_t *)gif + 6, 30000, 2);
    put_le((uint8_t *)gif + 8, 30000, 2);
    media_write_file(video_dir(), "huge.gif", gif, len);
    free(gif);
    expect_failure("huge.gif", "mp4", NULL, "invalid_media", NULL);
}

/* Tags may be any number, and of any length: the receipt is bounded, and says what it leaves out. */
static void test_endless_tags(void **state)
{
    (void)state;
    enum { TAGS = 5000, TEXT_MAX = 1 << 20 };
    char *text = malloc(TEXT_MAX);
    assert_non_null(text);
    int len = snprintf(text, TEXT_MAX, ";FFMETADATA1\n");
    for (int i = 0; i < TAGS; i++)
        len += snprintf(text + len, (size_t)(TEXT_MAX - len), "tag%d=%0*d\x01\x02\x03\n", i, 100, i);
    media_write_file(video_dir(), "tags.txt", text, (size_t)len);
    free(text);
    media_ffmpeg(video_dir(), "-f lavfi -i sine=d=0.2 -i tags.txt -map_metadata 1 tagged.mka -map_metadata 1 "
                              "tagged.flac");
    static const char *const inputs[] = {"tagged.mka", "tagged.flac"};
    static const char *const formats[] = {"mp3", "wav", "m4a", "ogg"};
    for (size_t i = 0; i < 2; i++)
        for (size_t f = 0; f < 4; f++) {
            MR_AUTO_JSON json_t *receipt = edit_ok(inputs[i], "tagged.out", formats[f], NULL);
            assert_true(has_what(receipt, "warnings", "receipt_shortened"));
            assert_true(json_dumpb(receipt, NULL, 0, JSON_COMPACT) < 64 << 10);
        }
}

/* Of so many parts the receipt holds all, but not all about each of them. */
static void test_many_parts(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=16x16:r=2:d=400 -f lavfi -i sine=d=400:r=8000 -c:v libx264 -preset "
                 "ultrafast -pix_fmt yuv420p -c:a aac -metadata:s:v title=A_title_of_the_video "
                 "-metadata:s:a title=A_title_of_the_audio long.mkv");
    MR_AUTO_JSON json_t *receipt = edit_ok("long.mkv", "part", "mkv", "{\"split\":{\"seconds\":1}}");
    const json_t *outputs = json_object_get(receipt, "outputs");
    size_t count = json_array_size(outputs);
    assert_true(count >= 400 && count <= 401);
    assert_true(json_dumpb(receipt, NULL, 0, JSON_COMPACT) < MR_STATUS_TEXT_MAX / 2);
    assert_non_null(json_object_get(json_array_get(outputs, 0), "streams"));
    const json_t *last = json_array_get(outputs, count - 1);
    assert_null(json_object_get(last, "streams"));
    assert_true(json_integer_value(json_object_get(last, "size")) > 0);
}

int main(void)
{
    if (!video_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_that_are_no_numbers),
        cmocka_unit_test(test_bit_rate_that_is_too_low),
        cmocka_unit_test(test_nothing_but_bad_samples),
        cmocka_unit_test(test_denormal_samples_are_numbers),
        cmocka_unit_test(test_bad_samples_in_a_video),
        cmocka_unit_test(test_absurd_forms_of_audio),
        cmocka_unit_test(test_absurd_frame_rates_and_sizes),
        cmocka_unit_test(test_endless_tags),
        cmocka_unit_test(test_many_parts),
    };
    int failed = cmocka_run_group_tests_name("odd media", tests, NULL, NULL);
    video_stop();
    return failed;
}
