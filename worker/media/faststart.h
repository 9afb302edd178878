/*
 * MP4 and MOV with the index before the media, without reading anything twice.
 *
 * The muxer writes `ftyp`, then `mdat` with the media, then `moov`, which says where in the file each chunk
 * lies. When it is done, the parent has the media already, but the head (sink.h) is still here: `moov` goes
 * between `ftyp` and `mdat`, and its chunk offsets rise by its own length. The head has grown, which
 * protocol.h allows. (libav's own way, movflags=faststart, reads the file again and moves every byte;
 * room reserved in advance would be a guess.)
 */
#ifndef MR_WORKER_MEDIA_FASTSTART_H
#define MR_WORKER_MEDIA_FASTSTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the media box (with the placeholder before it) begins in the head, and where it ends in the file.
 * False if the head is not one that the MP4 muxer writes. */
bool mr_faststart_find(const uint8_t *head, size_t len, int64_t *ret_begin, int64_t *ret_end);

/* Adds len to every chunk offset of moov. False, and nothing is changed, if it is not understood or an offset
 * does not fit any more (4 GiB, where the muxer still wrote 32 bits). */
bool mr_faststart_shift(uint8_t *moov, size_t len);

#endif
