/* Files of several parts: joined ones (cat a b), with and without tags between them, and what follows the last part. */
#include "tests/unit/video_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct bytes *to, const void *data, size_t len)
{
    uint8_t *grown = realloc(to->data, to->size + len + 1);
    assert_non_null(grown);
    memcpy(grown + to->size, data, len);
    *to = (struct bytes){grown, to->size + len};
}

static void add_zeros(struct bytes *to, size_t len)
{
    static const uint8_t zeros[100000];
    assert_true(len <= sizeof zeros);
    add(to, zeros, len);
}

static void add_file(struct bytes *to, const char *file)
{
    struct bytes from = video_bytes(file);
    add(to, from.data, from.size);
    free(from.data);
}

static void write_away(const char *file, struct bytes *bytes)
{
    media_write_file(video_dir(), file, bytes->data, bytes->size);
    free(bytes->data);
    *bytes = (struct bytes){0};
}

/* one and other, one behind the other, and zeros. */
static void join(const char *file, const char *one, const char *other, size_t zeros)
{
    struct bytes bytes = video_bytes(one);
    add_file(&bytes, other);
    add_zeros(&bytes, zeros);
    write_away(file, &bytes);
}

static uint32_t get_le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void add_chunk(struct bytes *to, const char *name, const char *type, const uint8_t *data, size_t len)
{
    size_t size = len + 4;
    const uint8_t le[4] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24)};
    add(to, name, 4);
    add(to, le, 4);
    add(to, type, 4);
    add(to, data, len);
}

/* An AVI file as OpenDML has it beyond one gigabyte: the chunks from the middle on are in a second part. */
static void divide_avi(const char *file, const char *from, size_t zeros)
{
    enum { HEADER = 12 };
    struct bytes all = video_bytes(from), head = {0}, tail = {0}, out = {0};
    const uint8_t *movi = memmem(all.data, all.size, "movi", 4);
    assert_non_null(movi);
    const uint8_t *chunks = movi + 4, *end = movi + get_le32(movi - 4), *cut = chunks;
    while (cut < chunks + (end - chunks) / 2)
        cut += 8 + ((get_le32(cut + 4) + 1) & ~1U);
    add(&head, all.data + HEADER, (size_t)(movi - 8 - all.data) - HEADER);
    add_chunk(&head, "LIST", "movi", chunks, (size_t)(cut - chunks));
    add_chunk(&tail, "LIST", "movi", cut, (size_t)(end - cut));
    add_chunk(&out, "RIFF", "AVI ", head.data, head.size);
    add_chunk(&out, "RIFF", "AVIX", tail.data, tail.size);
    add_zeros(&out, zeros);
    write_away(file, &out);
    free(all.data);
    free(head.data);
    free(tail.data);
}

static size_t count_samples(const char *file, int rate)
{
    struct media_samples samples = media_decode(video_dir(), file, rate);
    media_samples_free(&samples);
    return samples.count;
}

static void expect_samples(const char *file, size_t wanted)
{
    MR_AUTO_JSON json_t *receipt = edit_ok(file, "counted.wav", "wav", NULL);
    assert_int_equal(json_array_size(json_object_get(receipt, "warnings")), 0);
    size_t count = count_samples("counted.wav", 16000);
    if (count != wanted)
        print_error("%s\n", file);
    assert_int_equal(count, wanted);
}

/* Zeros that end a second part are silence of its samples; those behind it are cut. */
static void test_silence_in_the_last_part(void **state)
{
    (void)state;
    enum { ALL = 16000 }; /* a second, the second half of it silence */
    media_ffmpeg(video_dir(),
                 "-f lavfi -i aevalsrc='if(lt(t,0.5),sin(2764*t)/2,0)':d=1:s=16000 -c:a pcm_s16le s.avi "
                 "-c:a pcm_s16le s.mka -c:a pcm_s16le -frag_duration 10000 -movflags "
                 "+frag_keyframe+empty_moov+default_base_moof s.mov");
    divide_avi("parts.avi", "s.avi", 0);
    divide_avi("zeros.avi", "s.avi", 5000);
    join("two.mka", "s.mka", "s.mka", 0);
    join("two_zeros.mka", "s.mka", "s.mka", 100000);
    struct bytes fragments = video_bytes("s.mov");
    uint8_t *last = memmem(fragments.data, fragments.size, "mfra", 4); /* the index; libav needs none */
    assert_non_null(last);
    fragments.size = (size_t)(last - 4 - fragments.data);
    add_zeros(&fragments, 600);
    write_away("fragments.mov", &fragments);
    expect_samples("parts.avi", ALL);
    expect_samples("zeros.avi", ALL);
    expect_samples("two.mka", (size_t)2 * ALL);
    expect_samples("two_zeros.mka", (size_t)2 * ALL);
    expect_samples("fragments.mov", ALL);
    divide_avi("cut.avi", "s.avi", 0);
    media_cut_file(video_dir(), "cut.avi", "short.avi", 900);
    expect_failure("short.avi", "wav", NULL, "truncated", NULL);
}

/* A tag with a picture in which there are frames; size up to 2 MB. */
static void add_id3(struct bytes *to, const struct bytes *picture)
{
    size_t body = 1 + sizeof "image/png" + 1 + 1 + picture->size, size = 10 + body;
    uint8_t head[20] = {'I', 'D', '3', 3};
    for (int i = 0; i < 4; i++)
        head[6 + i] = (uint8_t)(size >> (21 - 7 * i) & 127);
    memcpy(head + 10, "APIC", 4);
    for (int i = 0; i < 4; i++)
        head[14 + i] = (uint8_t)(body >> (24 - 8 * i));
    add(to, head, sizeof head);
    add(to, "\0image/png\0\3\0", 13);
    add(to, picture->data, picture->size);
}

static void add_ape(struct bytes *to)
{
    static const uint8_t item[] = "\5\0\0\0\0\0\0\0Title\0Other";
    uint8_t tag[32] = {'A', 'P', 'E', 'T', 'A', 'G', 'E', 'X', 0xd0, 7, 0, 0, 32 + sizeof item, 0, 0, 0, 1};
    tag[23] = 0xa0;
    add(to, tag, sizeof tag);
    add(to, item, sizeof item);
    tag[23] = 0x80;
    add(to, tag, sizeof tag);
}

static void add_between(struct bytes *to, int kind, const struct bytes *picture)
{
    static const uint8_t id3v1[128] = "TAGOther";
    static const uint8_t small[] = "ID3\3\0\0\0\0\0\14TIT2\0\0\0\2\0\0\0X";
    if (kind == 0)
        add_id3(to, picture);
    else if (kind == 1)
        add_ape(to);
    else if (kind == 2)
        add(to, id3v1, sizeof id3v1);
    else if (kind == 3)
        add(to, small, sizeof small - 1);
}

/* Adds a picture to the header of a FLAC file: behind STREAMINFO. */
static void write_with_picture(const char *file, const char *from, const struct bytes *picture)
{
    enum { INFO_END = 42 };
    struct bytes all = video_bytes(from), out = {0};
    const size_t size = picture->size;
    const uint8_t head[4] = {6, (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
    add(&out, all.data, INFO_END);
    add(&out, head, sizeof head);
    add(&out, picture->data, size);
    add(&out, all.data + INFO_END, all.size - INFO_END);
    write_away(file, &out);
    free(all.data);
}

static void test_tags_between_frames(void **state)
{
    (void)state;
    enum { KINDS = 5 };
    static const char *const files[] = {"one.flac", "one.mp3", "one.aac", "one.ac3"};
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i sine=440:d=0.5:r=32000 -ac 2 -c:a flac -frame_size 1152 one.flac -c:a libmp3lame "
        "-id3v2_version 0 one.mp3 -c:a aac one.aac -c:a ac3 one.ac3");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct bytes picture = video_bytes(files[i]);
        picture.data[0] = 0; /* not a joined file, but frames */
        json_decref(edit_ok(files[i], "alone.wav", "wav", NULL));
        size_t alone = count_samples("alone.wav", 32000), joined = 0;
        char name[16];
        snprintf(name, sizeof name, "joined.%s", files[i] + 4);
        for (int kind = KINDS; kind-- > 0;) {
            struct bytes song = video_bytes(files[i]);
            add_between(&song, kind, &picture);
            add_file(&song, files[i]);
            write_away(name, &song);
            MR_AUTO_JSON json_t *receipt = edit_ok(name, "joined.wav", "wav", NULL);
            assert_int_equal(json_array_size(json_object_get(receipt, "warnings")), 0);
            size_t count = count_samples("joined.wav", 32000);
            if (kind == KINDS - 1) /* nothing between them */
                joined = count;
            assert_int_equal(count, joined);
            assert_true(count >= alone * 2 && count < alone * 2 + 8000);
        }
        if (i == 0) {
            write_with_picture("picture.flac", "one.flac", &picture);
            join("joined.flac", "one.flac", "picture.flac", 0);
            json_decref(edit_ok("joined.flac", "joined.wav", "wav", NULL));
            assert_int_equal(count_samples("joined.wav", 32000), alone * 2);
        }
        free(picture.data);
    }
}

/* Where the container provides for one file, the others are told, or go on as one. */
static void test_files_behind_files(void **state)
{
    (void)state;
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i testsrc2=s=96x64:r=25:d=2 -f lavfi -i sine=440:d=2:r=32000 -c:v libx264 "
        "-c:a aac j.mkv -c:v libx264 -c:a aac j.mp4 -c:v flv -c:a aac j.flv -c:v wmv2 -c:a wmav2 -ac 2 "
        "-ar 44100 j.wmv -c:a pcm_s16le j.wav -c:a pcm_s16be j.aiff -c:a pcm_s16be j.caf -c:a pcm_s16be j.au "
        "-c:a tta j.tta -c:a wavpack j.wv -c:v flv -c:a mp3 -ar 44100 -flvflags no_metadata bare.flv "
        "-c:v libvpx -c:a libopus -live 1 live.webm -vn -c:a libopus -live 1 song.webm");
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=64x96:r=25:d=2 -f lavfi -i sine=440:d=2:r=32000 "
                              "-c:v libx264 -c:a aac other.mkv");
    static const struct {
        const char *file, *other, *format;
    } rows[] = {{"j.mp4", "j.mp4", "mp4"},          {"j.flv", "j.flv", "mp4"},
                {"j.wmv", "j.wmv", "mp4"},          {"j.wav", "j.wav", "flac"},
                {"j.aiff", "j.aiff", "flac"},       {"j.caf", "j.caf", "flac"},
                {"j.au", "j.au", "flac"},           {"j.tta", "j.tta", "flac"},
                {"j.wv", "j.wv", "flac"},           {"bare.flv", "bare.flv", "mp4"},
                {"bare.flv", "bare.flv", "mp3"},    {"live.webm", "song.webm", "mkv"},
                {"song.webm", "live.webm", "opus"}, {"live.webm", "song.webm", "mp3"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        join("behind", rows[i].file, rows[i].other, i % 2 ? 0 : 1000);
        MR_AUTO_JSON json_t *receipt = edit_ok("behind", "behind.out", rows[i].format, NULL);
        const json_t *output = json_object_get(receipt, "output");
        if (!has_what(receipt, "warnings", "joined_file"))
            fail_msg("%s and %s to %s: not told", rows[i].file, rows[i].other, rows[i].format);
        assert_int_equal(json_array_size(json_object_get(receipt, "warnings")), 1);
        assert_near((double)json_integer_value(json_object_get(output, "duration_ms")) / 1000, 2, 0.1,
                    rows[i].file);
    }
    join("like.webm", "live.webm", "live.webm", 0);
    json_decref(edit_ok("like.webm", "behind.out", "mkv", NULL));
    assert_int_equal(look("behind.out").frames, 100);
    join("unlike.mkv", "j.mkv", "other.mkv", 0);
    MR_AUTO_JSON json_t *unlike = edit_ok("unlike.mkv", "unlike.mp4", "mp4", NULL);
    assert_true(has_what(unlike, "warnings", "joined_file"));
    assert_near(look("unlike.mp4").video_s, 2, 0.05, "the first file");
    join("like.mkv", "j.mkv", "j.mkv", 1000);
    for (int is_encoded = 0; is_encoded < 2; is_encoded++) {
        MR_AUTO_JSON json_t *like =
            edit_ok("like.mkv", "like.mp4", "mp4", is_encoded ? "{\"resize\": {\"width\": 48}}" : NULL);
        assert_true(has_what(like, "warnings", "clock_jumps"));
        struct video video = look("like.mp4");
        assert_int_equal(video.frames, 100);
        assert_near(video.video_s, 4, 0.06, "video of both files");
        assert_near(video.audio_s, 4, 0.1, "audio of both files");
    }
}

/* Fragments of one recording may each have the head of the file before them. */
static void test_fragments_with_heads(void **state)
{
    (void)state;
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=96x64:r=25:d=2 -c:v libx264 -bf 0 -g 25 -movflags "
                              "+frag_keyframe+empty_moov+default_base_moof f.mp4");
    struct bytes file = video_bytes("f.mp4"), out = {0};
    const uint8_t *first = memmem(file.data, file.size, "moof", 4);
    assert_non_null(first);
    size_t head = (size_t)(first - 4 - file.data);
    const uint8_t *second = memmem(first + 4, file.size - head - 8, "moof", 4);
    assert_non_null(second);
    add(&out, file.data, (size_t)(second - 4 - file.data));
    add(&out, file.data, head);
    add(&out, second - 4, file.size - (size_t)(second - 4 - file.data));
    write_away("heads.mp4", &out);
    free(file.data);
    MR_AUTO_JSON json_t *receipt = edit_ok("heads.mp4", "heads.out", "mp4", NULL);
    assert_int_equal(json_array_size(json_object_get(receipt, "warnings")), 0);
    assert_int_equal(look("heads.out").frames, 50);
}

/* Bytes that are lost in the middle: what is shown keeps its time, and the receipt tells. */
static void test_holes_of_bytes(void **state)
{
    (void)state;
    enum { PACKET = 188 };
    media_ffmpeg(
        video_dir(),
        "-f lavfi -i testsrc2=s=96x64:r=25:d=4 -f lavfi -i sine=440:d=4:r=32000 -map 0 -c:v libx264 -g 10 "
        "v.ts -map 0 -c:v libx264 -g 10 -cluster_time_limit 500 v.mkv -map 1 -c:a libmp3lame v.mp3 "
        "-map 0 -map 1 -c:v libx264 -g 10 -c:a aac av.ts");
    static const char *const files[] = {"v.ts", "v.mkv", "v.mp3", "av.ts"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bool is_ts = strstr(files[i], ".ts");
        struct bytes file = video_bytes(files[i]);
        size_t from = file.size * 4 / 10 / PACKET * PACKET, to = file.size * 7 / 10 / PACKET * PACKET;
        if (is_ts) {
            memmove(file.data + from, file.data + to, file.size - to);
            file.size -= to - from;
        } else {
            memset(file.data + from, 0, to - from);
        }
        write_away("lossy", &file);
        MR_AUTO_JSON json_t *receipt = edit_ok("lossy", "lossy.out", i == 2 ? "mp3" : "mp4", NULL);
        if (i == 2) {
            assert_true(has_what(receipt, "warnings", "damaged_packets"));
            assert_int_equal(json_array_size(json_object_get(receipt, "warnings")), 2);
            continue;
        }
        assert_true(has_what(receipt, "warnings", "gaps_filled"));
        struct video video = look("lossy.out");
        assert_near(video.video_s, 4, 0.1, files[i]);
        if (i == 3)
            assert_near(video.audio_s, 4, 0.1, files[i]);
    }
}

int main(void)
{
    if (!video_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence_in_the_last_part), cmocka_unit_test(test_tags_between_frames),
        cmocka_unit_test(test_files_behind_files),       cmocka_unit_test(test_fragments_with_heads),
        cmocka_unit_test(test_holes_of_bytes),
    };
    int failed = cmocka_run_group_tests_name("joined", tests, NULL, NULL);
    video_stop();
    return failed;
}
