/*
 * ID3v2 tags (id3.org/id3v2.4.0-frames). libavformat reads the frames for lyrics and comments, but writes both as
 * frames of the user's own (TXXX), which players do not show.
 */
#ifndef MR_WORKER_MEDIA_ID3_H
#define MR_WORKER_MEDIA_ID3_H

#include <stddef.h>
#include <stdint.h>

/* Lyrics have this key in libav, followed by a description and "-", if there is one, and a language: "lyrics-eng". */
#define MR_ID3_LYRICS "lyrics-"
/* A language that is not known. */
#define MR_ID3_NO_LANGUAGE                                                                                   \
    "XX"                                                                                                     \
    "X"

/* In the tag (version 2.4) at the beginning of a file: TXXX frames called "comment" become COMM, and those called as
 * above become USLT. The tag keeps its length. Other files stay as they are. */
void mr_id3_restore(uint8_t *file, size_t len);

#endif
