/*
 * Pictures that libav 5.1 passes over because it does not know their media type, such as image/webp: in the ID3v2 tag
 * or the FLAC header at the beginning of a file, in the chunk of WAV and AIFF that holds such a tag, in Ogg, and among
 * Matroska's attachments. They become attached pictures as the others are, so that covers.h converts them, or says why not.
 */
#ifndef MR_WORKER_MEDIA_LOST_COVERS_H
#define MR_WORKER_MEDIA_LOST_COVERS_H

#include "worker/media/source.h"

/* Adds them to the streams of an open input. "resource_limit" without memory. */
MR_MUST_CHECK enum mr_status mr_lost_covers_add(AVFormatContext *format, struct mr_source *source,
                                                struct mr_err *err);

#endif
