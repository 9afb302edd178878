#include "worker/media/readback.h"

#include "worker/media/container.h"

#include <errno.h>
#include <libavutil/parseutils.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum { BUFFER = 32 * 1024 };
#define PLACE 0.001 /* degrees, metres: what the boxes of MP4 resolve */

struct head {
    const struct mr_sink *sink;
    int64_t at;
};

static int read_head(void *opaque, uint8_t *buf, int size)
{
    struct head *head = opaque;
    int n = mr_sink_peek(head->sink, head->at, buf, size);
    head->at += n;
    return n ? n : AVERROR_EOF; /* what has left already is not read */
}

static int64_t seek_head(void *opaque, int64_t offset, int whence)
{
    struct head *head = opaque;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return head->sink->end;
    if (whence == SEEK_CUR)
        offset += head->at;
    else if (whence == SEEK_END)
        offset += head->sink->end;
    return offset < 0 ? AVERROR(EINVAL) : (head->at = offset);
}

/* NULL: it cannot be read. */
static AVFormatContext *open_head(const struct mr_muxer *output, struct head *head, AVIOContext **io)
{
    char name[32];
    AVFormatContext *format = NULL;
    unsigned char *buffer = av_malloc(BUFFER);
    *io = buffer ? avio_alloc_context(buffer, BUFFER, 0, head, read_head, NULL, seek_head) : NULL;
    if (!*io) {
        av_free(buffer);
        return NULL;
    }
    snprintf(name, sizeof name, "output.%s", output->spec->name);
    return mr_container_read_head(*io, name, &format) < 0 ? NULL : format;
}

static const char *find(const AVFormatContext *format, const char *key)
{
    const AVDictionaryEntry *entry = av_dict_get(format->metadata, key, NULL, 0);
    for (unsigned i = 0; !entry && i < format->nb_streams; i++)
        if (format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) /* Ogg's */
            entry = av_dict_get(format->streams[i]->metadata, key, NULL, 0);
    return entry ? entry->value : NULL;
}

static bool is_same_time(const char *one, const char *other)
{
    int64_t at[2];
    return av_parse_time(&at[0], one, 0) >= 0 && av_parse_time(&at[1], other, 0) >= 0 && at[0] == at[1];
}

/* ISO 6709, "+48.1000+011.5000/": some muxers keep the numbers. */
static bool is_same_place(const char *one, const char *other)
{
    double a[3] = {0}, b[3] = {0};
    int count = sscanf(one, "%lf%lf%lf", &a[0], &a[1], &a[2]);
    return count >= 2 && sscanf(other, "%lf%lf%lf", &b[0], &b[1], &b[2]) >= count &&
           fabs(a[0] - b[0]) < PLACE && fabs(a[1] - b[1]) < PLACE && fabs(a[2] - b[2]) < PLACE;
}

static bool is_same(const char *key, const char *one, const char *other)
{
    return strcmp(one, other) == 0 || (strcmp(key, "creation_time") == 0 && is_same_time(one, other)) ||
           (strcmp(key, "location") == 0 && is_same_place(one, other));
}

static void note_tag(struct mr_notes *notes, const AVFormatContext *format, const json_t *claim)
{
    const char *what = json_string_value(json_object_get(claim, "what")),
               *key = json_string_value(json_object_get(claim, "key")),
               *value = json_string_value(json_object_get(claim, "value"));
    const char *found = format && what && key && value ? find(format, key) : NULL;
    if (!found)
        mr_notes_dropped(notes, what ? what : "tag", "the format has no place for it");
    else if (!is_same(key, value, found))
        mr_notes_changed(notes, what, value, found, "the format holds it in another form");
    else if (strcasecmp(what + strlen("tag:"), key) != 0)
        mr_notes_changed(notes, what, what + strlen("tag:"), key, "the format has another name for it");
    else
        mr_notes_kept(notes, what);
}

static void note_covers(const struct mr_muxer *output, const AVFormatContext *format)
{
    size_t count = 0;
    for (unsigned i = 0; format && i < format->nb_streams; i++)
        count += (format->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
    if (count >= output->covers.count)
        mr_notes_kept(output->notes, "cover_art");
    else
        mr_notes_dropped(output->notes, "cover_art", "the format has no place for it");
}

void mr_readback(const struct mr_muxer *output)
{
    size_t i;
    const json_t *claim;
    if (json_array_size(output->claims) == 0 && output->covers.count == 0)
        return;
    struct head head = {.sink = &output->sink};
    AVIOContext *io = NULL;
    AVFormatContext *format = open_head(output, &head, &io);
    json_array_foreach (output->claims, i, claim)
        note_tag(output->notes, format, claim);
    if (output->covers.count)
        note_covers(output, format);
    avformat_close_input(&format);
    if (io)
        av_freep(&io->buffer);
    avio_context_free(&io);
}
