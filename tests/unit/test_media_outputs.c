/* Outputs beside the usual ones: containers and codecs that people ask for, with what they hold. */
#include "tests/unit/video_fixture.h"
#include "worker/sandbox_confine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RATE = 16000 };

static const char chapters[] = ";FFMETADATA1\ntitle=Gr\xc3\xb6\xc3\x9f"
                               "e\nartist=A\n"
                               "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
                               "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n";

static int make_inputs(void **state)
{
    (void)state;
    media_write_file(video_dir(), "chapters.txt", chapters, sizeof chapters - 1);
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=440:d=1:r=48000,aformat=channel_layouts=stereo "
                 "-f lavfi -i color=red:s=64x64,trim=end_frame=1 -i chapters.txt "
                 "-f lavfi -i testsrc2=s=160x90:r=25:d=1 -f lavfi -i anoisesrc=d=1:a=0.3:r=96000:seed=1 "
                 "-map 0 -map 1 -map_metadata 2 -map_chapters 2 -c:v mjpeg -pix_fmt yuvj420p "
                 "-disposition:v attached_pic book.mp3 "
                 "-map 3 -map 0 -map_chapters -1 -map_metadata 2 -c:v libx264 -bf 2 -c:a aac clip.mp4 "
                 "-map 4 -map_chapters -1 -ac 6 -c:a pcm_s24le deep.wav");
    return 0;
}

static const char *text_of(const json_t *json, const char *first, const char *second)
{
    const char *text = json_string_value(json_object_get(json_object_get(json, first), second));
    return text ? text : "";
}

static size_t count_of(const json_t *json, const char *list)
{
    return json_array_size(json_object_get(json, list));
}

static const struct {
    const char *format, *options; /* of the task */
    const char *container;        /* of ffprobe */
    const char *codec, *deep;     /* of a source of 16 bits, of one of 24 bits and six channels */
    bool exact;                   /* not a sample differs */
    bool has_title, has_cover;
    size_t chapters;
} audio[] = {
    {"m4a", "{\"codec\":\"alac\"}", "mov", "alac", "alac", true, true, true, 2},
    {"m4b", NULL, "mov", "aac", "aac", false, true, true, 2},
    {"m4b", "{\"codec\":\"alac\"}", "mov", "alac", "alac", true, true, true, 2},
    {"ogg", "{\"codec\":\"flac\"}", "ogg", "flac", "flac", true, false, true, 2}, /* with the stream */
    {"aiff", NULL, "aiff", "pcm_s16be", "pcm_s24be", true, true, true, 2},
    {"caf", NULL, "caf", "pcm_s16le", "pcm_s24le", true, true, false, 0},
    {"ac3", NULL, "ac3", "ac3", "ac3", false, false, false, 0},
    {"eac3", NULL, "eac3", "eac3", "eac3", false, false, false, 0},
    {"mka", "{\"codec\":\"aac\"}", "matroska", "aac", "aac", false, true, true, 2},
    {"mka", "{\"codec\":\"opus\"}", "matroska", "opus", "opus", false, true, true, 2},
    {"mka", "{\"codec\":\"vorbis\"}", "matroska", "vorbis", "vorbis", false, true, true, 2},
    {"mka", "{\"codec\":\"mp3\"}", "matroska", "mp3", "mp3", false, true, true, 2},
    {"mka", "{\"codec\":\"ac3\"}", "matroska", "ac3", "ac3", false, true, true, 2},
    {"mka", "{\"codec\":\"eac3\"}", "matroska", "eac3", "eac3", false, true, true, 2},
    {"mka", "{\"codec\":\"flac\"}", "matroska", "flac", "flac", true, true, true, 2},
    {"mka", "{\"codec\":\"alac\"}", "matroska", "alac", "alac", true, true, true, 2},
    {"mka", "{\"codec\":\"pcm\"}", "matroska", "pcm_s16le", "pcm_s24le", true, true, true, 2},
};
enum { AUDIO = sizeof audio / sizeof *audio };

static void test_audio(void **state)
{
    (void)state;
    char names[AUDIO][16];
    for (size_t i = 0; i < AUDIO; i++) {
        snprintf(names[i], sizeof *names, "audio.%zu", i);
        MR_AUTO_JSON json_t *receipt = edit_ok("book.mp3", names[i], audio[i].format, audio[i].options);
        MR_AUTO_JSON json_t *probe = media_probe(video_dir(), names[i]);
        const json_t *format = json_object_get(probe, "format"), *streams = json_object_get(probe, "streams");
        assert_non_null(strstr(text_of(probe, "format", "format_name"), audio[i].container));
        assert_string_equal(json_string_value(json_object_get(json_array_get(streams, 0), "codec_name")),
                            audio[i].codec);
        assert_int_equal(strcmp(text_of(format, "tags", "title"), "Gr\xc3\xb6\xc3\x9f"
                                                                  "e") == 0,
                         audio[i].has_title);
        assert_int_equal(has_what(receipt, "kept", "cover_art"), audio[i].has_cover);
        MR_AUTO_STR char *text = json_dumps(streams, 0);
        assert_int_equal(strstr(text, "attached_pic\": 1") != NULL, audio[i].has_cover);
        assert_int_equal(count_of(probe, "chapters"), audio[i].chapters);
    }
    for (size_t i = 0; i < AUDIO; i++) {
        struct media_samples samples = media_decode(video_dir(), names[i], RATE);
        assert_near((double)samples.count / RATE, 1.02, 0.04, audio[i].format);
        assert_near(media_tone_db(&samples, 440), -18, 6, audio[i].format);
        media_samples_free(&samples);
    }
}

static char *hash_of(const char *file)
{
    size_t len;
    return media_run(video_dir(), &len, "ffmpeg -v error -i %s -map 0:a -c:a pcm_s24le -f md5 -", file);
}

/* What the receipt calls the channels, players find. */
static void check_layout(const json_t *receipt, const char *format)
{
    MR_AUTO_JSON json_t *probe = media_probe(video_dir(), "deep.out");
    const json_t *told = json_array_get(json_object_get(json_object_get(receipt, "output"), "streams"), 0),
                 *seen = json_array_get(json_object_get(probe, "streams"), 0);
    const char *ours = json_string_value(json_object_get(told, "layout")),
               *theirs = json_string_value(json_object_get(seen, "channel_layout"));
    if (theirs && strcmp(ours ? ours : "", theirs) != 0)
        fail_msg("%s: the receipt says %s, ffprobe %s", format, ours ? ours : "nothing", theirs);
}

/* Six channels of 24 bits at 96 kHz: exact where the codec is lossless, within its limits elsewhere. */
static void test_deep_audio(void **state)
{
    (void)state;
    char *wanted = hash_of("deep.wav");
    for (size_t i = 0; i < AUDIO; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("deep.wav", "deep.out", audio[i].format, audio[i].options);
        check_layout(receipt, audio[i].format);
        struct video seen = look("deep.out");
        assert_string_equal(seen.audio, audio[i].deep);
        if (!audio[i].exact)
            continue;
        char *hash = hash_of("deep.out");
        if (strcmp(hash, wanted) != 0)
            fail_msg("%s of %s differs", audio[i].deep, audio[i].format);
        free(hash);
    }
    free(wanted);
}

/* The brand by which players know a book. */
static void test_a_book_is_one(void **state)
{
    (void)state;
    json_decref(edit_ok("book.mp3", "book.m4b", "m4b", NULL));
    MR_AUTO_JSON json_t *probe = media_probe(video_dir(), "book.m4b");
    assert_string_equal(text_of(json_object_get(probe, "format"), "tags", "major_brand"), "M4B ");
}

static const struct {
    const char *format, *options;
    const char *video, *audio; /* codecs of the result */
} clips[] = {
    {"mpegts", NULL, "h264", "aac"},
    {"mpegts", "{\"crf\":30}", "h264", "aac"},
    {"mp4", "{\"codec\":\"hevc\"}", "hevc", "aac"},
    {"mkv", "{\"codec\":\"hevc\",\"preset\":\"ultrafast\",\"crf\":40}", "hevc", "aac"},
    {"mov", "{\"codec\":\"hevc\",\"bitrate\":200000}", "hevc", "aac"},
    {"mpegts", "{\"codec\":\"hevc\"}", "hevc", "aac"},
    {"mp4", "{\"codec\":\"av1\"}", "av1", "aac"},
    {"mkv", "{\"codec\":\"av1\",\"preset\":\"ultrafast\",\"crf\":50}", "av1", "aac"},
    {"webm", "{\"codec\":\"av1\",\"bitrate\":200000}", "av1", "opus"},
    {"3gp", NULL, "h264", "aac"},
    {"3gp", "{\"crf\":30}", "h264", "aac"},
    {"3gp", "{\"codec\":\"mpeg4\"}", "mpeg4", "aac"},
};

static void test_video(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof clips / sizeof *clips; i++) {
        json_decref(edit_ok("clip.mp4", "clip.out", clips[i].format, clips[i].options));
        struct video seen = look("clip.out");
        assert_string_equal(seen.video, clips[i].video);
        assert_string_equal(seen.audio, clips[i].audio);
        assert_int_equal(seen.frames, 25);
        assert_near(seen.video_s - seen.video_from, 1, 0.041, clips[i].format);
        assert_near(seen.audio_s - seen.audio_from, 1.01, 0.03, clips[i].format);
        assert_near(seen.audio_from - seen.video_from, 0, 0.03, clips[i].format);
    }
}

/* Matroska states what an Opus decoder skips: the audio begins that much before the video, in copies of copies, too. */
static void test_opus_stays_in_step(void **state)
{
    (void)state;
    static const char *const files[] = {"clip.mp4", "step1.webm", "step2.mkv", "step3.webm"};
    for (size_t i = 1; i < sizeof files / sizeof *files; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(files[i - 1], files[i], strchr(files[i], '.') + 1, NULL);
        assert_int_equal(json_is_true(json_object_get(receipt, "copied")), i > 1);
        struct video seen = look(files[i]);
        assert_near(seen.audio_from - seen.video_from, -0.0065, 0.001, files[i]);
    }
}

/* Whatever the number of threads of filters and encoder, also of a damaged file; containers number their tracks
 * in one way. */
static void test_threads_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *input, *format, *options;
    } table[] = {{"clip.mp4", "mka", NULL},
                 {"clip.mp4", "mkv", NULL},
                 {"clip.mp4", "mp4", NULL},
                 {"wide.mkv", "mp4", "{\"resize\":{\"width\":512}}"},
                 {"wide.mkv", "mkv", "{\"codec\":\"h264\",\"preset\":\"fast\",\"bitrate\":400000}"},
                 {"wide.mkv", "mp4", "{\"codec\":\"hevc\"}"},
                 {"wide.mkv", "webm", "{\"codec\":\"vp9\"}"},
                 {"wide.mkv", "webm", "{\"codec\":\"av1\",\"crf\":45}"},
                 {"wide.mkv", "mp4", "{\"codec\":\"av1\",\"bitrate\":400000}"},
                 {"wide.mkv", "avi", NULL},
                 {"wide.mkv", "gif", NULL},
                 {"broken.mkv", "webm", "{\"codec\":\"vp9\"}"}};
    static const int threads[] = {1, 2, 4};
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=640x360:r=25:d=0.4,noise=alls=20:allf=t,interlace -c:v libx264 "
                 "-preset ultrafast -pix_fmt yuv420p -x264-params slices=4:interlaced=1 wide.mkv");
    media_ffmpeg(video_dir(), "-i wide.mkv -c copy -bsf:v noise=amount=20000 broken.mkv");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *hashes[3];
        for (size_t round = 0; round < 3; round++) {
            size_t len;
            json_decref(edit_with_threads(threads[round], table[i].input, "same.out", table[i].format,
                                          table[i].options));
            hashes[round] = media_run(video_dir(), &len, "md5sum same.out");
            if (strcmp(hashes[0], hashes[round]) != 0)
                fail_msg("%s to %s differs with %d threads", table[i].input, table[i].format, threads[round]);
        }
        for (size_t round = 0; round < 3; round++)
            free(hashes[round]);
    }
}

/* Each part has an encoder of its own. */
static void test_parts_and_bounds(void **state)
{
    (void)state;
    static const char *const codecs[] = {"hevc", "av1"};
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=160x90:r=25:d=3 -map 0 -c:v libx264 -preset ultrafast long.mp4 "
                 "-f lavfi -i color=s=4128x2304:r=25:d=0.04 -map 1 -c:v mpeg4 large.mp4 "
                 "-f lavfi -i testsrc2=s=32x32:r=25:d=1 -map 2 -c:v libx264 small.mp4");
    for (size_t i = 0; i < 2; i++) {
        char options[128];
        snprintf(options, sizeof options, "{\"codec\":\"%s\",\"split\":{\"seconds\":1}}", codecs[i]);
        json_decref(edit_ok("long.mp4", "part", "mkv", options));
        assert_int_equal(look("part").frames, 25);
        assert_int_equal(look("part.2").frames, 25);
        snprintf(options, sizeof options, "{\"codec\":\"%s\"}", codecs[i]);
        expect_failure("large.mp4", "mp4", options, "resource_limit", "4128x2304");
    }
    expect_failure("small.mp4", "mp4", "{\"codec\":\"av1\"}", "unsupported_codec", "32x32");
    /* The most that decoder and encoder together need of the sandbox's memory. */
    media_ffmpeg(video_dir(), "-f lavfi -i color=red:s=3840x2160:r=25:d=0.32 -c:v libx265 -preset ultrafast "
                              "-x265-params log-level=none -pix_fmt yuv420p10le deep.mp4");
    json_decref(
        edit_with_threads(4, "deep.mp4", "deep.out", "mp4", "{\"codec\":\"av1\",\"preset\":\"fast\"}"));
    expect_failure("deep.mp4", "mp4", "{\"codec\":\"av1\",\"preset\":\"veryslow\"}", "too_expensive",
                   "options.preset");
    expect_failure("deep.mp4", "webm", "{\"codec\":\"av1\",\"preset\":\"slower\"}", "too_expensive",
                   "options.preset");
}

/* The largest frames. What does not fit into the memory that there is fails by that name, and is not run again; with that of the
 * default, the slowest presets fit. */
static void test_memory_is_enough_or_named(void **state)
{
    (void)state;
    static const struct {
        int memory_mib;
        const char *format, *options;
        bool fits;
    } rows[] = {
        {1024, "mp4", "{\"preset\":\"veryslow\"}", true},
        {128, "mp4", "{}", false},
        {256, "mp4", "{}", false},
        {256, "webm", "{}", false},
        {256, "mp4", "{\"codec\":\"av1\"}", false},
        {256, "gif", "{}", false},
    };
    if (MR_SANITIZED) /* without a bound */
        return;
    media_ffmpeg(video_dir(), "-f lavfi -i color=black:s=4096x2176:r=25:d=0.6 -c:v mpeg4 -q:v 20 black.mp4");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        media_bound_memory(rows[i].memory_mib);
        if (rows[i].fits)
            json_decref(edit_ok("black.mp4", "black.out", rows[i].format, rows[i].options));
        else
            expect_failure("black.mp4", rows[i].format, rows[i].options, "resource_limit", "memory");
    }
    media_bound_memory(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audio),
        cmocka_unit_test(test_deep_audio),
        cmocka_unit_test(test_a_book_is_one),
        cmocka_unit_test(test_video),
        cmocka_unit_test(test_opus_stays_in_step),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_parts_and_bounds),
        cmocka_unit_test(test_memory_is_enough_or_named),
    };
    if (!video_start())
        return 1;
    int failed = cmocka_run_group_tests_name("media outputs", tests, make_inputs, NULL);
    video_stop();
    return failed;
}
