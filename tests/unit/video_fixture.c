#include "tests/unit/video_fixture.h"

#include "worker/media/av.h"
#include "worker/media/convert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_sandbox *sandbox;
static struct media_dir dir;

bool video_start(void)
{
    struct mr_err err;
    if (mr_sandbox_start(mr_media_run, &sandbox, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    media_dir_make(&dir);
    return true;
}

void video_stop(void)
{
    mr_sandbox_stop(sandbox);
    media_dir_remove(&dir);
}

const struct media_dir *video_dir(void)
{
    return &dir;
}

json_t *edit_ok(const char *input, const char *output, const char *format, const char *options)
{
    json_t *receipt = NULL;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *json = options ? json_loads(options, 0, NULL) : NULL;
    assert_true(!options || json);
    if (media_edit(sandbox, &dir, input, output, format, json, &receipt, &err))
        fail_msg("%s to %s: %s: %s", input, output, mr_code_name(err.code), err.message);
    return receipt;
}

enum mr_status try_edit(const char *input, const char *format, const json_t *options, json_t **ret_receipt,
                        struct mr_err *err)
{
    return media_edit(sandbox, &dir, input, "tried.out", format, options, ret_receipt, err);
}

json_t *edit_with_threads(int threads, const char *input, const char *output, const char *format,
                          const char *options)
{
    dir.threads = threads;
    json_t *receipt = edit_ok(input, output, format, options);
    dir.threads = 0;
    return receipt;
}

void expect_failure(const char *input, const char *format, const char *options, const char *code,
                    const char *words)
{
    json_t *receipt = NULL;
    struct mr_err err = {.code = MR_CODE_NONE};
    MR_AUTO_JSON json_t *json = options ? json_loads(options, 0, NULL) : NULL;
    enum mr_status status = media_edit(sandbox, &dir, input, "bad.out", format, json, &receipt, &err);
    json_decref(receipt);
    if (status == MR_OK || strcmp(mr_code_name(err.code), code) != 0 ||
        (words && !strstr(err.message, words)))
        fail_msg("%s to %s: %s (%s), not %s", input, format, mr_code_name(err.code), err.message, code);
}

static void note_stream(struct video *video, const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    bool is_video = params->codec_type == AVMEDIA_TYPE_VIDEO;
    if (!is_video && params->codec_type != AVMEDIA_TYPE_AUDIO)
        return;
    snprintf(is_video ? video->video : video->audio, sizeof video->audio, "%s",
             avcodec_get_name(params->codec_id));
    video->width = is_video ? params->width : video->width;
    video->height = is_video ? params->height : video->height;
}

static void note_packet(struct video *video, const AVStream *stream, const AVPacket *packet)
{
    bool is_video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    double at = (double)packet->pts * av_q2d(stream->time_base);
    double *from = is_video ? &video->video_from : &video->audio_from;
    double *end = is_video ? &video->video_s : &video->audio_s;
    video->frames += is_video;
    if (packet->pts == AV_NOPTS_VALUE)
        return;
    if (is_video)
        video->video_at = fmax(video->video_at, at);
    *from = fmin(*from, at);
    *end = fmax(*end, at + (double)packet->duration * av_q2d(stream->time_base));
}

/* As ffprobe does it, whose start takes longer than to read a short file. */
struct video look(const char *file)
{
    struct video video = {.video_from = INFINITY, .audio_from = INFINITY};
    char path[512];
    AVFormatContext *format = NULL;
    MR_AUTO_DICT AVDictionary *options = NULL;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    av_log_set_level(AV_LOG_ERROR);
    snprintf(path, sizeof path, "%s/%s", dir.path, file);
    av_dict_set(&options, "scan_all_pmts", "1", 0);
    if (avformat_open_input(&format, path, NULL, &options) < 0 || avformat_find_stream_info(format, NULL) < 0)
        fail_msg("%s cannot be read", file);
    for (unsigned i = 0; i < format->nb_streams; i++)
        note_stream(&video, format->streams[i]);
    while (av_read_frame(format, packet) >= 0) {
        note_packet(&video, format->streams[packet->stream_index], packet);
        av_packet_unref(packet);
    }
    avformat_close_input(&format);
    return video;
}

double brightness(const char *file, double at, const char *crop)
{
    size_t len;
    unsigned char *data = (unsigned char *)media_run(
        &dir, &len,
        "ffmpeg -v error -ss %.3f -i %s -frames:v 1 -vf crop=%s,scale=8:8,format=gray -f rawvideo -", at,
        file, crop);
    assert_int_equal(len, 64);
    double sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += data[i];
    free(data);
    return sum / 64;
}

void assert_near(double value, double wanted, double slack, const char *what)
{
    if (!(fabs(value - wanted) <= slack))
        fail_msg("%s: %.4f, not %.4f", what, value, wanted);
}

bool has_what(const json_t *receipt, const char *list, const char *what)
{
    size_t i;
    const json_t *entry;
    json_array_foreach (json_object_get(receipt, list), i, entry) {
        const json_t *name = json_is_string(entry) ? entry : json_object_get(entry, "what");
        const char *text = json_string_value(name ? name : json_object_get(entry, "code"));
        if (text && strncmp(text, what, strlen(what)) == 0)
            return true;
    }
    return false;
}

struct bytes video_bytes(const char *file)
{
    enum { ROOM = 4096 };
    struct bytes bytes = {.size = (size_t)media_file_size(video_dir(), file)};
    char path[128];
    snprintf(path, sizeof path, "%s/%s", video_dir()->path, file);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    bytes.data = malloc(bytes.size + ROOM);
    assert_non_null(bytes.data);
    assert_int_equal(fread(bytes.data, 1, bytes.size, in), bytes.size);
    fclose(in);
    return bytes;
}
