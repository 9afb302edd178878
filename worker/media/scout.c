#include "worker/media/scout.h"

#include "worker/media/container.h"
#include "worker/media/inputs.h"
#include "worker/media/streams.h"

#include <libavutil/common.h>
#include <string.h>

#define FARTHEST (INT64_C(1) << 30) /* bytes of the file */

enum {
    PACKETS = 8,                   /* of a stream: enough to learn its parameters */
    BEYOND_BYTES = 2 << 20,        /* past the place where the last of them was met */
    BEYOND_US = 10 * 1000 * 1000,  /* and past its time */
    LONGEST_MS = 100 * 3600 * 1000 /* times that jump tell nothing */
};

static bool is_program_stream(const AVFormatContext *format)
{
    return strcmp(format->iformat->name, "mpeg") == 0;
}

static unsigned count_audio(const AVFormatContext *format)
{
    unsigned count = 0;
    for (unsigned i = 0; i < format->nb_streams; i++)
        count += format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    return count;
}

static bool is_missing(const AVStream *stream)
{
    return mr_streams_is_unknown(stream) && mr_inputs_find_decoder(stream->codecpar);
}

bool mr_scout_is_needed(const AVFormatContext *format)
{
    static const char *const late[] = {"mpegts", "mpeg", "flv"}; /* the others say at once what they know */
    bool may_be_late = false;
    for (size_t i = 0; i < 3; i++)
        may_be_late |= strcmp(format->iformat->name, late[i]) == 0;
    if (!may_be_late)
        return false;
    for (unsigned i = 0; i < format->nb_streams; i++)
        if (is_missing(format->streams[i]))
            return true;
    return is_program_stream(format) && count_audio(format) == 0;
}

struct scout {
    const AVFormatContext *known; /* what the demuxer has found so far */
    AVFormatContext *format;
    unsigned met[MR_STREAMS_MAX]; /* packets of each stream */
    int64_t first_us, last_us;    /* the time stamps that were met */
};

static bool is_wanted(const struct scout *scout, const AVStream *stream)
{
    unsigned index = (unsigned)stream->index;
    if (stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO || index >= MR_STREAMS_MAX)
        return false;
    return index >= scout->known->nb_streams || is_missing(scout->known->streams[index]);
}

static void skip_others(struct scout *scout)
{
    for (unsigned i = 0; i < scout->format->nb_streams; i++) {
        AVStream *stream = scout->format->streams[i];
        bool is_first = scout->first_us == INT64_MAX; /* of any stream, to know where time begins */
        stream->discard = is_first || is_wanted(scout, stream) ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
}

static void note(struct scout *scout, const AVPacket *packet)
{
    const AVStream *stream = scout->format->streams[packet->stream_index];
    int64_t at = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
    if (at != AV_NOPTS_VALUE) {
        int64_t at_us = av_rescale_q(at, stream->time_base, AV_TIME_BASE_Q);
        scout->first_us = FFMIN(scout->first_us, at_us);
        scout->last_us = FFMAX(scout->last_us, at_us);
    }
    if (packet->stream_index < MR_STREAMS_MAX)
        scout->met[packet->stream_index]++;
}

/* All that the demuxer misses was met; of a program stream, which announces nothing, any audio will do. */
static bool has_met_all(const struct scout *scout)
{
    bool has_any = false, has_all = true;
    for (unsigned i = 0; i < FFMIN(scout->format->nb_streams, MR_STREAMS_MAX); i++) {
        if (!is_wanted(scout, scout->format->streams[i]))
            continue;
        has_any |= scout->met[i] >= PACKETS;
        has_all &= scout->met[i] >= PACKETS;
    }
    return has_any && has_all;
}

static int read_on(struct scout *scout)
{
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? 0 : AVERROR(ENOMEM);
    while (rc >= 0 && !has_met_all(scout)) {
        skip_others(scout);
        rc = av_read_frame(scout->format, packet);
        if (rc >= 0)
            note(scout, packet);
        av_packet_unref(packet);
    }
    return rc;
}

static struct mr_window window_of(const struct scout *scout)
{
    int64_t us = scout->last_us > scout->first_us ? scout->last_us - scout->first_us : 0;
    return (struct mr_window){.bytes = avio_tell(scout->format->pb) + BEYOND_BYTES,
                              .us = FFMIN(us, LONGEST_MS * INT64_C(1000)) + BEYOND_US};
}

static bool has_met_any(const struct scout *scout)
{
    for (unsigned i = 0; i < FFMIN(scout->format->nb_streams, MR_STREAMS_MAX); i++)
        if (scout->met[i] > 0 && is_wanted(scout, scout->format->streams[i]))
            return true;
    return false;
}

enum mr_status mr_scout(const struct mr_demuxer *input, const char *name, struct mr_scouted *ret,
                        struct mr_err *err)
{
    const struct mr_source *from = input->source;
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer scouting = {.source = &source};
    MR_TRY(mr_source_open(&source, from->fds, from->index, FFMIN(from->size, FARTHEST), err));
    MR_TRY(mr_container_open(&scouting, name, &mr_usual_window, err));
    struct scout scout = {
        .known = input->format, .format = scouting.format, .first_us = INT64_MAX, .last_us = INT64_MIN};
    int rc = read_on(&scout);
    if (rc == AVERROR(ENOMEM))
        return mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "look for the audio");
    *ret = (struct mr_scouted){.is_met = has_met_all(&scout) || has_met_any(&scout),
                               .is_at_end = rc < 0 && from->size <= FARTHEST,
                               .window = window_of(&scout)};
    return MR_OK;
}
