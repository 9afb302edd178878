/*
 * Which streams of the input go into the result. Those that cannot be decoded come last; among the others the file's
 * own mark (default) decides, then the number of channels. A target that holds several tracks of audio or subtitles
 * gets all, in the order of the file, or those in the language that was asked for. What is not taken has a fate, for
 * the receipt. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_STREAMS_H
#define MR_WORKER_MEDIA_STREAMS_H

#include "worker/media/demuxer.h"

/* Fills input->video, audio, audios, texts and fates, and lets the demuxer skip the rest. Codes: no_audio, no_video,
 * invalid_media, unsupported_codec, bad_option (no audio has the language). */
MR_MUST_CHECK enum mr_status mr_streams_choose(struct mr_demuxer *input, const struct mr_selection *selection,
                                               struct mr_err *err);

/* True for audio whose container has said neither its rate nor its channels. */
bool mr_streams_is_unknown(const AVStream *stream);

/* True for a picture: a cover, or a thumbnail of a time. */
bool mr_streams_is_cover(const AVStream *stream);

/* True for subtitles that are pictures, not text. */
bool mr_streams_is_bitmap(const AVStream *stream);

enum { MR_STREAM_NAME_MAX = 64 };
/* The codec's name, or the four letters by which the container calls a codec that libav does not know. */
void mr_streams_codec_name(const AVStream *stream, char out[MR_STREAM_NAME_MAX]);
/* "audio:2 (apac)": type, index and codec. */
void mr_streams_name(const AVStream *stream, char out[MR_STREAM_NAME_MAX]);

/* Why the stream is not in the result, as a sentence for the receipt; NULL: it is taken, or was not asked for. */
const char *mr_streams_why(const struct mr_demuxer *input, const AVStream *stream);

#endif
