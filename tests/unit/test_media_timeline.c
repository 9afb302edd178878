/* What an input's time says: edit lists, holes, lengths that are stated wrongly, and copies to the sample. */
#include "tests/unit/video_fixture.h"
#include "worker/media/progress.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a job has done when it has reached a position, in ten thousandths of all that it does. */
static void test_progress(void **state)
{
    (void)state;
    enum { S = 1000000 };
    static const struct mr_unit_range first = {.from_us = 0, .to_us = 4 * S},
                                      last = {.from_us = 4 * S, .to_us = INT64_MAX},
                                      slice = {.from_us = 4 * S, .to_us = 8 * S, .is_audio = true};
    static const struct {
        bool has_video;
        int64_t trim_start_us, trim_us, all_us, position_us;
        const struct mr_unit_range *unit;
        int done;
    } table[] = {
        {true, 0, INT64_MAX, 10 * S, 5 * S, NULL, 5000},
        {true, 0, 4 * S, 10 * S, 1 * S, NULL, 2500},
        {true, 6 * S, INT64_MAX, 10 * S, 1 * S, NULL, 2500}, /* the end of a file */
        {true, 6 * S, 3 * S, 10 * S, 3 * S, NULL, 10000},
        {true, 6 * S, 8 * S, 10 * S, 3 * S, NULL, 7500}, /* longer than what is left */
        {false, 6 * S, INT64_MAX, 10 * S, 5 * S, NULL, 5000},
        {false, 6 * S, 2 * S, 10 * S, 6 * S, NULL, 7500},
        {true, 2 * S, INT64_MAX, 10 * S, 2 * S, &first, 5000},
        {true, 2 * S, INT64_MAX, 10 * S, 3 * S, &last, 0}, /* still before it */
        {true, 2 * S, INT64_MAX, 10 * S, 6 * S, &last, 5000},
        {false, 2 * S, INT64_MAX, 20 * S, 5 * S, &slice, 5000},
        {true, 12 * S, INT64_MAX, 10 * S, 0, NULL, -1}, /* after the end, as far as one knows */
        {true, 0, INT64_MAX, -1, 5 * S, NULL, -1},
        {false, 3 * S, 2 * S, -1, 5 * S, &slice, -1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        AVStream video = {0};
        const struct mr_options options = {.trim_start_us = table[i].trim_start_us,
                                           .trim_us = table[i].trim_us};
        const struct mr_demuxer input = {.video = table[i].has_video ? &video : NULL,
                                         .estimated_us = table[i].all_us};
        struct mr_progress made = mr_progress_of(&options, table[i].unit, &input, table[i].position_us);
        assert_int_equal(made.all_us ? made.done_us * 10000 / made.all_us : -1, table[i].done);
    }
}

static void write_back(const char *file, struct bytes *bytes)
{
    media_write_file(video_dir(), file, bytes->data, bytes->size);
    free(bytes->data);
    *bytes = (struct bytes){0};
}

static void put_be32(uint8_t *at, int64_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static int64_t get_be32(const uint8_t *at)
{
    return (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

/* Where the box (or chunk) with this name begins, from an offset on. */
static size_t find(const struct bytes *bytes, const char *name, size_t from)
{
    const uint8_t *at = memmem(bytes->data + from, bytes->size - from, name, strlen(name));
    assert_non_null(at);
    return (size_t)(at - bytes->data) - 4;
}

struct edit {
    int from_ms, length_ms;
};

/* Replaces the edit list of a track, which ffmpeg has written with one entry; the index is behind the media. */
static void set_edits(struct bytes *bytes, int track, const struct edit *edits, size_t count)
{
    enum { ENTRY = 12, HEADER = 16 };
    size_t moov = find(bytes, "moov", 0), trak = moov;
    assert_true(moov > find(bytes, "mdat", 0));
    for (int i = 0; i <= track; i++)
        trak = find(bytes, "trak", trak + 8);
    size_t edts = find(bytes, "edts", trak), elst = find(bytes, "elst", trak);
    int64_t clip = get_be32(bytes->data + find(bytes, "mvhd", moov) + 20);
    int64_t media = get_be32(bytes->data + find(bytes, "mdhd", trak) + 20);
    size_t old = (size_t)get_be32(bytes->data + elst), new = HEADER + count *ENTRY;
    memmove(bytes->data + elst + new, bytes->data + elst + old, bytes->size - elst - old);
    bytes->size += new - old;
    const size_t boxes[] = {moov, trak, edts, elst};
    for (size_t i = 0; i < 4; i++)
        put_be32(bytes->data + boxes[i], get_be32(bytes->data + boxes[i]) + (int64_t) new - (int64_t)old);
    put_be32(bytes->data + elst + 12, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *entry = bytes->data + elst + HEADER + i * ENTRY;
        put_be32(entry, edits[i].length_ms * clip / 1000);
        put_be32(entry + 4, edits[i].from_ms * media / 1000);
        put_be32(entry + 8, 0x10000);
    }
}

/* Audio of one second each of 440, 2000 and 660 Hz, three times; frames in one group, of which others refer to
 * earlier ones. */
static void make_steps(void)
{
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i testsrc2=s=96x64:r=25:d=3 -f lavfi -i "
        "aevalsrc=0.3*sin(2*PI*t*if(lt(t\\,1)\\,440\\,if(lt(t\\,2)\\,2000\\,660))):s=48000:d=3 -c:v libx264 "
        "-preset ultrafast -pix_fmt yuv420p -g 250 -bf 2 -c:a aac steps.mp4 -map 1 -c:a aac steps.m4a -map 1 "
        "-c:a alac alac.m4a -map 0:v -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -bf 0 groups.mp4");
}

static const struct edit outer[] = {{0, 1000}, {2000, 1000}};

/* The second that the owner has cut out is neither seen nor heard. */
static void check_edited(const char *input, const char *format, bool has_video, bool is_copied)
{
    MR_AUTO_JSON json_t *receipt = edit_ok(input, "edited.out", format, NULL);
    struct video out = look("edited.out");
    bool copied = json_is_true(json_object_get(receipt, "copied"));
    if (copied != is_copied || (has_video && out.frames != 50))
        fail_msg("%s to %s: %d frames, %s", input, format, out.frames, copied ? "copied" : "encoded");
    if (has_video)
        assert_near(out.video_s - out.video_from, 2, 0.1, format);
    if (!out.audio[0])
        return;
    struct media_samples samples = media_decode(video_dir(), "edited.out", 48000);
    assert_near((double)samples.count / 48000, 2, 0.06, format);
    if (media_tone_db(&samples, 2000) > -40 || media_tone_db(&samples, 440) < -30)
        fail_msg("%s to %s: 2000 Hz at %.1f dB, 440 Hz at %.1f dB", input, format,
                 media_tone_db(&samples, 2000), media_tone_db(&samples, 440));
    media_samples_free(&samples);
}

static void test_edit_lists(void **state)
{
    (void)state;
    make_steps();
    struct bytes clip = video_bytes("steps.mp4"), groups = video_bytes("groups.mp4"),
                 song = video_bytes("steps.m4a"), lossless = video_bytes("alac.m4a");
    set_edits(&clip, 0, (const struct edit[]){{80, 1000}, {2080, 1000}}, 2);
    set_edits(&clip, 1, outer, 2);
    set_edits(&groups, 0, outer, 2);
    set_edits(&song, 0, outer, 2);
    set_edits(&lossless, 0, outer, 2);
    write_back("clip.mp4", &clip);
    write_back("groups.mp4", &groups);
    write_back("song.m4a", &song);
    write_back("lossless.m4a", &lossless);
    static const char *const videos[] = {"mp4", "mov", "mkv", "webm"}, *const songs[] = {"m4a", "aac", "mp3",
                                                                                         "flac"};
    for (size_t i = 0; i < 4; i++) {
        check_edited("clip.mp4", videos[i], true, false);
        check_edited("groups.mp4", videos[i], true, i < 3);
        check_edited("song.m4a", songs[i], false, false);
        check_edited("clip.mp4", songs[i], false, false);
    }
    check_edited("lossless.m4a", "m4a", false, true);
}

/* A cut at the beginning or at the end. An edit list in the output hides as well. */
static void test_edit_lists_at_either_end(void **state)
{
    (void)state;
    static const struct {
        const char *input, *format;
        struct edit edit;
        bool is_copied;
    } table[] = {
        {"groups.mp4", "mp4", {1200, 1000}, true}, {"groups.mp4", "mkv", {1200, 1000}, false},
        {"groups.mp4", "mkv", {0, 1000}, true},    {"groups.mp4", "mov", {1000, 1000}, true},
        {"steps.m4a", "m4a", {2000, 1000}, true},  {"steps.m4a", "aac", {2000, 1000}, false},
        {"steps.m4a", "m4a", {0, 1000}, true},
    };
    make_steps();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bytes file = video_bytes(table[i].input);
        set_edits(&file, 0, &table[i].edit, 1);
        write_back("end.mp4", &file);
        MR_AUTO_JSON json_t *receipt = edit_ok("end.mp4", "end.out", table[i].format, NULL);
        struct video out = look("end.out");
        if (json_is_true(json_object_get(receipt, "copied")) != table[i].is_copied)
            fail_msg("%zu: %s", i, table[i].is_copied ? "encoded" : "copied");
        if (!out.video[0]) {
            struct media_samples samples = media_decode(video_dir(), "end.out", 48000);
            assert_near((double)samples.count / 48000, 1, 0.06, table[i].format);
            assert_true(media_tone_db(&samples, 2000) < -50);
            media_samples_free(&samples);
        } else {
            size_t len = 0;
            char *frames = media_run(video_dir(), &len, "ffmpeg -v error -i end.out -f framehash -");
            size_t lines = 0;
            for (size_t c = 0; c < len; c++)
                lines += frames[c] == '\n' && c + 1 < len && frames[c + 1] == '0';
            free(frames);
            assert_int_equal(lines, 25);
        }
    }
}

/* A silent second in the middle, which is nowhere in the file. */
static void test_holes(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i sine=440:d=2:r=48000 -f lavfi -i testsrc2=s=96x64:r=25:d=2 -map 0 "
                              "-c:a libopus o.webm -map 0 "
                              "-c:a aac a.m4a -map 0 -c:a aac a.mkv -map 0 -c:a libmp3lame m.mkv -map 0 -c:a "
                              "flac f.mkv -map 1 -map 0 "
                              "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac v.mp4");
    static const struct {
        const char *file, *seconds; /* one second, in the time base of the audio */
        const char *formats[4];
    } table[] = {{"o.webm", "1000", {"opus", "mp3", "wav", "m4a"}},
                 {"a.m4a", "48000", {"m4a", "aac", "flac", "ogg"}},
                 {"a.mkv", "1000", {"m4a", "aac"}},
                 {"m.mkv", "1000", {"mp3", "wav"}},
                 {"f.mkv", "1000", {"flac", "mp3"}},
                 {"v.mp4", "48000", {"mp4", "mkv", "mp3", "webm"}}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char input[32];
        snprintf(input, sizeof input, "hole.%s", table[i].file);
        media_ffmpeg(video_dir(), "-i %s -c copy -bsf:a setts=ts=if(gte(PTS\\,%s)\\,PTS+%s\\,PTS) %s",
                     table[i].file, table[i].seconds, table[i].seconds, input);
        for (size_t f = 0; f < 4 && table[i].formats[f]; f++) {
            MR_AUTO_JSON json_t *receipt = edit_ok(input, "hole.out", table[i].formats[f], NULL);
            assert_true(has_what(receipt, "warnings", "gaps_filled"));
            struct media_samples samples = media_decode(video_dir(), "hole.out", 48000);
            assert_near((double)samples.count / 48000, 3, 0.08, input);
            double inside = 0;
            for (size_t n = 48000 * 13 / 10; n < 48000 * 17 / 10; n++)
                inside = inside > samples.data[n] ? inside : samples.data[n];
            media_samples_free(&samples);
            assert_true(inside < 0.001);
        }
    }
    MR_AUTO_JSON json_t *whole = edit_ok("a.mkv", "hole.out", "m4a", NULL);
    assert_true(json_is_true(json_object_get(whole, "copied")));
}

/* The clock of a transport stream ends after 26.5 hours, and begins again. */
static void test_wrap_of_audio_alone(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=440:d=2:r=48000 -c:a aac -output_ts_offset 95442.2 -f mpegts wrap.ts");
    static const char *const formats[] = {"m4a", "aac", "mp3"};
    for (size_t f = 0; f < 3; f++) {
        json_decref(edit_ok("wrap.ts", "wrap.out", formats[f], NULL));
        struct media_samples samples = media_decode(video_dir(), "wrap.out", 48000);
        assert_near((double)samples.count / 48000, 2, 0.06, formats[f]);
        media_samples_free(&samples);
    }
}

/* Some writers give each packet of audio the same time: what is heard follows from its length alone. */
static void test_clock_that_stands(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=64x36:r=5:d=3 -f lavfi -i sine=440:d=1:r=48000 -f lavfi -i "
                 "sine=660:d=2:r=48000 -filter_complex [1][2]concat=v=0:a=1 -c:v libx264 -preset ultrafast "
                 "-pix_fmt yuv420p -c:a aac -bsf:a setts=ts=0 stands.mkv");
    static const struct {
        const char *format, *options;
        double seconds;
        int tone; /* at the end */
    } cases[] = {{"webm", NULL, 3, 660}, {"mp4", "{\"trim\":{\"start\":0.2,\"duration\":0.7}}", 0.7, 440}};
    for (size_t i = 0; i < 2; i++) {
        json_decref(edit_ok("stands.mkv", "stands.out", cases[i].format, cases[i].options));
        struct media_samples samples = media_decode(video_dir(), "stands.out", 48000);
        assert_true(fabs((double)samples.count / samples.rate - cases[i].seconds) < 0.06);
        struct media_samples last = {samples.data + samples.count - 9600, 4800, samples.rate};
        assert_true(media_tone_db(&last, cases[i].tone) > -30);
        media_samples_free(&samples);
    }
}

static void test_absurd_hole(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i sine=440:d=2:r=48000 -f lavfi -i testsrc2=s=96x64:r=25:d=2 -map 0 "
                              "-c:a libopus ho.webm -map 1 -map "
                              "0 -c:v mpeg4 -c:a libopus hv.mkv");
    static const char move[] = "setts=ts=if(gte(PTS\\,1000)\\,PTS+50000000000\\,PTS)";
    media_ffmpeg(video_dir(), "-i ho.webm -c copy -bsf:a %s far.webm", move);
    media_ffmpeg(video_dir(), "-i hv.mkv -c copy -bsf:a %s fara.mkv -c copy -bsf:v %s farv.mkv", move, move);
    media_write_file(video_dir(), "far.srt", "1\n13888:53:20,000 --> 13888:53:21,000\nText\n", 43);
    media_ffmpeg(video_dir(),
                 "-i hv.mkv -i far.srt -map 0 -map 1 -c copy fart.mkv -itsoffset 50000000 -i hv.mkv "
                 "-map 2:v -map 0:a -c:v copy -c:a aac lead.mp4");
    media_ffmpeg(video_dir(), "-i hv.mkv -map 0:v -c copy -bsf:v %s farv1.mkv", move);
    expect_failure("farv1.mkv", "mp4", NULL, "resource_limit", "longer than");
    expect_failure("farv1.mkv", "mp4", "{\"split\":{\"seconds\":1}}", "resource_limit", "longer than");
    expect_failure("lead.mp4", "webm", NULL, "resource_limit", "longer than");
    json_decref(edit_ok("fart.mkv", "fart.out", "mp4", NULL)); /* a text where no video can be */
    assert_near(look("fart.out").video_s, 2, 0.05, "fart.mkv");
    expect_failure("far.webm", "mp3", NULL, "resource_limit", "longer than");
    expect_failure("far.webm", "opus", NULL, "resource_limit", "longer than");
    static const char *const formats[] = {"mp4", "mkv", "avi", "gif"};
    for (size_t f = 0; f < 4; f++) {
        if (strcmp(formats[f], "gif") != 0)
            expect_failure("fara.mkv", formats[f], NULL, "resource_limit", "longer than");
        expect_failure("farv.mkv", formats[f], NULL, "resource_limit", "longer than");
    }
}

/* Every way in which audio is copied: what is decoded afterwards is, sample by sample, what was decoded before. */
static void test_copies_to_the_sample(void **state)
{
    (void)state;
    static const struct {
        const char *input, *arguments, *format;
        int lead; /* samples that the target cannot hide, and tells; -1: no copy, but no failure */
    } table[] = {
        {"c-mp3.mkv", "libmp3lame", "mp3", 0},
        {"c-mp3.ts", "libmp3lame", "mp3", 0},
        {"c-mp3.avi", "libmp3lame", "mp3", 0},
        {"c-mp3.mp4", "libmp3lame", "mp3", 0},
        {"c-mp3.mp3", "libmp3lame", "mp3", 0},
        {"c-mp3.mp3", "libmp3lame", "mka", 1105},
        {"c-bare.mp3", "libmp3lame -write_xing 0", "mp3", 0},
        {"c-vbr.mkv", "libmp3lame -q:a 4", "mp3", 0},
        {"c-low.mkv", "libmp3lame -ar 22050 -ac 1", "mp3", 0},
        {"c-opus.mkv", "libopus", "opus", 0},
        {"c-opus.webm", "libopus", "opus", 0},
        {"c-opus.opus", "libopus", "opus", 0},
        {"c-vorbis.mkv", "libvorbis", "ogg", 0},
        {"c-vorbis.ogg", "libvorbis", "ogg", 0},
        {"c-aac.mkv", "aac", "m4a", 0},
        {"c-aac.m4a", "aac", "m4a", 0},
        {"c-aac.ts", "aac", "m4a", 0},
        {"c-aac.flv", "aac", "m4a", 0},
        {"c-aac.mp4", "aac", "aac", 1024},
        {"c-aac.aac", "aac", "m4b", 0},
        {"c-aac.3gp", "aac", "m4b", 0},
        {"c-aac.mov", "aac", "mka", 1024},
        {"c-ac3.mkv", "ac3", "ac3", 0},
        {"c-ac3.mp4", "ac3", "ac3", 256},
        {"c-ac3.ac3", "ac3", "mka", 0},
        {"c-eac3.ts", "eac3", "eac3", 0},
        {"c-eac3.eac3", "eac3", "mka", 0},
        {"c-dts.ts", "dca -strict -2 -ar 48000", "mka", 0},
        {"c-alac.mkv", "alac", "m4a", 0},
        {"c-alac.caf", "alac", "m4a", 0},
        {"c-alac.m4a", "alac", "mka", 0},
        {"c-flac.mkv", "flac", "flac", 0},
        {"c-flac.ogg", "flac", "flac", 0},
        {"c-flac.mp4", "flac -strict -2", "flac", 0},
        {"c-pcm.mkv", "pcm_s16le", "wav", 0},
        {"c-pcm.mov", "pcm_s16le", "wav", 0},
        {"c-pcm.avi", "pcm_s24le", "wav", 0},
        {"c-pcm.w64", "pcm_s24le", "wav", 0},
        {"c-pcm.wav", "pcm_s16le", "caf", 0},
        {"c-pcm.wav", "pcm_s24le", "mka", 0},
        {"c-pcm.aiff", "pcm_s16be", "aiff", 0},
        {"c-pcm.caf", "pcm_s24be", "aiff", 0},
        {"c-pcm.au", "pcm_s16be", "caf", 0},
        {"c-vorbis.webm", "libvorbis", "mka", 0},
        {"c-opus.caf", "libopus", "mka", -1},
        {"c-opus.ogg", "libopus", "mka", 0},
        {"c-wma.wma", "wmav2", "wma", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        media_ffmpeg(
            video_dir(), "-f lavfi -i aevalsrc=0.4*sin(2000*t*t)|0.3*sin(900*t):s=44100:d=1.1 -c:a %s%s %s",
            table[i].arguments, strstr(table[i].arguments, "opus") ? " -ar 48000" : "", table[i].input);
        MR_AUTO_JSON json_t *receipt = edit_ok(table[i].input, "c.out", table[i].format, NULL);
        assert_int_equal(json_is_true(json_object_get(receipt, "copied")), table[i].lead >= 0);
        if (table[i].lead < 0)
            continue;
        assert_int_equal(has_what(receipt, "changed", "audio.padding"), table[i].lead > 0);
        int rate = (int)json_integer_value(json_object_get(json_object_get(receipt, "input"), "sample_rate"));
        struct media_samples in = media_decode(video_dir(), table[i].input, rate);
        struct media_samples out = media_decode(video_dir(), "c.out", rate);
        size_t lead = (size_t)table[i].lead;
        if (out.count != in.count + lead || memcmp(out.data + lead, in.data, in.count * sizeof *in.data) != 0)
            fail_msg("%s to %s: %zu samples became %zu, or others", table[i].input, table[i].format, in.count,
                     out.count);
        media_samples_free(&in);
        media_samples_free(&out);
    }
}

/* The 36 bits of FLAC's header that count the samples, wherever a file has it. */
static int64_t flac_count(const char *file)
{
    struct bytes out = video_bytes(file);
    const uint8_t *count = out.data + find(&out, "fLaC", 0) + 4 + 8 + 13;
    int64_t samples = (int64_t)(count[0] & 0x0f) << 32 | get_be32(count + 1);
    free(out.data);
    return samples;
}

/* Nobody could go back to the first bytes of these; some have a tag behind the last frame. */
static void test_flac_counts_its_samples(void **state)
{
    (void)state;
    static const struct {
        const char *input, *format, *options;
    } table[] = {{"n.flac", "flac", NULL},    {"n.ogg", "flac", NULL},
                 {"n.flac", "mka", NULL},     {"n.ogg", "mka", NULL},
                 {"n.mkv", "flac", NULL},     {"tagged.flac", "flac", NULL},
                 {"blank.flac", "mka", NULL}, {"n.ogg", "ogg", "{\"codec\":\"flac\"}"}};
    static const uint8_t tail[5000] =
        "APETAGEX\xd0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0TAGtitle";
    media_ffmpeg(video_dir(), "-f lavfi -i sine=440:d=1.3:r=44100 -c:a flac n.flac -c:a flac n.ogg");
    struct bytes file = video_bytes("n.flac");
    file.data = realloc(file.data, file.size + sizeof tail);
    assert_non_null(file.data);
    memset(file.data + 8 + 14, 0, 4);
    media_write_file(video_dir(), "n.flac", file.data, file.size);
    memcpy(file.data + file.size, tail, sizeof tail);
    media_write_file(video_dir(), "tagged.flac", file.data, file.size + 32 + 128);
    memset(file.data + file.size, 0, sizeof tail);
    media_write_file(video_dir(), "blank.flac", file.data, file.size + sizeof tail);
    free(file.data);
    media_ffmpeg(video_dir(), "-i n.flac -c copy n.mkv");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(table[i].input, "n.out", table[i].format, table[i].options);
        if (!table[i].options != json_is_true(json_object_get(receipt, "copied")))
            fail_msg("%s to %s: copied or not", table[i].input, table[i].format);
        if (flac_count("n.out") != 44100 * 13 / 10)
            fail_msg("%s to %s: %lld samples", table[i].input, table[i].format,
                     (long long)flac_count("n.out"));
        size_t len;
        free(media_run(video_dir(), &len, "ffmpeg -v error -xerror -err_detect crccheck -i n.out -f null -"));
    }
}

/* Files that were joined: each part as it was, in one form. */
static void test_chains(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *codec, *suffix, *format;
    } table[] = {{"-ar 44100 -ac 2", "-ar 22050 -ac 1", "flac", "ogg", "flac"},
                 {"-ar 22050 -ac 1", "-ar 96000 -ac 2 -sample_fmt s32", "flac", "ogg", "mp3"},
                 {"-ar 44100 -ac 2", "-ar 96000 -ac 1 -sample_fmt s32", "flac", "flac", "flac"},
                 {"-ar 22050 -ac 2", "-ar 48000 -ac 1", "libvorbis", "ogg", "flac"},
                 {"-ar 48000 -ac 1", "-ar 48000 -ac 6", "libopus", "opus", "opus"},
                 {"-ar 48000 -ac 2", "-ar 48000 -ac 1", "libopus", "opus", "mka"},
                 {"-ar 44100 -ac 2", "-ar 48000 -ac 1", "libvorbis", "ogg", "ogg"},
                 {"-ar 44100 -ac 2", "-ar 44100 -ac 2", "libvorbis", "ogg", "ogg"},
                 {"-ar 48000 -ac 2", "-ar 48000 -ac 2", "libopus", "opus", "opus"},
                 {"-ar 44100 -ac 2", "-ar 44100 -ac 2", "flac", "flac", "flac"},
                 {"-ar 44100 -ac 2", "-ar 22050 -ac 1", "libmp3lame", "mp3", "mp3"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        media_ffmpeg(video_dir(), "-f lavfi -i sine=440:d=1 %s -c:a %s one.%s", table[i].first,
                     table[i].codec, table[i].suffix);
        media_ffmpeg(video_dir(), "-f lavfi -i sine=660:d=2 %s -c:a %s two.%s", table[i].second,
                     table[i].codec, table[i].suffix);
        char one[32], two[32], chain[32];
        snprintf(one, sizeof one, "one.%s", table[i].suffix);
        snprintf(two, sizeof two, "two.%s", table[i].suffix);
        snprintf(chain, sizeof chain, "chain.%s", table[i].suffix);
        struct bytes a = video_bytes(one), b = video_bytes(two);
        a.data = realloc(a.data, a.size + b.size);
        assert_non_null(a.data);
        memcpy(a.data + a.size, b.data, b.size);
        a.size += b.size;
        free(b.data);
        write_back(chain, &a);
        json_decref(edit_ok(chain, "chain.out", table[i].format, NULL));
        struct media_samples samples = media_decode(video_dir(), "chain.out", 48000);
        assert_near((double)samples.count / 48000, 3, strcmp(table[i].codec, "flac") == 0 ? 0.002 : 0.12,
                    chain);
        struct media_samples end = {samples.data + 48000 * 14 / 10, 48000, 48000};
        if (media_tone_db(&end, 660) < -30 || media_tone_db(&end, 440) > -50)
            fail_msg("%s: the second part is not heard", chain);
        media_samples_free(&samples);
    }
}

static void check_whole(const char *input, const char *format, double seconds)
{
    MR_AUTO_JSON json_t *receipt = edit_ok(input, "whole.out", format, NULL);
    if (json_array_size(json_object_get(receipt, "warnings")) > 0)
        fail_msg("%s to %s: %s", input, format, json_dumps(json_object_get(receipt, "warnings"), 0));
    struct media_samples samples = media_decode(video_dir(), "whole.out", 48000);
    assert_near((double)samples.count / 48000, seconds, 0.1, input);
    media_samples_free(&samples);
}

/* Writers that could not go back leave sizes that mean nothing. */
static void test_placeholder_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0x7fffffff, 0xffffffff, 2000000036, 0x7ffff024, 0x10000000, 0x7f000008};
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=440:d=1:r=24000 -bitexact -c:a pcm_s16le p.wav -c:a pcm_s16be p.aiff -c:a "
                 "pcm_s16be p.au -bitexact -c:a pcm_s16be p.caf");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes wav = video_bytes("p.wav"), aiff = video_bytes("p.aiff"), au = video_bytes("p.au"),
                     caf = video_bytes("p.caf");
        for (int b = 0; b < 4; b++) {
            wav.data[4 + b] = (uint8_t)(sizes[i] >> 8 * b);
            wav.data[40 + b] = (uint8_t)((sizes[i] - (i > 1 ? 36 : 0)) >> 8 * b);
        }
        put_be32(aiff.data + 4, sizes[i]);
        put_be32(aiff.data + find(&aiff, "COMM", 0) + 14, sizes[i] / 2);
        put_be32(aiff.data + find(&aiff, "SSND", 0) + 8, sizes[i]);
        put_be32(au.data + 8, sizes[i]);
        put_be32(caf.data + find(&caf, "data", 0) + 12, sizes[i]);
        write_back("q.wav", &wav);
        write_back("q.aiff", &aiff);
        write_back("q.au", &au);
        write_back("q.caf", &caf);
        check_whole("q.wav", i % 2 ? "wav" : "mp3", 1);
        check_whole("q.aiff", "flac", 1);
        check_whole("q.au", "flac", 1);
        check_whole("q.caf", "flac", 1);
    }
}

/* A size that could be true but is beyond the end: all there is is converted, and the receipt tells. */
static void test_sizes_beyond_the_end(void **state)
{
    (void)state;
    enum { WHOLE = 16000 }; /* half a second */
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=440:d=1:r=16000 -bitexact -c:a pcm_s16le b.wav -c:a pcm_s16be b.aiff "
                 "-c:a pcm_s16be b.au -c:a pcm_s16be b.caf -c:a pcm_s16le b.w64");
    static const char *const files[] = {"b.wav", "b.aiff", "b.au", "b.caf", "b.w64"};
    for (size_t i = 0; i < 10; i++) {
        struct bytes file = video_bytes(files[i / 2]);
        file.size = WHOLE - i % 2; /* also within a sample */
        write_back("beyond", &file);
        MR_AUTO_JSON json_t *receipt = edit_ok("beyond", "beyond.out", "flac", NULL);
        assert_true(has_what(receipt, "warnings", "truncated"));
        assert_int_equal(json_array_size(json_object_get(receipt, "warnings")), 1);
        struct media_samples samples = media_decode(video_dir(), "beyond.out", 16000);
        assert_near((double)samples.count / 16000, 0.5, 0.13, files[i / 2]);
        media_samples_free(&samples);
    }
}

/* What programs append to a file, or put before the first frame, is no damage. */
static void test_bytes_around_the_media(void **state)
{
    (void)state;
    static const uint8_t zeros[300000];
    static const char tag[128] = "TAGnot a frame, nor a part of one";
    static const struct {
        const char *file, *tail;
        size_t len;
    } tails[] = {{"t.m4a", "APETAGEX\xd0\x07\0\0TAG", 15},
                 {"t.m4a", "\0\0\0\x3f\0\0\x02\0\0\0\0", 11},
                 {"t.m4a", "\1\2\3", 3},
                 {"t.m4a", (const char *)zeros, 512},
                 {"t.mp3", "LYRICSBEGINhello hello hello000016LYRICS200", 43},
                 {"t.mp3", (const char *)zeros, 5000},
                 {"t.ac3", (const char *)zeros, 512},
                 {"t.ac3", tag, sizeof tag},
                 {"t.flac", tag, sizeof tag},
                 {"t.ts", (const char *)zeros, 300},
                 {"t.ts", (const char *)zeros, sizeof zeros},
                 {"t.mp3", (const char *)zeros, sizeof zeros},
                 {"t.aac", (const char *)zeros, sizeof zeros},
                 {"t.ogg", (const char *)zeros, sizeof zeros},
                 {"t.opus", (const char *)zeros, sizeof zeros},
                 {"t.mka", (const char *)zeros, sizeof zeros},
                 {"t.flac", (const char *)zeros, sizeof zeros}};
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=440:d=1:r=48000 -c:a aac t.m4a -c:a libmp3lame -id3v2_version 0 t.mp3 "
                 "-c:a ac3 t.ac3 -c:a flac t.flac -c:a aac t.ts -c:a pcm_s24le t.w64 -c:a aac t.aac "
                 "-c:a libvorbis t.ogg -c:a libopus t.opus -c:a pcm_s16le t.mka");
    check_whole("t.w64", "wav", 1); /* its last chunk is filled up */
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=440:d=1:r=16000 -c:a adpcm_ima_wav ima.wav -c:a g722 g722.wav "
                 "-c:a adpcm_yamaha yamaha.wav -c:a adpcm_ms ms.wav");
    check_whole("ima.wav", "mp3", 1);
    check_whole("g722.wav", "mp3", 1);
    check_whole("yamaha.wav", "mp3", 1);
    check_whole("ms.wav", "mp3", 1);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        struct bytes file = video_bytes(tails[i].file);
        file.data = realloc(file.data, file.size + tails[i].len);
        assert_non_null(file.data);
        memcpy(file.data + file.size, tails[i].tail, tails[i].len);
        file.size += tails[i].len;
        char name[16];
        snprintf(name, sizeof name, "tail.%s", tails[i].file + 2);
        write_back(name, &file);
        check_whole(name, "flac", 1);
        if (strcmp(name, "tail.ts") != 0)
            check_whole(name, name + 5, 1);
    }
    struct bytes song = video_bytes("t.mp3");
    song.data = realloc(song.data, song.size + sizeof zeros);
    assert_non_null(song.data);
    memset(song.data + song.size, 0, sizeof zeros); /* the last frame is as long as its header says */
    media_write_file(video_dir(), "blank.mp3", song.data, song.size + sizeof zeros);
    json_decref(edit_ok("blank.mp3", "blank.wav", "wav", NULL));
    struct media_samples blank = media_decode(video_dir(), "blank.wav", 48000);
    assert_int_equal(blank.count, 48000);
    media_samples_free(&blank);
    uint8_t *late = calloc(1, sizeof zeros + song.size);
    assert_non_null(late);
    memcpy(late + sizeof zeros, song.data, song.size);
    media_write_file(video_dir(), "late.mp3", late, sizeof zeros + song.size);
    free(late);
    put_be32(song.data + find(&song, "Info", 0) + 12, 9999); /* frames; the bytes beside it are right */
    write_back("more.mp3", &song);
    check_whole("late.mp3", "mp3", 1);
    check_whole("more.mp3", "mp3", 1);
    check_whole("more.mp3", "wav", 1);
}

/* Lengths that a container states for all streams alike, or that a web page wrote by its own clock. */
static void test_lengths_that_are_too_long(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=96x64:r=25:d=4 -f lavfi -i sine=440:d=1:r=44100 -ac 2 "
                              "s.wmv -ac 2 s.flv -ac 2 s.mkv");
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=96x64:r=25:d=1 -f lavfi -i sine=440:d=4:r=44100 -ac 2 l.wmv");
    check_whole("s.wmv", "mp3", 1);
    check_whole("s.wmv", "mp4", 1);
    check_whole("s.flv", "mp4", 1);
    check_whole("s.mkv", "mp3", 1);
    check_whole("l.wmv", "mp4", 4);
    static const uint8_t longer[] = {0x40, 0x98, 0x6a, 0, 0, 0, 0, 0}; /* 1562.5 ms */
    media_ffmpeg(video_dir(), "-f lavfi -i sine=440:d=1:r=48000 -c:a libopus w.webm");
    for (int is_live = 0; is_live < 2; is_live++) {
        struct bytes page = video_bytes("w.webm");
        memcpy(page.data + find(&page, "\x44\x89\x88", 0) + 7, longer, sizeof longer);
        if (is_live)
            memcpy(page.data + find(&page, "\x18\x53\x80\x67", 0) + 8, "\x01\xff\xff\xff\xff\xff\xff\xff", 8);
        write_back("page.webm", &page);
        check_whole("page.webm", "opus", 1);
        check_whole("page.webm", "mp3", 1);
    }
    media_cut_file(video_dir(), "page.webm", "cut.webm", 700);
    MR_AUTO_JSON json_t *receipt = edit_ok("cut.webm", "cut.out", "mp3", NULL);
    assert_true(has_what(receipt, "warnings", "truncated"));
}

int main(void)
{
    if (!video_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_edit_lists),
        cmocka_unit_test(test_edit_lists_at_either_end),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_wrap_of_audio_alone),
        cmocka_unit_test(test_clock_that_stands),
        cmocka_unit_test(test_absurd_hole),
        cmocka_unit_test(test_copies_to_the_sample),
        cmocka_unit_test(test_flac_counts_its_samples),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_placeholder_sizes),
        cmocka_unit_test(test_sizes_beyond_the_end),
        cmocka_unit_test(test_bytes_around_the_media),
        cmocka_unit_test(test_lengths_that_are_too_long),
    };
    int failed = cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
    video_stop();
    return failed;
}
