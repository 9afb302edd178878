/* Which streams a result has, what is said of them, and how they go into parts. */
#include "tests/unit/video_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 8 << 20, TEXT_MAX = 1024 };

#define PICTURES "-f lavfi -i testsrc2=s=64x36:r=5:d=3 "
#define X264     "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 5 "

static unsigned char *read_file(const char *file, size_t *ret_len)
{
    size_t len = 0;
    char *data = media_run(video_dir(), &len, "cat %s", file);
    assert_true(len > 0 && len < BYTES_MAX);
    *ret_len = len;
    return (unsigned char *)data;
}

static unsigned char *find(unsigned char *data, size_t len, const char *word)
{
    unsigned char *at = memmem(data, len, word, strlen(word));
    assert_non_null(at);
    return at;
}

/* The tracks of a file, one a line: type, codec, language, title, then the dispositions. */
static char *tracks_of(const char *file)
{
    MR_AUTO_JSON json_t *probe = media_probe(video_dir(), file);
    char *text = calloc(1, TEXT_MAX);
    assert_non_null(text);
    size_t i;
    json_t *stream, *value;
    const char *name;
    json_array_foreach (json_object_get(probe, "streams"), i, stream) {
        const json_t *tags = json_object_get(stream, "tags");
        const char *language = json_string_value(json_object_get(tags, "language"));
        const char *title = json_string_value(json_object_get(tags, "title"));
        size_t len = strlen(text);
        snprintf(text + len, TEXT_MAX - len, "%.1s %s %s %s",
                 json_string_value(json_object_get(stream, "codec_type")),
                 json_string_value(json_object_get(stream, "codec_name")), language ? language : "-",
                 title ? title : "-");
        json_object_foreach (json_object_get(stream, "disposition"), name, value) {
            len = strlen(text);
            if (json_integer_value(value))
                snprintf(text + len, TEXT_MAX - len, " %s", name);
        }
        len = strlen(text);
        snprintf(text + len, TEXT_MAX - len, "\n");
    }
    return text;
}

static void expect_tracks(const char *file, const char *wanted)
{
    char *text = tracks_of(file);
    assert_string_equal(text, wanted);
    free(text);
}

/* The n-th track (from 0) gets a codec that nobody knows. */
static void make_unknown(const char *from, const char *to, int track)
{
    size_t len;
    unsigned char *data = read_file(from, &len), *at = find(data, len, "moov");
    for (int i = 0; i <= track; i++)
        at = find(at + 4, len - (size_t)(at + 4 - data), "stsd");
    memcpy(find(at, len - (size_t)(at - data), "mp4a"), "apac", 4);
    memcpy(find(at, len - (size_t)(at - data), "esds"), "dapa", 4);
    media_write_file(video_dir(), to, data, len);
    free(data);
}

static void test_audio_that_nobody_decodes(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), PICTURES "-f lavfi -i sine=d=3:r=48000 -map 0 -map 1 -map 1 " X264
                                       "-c:a aac two.mov -map 1 -c:a aac one.m4a");
    make_unknown("two.mov", "first.mov", 1);
    make_unknown("two.mov", "second.mov", 2);
    make_unknown("one.m4a", "unknown.m4a", 0);
    static const char *const formats[] = {"mp4", "mkv", "webm", "mp3"};
    for (size_t i = 0; i < 8; i++) {
        const char *from = i % 2 ? "second.mov" : "first.mov";
        MR_AUTO_JSON json_t *receipt = edit_ok(from, "known.out", formats[i / 2], NULL);
        assert_true(has_what(receipt, "dropped", i % 2 ? "audio:2 (apac)" : "audio:1 (apac)"));
        struct media_samples samples = media_decode(video_dir(), "known.out", 8000);
        assert_near((double)samples.count / 8000, 3, 0.1, from);
        media_samples_free(&samples);
    }
    expect_failure("unknown.m4a", "mp3", NULL, "unsupported_codec", "apac");
}

static void make_tracks(void)
{
    static const char text[] = "1\n00:00:00,200 --> 00:00:02,600\nHallo\n";
    media_write_file(video_dir(), "text.srt", text, sizeof text - 1);
    media_ffmpeg(video_dir(), PICTURES
                 "-f lavfi -i sine=440:d=3:r=48000 -f lavfi -i sine=880:d=3:r=48000 -i text.srt -map 0 "
                 "-map 1 -map 2 -map 3 -map 3 " X264
                 "-c:a ac3 -c:s srt -metadata:s:a:0 language=ger -metadata:s:a:0 title=Director "
                 "-disposition:a:0 comment -metadata:s:a:1 language=eng -disposition:a:1 default "
                 "-metadata:s:s:0 language=ger -metadata:s:s:0 title=Forced -disposition:s:0 forced+default "
                 "-metadata:s:s:1 language=fre tracks.mkv");
}

static void test_all_tracks_with_what_is_said_of_them(void **state)
{
    (void)state;
    make_tracks();
    static const char *const options[] = {NULL, "{\"crf\":40}"};
    for (size_t i = 0; i < 2; i++) {
        json_decref(edit_ok("tracks.mkv", "tracks.out", "mkv", options[i]));
        expect_tracks("tracks.out", "v h264 - -\na ac3 ger Director comment\na ac3 eng - default\n"
                                    "s subrip ger Forced default forced\ns subrip fre -\n");
        MR_AUTO_JSON json_t *mp4 = edit_ok("tracks.mkv", "tracks.out", "mp4", options[i]);
        expect_tracks("tracks.out", "v h264 und - default\na aac ger - comment\na aac eng - default\n"
                                    "s mov_text ger - default forced\ns mov_text fre -\n");
        assert_true(has_what(mp4, "dropped", "audio:1.title"));
        assert_true(has_what(mp4, "kept", "audio:1.comment"));
        assert_false(has_what(mp4, "kept", "tag:title"));
        MR_AUTO_JSON json_t *mov = edit_ok("tracks.mkv", "tracks.out", "mov", options[i]);
        expect_tracks("tracks.out", "v h264 - - default\na aac ger -\na aac eng - default\n"
                                    "s mov_text ger - default\ns mov_text fra -\n");
        assert_true(has_what(mov, "dropped", "audio:1.comment"));
    }
    MR_AUTO_JSON json_t *webm = edit_ok("tracks.mkv", "tracks.out", "webm", NULL);
    expect_tracks("tracks.out", "v vp9 - -\na opus ger Director\na opus eng - default\n"
                                "s webvtt ger Forced default forced\ns webvtt fre -\n");
    assert_true(has_what(webm, "dropped", "audio:1.comment"));
}

static void test_tracks_that_are_asked_for(void **state)
{
    (void)state;
    json_decref(edit_ok("tracks.mkv", "some.out", "mkv", "{\"audio\":\"first\",\"subtitles\":\"fr\"}"));
    expect_tracks("some.out", "v h264 - -\na ac3 eng - default\ns subrip fre -\n");
    MR_AUTO_JSON json_t *german = edit_ok("tracks.mkv", "some.out", "mkv", "{\"audio\":\"deu\"}");
    expect_tracks("some.out", "v h264 - -\na ac3 ger Director comment\ns subrip ger Forced default forced\n"
                              "s subrip fre -\n");
    assert_true(has_what(german, "dropped", "audio:2 (ac3)"));
    MR_AUTO_JSON json_t *alone = edit_ok("tracks.mkv", "some.mp3", "mp3", "{\"audio\":\"de-AT\"}");
    struct media_samples samples = media_decode(video_dir(), "some.mp3", 8000);
    assert_true(media_tone_db(&samples, 440) > media_tone_db(&samples, 880) + 20);
    media_samples_free(&samples);
    assert_true(has_what(alone, "dropped", "audio:2 (ac3)"));
    expect_failure("tracks.mkv", "mp4", "{\"audio\":\"fra\"}", "bad_option", "options.audio");
}

/* A hole in one track is no reason to encode the others. */
static void test_holes_in_some_tracks(void **state)
{
    (void)state;
    static const char move[] = "setts=ts=if(gte(PTS\\,1000)\\,PTS+500\\,PTS)";
    media_ffmpeg(video_dir(), PICTURES "-f lavfi -i sine=d=3:r=48000 -map 0 -map 1 -map 1 -map 1 " X264
                                       "-c:a ac3 -c:a:1 libmp3lame -metadata:s:a:0 language=ger whole.mkv");
    media_ffmpeg(
        video_dir(),
        "-i whole.mkv -map 0 -c copy -bsf:a:1 %s one.mkv -map 0 -c copy -bsf:a:1 %s -bsf:a:2 %s two.mkv",
        move, move, move);
    MR_AUTO_JSON json_t *whole = edit_ok("whole.mkv", "holes.out", "mkv", NULL);
    assert_true(json_is_true(json_object_get(whole, "copied")));
    MR_AUTO_JSON json_t *one = edit_ok("one.mkv", "holes.out", "mkv", NULL);
    expect_tracks("holes.out", "v h264 - -\na ac3 ger - default\na aac - -\na ac3 - -\n");
    assert_true(has_what(one, "warnings", "gaps_filled"));
    assert_true(has_what(one, "changed", "audio:2.codec"));
    assert_false(has_what(one, "changed", "audio.codec"));
    json_decref(edit_ok("two.mkv", "holes.out", "mkv", NULL));
    expect_tracks("holes.out", "v h264 - -\na aac ger - default\na aac - -\na aac - -\n");
}

static void test_audio_that_begins_late(void **state)
{
    (void)state;
    static const struct {
        const char *file, *make;
    } inputs[] = {
        {"late.ts", "-c:a aac -f mpegts"},
        {"late.mpg", "-c:a mp2 -f vob"},
        {"lpcm.vob", "-c:a pcm_dvd -f vob"},
        {"s302m.ts", "-c:a s302m -strict -2 -f mpegts"},
    };
    for (size_t i = 0; i < 4; i++) {
        media_ffmpeg(
            video_dir(),
            "-f lavfi -i testsrc2=s=64x36:r=25:d=15 -itsoffset %d -f lavfi -i sine=440:d=%d:r=48000 -map 0 "
            "-map 1 -ac 2 -c:v mpeg2video %s %s",
            i < 2 ? 12 : 0, i < 2 ? 3 : 15, inputs[i].make, inputs[i].file);
        json_decref(edit_ok(inputs[i].file, "late.mp4", "mp4", NULL));
        struct video video = look("late.mp4");
        assert_near(video.video_s, 15, 0.1, inputs[i].file);
        assert_near(video.audio_s, 15, 0.2, inputs[i].file);
        struct media_samples samples = media_decode(video_dir(), "late.mp4", 8000);
        size_t first = 0;
        while (first < samples.count && samples.data[first] < 0.05F)
            first++;
        assert_near(video.audio_from + (double)first / 8000, i < 2 ? 12 : 0, 0.1, inputs[i].file);
        media_samples_free(&samples);
        if (i > 0)
            continue;
        /* Alone it is as long as the video, and begins where it did there. */
        MR_AUTO_JSON json_t *receipt = edit_ok(inputs[i].file, "late.m4a", "m4a", NULL);
        assert_true(has_what(receipt, "warnings", "gaps_filled"));
        samples = media_decode(video_dir(), "late.m4a", 8000);
        assert_near((double)samples.count / 8000, 15, 0.1, "late.m4a");
        for (first = 0; first < samples.count && samples.data[first] < 0.05F;)
            first++;
        assert_near((double)first / 8000, 12, 0.1, "late.m4a");
        media_samples_free(&samples);
    }
}

/* A segment of a file of Blu-ray subtitles (PGS): "PG", when it is shown, when it is decoded, type, length. */
static size_t put_segment(unsigned char *at, unsigned seconds, unsigned type, const char *data, unsigned len)
{
    unsigned time = seconds * 90000;
    const unsigned char head[13] = {'P',
                                    'G',
                                    (unsigned char)(time >> 24),
                                    (unsigned char)(time >> 16),
                                    (unsigned char)(time >> 8),
                                    (unsigned char)time,
                                    0,
                                    0,
                                    0,
                                    0,
                                    (unsigned char)type,
                                    0,
                                    (unsigned char)len};
    memcpy(at, head, sizeof head);
    memcpy(at + sizeof head, data, len);
    return sizeof head + len;
}

/* A white bar of 8 by 2 pixels from 1 s to 2 s, and nothing at 0. */
static void make_pgs(const char *file)
{
    unsigned char data[512];
    size_t len = 0;
    len += put_segment(data + len, 0, 0x16, "\0\x40\0\x24\x10\0\0\0\0\0\0", 11);
    len += put_segment(data + len, 0, 0x80, "", 0);
    len += put_segment(data + len, 1, 0x16, "\0\x40\0\x24\x10\0\1\x80\0\0\1\0\0\0\0\0\2\0\2", 19);
    len += put_segment(data + len, 1, 0x17, "\1\0\0\2\0\2\0\x08\0\2", 10);
    len += put_segment(data + len, 1, 0x14, "\0\0\1\xeb\x80\x80\xff", 7);
    len += put_segment(data + len, 1, 0x15,
                       "\0\0\0\xc0\0\0\x18\0\x08\0\2\1\1\1\1\1\1\1\1\0\0\1\1\1\1\1\1\1\1\0\0", 31);
    len += put_segment(data + len, 1, 0x80, "", 0);
    len += put_segment(data + len, 2, 0x16, "\0\x40\0\x24\x10\0\2\0\0\0\0", 11);
    len += put_segment(data + len, 2, 0x17, "\1\0\0\2\0\2\0\x08\0\2", 10);
    len += put_segment(data + len, 2, 0x80, "", 0);
    media_write_file(video_dir(), file, data, len);
}

/* Without those of DVB: the program ffmpeg ends a picture of it after 49 days. */
static char *packets_of(const char *file, const char *format)
{
    size_t len;
    return media_run(video_dir(), &len, "ffmpeg -v error -i %s -map 0:s:0 -map 0:s:1? -c copy -f %s -", file,
                     format);
}

/* Into MPEG-TS and out of it; text beside it is told, not lost. */
static void check_dvb(void)
{
    static const char *const files[] = {"dvb.mkv", "dvb.ts", "again.ts", "dvb.out"};
    static const char *const formats[] = {NULL, "mpegts", "mpegts", "mkv"};
    media_write_file(video_dir(), "dvb.srt", "1\n00:00:00,500 --> 00:00:01,500\nText\n", 37);
    media_ffmpeg(video_dir(), "-i pictures.mkv -i dvb.srt -map 0:v -map 0:s:2 -map 1 -c copy "
                              "-metadata:s:s:0 language=swe dvb.mkv");
    for (size_t i = 1; i < 4; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(files[i - 1], files[i], formats[i], NULL);
        assert_true(has_what(receipt, "kept", "subtitles"));
        assert_int_equal(has_what(receipt, "dropped", "subtitle:2 (subrip)"), i == 1);
        char *tracks = tracks_of(files[i]);
        assert_non_null(strstr(tracks, "s dvb_subtitle swe"));
        assert_null(strstr(tracks, "subrip"));
        free(tracks);
        size_t len;
        char *times = media_run(
            video_dir(), &len,
            "ffprobe -v error -select_streams s -show_entries packet=pts_time -of csv=p=0 %s", files[i]);
        double first = strtod(times, NULL);
        struct video seen = look(files[i]);
        assert_near(first - seen.video_from, 1, 0.05, files[i]);
        free(times);
    }
}

/* Subtitles that are pictures go along where the target has them; else the receipt names each. */
static void test_subtitles_of_pictures(void **state)
{
    (void)state;
    make_pgs("pgs.sup");
    media_ffmpeg(video_dir(),
                 PICTURES "-i pgs.sup -map 0 -map 1 -map 1 -map 1 " X264 "-c:s:0 copy -c:s:1 dvdsub "
                          "-c:s:2 dvbsub -metadata:s:s:1 language=ger pictures.mkv");
    static const char *const names[] = {"subtitle:1 (hdmv_pgs_subtitle)", "subtitle:2 (dvd_subtitle)",
                                        "subtitle:3 (dvb_subtitle)"};
    static const char *const formats[] = {"mkv", "mp4", "webm", "mpegts"};
    char *before = packets_of("pictures.mkv", "streamhash");
    for (size_t f = 0; f < 4; f++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("pictures.mkv", "pictures.out", formats[f], NULL);
        bool is_ts = strcmp(formats[f], "mpegts") == 0; /* for which those of DVB were made */
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(has_what(receipt, "dropped", names[i]), f > 0 && !(is_ts && i == 2));
        assert_int_equal(has_what(receipt, "kept", "subtitles"), f == 0 || is_ts);
        if (f > 0)
            continue;
        char *tracks = tracks_of("pictures.out"), *after = packets_of("pictures.out", "streamhash");
        assert_non_null(strstr(tracks, "s dvd_subtitle ger"));
        assert_string_equal(before, after);
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(receipt, "output"), "duration_ms")), 3000);
        free(tracks);
        free(after);
    }
    free(before);
    check_dvb();
    /* The bar is shown from 1 s to 2 s: in the second part. */
    json_decref(
        edit_ok("pictures.mkv", "cut.out", "mkv", "{\"split\":{\"seconds\":1},\"subtitles\":\"de\"}"));
    char *first = packets_of("cut.out.1", "framemd5");
    assert_non_null(strstr(first, "dvd_subtitle"));
    assert_non_null(strstr(first, "\n0,"));
    free(first);
}

/* A text that is shown across the end of a part is in both, and a chapter as well. */
static void test_parts_have_texts_and_chapters(void **state)
{
    (void)state;
    static const char chapters[] = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=A\n"
                                   "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1500\nEND=3000\ntitle=B\n";
    media_write_file(video_dir(), "chapters.txt", chapters, sizeof chapters - 1);
    media_ffmpeg(video_dir(), "-i tracks.mkv -i chapters.txt -map 0 -map_metadata 1 -c copy parts.mkv");
    static const char *const times[] = {"00:00:00,2", "00:00:00,0", "00:00:00,0"};
    static const char *const ends[] = {"--> 00:00:01,0", "--> 00:00:01,0", "--> 00:00:00,6"};
    static const int counts[] = {1, 2, 1};
    for (size_t f = 0; f < 2; f++) {
        json_decref(edit_ok("parts.mkv", "part", f ? "mp4" : "mkv", "{\"split\":{\"seconds\":1}}"));
        for (size_t i = 0; i < 3; i++) {
            char name[16];
            size_t len;
            snprintf(name, sizeof name, i ? "part.%zu" : "part", i);
            char *said = media_run(video_dir(), &len, "ffmpeg -v error -i %s -map 0:s:0 -f srt -", name);
            if (!strstr(said, times[i]) || !strstr(said, ends[i]) || !strstr(said, "Hallo"))
                fail_msg("%s says %s", name, said);
            free(said);
            MR_AUTO_JSON json_t *probe = media_probe(video_dir(), name);
            assert_int_equal(json_array_size(json_object_get(probe, "chapters")), counts[i]);
        }
    }
    json_decref(edit_ok("parts.mkv", "trim.mkv", "mkv", "{\"trim\":{\"start\":1,\"duration\":1}}"));
    size_t len;
    char *said = media_run(video_dir(), &len, "ffmpeg -v error -i trim.mkv -map 0:s:0 -f srt -");
    if (!strstr(said, "00:00:00,0") || !strstr(said, "--> 00:00:01,0"))
        fail_msg("trim.mkv says %s", said);
    free(said);
}

/* A sphere's box goes into the first track, at the end. */
static void make_sphere(const char *from, const char *to)
{
    static const char xml[] =
        "<?xml version=\"1.0\"?><rdf:SphericalVideo "
        "xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" "
        "xmlns:GSpherical=\"http://ns.google.com/videos/1.0/spherical/\">"
        "<GSpherical:Spherical>true</GSpherical:Spherical><GSpherical:Stitched>true"
        "</GSpherical:Stitched><GSpherical:StitchingSoftware>x</GSpherical:StitchingSoftware>"
        "<GSpherical:ProjectionType>equirectangular"
        "</GSpherical:ProjectionType></rdf:SphericalVideo>";
    static const unsigned char id[] = {0xff, 0xcc, 0x82, 0x63, 0xf8, 0x55, 0x4a, 0x93,
                                       0x88, 0x14, 0x58, 0x7a, 0x02, 0x52, 0x1f, 0xdd};
    enum { HEAD = 8, BOX = HEAD + sizeof id + sizeof xml - 1 };
    size_t len;
    unsigned char *data = read_file(from, &len), *moov = find(data, len, "moov") - 4;
    unsigned char *trak = find(moov, len - (size_t)(moov - data), "trak") - 4;
    unsigned char box[BOX] = {0, 0, BOX >> 8, BOX & 0xff, 'u', 'u', 'i', 'd'};
    memcpy(box + HEAD, id, sizeof id);
    memcpy(box + HEAD + sizeof id, xml, sizeof xml - 1);
    size_t trak_len = (size_t)trak[2] << 8 | trak[3], at = (size_t)(trak - data) + trak_len;
    size_t moov_len = (size_t)moov[2] << 8 | moov[3];
    trak[2] = (unsigned char)((trak_len + BOX) >> 8);
    trak[3] = (unsigned char)(trak_len + BOX);
    moov[2] = (unsigned char)((moov_len + BOX) >> 8);
    moov[3] = (unsigned char)(moov_len + BOX);
    unsigned char *all = malloc(len + BOX);
    assert_non_null(all);
    memcpy(all, data, at);
    memcpy(all + at, box, BOX);
    memcpy(all + at + BOX, data + at, len - at);
    media_write_file(video_dir(), to, all, len + BOX);
    free(all);
    free(data);
}

static bool is_sphere(const char *file)
{
    size_t len;
    char *said = media_run(video_dir(), &len, "ffprobe -v error -show_streams %s", file);
    bool is_sphere = strstr(said, "Spherical Mapping");
    free(said);
    return is_sphere;
}

static void test_spheres(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), PICTURES X264 "flat.mp4");
    make_sphere("flat.mp4", "sphere.mp4");
    assert_true(is_sphere("sphere.mp4"));
    static const char *const formats[] = {"mp4", "mkv", "webm"};
    for (size_t i = 0; i < 6; i++) {
        const char *options = i % 2 ? "{\"resize\":{\"width\":32}}" : NULL;
        MR_AUTO_JSON json_t *receipt = edit_ok("sphere.mp4", "sphere.out", formats[i / 2], options);
        assert_true(is_sphere("sphere.out"));
        assert_true(has_what(receipt, "kept", "video:0.spherical"));
    }
    MR_AUTO_JSON json_t *mov = edit_ok("sphere.mp4", "sphere.out", "mov", NULL);
    assert_true(is_sphere("sphere.out") == has_what(mov, "kept", "video:0.spherical"));
    MR_AUTO_JSON json_t *cut =
        edit_ok("sphere.mp4", "sphere.out", "mp4", "{\"resize\":{\"aspect\":\"1:1\",\"fit\":\"crop\"}}");
    assert_false(is_sphere("sphere.out"));
    assert_true(has_what(cut, "dropped", "video:0.spherical"));
}

/* W and Y: the left ear hears the one that comes from there, the right ear nothing. */
static void test_ambisonic_audio(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i aevalsrc=0.3*sin(2764*t)|0.3*sin(2764*t)|0|0:s=48000:d=1:c=4.0 -c:a libopus "
                 "-mapping_family 255 -write_crc32 0 four.mkv");
    size_t len;
    unsigned char *data = read_file("four.mkv", &len);
    find(data, len, "OpusHead")[18] = 2; /* the mapping family of RFC 8486 */
    media_write_file(video_dir(), "sphere.mkv", data, len);
    free(data);
    static const char *const formats[] = {"wav", "mp3", "flac", "m4a"};
    for (size_t i = 0; i < 4; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("sphere.mkv", "ears.out", formats[i], NULL);
        assert_true(has_what(receipt, "changed", "audio.layout"));
        MR_AUTO_JSON json_t *probe = media_probe(video_dir(), "ears.out");
        const json_t *stream = json_array_get(json_object_get(probe, "streams"), 0);
        assert_int_equal(json_integer_value(json_object_get(stream, "channels")), 2);
        struct media_samples samples = media_decode(video_dir(), "ears.out", 48000);
        assert_near(media_tone_db(&samples, 440), -10.5, 2, formats[i]);
        media_samples_free(&samples);
    }
}

static void test_more_channels_than_speakers(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i aevalsrc=0.1*sin(440*t)|0|0|0|0|0|0|0|0|0:s=48000:d=1 -c:a pcm_s16le ten.wav");
    static const char *const formats[] = {"flac", "mp3", "aac", "opus"};
    for (size_t i = 0; i < 4; i++)
        expect_failure("ten.wav", formats[i], NULL, "unsupported_codec", "10 channels");
}

int main(void)
{
    if (!video_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audio_that_nobody_decodes),
        cmocka_unit_test(test_all_tracks_with_what_is_said_of_them),
        cmocka_unit_test(test_tracks_that_are_asked_for),
        cmocka_unit_test(test_holes_in_some_tracks),
        cmocka_unit_test(test_audio_that_begins_late),
        cmocka_unit_test(test_subtitles_of_pictures),
        cmocka_unit_test(test_parts_have_texts_and_chapters),
        cmocka_unit_test(test_spheres),
        cmocka_unit_test(test_ambisonic_audio),
        cmocka_unit_test(test_more_channels_than_speakers),
    };
    int failed = cmocka_run_group_tests_name("streams", tests, NULL, NULL);
    video_stop();
    return failed;
}
