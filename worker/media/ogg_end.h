/*
 * How an Ogg file ends. A demuxer leaves pages with a wrong checksum out. In the midst they leave a hole in the time stamps; the
 * last one leaves no other trace than the bytes themselves.
 */
#ifndef MR_WORKER_MEDIA_OGG_END_H
#define MR_WORKER_MEDIA_OGG_END_H

#include "worker/media/source.h"

enum { MR_OGG_ZEROS_MAX = 32 * 1024 }; /* behind the last page: libav looks for the next one in 64 KiB */

enum mr_ogg_end {
    MR_OGG_WHOLE,
    MR_OGG_OPEN,    /* without a whole page that is marked as the last: the only trace of a cut */
    MR_OGG_DAMAGED, /* a page near the end has a wrong checksum */
};

/* Whole as well if it is no Ogg file. */
enum mr_ogg_end mr_ogg_end_of(struct mr_source *source);

#endif
