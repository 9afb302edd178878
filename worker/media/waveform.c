#include "worker/media/waveform.h"

#include "worker/media/extra.h"
#include "worker/media/picture.h"

#include <errno.h>
#include <libavutil/common.h>
#include <math.h>

enum { FIRST_STRETCH = 64, CHUNK = 1024, SCALE = 127, OPAQUE = 255 };

struct mr_waveform_point {
    float lowest, highest;
};

void mr_waveform_free(struct mr_waveform *waveform)
{
    av_freep(&waveform->heard);
}

static void join(struct mr_waveform_point *point, const struct mr_waveform_point *other)
{
    point->lowest = fminf(point->lowest, other->lowest);
    point->highest = fmaxf(point->highest, other->highest);
}

/* Each two stretches become one. The last may lack samples, and has no second one if their number is odd. */
static void halve(struct mr_waveform *waveform)
{
    struct mr_waveform_point *heard = waveform->heard;
    for (int i = 0; i < waveform->count; i += 2) {
        heard[i / 2] = heard[i];
        if (i + 1 < waveform->count)
            join(&heard[i / 2], &heard[i + 1]);
    }
    if (waveform->count % 2)
        waveform->left += waveform->stretch;
    waveform->count = (waveform->count + 1) / 2;
    waveform->stretch *= 2;
}

static enum mr_status begin(struct mr_waveform *waveform, int sample_rate, struct mr_err *err)
{
    waveform->heard = av_calloc(2 * (size_t)waveform->points, sizeof *waveform->heard);
    if (!waveform->heard)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "draw the audio");
    waveform->sample_rate = sample_rate;
    waveform->stretch = FIRST_STRETCH;
    return MR_OK;
}

static struct mr_waveform_point bounds(mr_sample_reader *read, const struct mr_sample_block *block,
                                       int offset, int count)
{
    struct mr_waveform_point point = {INFINITY, -INFINITY};
    for (int channel = 0; channel < block->channels; channel++) {
        float samples[CHUNK];
        mr_sample_read(read, block, channel, offset, count, samples);
        for (int i = 0; i < count; i++) {
            point.lowest = fminf(point.lowest, samples[i]);
            point.highest = fmaxf(point.highest, samples[i]);
        }
    }
    return point;
}

static struct mr_waveform_point *present(struct mr_waveform *waveform)
{
    if (waveform->left == 0) {
        if (waveform->count == 2 * waveform->points)
            halve(waveform);
        waveform->heard[waveform->count++] = (struct mr_waveform_point){INFINITY, -INFINITY};
        waveform->left = waveform->stretch;
    }
    return &waveform->heard[waveform->count - 1];
}

enum mr_status mr_waveform_hear(struct mr_waveform *waveform, const struct mr_sample_block *block,
                                int sample_rate, int samples, struct mr_err *err)
{
    mr_sample_reader *read = mr_sample_reader_of(block->format);
    if (!waveform->points || samples <= 0 || !read)
        return MR_OK;
    if (!waveform->heard)
        MR_TRY(begin(waveform, sample_rate, err));
    for (int offset = 0; offset < samples;) {
        struct mr_waveform_point *point = present(waveform);
        int count = (int)FFMIN3(waveform->left, CHUNK, samples - offset);
        const struct mr_waveform_point part = bounds(read, block, offset, count);
        join(point, &part);
        waveform->left -= count;
        offset += count;
    }
    return MR_OK;
}

static int to_8_bits(float sample)
{
    return av_clip((int)lrintf(sample * SCALE), -SCALE - 1, SCALE);
}

static json_t *list_points(const struct mr_waveform *waveform)
{
    json_t *data = json_array();
    for (int i = 0; i < waveform->count; i++) {
        const struct mr_waveform_point *point = &waveform->heard[i];
        if (json_array_append_new(data, json_integer(to_8_bits(point->lowest))) < 0 ||
            json_array_append_new(data, json_integer(to_8_bits(point->highest))) < 0) {
            json_decref(data);
            return NULL;
        }
    }
    return data;
}

static char *write_json(const struct mr_waveform *waveform)
{
    MR_AUTO_JSON json_t *json =
        json_pack("{s:i, s:i, s:i, s:I, s:i, s:i, s:o}", "version", 2, "channels", 1, "sample_rate",
                  waveform->sample_rate, "samples_per_pixel", (json_int_t)waveform->stretch, "bits", 8,
                  "length", waveform->count, "data", list_points(waveform));
    return json ? json_dumps(json, JSON_COMPACT) : NULL;
}

/* A column of the picture: what lies between the lowest and the highest sample, and at least one pixel. */
static void draw_column(const struct mr_waveform *waveform, AVFrame *picture, int x)
{
    const int last = picture->height - 1;
    int from = (int)((int64_t)x * waveform->count / picture->width);
    struct mr_waveform_point point = waveform->heard[from];
    int top = (int)lrintf((1 - av_clipf(point.highest, -1, 1)) * (float)last / 2),
        bottom = (int)lrintf((1 - av_clipf(point.lowest, -1, 1)) * (float)last / 2);
    for (int y = top; y <= bottom; y++)
        picture->data[0][(ptrdiff_t)y * picture->linesize[0] + 2 * (ptrdiff_t)x + 1] = OPAQUE;
}

/* Grey and opacity: all is black, and transparent where no column is. */
static enum mr_status draw(const struct mr_waveform *waveform, AVPacket *ret, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *picture = av_frame_alloc();
    if (!picture)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "draw the audio");
    picture->width = waveform->points;
    picture->height = waveform->height;
    picture->format = AV_PIX_FMT_YA8;
    int rc = av_frame_get_buffer(picture, 0);
    if (rc >= 0) {
        memset(picture->data[0], 0, (size_t)picture->linesize[0] * (size_t)picture->height);
        for (int x = 0; x < picture->width; x++)
            draw_column(waveform, picture, x);
        rc = mr_picture_encode_png(picture, ret);
    }
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "draw the audio") : MR_OK;
}

static enum mr_status add_picture(const struct mr_waveform *waveform, struct mr_parts *parts,
                                  struct mr_err *err)
{
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    if (!packet)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "draw the audio");
    MR_TRY(draw(waveform, packet, err));
    return mr_extra_add(parts, packet->data, (size_t)packet->size,
                        mr_extra_picture("png", "png", waveform->points, waveform->height), err);
}

enum mr_status mr_waveform_write(struct mr_waveform *waveform, struct mr_parts *parts, struct mr_err *err)
{
    if (!waveform->points)
        return MR_OK;
    if (!waveform->count) {
        mr_notes_dropped(parts->notes, "waveform", "there is no audio");
        return MR_OK;
    }
    if (waveform->count > waveform->points)
        halve(waveform);
    MR_AUTO_STR char *text = write_json(waveform);
    if (!text)
        return mr_fail_oom(err);
    MR_TRY(mr_extra_add(parts, text, strlen(text), mr_extra_text("json"), err));
    return waveform->height ? add_picture(waveform, parts, err) : MR_OK;
}
