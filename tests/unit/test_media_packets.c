/* What units have encoded is read back as it was written, and what does not fit together is refused. */
#include "tests/unit/media_fixture.h"

#include "worker/media/packets.h"
#include "worker/protocol.h"

#include <libavutil/log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PARTS = 2, WIDTH = 64, PAYLOAD = 100 };

static struct mr_sandbox *sandbox;
static struct media_dir dir;

static enum mr_status write_packets(const json_t *wish, const AVCodecContext *encoder,
                                    const struct mr_sandbox_fds *fds, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_packets_writer) struct mr_packets_writer writer = {0};
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    const json_int_t from = json_integer_value(json_object_get(wish, "from"));
    const json_int_t count = json_integer_value(json_object_get(wish, "count"));
    const json_int_t odd = json_integer_value(json_object_get(wish, "odd"));
    if (!packet || av_new_packet(packet, PAYLOAD) < 0)
        return mr_fail_oom(err);
    MR_TRY(mr_packets_begin(&writer, fds, encoder, err));
    for (json_int_t i = 0; i < count; i++) {
        memset(packet->data, (int)(from + i), PAYLOAD);
        packet->data[0] ^= (uint8_t)odd;
        packet->pts = packet->dts = from + i;
        packet->flags = i == 0 ? AV_PKT_FLAG_KEY : 0;
        MR_TRY(mr_packets_write(&writer, packet, err));
    }
    MR_TRY(mr_packets_end(&writer, err));
    *ret = json_pack("{s:I}", "last", (json_int_t)writer.last_pts);
    return MR_OK;
}

static enum mr_status read_all(struct mr_packets_reader *reader, const AVCodecContext *encoder,
                               const json_t *wish, json_t *ret, struct mr_err *err)
{
    const json_int_t frame = json_integer_value(json_object_get(wish, "frame"));
    for (int64_t output = 0; mr_packets_reader_has(reader, output); output++) {
        const AVPacket *next = NULL;
        MR_TRY(mr_packets_reader_begin(reader, encoder, output, frame, err));
        for (;;) {
            MR_TRY(mr_packets_peek(reader, &next, err));
            MR_AUTO_PACKET AVPacket *packet = mr_packets_take(reader);
            if (!packet)
                break;
            assert_int_equal(packet->size, PAYLOAD);
            assert_int_equal(packet->data[PAYLOAD - 1], packet->pts);
            json_array_append_new(ret, json_integer(100 * output + packet->pts));
        }
    }
    return MR_OK;
}

static enum mr_status read_packets(const json_t *wish, const AVCodecContext *encoder,
                                   const struct mr_sandbox_fds *fds, json_t **ret, struct mr_err *err)
{
    struct mr_packets_part parts[PARTS];
    const json_t *list = json_object_get(wish, "parts");
    for (size_t i = 0; i < PARTS; i++) {
        json_int_t size = 0, count = 0, last = 0, output = 0;
        assert_int_equal(json_unpack(json_array_get(list, i), "[I, I, I, I]", &size, &count, &last, &output),
                         0);
        parts[i] = (struct mr_packets_part){
            .size = size, .count = count, .last_pts = last, .output = output, .added = 1};
    }
    MR_AUTO(mr_packets_reader)
    struct mr_packets_reader reader = {.fds = fds, .parts = parts, .part_count = PARTS};
    MR_AUTO_JSON json_t *times = json_array();
    MR_TRY(read_all(&reader, encoder, wish, times, err));
    *ret = json_pack("{s:O, s:I}", "times", times, "frames", (json_int_t)mr_packets_reader_frames(&reader));
    return MR_OK;
}

static enum mr_status act(const json_t *spec, const struct mr_sandbox_fds *fds, json_t **ret,
                          struct mr_err *err)
{
    const json_t *wish = json_object_get(spec, "options");
    AVCodecContext *encoder = avcodec_alloc_context3(NULL);
    av_log_set_level(AV_LOG_QUIET); /* the sandbox would not let it ask whether that is a terminal */
    if (!encoder)
        return mr_fail_oom(err);
    encoder->codec_id = json_is_true(json_object_get(wish, "vorbis")) ? AV_CODEC_ID_VORBIS : AV_CODEC_ID_H264;
    encoder->width = encoder->height = WIDTH;
    encoder->time_base = (AVRational){1, 30};
    enum mr_status status = json_object_get(wish, "parts") ? read_packets(wish, encoder, fds, ret, err)
                                                           : write_packets(wish, encoder, fds, ret, err);
    avcodec_free_context(&encoder);
    return status;
}

static int run(const void *text, size_t len, const struct mr_sandbox_fds *fds)
{
    return media_act(act, text, len, fds);
}

/* Where each of two units begins, how many packets it has, and the output that it is of; what else is said of the second one. */
struct units {
    int from[PARTS], count[PARTS], output[PARTS];
    int frame, more_packets, less_bytes, less_last;
    bool is_vorbis;
    int repeated; /* how many packets of the second are the first's */
    int odd;      /* a bit that is wrong in the second */
};

static json_int_t make_unit(const struct units *units, int i, const char *name)
{
    json_t *receipt = NULL;
    struct mr_err err;
    MR_AUTO_JSON json_t *wish = json_pack("{s:i, s:i, s:b, s:i}", "from", units->from[i], "count",
                                          units->count[i], "vorbis", units->is_vorbis, "odd", i * units->odd);
    if (media_edit(sandbox, &dir, "empty", name, "mp4", wish, &receipt, &err) != MR_OK)
        fail_msg("%s", err.message);
    json_int_t last = json_integer_value(json_object_get(receipt, "last"));
    json_decref(receipt);
    return last;
}

/* The fixture serves logo.png as every source but the input. */
static enum mr_status join(const struct units *units, json_t **ret, struct mr_err *err)
{
    static const char *const names[PARTS] = {"0.unit", "1.unit"};
    MR_AUTO_JSON json_t *parts = json_array();
    size_t len = 0;
    for (int i = 0; i < PARTS; i++) {
        json_int_t last = make_unit(units, i, names[i]), size = (json_int_t)media_file_size(&dir, names[i]);
        json_array_append_new(parts, json_pack("[I, i, I, i]", size - (i ? units->less_bytes : 0),
                                               units->count[i] + (i ? units->more_packets : 0),
                                               last - (i ? units->less_last : 0), units->output[i]));
    }
    free(media_run(&dir, &len, "dd if=0.unit of=logo.png status=none"));
    free(media_run(&dir, &len, "dd if=1.unit of=logo.png oflag=append conv=notrunc status=none"));
    MR_AUTO_JSON json_t *wish =
        json_pack("{s:O, s:i, s:b}", "parts", parts, "frame", units->frame, "vorbis", units->is_vorbis);
    enum mr_status status = media_edit(sandbox, &dir, "empty", "none", "mp4", wish, ret, err);

    return status;
}

static void test_they_follow_each_other(void **state)
{
    (void)state;
    static const struct units cases[] = {{{0, 5}, {5, 5}, {0, 0}, .frame = 1},
                                         {{0, 7}, {5, 3}, {0, 0}, .frame = 0},
                                         {{0, 0}, {5, 4}, {0, 1}, .frame = 1},
                                         {{0, 4}, {5, 6}, {0, 0}, .is_vorbis = true, .repeated = 1},
                                         {{0, 1}, {5, 6}, {0, 0}, .is_vorbis = true, .repeated = 4},
                                         {{0, 0}, {5, 4}, {0, 1}, .is_vorbis = true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err;
        MR_AUTO_JSON json_t *receipt = NULL;
        json_t *made = NULL;
        if (join(&cases[i], &made, &err) != MR_OK)
            fail_msg("case %zu: %s", i, err.message);
        receipt = made;
        const json_t *times = json_object_get(receipt, "times");
        const int repeated = cases[i].repeated, all = cases[i].count[0] + cases[i].count[1] - repeated;
        assert_int_equal(json_array_size(times), all);
        assert_int_equal(json_integer_value(json_object_get(receipt, "frames")), all + repeated - PARTS);
        for (int part = 0, n = 0; part < PARTS; part++)
            for (int k = part * repeated; k < cases[i].count[part]; k++, n++)
                assert_int_equal(json_integer_value(json_array_get(times, (size_t)n)),
                                 100 * cases[i].output[part] + cases[i].from[part] + k);
    }
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        struct units units;
        const char *why;
    } cases[] = {
        {{{0, 6}, {5, 5}, {0, 0}, .frame = 1}, "a frame is missing between two of them"},
        {{{0, 4}, {5, 5}, {0, 0}, .frame = 1}, "their times overlap"},
        {{{0, 5}, {5, 5}, {0, 0}, .less_last = 1}, "their times overlap"},
        {{{0, 5}, {5, 5}, {0, 0}, .more_packets = 1}, "a packet has no size"},
        {{{0, 5}, {5, 5}, {0, 0}, .more_packets = -1}, "one has more packets than it said"},
        {{{0, 5}, {5, 5}, {0, 0}, .less_bytes = 1}, "one is cut"},
        {{{0, 3}, {5, 5}, {0, 0}, .is_vorbis = true, .odd = 1},
         "did not make the same packet where they meet"},
        {{{0, 5}, {5, 5}, {0, 0}, .is_vorbis = true}, "did not make the same packet where they meet"},
        {{{0, 1}, {5, 2}, {0, 0}, .is_vorbis = true}, "did not make the same packet where they meet"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *receipt = NULL;
        struct mr_err err = {.code = MR_CODE_NONE};
        enum mr_status status = join(&cases[i].units, &receipt, &err);
        json_decref(receipt);
        if (status == MR_OK || err.code != MR_CODE_UNIT_IMPOSSIBLE || !strstr(err.message, cases[i].why))
            fail_msg("case %zu: %s", i, status == MR_OK ? "joined" : err.message);
    }
}

int main(void)
{
    struct mr_err err;
    if (mr_sandbox_start(run, &sandbox, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    media_dir_make(&dir);
    size_t len = 0;
    free(media_run(&dir, &len, "dd if=/dev/zero of=empty bs=1 count=1 status=none"));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_they_follow_each_other),
                                       cmocka_unit_test(test_what_does_not_fit)};
    int failed = cmocka_run_group_tests_name("packets", tests, NULL, NULL);
    mr_sandbox_stop(sandbox);
    media_dir_remove(&dir);
    return failed;
}
