#include "tests/unit/video_fixture.h"

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

static double number(const json_t *packet, const char *key)
{
    const char *text = json_string_value(json_object_get(packet, key));
    return text ? strtod(text, NULL) : NAN;
}

static void note_packet(struct video *video, const json_t *packet)
{
    bool is_video = strcmp(json_string_value(json_object_get(packet, "codec_type")), "video") == 0;
    double at = number(packet, "pts_time"), length = number(packet, "duration_time");
    double *from = is_video ? &video->video_from : &video->audio_from;
    double *end = is_video ? &video->video_s : &video->audio_s;
    video->frames += is_video;
    if (isnan(at))
        return;
    if (is_video)
        video->video_at = fmax(video->video_at, at);
    *from = fmin(*from, at);
    *end = fmax(*end, at + (isnan(length) ? 0 : length));
}

struct video look(const char *file)
{
    struct video video = {.video_from = INFINITY, .audio_from = INFINITY};
    size_t i, len;
    const json_t *entry;
    char *text = media_run(&dir, &len,
                           "ffprobe -v error -of json -show_entries "
                           "stream=codec_type,codec_name,width,height:packet=codec_type,pts_time,"
                           "duration_time %s",
                           file);
    MR_AUTO_JSON json_t *probe = json_loadb(text, len, 0, NULL);
    free(text);
    json_array_foreach (json_object_get(probe, "streams"), i, entry) {
        const char *type = json_string_value(json_object_get(entry, "codec_type"));
        bool is_video = strcmp(type, "video") == 0;
        if (is_video || strcmp(type, "audio") == 0)
            snprintf(is_video ? video.video : video.audio, sizeof video.audio, "%s",
                     json_string_value(json_object_get(entry, "codec_name")));
        if (!is_video)
            continue;
        video.width = (int)json_integer_value(json_object_get(entry, "width"));
        video.height = (int)json_integer_value(json_object_get(entry, "height"));
    }
    json_array_foreach (json_object_get(probe, "packets"), i, entry)
        note_packet(&video, entry);
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
