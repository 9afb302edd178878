/*
 * Parts of lost_covers.h: one for each place in a file where pictures are.
 */
#ifndef MR_WORKER_MEDIA_LOST_COVERS_PARTS_H
#define MR_WORKER_MEDIA_LOST_COVERS_PARTS_H

#include "worker/media/source.h"

enum {
    MR_LOST_HEAD_MAX = 1024,        /* of a picture: what stands before its bytes */
    MR_LOST_PICTURE_MAX = 12 << 20, /* bytes; what is larger would not be carried over */
    MR_LOST_PARTS_MAX = 1000        /* frames, or blocks, of one header */
};

/* Bytes of the file, or of what was put together from it. */
struct mr_lost_bytes {
    struct mr_source *source; /* NULL: the next two; not owned, as they */
    const uint8_t *data;
    int64_t size;
};
bool mr_lost_peek(const struct mr_lost_bytes *from, int64_t at, void *buf, size_t len);

/* Makes the stream an attached picture. 0, or an error of libav's. */
MR_MUST_CHECK int mr_lost_attach(AVStream *stream, AVPacket *packet);

/* Attaches the picture to the file, unless libav has one of this length. type: of ID3v2. "resource_limit" without
 * memory; what cannot be read is passed over. */
MR_MUST_CHECK enum mr_status mr_lost_take(AVFormatContext *format, const struct mr_lost_bytes *from,
                                          int64_t at, size_t len, unsigned type, struct mr_err *err);

/* Takes the picture of a block of FLAC (RFC 9639, 8.8). */
MR_MUST_CHECK enum mr_status mr_lost_take_block(AVFormatContext *format, const struct mr_lost_bytes *from,
                                                int64_t at, size_t size, struct mr_err *err);

/* Those of the ID3v2 tag at `begin`; returns through ret_end where it ends. 0: there is none. */
MR_MUST_CHECK enum mr_status mr_lost_covers_id3(AVFormatContext *format, struct mr_source *source,
                                                int64_t begin, int64_t *ret_end, struct mr_err *err);

/* The same of a tag that is a chunk of WAV, AVI or AIFF, and its texts. */
MR_MUST_CHECK enum mr_status mr_lost_covers_iff(AVFormatContext *format, struct mr_source *source,
                                                struct mr_err *err);

/* Those of the comments and blocks of the first stream of audio in Ogg. */
MR_MUST_CHECK enum mr_status mr_lost_covers_ogg(AVFormatContext *format, struct mr_source *source,
                                                struct mr_err *err);

/* Those of the tags of MP4, and of the header of ASF, of a kind or media type that libav does not know. */
MR_MUST_CHECK enum mr_status mr_lost_covers_mp4(AVFormatContext *format, struct mr_source *source,
                                                struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_lost_covers_asf(AVFormatContext *format, struct mr_source *source,
                                                struct mr_err *err);

#endif
