/*
 * What is no audio in the packets of a file without a container: zeros before the first frame, tags and zeros behind the
 * last one or where files were joined. libav hands it over as if it were part of a frame. Stateless.
 */
#ifndef MR_WORKER_MEDIA_JUNK_H
#define MR_WORKER_MEDIA_JUNK_H

#include "worker/media/av.h"

/* Leaves what begins with a frame. is_first: no frame came before; then any bytes before it go, later only tags. False
 * if nothing is left. */
bool mr_junk_trim(AVPacket *packet, bool is_first);

/* Leaves the frame with which the packet begins where something else follows it, of codecs whose decoders refuse both or
 * whose packets are copied: of (E-)AC-3, also the frames that follow it, and of FLAC, before tags and zeros. */
void mr_junk_trim_behind(enum AVCodecID codec, AVPacket *packet);

/* True if the packet begins as a frame of the codec does; of a codec that is not known here: true. */
bool mr_junk_begins_frame(enum AVCodecID codec, const AVPacket *packet);

/* True if the packet is or ends with what programs put behind the last frame: a tag, or zeros. */
bool mr_junk_ends(const AVPacket *packet);

#endif
