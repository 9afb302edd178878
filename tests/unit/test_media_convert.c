/* Conversions through the real sandbox, judged by ffprobe and by the samples that ffmpeg decodes. */
#include "tests/unit/media_fixture.h"

#include "shared/media/formats.h"
#include "worker/media/convert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

enum { TONE = 997, RATE = 8000 };

static struct mr_sandbox *sandbox;
static struct media_dir dir;

/* The encoder arguments that make each format's input. */
static const struct {
    const char *format;
    const char *arguments;
} makers[] = {
    {"mp3", "-c:a libmp3lame -b:a 128k"},
    {"aac", "-c:a aac -b:a 128k"},
    {"m4a", "-c:a aac -b:a 128k"},
    {"ogg", "-c:a libvorbis -q:a 5"},
    {"opus", "-c:a libopus"},
    {"wav", "-c:a pcm_s16le"},
    {"flac", "-c:a flac"},
    {"wma", "-c:a wmav2 -b:a 128k"},
};
enum { FORMATS = sizeof makers / sizeof *makers };

static json_t *convert_ok(const char *input, const char *output, const char *format)
{
    json_t *receipt = NULL;
    struct mr_err err = {0};
    if (media_convert(sandbox, &dir, input, output, format, &receipt, &err))
        fail_msg("%s to %s: %s: %s", input, output, mr_code_name(err.code), err.message);
    return receipt;
}

static double receipt_number(const json_t *receipt, const char *part, const char *key)
{
    return json_number_value(json_object_get(json_object_get(receipt, part), key));
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

static bool has_kept(const json_t *receipt, const char *what)
{
    size_t i;
    const json_t *kept;
    json_array_foreach (json_object_get(receipt, "kept"), i, kept) {
        if (strcmp(json_string_value(kept), what) == 0)
            return true;
    }
    return false;
}

/* What the codecs' frames may add to a decoded stream, in seconds: ADTS states no padding at all, WMA and
 * this libav's MP4 none at the end. */
static double padding(const char *format, int rate)
{
    if (strcmp(format, "aac") == 0)
        return 3 * 1024.0 / rate;
    if (strcmp(format, "m4a") == 0)
        return 1024.0 / rate;
    return strcmp(format, "wma") == 0 ? 0.064 : 0;
}

struct wanted {
    const char *from, *to; /* formats */
    double seconds;
    double db; /* of the tone; 0: any */
};

/* The same length within 50 ms beyond padding, and the same tone within 1 dB. */
static void check_samples(const json_t *receipt, const char *output, const struct media_samples *samples,
                          const struct wanted *wanted)
{
    int in_rate = (int)receipt_number(receipt, "input", "sample_rate");
    int out_rate = (int)receipt_number(receipt, "output", "sample_rate");
    double slack = 0.050 + padding(wanted->from, in_rate) + padding(wanted->to, out_rate);
    double in_ms = receipt_number(receipt, "input", "duration_ms");
    double out_ms = receipt_number(receipt, "output", "duration_ms");
    if (fabs(in_ms - out_ms) > 50 || fabs(in_ms / 1000 - wanted->seconds) > slack)
        fail_msg("%s: the receipt says %.0f ms in, %.0f ms out, of %.3f s", output, in_ms, out_ms,
                 wanted->seconds);
    assert_int_equal((int64_t)receipt_number(receipt, "output", "size"), media_file_size(&dir, output));

    double decoded = (double)samples->count / RATE, level = media_tone_db(samples, TONE);
    if (fabs(decoded - wanted->seconds) > slack)
        fail_msg("%s: %.3f s of %.3f s", output, decoded, wanted->seconds);
    if (wanted->db < 0 && fabs(level - wanted->db) > 1)
        fail_msg("%s: the tone has %.2f dB, not %.2f", output, level, wanted->db);
}

static void check_result(const json_t *receipt, const char *output, const char *from, const char *to,
                         double seconds, double db)
{
    struct media_samples samples = media_decode(&dir, output, RATE);
    check_samples(receipt, output, &samples, &(struct wanted){from, to, seconds, db});
    media_samples_free(&samples);
}

static double level_of(const char *file)
{
    struct media_samples samples = media_decode(&dir, file, RATE);
    double db = media_tone_db(&samples, TONE);
    media_samples_free(&samples);
    return db;
}

/* In the places of makers; the last file is the input. */
struct conversions {
    char outputs[FORMATS][64];
    json_t *receipts[FORMATS];
    struct media_samples samples[FORMATS + 1];
};

/* Converts one input into all formats and decodes them. */
static void convert_to_all(const char *input, double seconds, struct conversions *all)
{
    *all = (struct conversions){0};
    for (size_t i = 0; i < FORMATS; i++) {
        snprintf(all->outputs[i], sizeof all->outputs[i], "%.40s.to.%s", input, makers[i].format);
        all->receipts[i] = convert_ok(input, all->outputs[i], makers[i].format);
        /* libavformat does not recognize an ADTS file of two frames. */
        if (seconds > 0.02 || strcmp(makers[i].format, "aac") != 0)
            all->samples[i] = media_decode(&dir, all->outputs[i], RATE);
    }
    all->samples[FORMATS] = media_decode(&dir, input, RATE);
}

static void free_conversions(struct conversions *all)
{
    for (size_t i = 0; i < FORMATS; i++)
        json_decref(all->receipts[i]);
    for (size_t i = 0; i <= FORMATS; i++)
        media_samples_free(&all->samples[i]);
}

/* Each format has the input's length and, of a second or more, its level. */
static void check_to_all(const char *input, const char *from, double seconds)
{
    struct conversions all;
    convert_to_all(input, seconds, &all);
    double db = seconds < 1 ? 0 : media_tone_db(&all.samples[FORMATS], TONE);
    for (size_t i = 0; i < FORMATS; i++)
        if (all.samples[i].data)
            check_samples(all.receipts[i], all.outputs[i], &all.samples[i],
                          &(struct wanted){from, makers[i].format, seconds, db});
    free_conversions(&all);
}

static void test_matrix(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMATS; i++) {
        char input[32];
        snprintf(input, sizeof input, "in.%s", makers[i].format);
        media_ffmpeg(&dir, "-f lavfi -i sine=%d:d=2:r=44100 -ac 2 %s %s", TONE, makers[i].arguments, input);
        check_to_all(input, makers[i].format, 2);
    }
}

static void test_odd_sources(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *source; /* of lavfi */
        const char *arguments;
        double seconds;
    } cases[] = {
        {"8k.wav", "sine=997:d=2:r=8000", "-ac 1", 2},
        {"11k.wav", "sine=997:d=2:r=11025", "-ac 2", 2},
        {"mono48.flac", "sine=997:d=2:r=48000", "-ac 1", 2},
        {"deep96.wav", "sine=997:d=2:r=96000", "-c:a pcm_s24le", 2},
        {"float.wav", "sine=997:d=2:r=44100", "-c:a pcm_f32le", 2},
        {"u8.wav", "sine=997:d=2:r=22050", "-c:a pcm_u8", 2},
        {"22k.mp3", "sine=997:d=2:r=22050", "-b:a 32k", 2},
        {"hour8k.ogg", "sine=997:d=30:r=8000", "-c:a libvorbis", 30},
        {"192k.flac", "sine=997:d=1:r=192000", "-sample_fmt s32", 1},
        {"short.wav", "sine=997:d=0.01:r=44100", "-ac 2", 0.01},
        {"short.mp3", "sine=997:d=0.05:r=44100", "-ac 2", 0.05},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        media_ffmpeg(&dir, "-f lavfi -i %s %s %s", cases[i].source, cases[i].arguments, cases[i].file);
        check_to_all(cases[i].file, strrchr(cases[i].file, '.') + 1, cases[i].seconds);
    }
}

static void test_surround(void **state)
{
    (void)state;
    static const char *const layouts[] = {"5.1", "5.1(side)", "7.1", "3.0", "quad"};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        char file[32];
        snprintf(file, sizeof file, "surround%zu.flac", i);
        media_ffmpeg(
            &dir, "-f lavfi -i sine=997:d=1:r=48000 -af aformat=channel_layouts=mono,pan=%s|FL=c0|FR=c0 %s",
            layouts[i], file);
        struct conversions all;
        convert_to_all(file, 1, &all);
        double db = media_tone_db(&all.samples[FORMATS], TONE);
        for (size_t f = 0; f < FORMATS; f++) {
            const char *format = makers[f].format;
            bool stereo = strcmp(format, "mp3") == 0 || strcmp(format, "wma") == 0;
            double channels = receipt_number(all.receipts[f], "output", "channels");
            assert_true(stereo ? channels == 2 : channels >= 3);
            /* A downmix makes room for the channels that it adds. */
            check_samples(all.receipts[f], all.outputs[f], &all.samples[f],
                          &(struct wanted){"flac", format, 1, stereo ? 0 : db});
        }
        free_conversions(&all);
    }
}

static void test_deep_samples_stay_deep(void **state)
{
    (void)state;
    media_ffmpeg(&dir, "-f lavfi -i sine=997:d=1:r=96000 -c:a pcm_s24le deep.wav");
    static const struct {
        const char *format;
        const char *codec;
        int bits;
    } cases[] = {{"flac", "flac", 24}, {"wav", "pcm_s24le", 24}};
    for (size_t i = 0; i < 2; i++) {
        char output[32];
        snprintf(output, sizeof output, "deep.to.%s", cases[i].format);
        json_decref(convert_ok("deep.wav", output, cases[i].format));
        MR_AUTO_JSON json_t *probe = media_probe(&dir, output);
        const json_t *stream = json_array_get(json_object_get(probe, "streams"), 0);
        assert_string_equal(json_string_value(json_object_get(stream, "codec_name")), cases[i].codec);
        assert_string_equal(json_string_value(json_object_get(stream, "bits_per_raw_sample")), "24");
        assert_string_equal(json_string_value(json_object_get(stream, "sample_rate")), "96000");
    }
}

static void test_copies(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *format;
        bool copied;
    } cases[] = {
        {"in.mp3", "mp3", true},   {"in.m4a", "aac", true},   {"in.aac", "m4a", true},
        {"in.m4a", "m4a", true},   {"in.ogg", "ogg", true},   {"in.opus", "opus", true},
        {"in.flac", "flac", true}, {"in.wav", "wav", true},   {"in.wma", "wma", true},
        {"in.mp3", "wav", false},  {"in.ogg", "opus", false}, {"in.wav", "flac", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char output[32];
        snprintf(output, sizeof output, "copy%zu.%s", i, cases[i].format);
        MR_AUTO_JSON json_t *receipt = convert_ok(cases[i].input, output, cases[i].format);
        if (json_is_true(json_object_get(receipt, "copied")) != cases[i].copied)
            fail_msg("%s to %s", cases[i].input, cases[i].format);
    }
}

static const char *find_tag(const json_t *probe, const char *key)
{
    const json_t *places[] = {
        json_object_get(json_object_get(probe, "format"), "tags"),
        json_object_get(json_array_get(json_object_get(probe, "streams"), 0), "tags"),
    };
    for (size_t i = 0; i < 2; i++) {
        const char *name;
        json_t *value;
        json_object_foreach ((json_t *)(uintptr_t)places[i], name, value) {
            if (strcasecmp(name, key) == 0)
                return json_string_value(value);
        }
    }
    return NULL;
}

static bool has_picture(const json_t *probe)
{
    size_t i;
    const json_t *stream;
    json_array_foreach (json_object_get(probe, "streams"), i, stream) {
        const json_t *disposition = json_object_get(stream, "disposition");
        if (json_integer_value(json_object_get(disposition, "attached_pic")) == 1)
            return json_integer_value(json_object_get(stream, "width")) == 64;
    }
    return false;
}

static void check_tags(const char *input, const char *format, bool can_cover, bool can_chapters)
{
    char output[64];
    snprintf(output, sizeof output, "%s.tags.%s", input, format);
    MR_AUTO_JSON json_t *receipt = convert_ok(input, output, format);
    MR_AUTO_JSON json_t *probe = media_probe(&dir, output);
    const char *title = find_tag(probe, "title"), *artist = find_tag(probe, "artist");
    if (!title || !artist || strcmp(title, "Ünïcödé—題") != 0 || strcmp(artist, "Björk") != 0)
        fail_msg("%s: title %s, artist %s", output, title ? title : "lost", artist ? artist : "lost");
    assert_true(has_kept(receipt, "tag:title"));
    assert_true(has_kept(receipt, "tag:artist"));
    if (has_picture(probe) != can_cover || has_kept(receipt, "cover_art") != can_cover)
        fail_msg("%s: cover art", output);
    if (can_chapters && json_array_size(json_object_get(probe, "chapters")) != 2)
        fail_msg("%s: chapters", output);
    if (!can_cover)
        assert_true(json_array_size(json_object_get(receipt, "dropped")) > 0);
}

static void test_tags_and_cover(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        bool cover;
        bool chapters;
    } targets[] = {
        {"mp3", true, true},  {"aac", false, false}, {"m4a", true, true},  {"ogg", true, true},
        {"opus", true, true}, {"wav", false, false}, {"flac", true, true}, {"wma", false, true},
    };
    static const char text[] = ";FFMETADATA1\ntitle=Ünïcödé—題\nartist=Björk\nalbum=A\n"
                               "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=one\n"
                               "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=two\n";
    media_write_file(&dir, "meta.txt", text, sizeof text - 1);
    media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64 -frames:v 1 cover.png");
    media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64 -frames:v 1 cover.jpg");
    media_ffmpeg(&dir,
                 "-f lavfi -i sine=997:d=2 -i cover.jpg -i meta.txt -map 0 -map 1 -map_metadata 2 -c:v copy "
                 "-disposition:v attached_pic tagged.mp3");
    media_ffmpeg(&dir,
                 "-f lavfi -i sine=997:d=2 -i cover.png -i meta.txt -map 0 -map 1 -map_metadata 2 -c:v copy "
                 "-disposition:v attached_pic tagged.m4a");
    media_ffmpeg(&dir,
                 "-f lavfi -i sine=997:d=2 -i cover.png -i meta.txt -map 0 -map 1 -map_metadata 2 -c:v copy "
                 "-disposition:v attached_pic tagged.flac");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        check_tags("tagged.mp3", targets[i].format, targets[i].cover, targets[i].chapters);
        check_tags("tagged.m4a", targets[i].format, targets[i].cover, targets[i].chapters);
        check_tags("tagged.flac", targets[i].format, targets[i].cover, false);
    }
    /* What we wrote ourselves is read back as well. */
    check_tags("tagged.mp3.tags.ogg", "mp3", true, true);
    check_tags("tagged.mp3.tags.opus", "flac", true, true);
    check_tags("tagged.flac.tags.ogg", "ogg", true, false);
}

/* The head holds the cover picture, and the muxer still patches behind it. */
static void test_large_cover(void **state)
{
    (void)state;
    media_ffmpeg(
        &dir, "-f lavfi -i nullsrc=s=1200x1200,geq=random(1)*255:128:128 -frames:v 1 -pix_fmt rgb24 big.png");
    assert_true(media_file_size(&dir, "big.png") > 1000000);
    media_ffmpeg(&dir,
                 "-f lavfi -i sine=997:d=60 -i big.png -map 0 -map 1 -c:v copy -disposition:v attached_pic "
                 "big.mp3");
    static const char *const targets[] = {"mp3", "flac", "m4a", "ogg"};
    for (size_t i = 0; i < 4; i++) {
        char output[32];
        snprintf(output, sizeof output, "big.to.%s", targets[i]);
        MR_AUTO_JSON json_t *receipt = convert_ok("big.mp3", output, targets[i]);
        assert_true(has_kept(receipt, "cover_art"));
        check_result(receipt, output, "mp3", targets[i], 60, level_of("big.mp3"));
    }
}

static void test_video_gives_its_audio(void **state)
{
    (void)state;
    static const char *const containers[] = {"mp4", "mkv", "webm", "avi", "mov", "ts"};
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        char input[32], output[32];
        snprintf(input, sizeof input, "video.%s", containers[i]);
        snprintf(output, sizeof output, "video.%s.flac", containers[i]);
        media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64:d=2 -f lavfi -i sine=997:d=2:r=48000 %s", input);
        MR_AUTO_JSON json_t *receipt = convert_ok(input, output, "flac");
        check_result(receipt, output, "aac", "flac", 2, level_of(input));
    }
}

static void expect_failure(const char *input, const char *format, const char *code)
{
    json_t *receipt = NULL;
    struct mr_err err = {.code = MR_CODE_NONE};
    enum mr_status status = media_convert(sandbox, &dir, input, "bad.out", format, &receipt, &err);
    json_decref(receipt);
    if (status == MR_OK || strcmp(mr_code_name(err.code), code) != 0 || mr_status_is_transient(status))
        fail_msg("%s to %s: %s (%s), not %s", input, format, mr_code_name(err.code), err.message, code);
}

/* A cut file fails or is marked; never is it silently done. */
static void test_truncated(void **state)
{
    (void)state;
    static const int cuts[] = {300, 500, 970};
    for (size_t i = 0; i < FORMATS; i++) {
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
            char input[32], cut[48];
            const char *to[] = {"wav", "mp3", makers[i].format};
            snprintf(input, sizeof input, "whole.%s", makers[i].format);
            snprintf(cut, sizeof cut, "cut%d.%s", cuts[c], makers[i].format);
            if (c == 0)
                media_ffmpeg(&dir, "-f lavfi -i sine=997:d=10:r=44100 -ac 2 %s %s", makers[i].arguments,
                             input);
            media_cut_file(&dir, input, cut, cuts[c]);
            for (size_t t = 0; t < 3; t++) {
                MR_AUTO_JSON json_t *receipt = NULL;
                struct mr_err err = {0};
                enum mr_status status = media_convert(sandbox, &dir, cut, "cut.out", to[t], &receipt, &err);
                bool told = status ? strcmp(mr_code_name(err.code), "truncated") == 0
                                   : has_warning(receipt, "truncated");
                if (!told)
                    fail_msg("%s to %s: %s %s", cut, to[t], mr_code_name(err.code), err.message);
            }
        }
    }
}

/* An MP3 without a stated length: the frame that was cut shows the damage. */
static void test_truncated_without_a_length(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int permille;
        bool truncated;
    } table[] = {{"bare.mp3", 1000, false},
                 {"bare300.mp3", 300, true},
                 {"bare500.mp3", 500, true},
                 {"bare970.mp3", 970, true}};
    media_ffmpeg(&dir,
                 "-f lavfi -i sine=997:d=10:r=44100 -ac 2 -c:a libmp3lame -b:a 128k -write_xing 0 bare.mp3");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].truncated)
            media_cut_file(&dir, "bare.mp3", table[i].file, table[i].permille);
        MR_AUTO_JSON json_t *receipt = convert_ok(table[i].file, "bare.out", "wav");
        if (has_warning(receipt, "truncated") != table[i].truncated)
            fail_msg("%s: %s", table[i].file, table[i].truncated ? "silently done" : "marked as truncated");
    }
}

static void test_garbage(void **state)
{
    (void)state;
    enum { LEN = 200000 };
    static unsigned char noise[LEN];
    static char text[LEN];
    uint32_t seed = 12345;
    for (size_t i = 0; i < LEN; i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (unsigned char)(seed >> 24);
        text[i] = "All work and no play. "[i % 22];
    }
    static const char *const extensions[] = {"mp3", "aac",  "m4a", "ogg", "opus",
                                             "wav", "flac", "wma", "ts",  "bin"};
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        char file[32];
        snprintf(file, sizeof file, "noise.%s", extensions[i]);
        media_write_file(&dir, file, noise, LEN);
        expect_failure(file, "wav", "invalid_media");
        media_write_file(&dir, file, text, LEN);
        expect_failure(file, "mp3", "invalid_media");
        media_write_file(&dir, file, "", 0);
        expect_failure(file, "flac", "invalid_media");
        media_write_file(&dir, file, "\xff", 1);
        expect_failure(file, "m4a", "invalid_media");
    }
    static const char playlist[] = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n";
    media_write_file(&dir, "list.mp3", playlist, sizeof playlist - 1);
    expect_failure("list.mp3", "wav", "invalid_media");
    static const char concat[] = "ffconcat version 1.0\nfile in.wav\n";
    media_write_file(&dir, "list.wav", concat, sizeof concat - 1);
    expect_failure("list.wav", "wav", "invalid_media");

    media_ffmpeg(&dir, "-f lavfi -i testsrc=s=64x64:d=1 silent.mp4");
    expect_failure("silent.mp4", "mp3", "no_audio");
    media_ffmpeg(&dir, "-f lavfi -i sine=997:d=1 -t 0 nothing.wav");
    expect_failure("nothing.wav", "mp3", "invalid_media");
    media_ffmpeg(&dir, "-f lavfi -i sine=997:d=1 fine.wav");
    expect_failure("fine.wav", "exe", "unsupported_format");
}

/* Damage inside: a little is repaired and reported, a lot is refused. */
static void test_damage(void **state)
{
    (void)state;
    media_ffmpeg(&dir, "-f lavfi -i sine=997:d=10:r=44100 -ac 2 -c:a flac -frame_size 4096 whole.dam.flac");
    int64_t size = media_file_size(&dir, "whole.dam.flac");
    media_cut_file(&dir, "whole.dam.flac", "little.flac", 1000);
    char path[128];
    snprintf(path, sizeof path, "%s/little.flac", dir.path);
    FILE *file = fopen(path, "r+e");
    assert_non_null(file);
    fseek(file, (long)(size / 2), SEEK_SET);
    for (int i = 0; i < 64; i++)
        fputc(0x55, file);
    fclose(file);
    MR_AUTO_JSON json_t *receipt = NULL;
    struct mr_err err = {0};
    enum mr_status status = media_convert(sandbox, &dir, "little.flac", "little.wav", "wav", &receipt, &err);
    if (status ? strcmp(mr_code_name(err.code), "truncated") != 0 : !has_warning(receipt, "damaged_packets"))
        fail_msg("a damaged packet was not told: %s", err.message);
}

/* What the encoder got, by which later work is estimated: of the clip, as the output has it. */
static void test_work(void **state)
{
    (void)state;
    static const struct {
        const char *format, *options, *encoder, *preset, *unit;
        double amount;
    } cases[] = {
        {"mp4", "{\"crf\": 24}", "libx264", "", "megapixels", 7.68},
        {"mp4", "{\"crf\": 24, \"preset\": \"fast\", \"resize\": {\"width\": 160}}", "libx264", "fast",
         "megapixels", 1.92},
        {"mp3", "{}", "libmp3lame", "", "megasamples", 0.3528},
        {"opus", "{\"channels\": 1}", "libopus", "", "megasamples", 0.192},
        {"ogg", "{\"trim\": {\"start\": 1, \"duration\": 2}}", "libvorbis", "", "megasamples", 0.1764},
        {"flac", "{\"split\": {\"seconds\": 1}}", "flac", "", "megasamples", 0.3528},
        {"mp3", "{\"loudness\": -16}", NULL, NULL, NULL, 0},
        {"mp4", "{}", NULL, NULL, NULL, 0},
        {"m4a", "{}", NULL, NULL, NULL, 0},
    };
    media_ffmpeg(
        &dir,
        "-f lavfi -i testsrc=s=320x240:r=25 -f lavfi -i sine=r=44100 -ac 2 -t 4 -pix_fmt yuv420p -c:a aac work.mp4");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *receipt = NULL;
        MR_AUTO_JSON json_t *options = json_loads(cases[i].options, 0, NULL);
        struct mr_err err = {0};
        if (media_edit(sandbox, &dir, "work.mp4", "work.out", cases[i].format, options, &receipt, &err) !=
            MR_OK)
            fail_msg("%s: %s", cases[i].format, err.message);
        const json_t *work = json_object_get(receipt, "work");
        if ((work != NULL) != (cases[i].encoder != NULL))
            fail_msg("%s %s: %s", cases[i].format, cases[i].options, work ? "has work" : "has none");
        if (!work)
            continue;
        assert_string_equal(json_string_value(json_object_get(work, "encoder")), cases[i].encoder);
        assert_string_equal(json_string_value(json_object_get(work, "preset")), cases[i].preset);
        double amount = json_number_value(json_object_get(work, cases[i].unit));
        if (fabs(amount - cases[i].amount) > 0.02 * cases[i].amount)
            fail_msg("%s %s: %f", cases[i].format, cases[i].options, amount);
    }
}

int main(void)
{
    struct mr_err err;
    if (mr_sandbox_start(mr_media_run, &sandbox, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    media_dir_make(&dir);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),      cmocka_unit_test(test_odd_sources),
        cmocka_unit_test(test_surround),    cmocka_unit_test(test_deep_samples_stay_deep),
        cmocka_unit_test(test_copies),      cmocka_unit_test(test_tags_and_cover),
        cmocka_unit_test(test_large_cover), cmocka_unit_test(test_video_gives_its_audio),
        cmocka_unit_test(test_truncated),   cmocka_unit_test(test_truncated_without_a_length),
        cmocka_unit_test(test_garbage),     cmocka_unit_test(test_damage),
        cmocka_unit_test(test_work),
    };
    int failed = cmocka_run_group_tests_name("media conversions", tests, NULL, NULL);
    mr_sandbox_stop(sandbox);
    media_dir_remove(&dir);
    return failed;
}
