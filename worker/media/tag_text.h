/*
 * Tags of formats that do not say how their texts are encoded (ID3v1, the INFO of WAV and AVI), or whose writers did not
 * care: what is not UTF-8 is taken for Windows-1252, of which Latin-1 is the larger part.
 */
#ifndef MR_WORKER_MEDIA_TAG_TEXT_H
#define MR_WORKER_MEDIA_TAG_TEXT_H

#include "worker/media/av.h"

/* All tags of the file, its streams and chapters become UTF-8. */
MR_MUST_CHECK enum mr_status mr_tag_text_decode(AVFormatContext *format, struct mr_err *err);

#endif
