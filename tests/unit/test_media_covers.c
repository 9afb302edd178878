/* Covers of all containers, and the forms of ID3 that hold them. */
#include "tests/unit/tag_fixture.h"
#include "tests/unit/video_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static const char *picture_type(const json_t *probe, size_t index)
{
    const json_t *stream = json_array_get(json_object_get(probe, "streams"), index);
    return tag_find(json_object_get(stream, "tags"), "comment");
}

static size_t count_covers(const json_t *probe)
{
    size_t i, count = 0;
    const json_t *stream;
    json_array_foreach (json_object_get(probe, "streams"), i, stream)
        count +=
            json_integer_value(json_object_get(json_object_get(stream, "disposition"), "attached_pic")) == 1;
    return count;
}

/* In the file the back comes first, and one is no JPEG. */
static void test_covers(void **state)
{
    (void)state;
    struct tag tag = {.len = 0};
    tag_make_pictures();
    tag_add_picture(&tag, "image/jpeg", 4, "back.jpg");
    tag_add_picture(&tag, "image/jpeg", 3, "front.png"); /* which it is not */
    tag_add_picture(&tag, "image/bmp", 6, "other.bmp");
    tag_wrap_mp3("covers.mp3", tag.data, tag.len, NULL, 0);
    media_ffmpeg(video_dir(),
                 "-f lavfi -i testsrc2=s=32x32:r=10:d=0.5 -i covers.mp3 -map 0 -map 1:a -map 1:v:0 "
                 "-map 1:v:1 -c copy -c:v:0 libx264 -c:v:1 copy -disposition:v:1 attached_pic "
                 "-disposition:v:2 attached_pic covers.mp4");
    static const char *const formats[] = {"mp3", "flac", "ogg", "opus", "m4a"};
    for (size_t f = 0; f < 5; f++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("covers.mp3", "covers.out", formats[f], NULL);
        MR_AUTO_JSON json_t *after = media_probe(video_dir(), "covers.out");
        const json_t *streams = json_object_get(after, "streams");
        assert_true(has_what(receipt, "kept", "cover_art") && !has_what(receipt, "dropped", "cover_art"));
        assert_true(has_what(receipt, "changed", "cover_art:3"));
        assert_int_equal(count_covers(after), 3);
        assert_string_equal(json_string_value(json_object_get(json_array_get(streams, 1), "codec_name")),
                            "png");
        assert_int_equal(json_array_size(json_object_get(json_object_get(receipt, "output"), "streams")), 4);
        if (f == 4)
            continue;
        assert_string_equal(picture_type(after, 1), "Cover (front)");
        assert_string_equal(picture_type(after, 2), "Cover (back)");
        assert_string_equal(picture_type(after, 3), "Media (e.g. label side of CD)");
    }
    static const char *const videos[] = {"mkv", "mp4", "mov", "webm"};
    for (size_t f = 0; f < 4; f++) {
        MR_AUTO_JSON json_t *receipt = edit_ok("covers.mp4", "covers.out", videos[f], NULL);
        MR_AUTO_JSON json_t *after = media_probe(video_dir(), "covers.out");
        assert_int_equal(count_covers(after), f < 2 ? 2 : 0);
        assert_int_equal(has_what(receipt, "kept", "cover_art"), f < 2);
        assert_int_equal(has_what(receipt, "dropped", "cover_art"), f >= 2);
    }
}

static void check_webp(const char *input, const char *format)
{
    MR_AUTO_JSON json_t *receipt = edit_ok(input, "webp.out", format, NULL);
    MR_AUTO_JSON json_t *after = media_probe(video_dir(), "webp.out");
    if (count_covers(after) != 1 || !has_what(receipt, "kept", "cover_art"))
        fail_msg("%s to %s: the cover is lost", input, format);
    if (strcmp(format, "mka") != 0)
        assert_string_equal(picture_type(after, 1), "Cover (front)");
    if (strcmp(input, "webp.wav") == 0 || strcmp(input, "webp.aiff") == 0)
        assert_true(has_what(receipt, "kept", "tag:title"));
}

/* A second of audio in WAV or AIFF, with a tag of these frames behind it; WAV has a list INFO as well. */
static void put_into_chunk(const char *file, const uint8_t *frames, size_t len, bool is_wav)
{
    size_t size, whole = 10 + len, at;
    media_ffmpeg(video_dir(), "-f lavfi -i sine=d=1 plain.%s", is_wav ? "wav" : "aiff");
    char *plain = media_run(video_dir(), &size, "cat plain.%s", is_wav ? "wav" : "aiff");
    uint8_t *all = calloc(1, size + 8 + whole + 1);
    assert_non_null(all);
    memcpy(all, plain, size);
    memcpy(all + size, is_wav ? "id3 \0\0\0\0ID3\3" : "ID3 \0\0\0\0ID3\3", 12);
    memcpy(all + size + 18, frames, len);
    for (int i = 0; i < 4; i++)
        all[size + 14 + (size_t)i] = (uint8_t)(len >> (21 - 7 * i) & 0x7f);
    at = size + 8 + whole + (whole & 1);
    for (size_t i = 0; i < 4; i++) {
        all[size + 4 + (is_wav ? i : 3 - i)] = (uint8_t)(whole >> 8 * i);
        all[4 + (is_wav ? i : 3 - i)] = (uint8_t)((at - 8) >> 8 * i);
    }
    media_write_file(video_dir(), file, all, at);
    free(all);
    free(plain);
}

/* libav passes pictures over whose media type it does not know. */
static void test_webp_covers(void **state)
{
    (void)state;
    struct tag tag = {.len = 0};
    media_ffmpeg(video_dir(),
                 "-f lavfi -i color=red:s=16x16:d=1 -frames:v 1 front.webp -frames:v 1 front.jpg");
    tag_add_picture(&tag, "image/webp", 3, "front.webp");
    tag_wrap_mp3("webp.mp3", tag.data, tag.len, NULL, 0);
    media_ffmpeg(video_dir(), "-i webp.mp3 -c copy -attach front.webp -metadata:s:t mimetype=image/webp "
                              "-metadata:s:t filename=cover.webp webp.mka");
    media_ffmpeg(video_dir(),
                 "-i webp.mp3 -i front.jpg -map 0:a -map 1 -c:v copy -disposition:v attached_pic "
                 "-metadata:s:v comment=Cover_(front) jpeg.flac");
    size_t len;
    char *flac = media_run(video_dir(), &len, "cat jpeg.flac");
    char *mime = memmem(flac, len, "image/jpeg", 10);
    assert_non_null(mime);
    memcpy(mime, "image/webp", 10);
    mime[-5] = 3;
    media_write_file(video_dir(), "webp.flac", flac, len);
    free(flac);
    tag_add_frame(&tag, "TIT2", "\0Song", 5);
    put_into_chunk("webp.wav", tag.data, tag.len, true);
    put_into_chunk("webp.aiff", tag.data, tag.len, false);
    static const char *const formats[] = {"mp3", "flac", "mka", "aiff"};
    for (size_t f = 0; f < 4; f++) {
        check_webp("webp.mp3", formats[f]);
        check_webp("webp.flac", formats[f]);
        check_webp("webp.mka", formats[f]);
        check_webp("webp.wav", formats[f]);
        check_webp("webp.aiff", formats[f]);
    }
}

/* Puts a zero behind each 255 that decoders could take for the beginning of a frame. Returns the new length. */
static size_t unsync(uint8_t *to, const uint8_t *from, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        to[at++] = from[i];
        if (from[i] == 0xff && (i + 1 == len || from[i + 1] >= 0xe0 || from[i + 1] == 0))
            to[at++] = 0;
    }
    return at;
}

static void put_tag(const char *file, const uint8_t *frames, size_t len, int version, int flags)
{
    uint8_t tag[TAG_MAX] = "ID3";
    assert_true(10 + len <= sizeof tag);
    tag[3] = (uint8_t)version;
    tag[5] = (uint8_t)flags;
    tag_put_number(tag + 6, len, 7);
    memcpy(tag + 10, frames, len);
    tag_wrap_mp3(file, tag, 10 + len, NULL, 0);
}

/* The ways in which ID3v2 stores a picture: by its older version, with zeros among the bytes, compressed. */
static void test_forms_of_id3(void **state)
{
    (void)state;
    enum { COMPRESSED = 0x80, UNSYNC = 0x80, UNSYNC_FRAME = 0x02, FRAME = 10, FRAME_2 = 6 };
    static const char start[] = "\0image/webp\0\3\0";
    uint8_t frames[TAG_MAX], body[TAG_MAX], wide[TAG_MAX];
    size_t len;
    char *image = media_run(video_dir(), &len, "cat front.webp");
    memcpy(body, start, sizeof start - 1);
    memcpy(body + sizeof start - 1, image, len);
    memcpy(body + sizeof start - 1 + len, "\xff\xe0\xff\0\xff\xff", 6); /* behind what its header counts */
    size_t all = sizeof start - 1 + len + 6;
    /* 2.2 */
    memcpy(frames + FRAME_2, "\0WEB\3\0", 6);
    memcpy(frames + FRAME_2 + 6, image, len);
    memcpy(frames, "PIC\0", 4);
    frames[4] = (uint8_t)((6 + len) >> 8);
    frames[5] = (uint8_t)(6 + len);
    put_tag("form0.mp3", frames, FRAME_2 + 6 + len, 2, 0);
    /* 2.3, all of it */
    memset(frames, 0, FRAME);
    memcpy(frames, "APIC", 4);
    tag_put_number(frames + 4, all, 8);
    memcpy(frames + FRAME, body, all);
    put_tag("form1.mp3", wide, unsync(wide, frames, FRAME + all), 3, UNSYNC);
    /* 2.4, the frame */
    size_t more = unsync(frames + FRAME, body, all);
    tag_put_number(frames + 4, more, 7);
    frames[9] = UNSYNC_FRAME;
    put_tag("form2.mp3", frames, FRAME + more, 4, 0);
    /* 2.3, compressed */
    tag_put_number(frames + 4, 100, 8);
    frames[8] = 0;
    frames[9] = COMPRESSED;
    memcpy(frames + FRAME, "\0\0\1\0\x78\x9c", 6);
    put_tag("form3.mp3", frames, FRAME + 100, 3, 0);
    free(image);
    for (int i = 0; i < 3; i++) {
        char file[16];
        snprintf(file, sizeof file, "form%d.mp3", i);
        check_webp(file, i == 1 ? "flac" : "mp3");
    }
    MR_AUTO_JSON json_t *receipt = edit_ok("form3.mp3", "webp.out", "mp3", NULL);
    assert_true(has_what(receipt, "dropped", "cover_art"));
    assert_false(has_what(receipt, "kept", "cover_art"));
}

static void check_cover(const char *input, const char *format, const char *codec)
{
    MR_AUTO_JSON json_t *receipt = edit_ok(input, "cover.out", format, NULL);
    MR_AUTO_JSON json_t *after = media_probe(video_dir(), "cover.out");
    const json_t *cover = json_array_get(json_object_get(after, "streams"), 1);
    if (count_covers(after) != 1 || !has_what(receipt, "kept", "cover_art"))
        fail_msg("%s to %s: the cover is lost", input, format);
    assert_string_equal(json_string_value(json_object_get(cover, "codec_name")), codec);
    assert_false(has_what(receipt, "changed", "cover_art"));
}

/* MP4 states a number for the kind of picture, of which libav knows three. */
static void check_covers_of_mp4(const char *image, const char *codec)
{
    enum { KIND = 4 + 8 + 3 };
    static const char kinds[] = {0, 12, 13, 14, 99};
    static const char *const formats[] = {"m4a", "mp3", "flac"};
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=440:d=0.2 -i %s -map 0 -map 1 -c:a aac -c:v copy "
                 "-disposition:v attached_pic kind.m4a",
                 image);
    size_t len;
    char *file = media_run(video_dir(), &len, "cat kind.m4a");
    char *covers = memmem(file, len, "covr", 4);
    assert_non_null(covers);
    for (size_t i = 0; i < sizeof kinds; i++) {
        covers[KIND] = kinds[i];
        media_write_file(video_dir(), "kind.m4a", file, len);
        check_cover("kind.m4a", formats[i % 3], codec);
    }
    free(file);
}

static void put_little(uint8_t *to, size_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* Adds an object to the header of ASF, whose length and count of objects are in its own head. */
static void write_asf(const char *file, const char *from, const uint8_t *object, size_t object_len)
{
    enum { SIZE_AT = 16, COUNT_AT = 24, FILE_SIZE_AT = 40 };
    static const uint8_t properties[] = {0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11};
    size_t len;
    uint8_t *all = (uint8_t *)media_run(video_dir(), &len, "cat %s", from), *out = malloc(len + object_len);
    assert_non_null(out);
    size_t head = (size_t)all[SIZE_AT] | (size_t)all[SIZE_AT + 1] << 8 | (size_t)all[SIZE_AT + 2] << 16;
    uint8_t *sizes = memmem(all, head, properties, sizeof properties);
    assert_non_null(sizes);
    put_little(sizes + FILE_SIZE_AT, len + object_len, 8);
    put_little(all + SIZE_AT, head + object_len, 8);
    put_little(all + COUNT_AT, (size_t)all[COUNT_AT] + 1, 4);
    memcpy(out, all, head);
    memcpy(out + head, object, object_len);
    memcpy(out + head + object_len, all + head, len - head);
    media_write_file(video_dir(), file, out, len + object_len);
    free(all);
    free(out);
}

/* In WMA a picture has a media type; this one no decoder knows. */
static void write_wma_with(const char *file, const char *image, bool in_library)
{
    static const uint8_t extended[16] = "\x40\xa4\xd0\xd2\x07\xe3\xd2\x11\x97\xf0\x00\xa0\xc9\x5e\xa8\x50",
                         extension[46] = "\xb5\x03\xbf\x5f\x2e\xa9\xcf\x11\x8e\xe3\x00\xc0\x0c\x20\x53\x65",
                         library[16] = "\x94\x1c\x23\x44\x98\x94\xd1\x49\xa1\x41\x1d\x13\x4e\x45\x70\x54",
                         name[22] = "W\0M\0/\0P\0i\0c\0t\0u\0r\0e";
    static const uint8_t mime_and_text[] = "i\0m\0a\0g\0e\0/\0x\0\0\0\0";
    size_t len, outer = in_library ? sizeof extension : 0;
    char *data = media_run(video_dir(), &len, "cat %s", image);
    uint8_t *object = calloc(1, len + 256), *at = object + outer;
    assert_non_null(object);
    size_t value = 5 + sizeof mime_and_text + len;
    memcpy(at, in_library ? library : extended, 16);
    put_little(at + 24, 1, 2); /* values */
    at += 26;
    if (in_library) {
        put_little(at + 4, sizeof name, 2);
        put_little(at + 6, 1, 2);
        put_little(at + 8, value, 4);
        memcpy(at + 12, name, sizeof name);
        at += 12 + sizeof name;
    } else {
        put_little(at, sizeof name, 2);
        memcpy(at + 2, name, sizeof name);
        put_little(at + 2 + sizeof name, 1, 2);
        put_little(at + 4 + sizeof name, value, 2);
        at += 6 + sizeof name;
    }
    at[0] = 3;
    put_little(at + 1, len, 4);
    memcpy(at + 5, mime_and_text, sizeof mime_and_text);
    memcpy(at + 5 + sizeof mime_and_text, data, len);
    at += value;
    put_little(object + outer + 16, (size_t)(at - object) - outer, 8);
    if (in_library) {
        memcpy(object, extension, 16);
        put_little(object + 16, (size_t)(at - object), 8);
        put_little(object + 42, (size_t)(at - object) - outer, 4);
    }
    write_asf(file, "plain.wma", object, (size_t)(at - object));
    free(object);
    free(data);
}

static void test_covers_of_unknown_kind(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i color=red:s=16x16:d=1 -frames:v 1 kind.png -frames:v 1 kind.jpg");
    media_ffmpeg(video_dir(), "-f lavfi -i sine=440:d=0.2 -c:a wmav2 plain.wma");
    check_covers_of_mp4("kind.png", "png");
    check_covers_of_mp4("kind.jpg", "mjpeg");
    for (int in_library = 0; in_library < 2; in_library++) {
        write_wma_with("kind.wma", "kind.png", in_library);
        check_cover("kind.wma", "mp3", "png");
    }
    write_wma_with("kind.wma", "front.webp", true);
    check_webp("kind.wma", "flac");
}

/* RFC 3533, 6: over the page, in which the sum itself is 0. */
static void sum_page(uint8_t *page, size_t len)
{
    uint32_t sum = 0;
    memset(page + 22, 0, 4);
    for (size_t i = 0; i < len; i++) {
        sum ^= (uint32_t)page[i] << 24;
        for (int bit = 0; bit < 8; bit++)
            sum = sum << 1 ^ (sum >> 31 ? 0x04c11db7U : 0);
    }
    for (int i = 0; i < 4; i++)
        page[22 + i] = (uint8_t)(sum >> 8 * i);
}

/* FLAC in Ogg has its blocks as packets, too: one more behind the comments. */
static void add_block_packet(const char *from, const char *to, const uint8_t *block, size_t len)
{
    enum { HEAD = 27, COMMENTS = 4, LAST = 0x80 };
    size_t size, count = (len + 4) / 255 + 1, page_len = HEAD + count + 4 + len;
    uint8_t *file = (uint8_t *)media_run(video_dir(), &size, "cat %s", from);
    uint8_t *second = memmem(file + 1, size - 1, "OggS", 4), *third;
    assert_non_null(second);
    assert_int_equal(second[HEAD + second[26]] & 0x7f, COMMENTS);
    assert_non_null(third = memmem(second + 1, size - (size_t)(second + 1 - file), "OggS", 4));
    second[HEAD + second[26]] = COMMENTS;
    sum_page(second, (size_t)(third - second));
    uint8_t *all = calloc(1, size + page_len);
    assert_non_null(all);
    size_t at = (size_t)(third - file);
    uint8_t *page = all + at, *body = page + HEAD + count;
    memcpy(all, file, at);
    memcpy(page, second, HEAD);
    page[26] = (uint8_t)count;
    memset(page + HEAD, 255, count - 1);
    page[HEAD + count - 1] = (uint8_t)((len + 4) % 255);
    tag_put_number(body, len, 8);
    body[0] = 6 | LAST;
    memcpy(body + 4, block, len);
    sum_page(page, page_len);
    memcpy(page + page_len, third, size - at);
    media_write_file(video_dir(), to, all, size + page_len);
    free(all);
    free(file);
}

/* A block of FLAC as a tag of Ogg. */
static void test_webp_covers_in_ogg(void **state)
{
    (void)state;
    uint8_t block[TAG_MAX] = "\0\0\0\3\0\0\0\x0aimage/webp";
    size_t len, head = 8 + 10 + 4 + 16, text_len;
    char *image = media_run(video_dir(), &len, "cat front.webp");
    tag_put_number(block + head, len, 8);
    memcpy(block + head + 4, image, len);
    free(image);
    media_write_file(video_dir(), "block", block, head + 4 + len);
    char *text = media_run(video_dir(), &text_len, "base64 -w0 block");
    media_ffmpeg(video_dir(),
                 "-i tone.mp3 -c:a libvorbis -metadata:s:a METADATA_BLOCK_PICTURE=%s webp.ogg -c:a libopus "
                 "-metadata:s:a METADATA_BLOCK_PICTURE=%s webp.opus -c:a flac -metadata:s:a "
                 "METADATA_BLOCK_PICTURE=%s webp.oga",
                 text, text, text);
    free(text);
    media_ffmpeg(video_dir(), "-i tone.mp3 -c:a flac none.oga");
    add_block_packet("none.oga", "block.oga", block, head + 4 + len);
    static const char *const inputs[] = {"webp.ogg", "webp.opus", "webp.oga", "block.oga"};
    static const char *const formats[] = {"mp3", "ogg", "opus", "m4a"};
    for (size_t i = 0; i < 4; i++)
        for (size_t f = 0; f < 4; f++) {
            MR_AUTO_JSON json_t *receipt = edit_ok(inputs[i], "webp.out", formats[f], NULL);
            MR_AUTO_JSON json_t *after = media_probe(video_dir(), "webp.out");
            if (count_covers(after) != 1 || !has_what(receipt, "kept", "cover_art"))
                fail_msg("%s to %s: the cover is lost", inputs[i], formats[f]);
        }
}

int main(void)
{
    if (!video_start())
        return 1;
    media_ffmpeg(video_dir(),
                 "-f lavfi -i sine=d=0.5 -c:a libmp3lame -id3v2_version 0 -write_id3v1 0 tone.mp3");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covers),
        cmocka_unit_test(test_webp_covers),
        cmocka_unit_test(test_forms_of_id3),
        cmocka_unit_test(test_covers_of_unknown_kind),
        cmocka_unit_test(test_webp_covers_in_ogg),
    };
    int failed = cmocka_run_group_tests_name("covers of media", tests, NULL, NULL);
    video_stop();
    return failed;
}
