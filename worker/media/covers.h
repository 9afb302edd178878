/*
 * Cover art: all pictures of the input that the format can hold go along, the front cover first, each with its type
 * where the format has types. What is neither JPEG nor PNG becomes JPEG. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_COVERS_H
#define MR_WORKER_MEDIA_COVERS_H

#include "worker/media/tags.h"

enum { MR_COVERS_MAX = 16 };

struct mr_covers {
    struct mr_cover_image {
        AVPacket *packet;     /* owned */
        enum AVCodecID codec; /* JPEG or PNG */
        int width, height;
        const AVStream *source; /* of the input */
        AVStream *stream;       /* of the output; NULL: it is a tag */
    } at[MR_COVERS_MAX];
    size_t count;
    int64_t bytes;
};
void mr_covers_free(struct mr_covers *covers);

/* Says what kind of picture an attached one is: a type of ID3v2, of which 0 is any other. 0, or an error of libav's. */
MR_MUST_CHECK int mr_covers_set_type(AVStream *stream, unsigned type);

/* What an attached picture is by its first bytes. */
enum AVCodecID mr_covers_codec(const AVStream *stream);

/* Adds a stream, or a tag, for each picture, and notes those that are dropped. */
MR_MUST_CHECK enum mr_status mr_covers_carry(const struct mr_carry *carry, struct mr_covers *covers,
                                             struct mr_err *err);

/* After the header: writes the pictures that are streams. 0, or an error of libav's. */
MR_MUST_CHECK int mr_covers_write(const struct mr_covers *covers, AVFormatContext *output);

#endif
