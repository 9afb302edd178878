#include "worker/media/sample_reader.h"

#include "worker/media/clones.h"

#include <math.h>

/* A float can be anything; filters after it would never forget an infinity. */
static inline float sane(float sample)
{
    return fabsf(sample) <= 1e4F ? sample : 0;
}

#define DEFINE_READER(name, type, expression)                                                                \
    MR_CLONES                                                                                                \
    static void name(const uint8_t *from, int stride, int count, float *restrict to)                         \
    {                                                                                                        \
        const type *restrict at = (const type *)(const void *)from;                                          \
        for (int i = 0; stride == 1 && i < count; i++, at++)                                                 \
            to[i] = expression;                                                                              \
        for (int i = 0; stride != 1 && i < count; i++, at += stride)                                         \
            to[i] = expression;                                                                              \
    }
DEFINE_READER(read_u8, uint8_t, (float)(*at - 128) / 128)
DEFINE_READER(read_s16, int16_t, (float)*at / 32768)
DEFINE_READER(read_s32, int32_t, (float)*at / 2147483648.0F)
DEFINE_READER(read_s64, int64_t, (float)*at / 9223372036854775808.0F)
DEFINE_READER(read_float, float, sane(*at))
DEFINE_READER(read_double, double, sane((float)*at))

mr_sample_reader *mr_sample_reader_of(enum AVSampleFormat format)
{
    switch (av_get_packed_sample_fmt(format)) {
    case AV_SAMPLE_FMT_U8:
        return read_u8;
    case AV_SAMPLE_FMT_S16:
        return read_s16;
    case AV_SAMPLE_FMT_S32:
        return read_s32;
    case AV_SAMPLE_FMT_S64:
        return read_s64;
    case AV_SAMPLE_FMT_FLT:
        return read_float;
    case AV_SAMPLE_FMT_DBL:
        return read_double;
    default:
        return NULL;
    }
}

void mr_sample_read(mr_sample_reader *read, const struct mr_sample_block *block, int channel, int offset,
                    int count, float *to)
{
    int size = av_get_bytes_per_sample(block->format), stride = block->channels;
    if (av_sample_fmt_is_planar(block->format))
        read(block->data[channel] + (ptrdiff_t)offset * size, 1, count, to);
    else
        read(block->data[0] + ((ptrdiff_t)offset * stride + channel) * size, stride, count, to);
}
