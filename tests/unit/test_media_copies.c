/* Copies that are not decoded: the same as those that are, and damage is told wherever packets show it. */
#include "tests/unit/video_fixture.h"
#include "worker/media/frame_heads.h"
#include "worker/media/video_look.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DECODE "{\"verify\":\"decode\"}"

static const struct {
    const char *file, *format, *arguments; /* of ffmpeg */
    bool is_exact;                         /* the same bytes in each run: no serial number */
} copies[] = {
    {"a.mp3", "mp3", "-c:a libmp3lame -b:a 64k", true},
    {"lsf.mp3", "mp3", "-c:a libmp3lame -ar 22050 -ac 1 -q:a 5", true},
    {"a.m4a", "aac", "-c:a aac", true},
    {"a.aac", "m4a", "-c:a aac", true},
    {"l.m4a", "m4a", "-c:a alac", true},
    {"a.flac", "flac", "-c:a flac", true},
    {"a.ogg", "ogg", "-c:a libvorbis", false},
    {"o.webm", "opus", "-c:a libopus", false},
    {"a.ac3", "ac3", "-c:a ac3", true},
    {"a.eac3", "eac3", "-c:a eac3", true},
    {"a.wav", "wav", "-c:a pcm_s24le", true},
    {"v.mp4", "mkv", "-f lavfi -i testsrc2=s=64x48:d=2:r=25 -c:v libx264 -g 10 -c:a aac", false},
    {"v.mkv", "mp4", "-f lavfi -i testsrc2=s=64x48:d=2:r=25 -c:v libx264 -g 10 -c:a aac", true},
    {"v.ts", "mp4", "-f lavfi -i testsrc2=s=64x48:d=2:r=25 -c:v libx264 -g 10 -c:a aac", true},
    {"v.webm", "webm", "-f lavfi -i testsrc2=s=64x48:d=2:r=25 -c:v libvpx -g 10 -c:a libopus", false},
};
enum { COPIES = sizeof copies / sizeof *copies };

static void make_inputs(void)
{
    for (size_t i = 0; i < COPIES; i++)
        media_ffmpeg(video_dir(), "-f lavfi -i anoisesrc=d=2:c=pink:r=48000:a=0.4:s=1 %s%s %s",
                     strstr(copies[i].arguments, "lavfi") ? "" : "-ac 2 ", copies[i].arguments,
                     copies[i].file);
}

static int64_t length_of(const json_t *receipt, const char *side)
{
    return json_integer_value(json_object_get(json_object_get(receipt, side), "duration_ms"));
}

static void assert_same_bytes(const char *one, const char *other)
{
    size_t len, other_len;
    char *data = media_run(video_dir(), &len, "cat %s", one),
         *others = media_run(video_dir(), &other_len, "cat %s", other);
    assert_int_equal(len, other_len);
    assert_memory_equal(data, others, len);
    free(data);
    free(others);
}

static void test_same_as_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < COPIES; i++) {
        const char *file = copies[i].file, *format = copies[i].format;
        MR_AUTO_JSON json_t *counted = edit_ok(file, "counted", format, NULL),
                            *decoded = edit_ok(file, "decoded", format, DECODE);
        const char *loudness = json_string_value(json_object_get(counted, "loudness"));
        if (!loudness || strcmp(loudness, "not measured") != 0)
            fail_msg("%s was decoded", file);
        assert_true(json_is_object(json_object_get(json_object_get(decoded, "loudness"), "out")));
        assert_true(json_is_true(json_object_get(counted, "copied")));
        assert_string_equal(json_string_value(json_object_get(counted, "verified")), "packets");
        assert_string_equal(json_string_value(json_object_get(decoded, "verified")), "decode");
        assert_int_equal(json_array_size(json_object_get(counted, "warnings")), 0);
        assert_int_equal(length_of(counted, "input"), length_of(decoded, "input"));
        assert_int_equal(length_of(counted, "output"), length_of(decoded, "output"));
        assert_int_equal(media_file_size(video_dir(), "counted"), media_file_size(video_dir(), "decoded"));
        if (copies[i].is_exact)
            assert_same_bytes("counted", "decoded");
    }
}

/* A range is overwritten in the midst, or taken out. */
static void hit(const char *file, int kind)
{
    enum { RANGE = 2500 };
    size_t len;
    char *data = media_run(video_dir(), &len, "cat %s", file);
    assert_true(len > 3 * RANGE);
    char *at = data + len / 2;
    if (kind == 2) {
        memmove(at, at + RANGE, len - len / 2 - RANGE);
        len -= RANGE;
    } else {
        memset(at, kind ? 'X' : 0, RANGE);
    }
    media_write_file(video_dir(), "hit", data, len);
    free(data);
}

/* The same verdict and the same warnings as from a decoder. */
static void test_damage_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COPIES; i++) {
        if (strcmp(copies[i].format, "wav") == 0) /* any bytes are samples */
            continue;
        for (int kind = (int)i % 2; kind < 2 + (int)i % 2; kind++) { /* two of three */
            struct mr_err errs[2] = {{0}, {0}};
            MR_AUTO_JSON json_t *decode = json_pack("{s:s}", "verify", "decode"), *one = NULL, *other = NULL;
            hit(copies[i].file, kind);
            enum mr_status status = try_edit("hit", copies[i].format, NULL, &one, &errs[0]),
                           decoded = try_edit("hit", copies[i].format, decode, &other, &errs[1]);
            if (status != decoded || errs[0].code != errs[1].code ||
                (!status &&
                 !json_equal(json_object_get(one, "warnings"), json_object_get(other, "warnings"))))
                fail_msg("%s, damage %d: '%s', decoded '%s'", copies[i].file, kind, errs[0].message,
                         errs[1].message);
        }
    }
}

/* How many packets of the file make its decoders report an error, or guess. */
static int reports_of(AVFormatContext *input, AVCodecContext *decoders[])
{
    int reports = 0, rc = 0;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    for (bool more = true; more;) {
        more = av_read_frame(input, packet) >= 0;
        for (unsigned i = 0; i < input->nb_streams; i++) {
            if (more && (unsigned)packet->stream_index != i)
                continue;
            rc = avcodec_send_packet(decoders[i], more ? packet : NULL);
            while (rc >= 0 && (rc = avcodec_receive_frame(decoders[i], frame)) >= 0)
                reports += (frame->decode_error_flags & FF_DECODE_ERROR_CONCEALMENT_ACTIVE) != 0;
            reports += rc != AVERROR(EAGAIN) && rc != AVERROR_EOF;
        }
        av_packet_unref(packet);
    }
    return reports;
}

static int decode_by_libav(const char *file)
{
    enum { STREAMS = 2 };
    char path[128];
    AVFormatContext *input = NULL;
    AVCodecContext *decoders[STREAMS] = {0};
    snprintf(path, sizeof path, "%s/%s", video_dir()->path, file);
    if (avformat_open_input(&input, path, NULL, NULL) < 0)
        return 1;
    assert_true(avformat_find_stream_info(input, NULL) >= 0 && input->nb_streams <= STREAMS);
    for (unsigned i = 0; i < input->nb_streams; i++) {
        const AVCodecParameters *params = input->streams[i]->codecpar;
        decoders[i] = avcodec_alloc_context3(avcodec_find_decoder(params->codec_id));
        assert_true(avcodec_parameters_to_context(decoders[i], params) >= 0);
        decoders[i]->pkt_timebase = input->streams[i]->time_base;
        assert_int_equal(avcodec_open2(decoders[i], NULL, NULL), 0);
    }
    int reports = reports_of(input, decoders);
    for (unsigned i = 0; i < STREAMS; i++)
        avcodec_free_context(&decoders[i]);
    avformat_close_input(&input);
    return reports;
}

/* A frame that is no key frame is damaged, and its packet shows it: then all are decoded, not key frames alone. */
static void test_damage_between_key_frames(void **state)
{
    (void)state;
    enum { BLOCK_HEADER = 4 };
    long size, pos, found = 0;
    size_t len;
    char key,
        *list = media_run(video_dir(), &len,
                          "ffprobe -v error -select_streams v -show_entries packet=size,pos,flags "
                          "-of csv=p=0 v.mkv"),
        *data = media_run(video_dir(), &len, "cat v.mkv"), *next = NULL;
    for (char *line = strtok_r(list, "\n", &next); line && !found; line = strtok_r(NULL, "\n", &next))
        if (sscanf(line, "%ld,%ld,%c", &size, &pos, &key) == 3 && key != 'K' && pos > (long)len / 2)
            found = pos;
    assert_true(found > 0 && data[found + BLOCK_HEADER] == 0);
    data[found + BLOCK_HEADER] = 0x7f; /* of the unit's length */
    media_write_file(video_dir(), "between.mkv", data, len);
    MR_AUTO_JSON json_t *receipt = edit_ok("between.mkv", "between.mp4", "mp4", NULL);
    assert_true(has_what(receipt, "warnings", "damaged_packets"));
    free(list);
    free(data);
}

static void flip_a_bit(const char *file, uint32_t *random)
{
    size_t len;
    char *data = media_run(video_dir(), &len, "cat %s", file);
    *random = *random * 1664525 + 1013904223;
    size_t at = len / 8 + (*random >> 8) % (len / 8 * 6);
    data[at] = (char)(data[at] ^ 1 << (*random >> 5 & 7));
    media_write_file(video_dir(), "flipped", data, len);
    free(data);
}

/* One bit, as a bad disk leaves it: what a decoder reports, and what a checksum shows, is told; a copy that was not decoded
 * says so; and no file makes the converter fail by itself. */
static void test_flipped_bits_are_told(void **state)
{
    (void)state;
    enum { FLIPS = 4 };
    static const char with_sums[] = "flac,ac3,eac3,ogg";
    uint32_t random = 7;
    int reported = 0;
    for (size_t i = 0; i < COPIES * FLIPS; i++) {
        const char *file = copies[i / FLIPS].file, *format = copies[i / FLIPS].format;
        flip_a_bit(file, &random);
        bool has_sum = strstr(with_sums, format), is_reported = decode_by_libav("flipped");
        reported += is_reported;
        for (int decodes = 0; decodes < 2; decodes++) {
            MR_AUTO_JSON json_t *options = decodes ? json_pack("{s:s}", "verify", "decode") : NULL,
                                *receipt = NULL;
            struct mr_err err = {0};
            enum mr_status status = try_edit("flipped", format, options, &receipt, &err);
            const json_t *warnings = json_object_get(receipt, "warnings");
            bool is_told = json_array_size(warnings) > 0;
            const char *verified = json_string_value(json_object_get(receipt, "verified"));
            bool was_decoded = verified && strcmp(verified, "decode") == 0;
            if (status ? status == MR_INTERNAL
                       : !is_told && (has_sum || (is_reported && (decodes || was_decoded))))
                fail_msg("%s, flip %zu, decoded %d, reported %d: %s", file, i % FLIPS, decodes, is_reported,
                         status ? err.message : "nothing is told");
        }
    }
    assert_true(reported >= FLIPS);
}

/* Nothing of a packet is believed: any bytes of any length are read within their bounds (sanitizers watch). */
static void test_any_bytes(void **state)
{
    (void)state;
    enum { MOST = 64, ROUNDS = 20000 };
    static const enum AVCodecID codecs[] = {AV_CODEC_ID_MP3,  AV_CODEC_ID_AAC,       AV_CODEC_ID_ALAC,
                                            AV_CODEC_ID_FLAC, AV_CODEC_ID_OPUS,      AV_CODEC_ID_AC3,
                                            AV_CODEC_ID_EAC3, AV_CODEC_ID_PCM_S24LE, AV_CODEC_ID_H264,
                                            AV_CODEC_ID_HEVC, AV_CODEC_ID_VP8,       AV_CODEC_ID_VP9};
    static const uint8_t begins[][4] = {{0xff, 0xfb, 0x90, 0},    {0xff, 0xf8, 0xc9, 0x18},
                                        {0x0b, 0x77, 0, 0},       {0, 0, 1, 0x67},
                                        {0xff, 0xf1, 0x50, 0x80}, {0x82, 0x49, 0x83, 0x42}};
    uint32_t random = 1;
    struct mr_video_look look = {0};
    for (int round = 0; round < ROUNDS; round++) {
        int size = round % MOST;
        uint8_t *data = malloc((size_t)size + 1); /* of just this size, for the sanitizer */
        assert_non_null(data);
        for (int i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            data[i] = i < 4 && round & 1 ? begins[round / 2 % 6][i] : (uint8_t)(random >> 24);
        }
        uint8_t extra[36] = {1, 0, 0, 0, 3};
        AVPacket packet = {.data = data, .size = size};
        AVCodecParameters params = {.codec_id = codecs[round % 12],
                                    .ch_layout = AV_CHANNEL_LAYOUT_STEREO,
                                    .extradata = extra,
                                    .extradata_size = round / 12 % 2 ? (int)sizeof extra : 0};
        struct mr_frame_head head;
        if (mr_frame_head_is_known(params.codec_id) && mr_frame_head_read(&params, &packet, &head))
            assert_true(head.samples >= 0 && head.samples <= 1 << 16 && head.rate >= 0 && head.channels >= 0);
        if (mr_video_look_is_known(params.codec_id))
            (void)mr_video_look(&look, &params, &packet);
        free(data);
    }
}

int main(void)
{
    if (!video_start())
        return 1;
    av_log_set_level(AV_LOG_QUIET);
    make_inputs();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_decoded),
        cmocka_unit_test(test_damage_is_told),
        cmocka_unit_test(test_damage_between_key_frames),
        cmocka_unit_test(test_flipped_bits_are_told),
        cmocka_unit_test(test_any_bytes),
    };
    int failed = cmocka_run_group_tests_name("copies", tests, NULL, NULL);
    video_stop();
    return failed;
}
