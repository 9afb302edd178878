#include "worker/media/copy_rules.h"

#include "worker/media/edits.h"
#include "worker/media/loops.h"

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>

/* What an encoder of audio puts before the first sample, at most; a container without edit lists has it, too. */
enum { PRIMING_US = 60 * 1000 };

/* The AAC profiles that every player of .aac and .m4a knows; the others are encoded again. */
static bool is_common_aac(int profile)
{
    return profile <= FF_PROFILE_AAC_LTP || profile == FF_PROFILE_AAC_HE || profile == FF_PROFILE_AAC_HE_V2;
}

static bool is_plain(int pixels)
{
    return pixels == AV_PIX_FMT_YUV420P || pixels == AV_PIX_FMT_YUVJ420P;
}

/* These state no time of presentation, only the order of decoding. */
static bool states_times(const struct mr_demuxer *input)
{
    static const char bare[] = "avi,h264,hevc,mpegvideo,m4v,vc1";
    return !av_match_list(input->format->iformat->name, bare, ',');
}

static bool can_copy_video(const struct mr_demuxer *input, const AVCodecParameters *params,
                           const struct mr_media_format *spec)
{
    const int32_t *matrix = mr_demuxer_display_matrix(input);
    if (!states_times(input))
        return false;
    if (params->codec_id == AV_CODEC_ID_GIF && !mr_loops_can_copy(input->source))
        return false;
    if (matrix && !spec->holds_rotation && !mr_demuxer_is_upright(input))
        return false;
    return params->codec_id != AV_CODEC_ID_H264 || !spec->only_plain_h264 || is_plain(params->format);
}

/* Nothing that an edit list hides may be seen or heard. */
static bool stays_hidden(AVStream *stream, const struct mr_media_format *spec)
{
    const struct mr_edits edits = mr_edits_of(stream);
    bool is_audio = stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    if (edits.hides_within || (edits.hides_lead && !is_audio && !spec->holds_edits))
        return false;
    return !is_audio || spec->holds_edits ||
           av_rescale_q(edits.lead, stream->time_base, AV_TIME_BASE_Q) <= PRIMING_US;
}

/* Without their header no decoder opens these; only libav's CAF demuxer hands them over so. */
static bool lacks_header(const AVCodecParameters *params)
{
    bool needs = params->codec_id == AV_CODEC_ID_OPUS || params->codec_id == AV_CODEC_ID_VORBIS ||
                 params->codec_id == AV_CODEC_ID_ALAC || params->codec_id == AV_CODEC_ID_FLAC;
    return needs && params->extradata_size == 0;
}

bool mr_copy_is_possible(const struct mr_demuxer *input, AVStream *stream, const struct mr_media_format *spec)
{
    const AVCodecParameters *params = stream->codecpar;
    if ((params->codec_id == AV_CODEC_ID_AAC && !is_common_aac(params->profile)) || lacks_header(params))
        return false;
    if (params->codec_type == AVMEDIA_TYPE_VIDEO && !can_copy_video(input, params, spec))
        return false;
    for (size_t i = 0; i < MR_COPY_CODECS_MAX && spec->copies[i] != AV_CODEC_ID_NONE; i++)
        if (spec->copies[i] == params->codec_id)
            return stays_hidden(stream, spec);
    return false;
}
