/* Reads samples of any of libav's formats as floats, full scale from -1 to 1. Pure; any thread. */
#ifndef MR_WORKER_MEDIA_SAMPLE_READER_H
#define MR_WORKER_MEDIA_SAMPLE_READER_H

#include <libavutil/samplefmt.h>
#include <stddef.h>
#include <stdint.h>

/* Samples as a frame or a queue holds them; nothing is owned. */
struct mr_sample_block {
    uint8_t *const *data; /* a plane for each channel, or one for all */
    enum AVSampleFormat format;
    int channels;
};

/* Reads count samples, each `stride` after the one before. What is no number, or far beyond full scale, is 0. */
typedef void mr_sample_reader(const uint8_t *from, int stride, int count, float *to);

/* Planar or packed. NULL: a format that libav does not have today. */
mr_sample_reader *mr_sample_reader_of(enum AVSampleFormat format);

/* count samples of one channel, from the one numbered `offset`. */
void mr_sample_read(mr_sample_reader *read, const struct mr_sample_block *block, int channel, int offset,
                    int count, float *to);

#endif
