/*
 * libav's types under our cleanup attributes, and its error numbers as ours. Only for worker/media.
 */
#ifndef MR_WORKER_MEDIA_AV_H
#define MR_WORKER_MEDIA_AV_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>

static inline void mr_av_packet_cleanup(AVPacket **packet)
{
    av_packet_free(packet);
}
#define MR_AUTO_PACKET __attribute__((cleanup(mr_av_packet_cleanup)))

static inline void mr_av_frame_cleanup(AVFrame **frame)
{
    av_frame_free(frame);
}
#define MR_AUTO_FRAME __attribute__((cleanup(mr_av_frame_cleanup)))

static inline void mr_av_dict_cleanup(AVDictionary **dict)
{
    av_dict_free(dict);
}
#define MR_AUTO_DICT __attribute__((cleanup(mr_av_dict_cleanup)))

/* Fails with `code` and "text: libav's description of averror"; out of memory is always resource_limit. */
enum mr_status mr_av_fail(struct mr_err *err, enum mr_code code, int averror, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As mr_av_fail, of a foreign library, which may have another name for lack of memory: that it is if so many bytes, which the
 * library may have asked for, cannot be had. */
enum mr_status mr_av_fail_for(struct mr_err *err, enum mr_code code, int averror, size_t needed,
                              const char *text);

#endif
