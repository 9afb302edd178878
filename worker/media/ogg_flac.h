/*
 * FLAC in Ogg. libav's muxer cannot go back to the first page, and leaves the number of samples there at 0: not known.
 */
#ifndef MR_WORKER_MEDIA_OGG_FLAC_H
#define MR_WORKER_MEDIA_OGG_FLAC_H

#include <stddef.h>
#include <stdint.h>

enum { MR_FLAC_INFO = 34 };

/* Puts a finished STREAMINFO into the first page of the file. What does not begin as FLAC in Ogg stays as it is. */
void mr_ogg_flac_finish(uint8_t *file, size_t len, const uint8_t info[MR_FLAC_INFO]);

#endif
