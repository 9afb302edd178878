/* What a file says of itself: tags. A receipt's "kept" is compared with what ffprobe reads. */
#include "tests/unit/tag_fixture.h"
#include "tests/unit/video_fixture.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

/* Each tag of the input is kept, and can be read; or is changed into what can be read; or is dropped. */
static void check_tags(const json_t *receipt, const json_t *before, const json_t *after, const char *format)
{
    size_t i;
    const json_t *entry, *ignored;
    const char *key;
    json_array_foreach (json_object_get(receipt, "kept"), i, entry) {
        const char *what = json_string_value(entry);
        if (strncmp(what, "tag:", 4) != 0)
            continue;
        const char *was = tag_of(before, what + 4), *is = tag_of(after, what + 4);
        if (!was || !is || strncmp(was, is, strcmp(what, "tag:location") == 0 ? 8 : strlen(was)) != 0)
            fail_msg("%s: %s is kept, but %s became %s", format, what, was ? was : "?", is ? is : "?");
    }
    json_array_foreach (json_object_get(receipt, "changed"), i, entry) {
        const char *what = json_string_value(json_object_get(entry, "what"));
        const char *to = json_string_value(json_object_get(entry, "to"));
        if (strncmp(what, "tag:", 4) != 0)
            continue;
        const char *is = tag_of(after, what + 4);
        if (!tag_of(after, to) && (!is || strcmp(is, to) != 0))
            fail_msg("%s: %s is not %s", format, what, to);
    }
    json_object_foreach (json_object_get(json_object_get(before, "format"), "tags"), key, ignored) {
        char what[128];
        snprintf(what, sizeof what, "tag:%s", key);
        for (char *at = what; *at; at++)
            *at = (char)tolower((unsigned char)*at);
        bool is_told = has_what(receipt, "kept", what) || has_what(receipt, "changed", what) ||
                       has_what(receipt, "dropped", what);
        static const char *const ours[] = {"major_brand", "minor_version", "compatible_brands", "encoder"};
        for (size_t k = 0; k < 4; k++)
            is_told |= strcasecmp(key, ours[k]) == 0;
        if (!is_told)
            fail_msg("%s: the receipt is silent about %s", format, key);
    }
}

static void test_what_is_kept_can_be_read(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=32x32:r=10:d=0.3 -f lavfi -i sine=d=0.3 -c:v libx264 -c:a aac "
                 "-metadata creation_time=2021-05-06T07:08:09Z -metadata location=+48.1000+011.5000+500.000/ "
                 "-metadata make=Maker -metadata model=Model -metadata album=Album -metadata title=Title "
                 "-metadata genre=Genre -metadata comment=Comment phone.mov");
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i testsrc2=s=32x32:r=10:d=0.3 -f lavfi -i sine=d=0.3 -c:v libx264 -c:a aac "
        "-metadata title=Title -metadata artist=Artist -metadata album_artist=Various -metadata "
        "composer=Composer -metadata description=About -metadata comment=Comment -metadata track=3/12 "
        "-metadata disc=1/2 -metadata grouping=Group -metadata lyrics=La -metadata isrc=X "
        "-metadata date=2001-02-03 -metadata creation_time=now_and_then -metadata synopsis=S tags.mkv");
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i testsrc2=s=32x32:r=10:d=0.3 -f lavfi -i sine=d=0.3 -c:v libx264 -c:a aac -movflags "
        "use_metadata_tags -metadata com.apple.quicktime.make=Maker -metadata "
        "com.apple.quicktime.location.ISO6709=+48.1000+011.5000+500.000/ apple.mov");
    static const struct {
        const char *input, *formats[9];
    } cases[] = {{"phone.mov", {"mov", "mp4", "mkv", "avi", "m4a"}},
                 {"tags.mkv", {"mov", "mp4", "mkv", "mp3", "aac", "ogg", "flac", "wma", "wav"}},
                 {"apple.mov", {"mov", "mp4"}}};
    for (size_t i = 0; i < 3; i++) {
        MR_AUTO_JSON json_t *before = media_probe(video_dir(), cases[i].input);
        for (size_t f = 0; f < 9 && cases[i].formats[f]; f++) {
            MR_AUTO_JSON json_t *receipt = edit_ok(cases[i].input, "facts.out", cases[i].formats[f], NULL);
            MR_AUTO_JSON json_t *after = media_probe(video_dir(), "facts.out");
            check_tags(receipt, before, after, cases[i].formats[f]);
            if (i == 0 && f < 3)
                assert_true(has_what(receipt, "kept", "tag:creation_time") &&
                            has_what(receipt, "kept", "tag:location"));
            if (i == 0 && f == 0)
                assert_true(has_what(receipt, "kept", "tag:make") && has_what(receipt, "kept", "tag:model"));
            if (i == 2 && f == 0)
                assert_string_equal(tag_of(after, "make"), "Maker");
        }
    }
}

static size_t count_in(const char *file, const char *word)
{
    size_t len, count = 0;
    char *data = media_run(video_dir(), &len, "cat %s", file);
    for (size_t i = 0; i + 4 <= len && i < TAG_MAX; i++)
        count += memcmp(data + i, word, 4) == 0;
    free(data);
    return count;
}

static void test_lyrics_and_comments(void **state)
{
    (void)state;
    struct tag tag = {.len = 0};
    tag_add_frame(&tag, "TIT2", "\0Song", 5);
    tag_add_frame(&tag, "USLT", "\0eng\0la la\nla", 13);
    tag_add_frame(&tag, "USLT", "\0deuchorus\0hei ho", 17);
    tag_add_frame(&tag, "COMM", "\0eng\0a comment", 14);
    tag_wrap_mp3("lyrics.mp3", tag.data, tag.len, NULL, 0);
    MR_AUTO_JSON json_t *kept = edit_ok("lyrics.mp3", "copy.mp3", "mp3", NULL);
    MR_AUTO_JSON json_t *copy = media_probe(video_dir(), "copy.mp3");
    assert_true(has_what(kept, "kept", "tag:lyrics-eng") && has_what(kept, "kept", "tag:comment"));
    assert_string_equal(tag_of(copy, "lyrics-eng"), "la la\nla");
    assert_string_equal(tag_of(copy, "lyrics-chorus-deu"), "hei ho");
    assert_string_equal(tag_of(copy, "comment"), "a comment");
    assert_int_equal(count_in("copy.mp3", "USLT"), 2);
    assert_int_equal(count_in("copy.mp3", "COMM"), 1);
    assert_int_equal(count_in("copy.mp3", "TXXX"), 0);
    static const char *const formats[] = {"m4a", "flac", "ogg", "opus"};
    for (size_t f = 0; f < 4; f++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("lyrics.mp3", "lyrics.out", formats[f], NULL);
        MR_AUTO_JSON json_t *after = media_probe(video_dir(), "lyrics.out");
        assert_string_equal(tag_of(after, "lyrics"), "la la\nla");
        assert_string_equal(tag_of(after, "comment"), "a comment");
        assert_true(has_what(receipt, "dropped", "tag:lyrics-chorus-deu"));
    }
    json_decref(edit_ok("lyrics.out", "back.mp3", "mp3", NULL));
    MR_AUTO_JSON json_t *back = media_probe(video_dir(), "back.mp3");
    assert_string_equal(tag_of(back, "lyrics-XX"
                                     "X"),
                        "la la\nla");
    assert_int_equal(count_in("back.mp3", "USLT"), 1);
}

/* A text of ID3v1, 30 bytes. */
static void put_v1(uint8_t *tag, size_t at, const char *text)
{
    memcpy(tag + at, text, strnlen(text, 30));
}

static void test_texts_without_an_encoding(void **state)
{
    (void)state;
    uint8_t tag[128] = "TAG", wide[128] = "TAG";
    put_v1(tag, 3,
           "Gr\xf6\xdf"
           "e");
    put_v1(tag, 33, "M\xfcller \x96 \x80");
    /* UTF-8 that is cut within a character. */
    put_v1(wide, 3, "\xc3\x84hnlich, aber viel zu lang f\xc3\xbcr");
    tag_wrap_mp3("v1.mp3", NULL, 0, tag, sizeof tag);
    tag_wrap_mp3("wide.mp3", NULL, 0, wide, sizeof wide);
    media_ffmpeg(video_dir(), "-f lavfi -i sine=d=0.3 -metadata title=Gruse_x info.wav");
    size_t len;
    char *wav = media_run(video_dir(), &len, "cat info.wav");
    memcpy(memmem(wav, len, "Gruse_x", 7),
           "Gr\xfc\xdf"
           "e x",
           7);
    media_write_file(video_dir(), "info.wav", wav, len);
    free(wav);
    static const struct {
        const char *input, *title, *artist;
    } cases[] = {{"v1.mp3", "Größe", "Müller – €"},
                 {"wide.mp3", "Ähnlich, aber viel zu lang f", NULL},
                 {"info.wav", "Grüße x", NULL}};
    static const char *const formats[] = {"mp3", "flac"};
    for (size_t i = 0; i < 3; i++)
        for (size_t f = 0; f < 2; f++) {
            MR_AUTO_JSON json_t *receipt = edit_ok(cases[i].input, "text.out", formats[f], NULL);
            MR_AUTO_JSON json_t *after = media_probe(video_dir(), "text.out");
            assert_string_equal(tag_of(after, "title"), cases[i].title);
            if (cases[i].artist)
                assert_string_equal(tag_of(after, "artist"), cases[i].artist);
            assert_true(has_what(receipt, "kept", "tag:title"));
            const json_t *input = json_object_get(json_object_get(receipt, "input"), "tags");
            assert_string_equal(tag_find(input, "title"), cases[i].title);
        }
}

/* What was true of the audio before its level was changed. */
static void test_stale_gain(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i sine=d=1 -metadata REPLAYGAIN_TRACK_GAIN=-8.00 -metadata "
                              "replaygain_track_peak=0.9 -metadata R128_TRACK_GAIN=5 -metadata title=T "
                              "-metadata ENCODER_OPTIONS=x gain.flac");
    static const char *const formats[] = {"flac", "opus"};
    for (size_t f = 0; f < 2; f++) {
        MR_AUTO_JSON json_t *same = edit_ok("gain.flac", "gain.out", formats[f], NULL);
        MR_AUTO_JSON json_t *before = media_probe(video_dir(), "gain.out");
        assert_string_equal(tag_of(before, "replaygain_track_gain"), "-8.00");
        assert_null(tag_of(before, "encoder_options"));
        assert_true(has_what(same, "kept", "tag:r128_track_gain"));
        MR_AUTO_JSON json_t *louder = edit_ok("gain.flac", "gain.out", formats[f], "{\"loudness\":-23}");
        MR_AUTO_JSON json_t *after = media_probe(video_dir(), "gain.out");
        assert_null(tag_of(after, "replaygain_track_gain"));
        assert_null(tag_of(after, "replaygain_track_peak"));
        assert_null(tag_of(after, "r128_track_gain"));
        assert_string_equal(tag_of(after, "title"), "T");
        assert_true(has_what(louder, "dropped", "tag:replaygain_track_gain"));
    }
}

/* Whoever sends these learns what they are. */
static void test_files_that_are_named(void **state)
{
    (void)state;
    tag_make_pictures();
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i testsrc2=s=32x32:r=5:d=1 -c:v libwebp -loop 0 moves.webp -frames:v 1 still.webp");
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=32x32:r=5:d=1 -f lavfi -i sine=d=1 -c:v mpeg4 -c:a aac whole.mp4");
    size_t len;
    char *mp4 = media_run(video_dir(), &len, "cat whole.mp4");
    char *index = memmem(mp4, len, "moov", 4), *media = memmem(mp4, len, "mdat", 4);
    assert_true(index && media && index > media);
    size_t end = (size_t)(index - mp4) - 4;
    static const struct {
        const char *file, *bytes;
        size_t len;
        const char *code, *words;
    } cases[] = {
        {"front.png", NULL, 0, "unsupported_input", "a PNG image"},
        {"back.jpg", NULL, 0, "unsupported_input", "a JPEG image"},
        {"other.bmp", NULL, 0, "unsupported_input", "a BMP image"},
        {"moves.webp", NULL, 0, "unsupported_input", "animated WebP"},
        {"still.webp", NULL, 0, "unsupported_input", "a WebP image"},
        {"a.mid", "MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0", 26, "unsupported_input", "MIDI"},
        {"a.heic",
         "\0\0\0\x18"
         "ftypheic\0\0\0\0mif1heic\0\0\0\x08"
         "free",
         32, "unsupported_input", "HEIC"},
        {"a.mp3", "%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", 30, "not_media", "PDF"},
        {"a.mp4", "<!doctype html><html><body>Not found</body></html>", 50, "not_media", "a web page"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].bytes)
            media_write_file(video_dir(), cases[i].file, cases[i].bytes, cases[i].len);
        expect_failure(cases[i].file, i % 2 ? "mp4" : "mp3", NULL, cases[i].code, cases[i].words);
    }
    /* Recorders write the index last: its size is 0, or as planned, or right. */
    static const unsigned char sizes[][4] = {{0, 0, 0, 0}, {0, 0xff, 0xff, 0xff}};
    media_write_file(video_dir(), "late.mp4", mp4, end);
    expect_failure("late.mp4", "mp4", NULL, "truncated", "recorder was stopped");
    for (size_t i = 0; i < 2; i++) {
        memcpy(media - 4, sizes[i], 4);
        media_write_file(video_dir(), "late.mov", mp4, end);
        expect_failure("late.mov", "mp3", NULL, "truncated", i ? NULL : "recorder was stopped");
    }
    free(mp4);
}

int main(void)
{
    if (!video_start())
        return 1;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=d=0.5 -c:a libmp3lame -id3v2_version 0 -write_id3v1 0 tone.mp3");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept_can_be_read),  cmocka_unit_test(test_lyrics_and_comments),
        cmocka_unit_test(test_texts_without_an_encoding), cmocka_unit_test(test_stale_gain),
        cmocka_unit_test(test_files_that_are_named),
    };
    int failed = cmocka_run_group_tests_name("facts of media", tests, NULL, NULL);
    video_stop();
    return failed;
}
