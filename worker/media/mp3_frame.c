#include "worker/media/mp3_frame.h"

enum { HEADER = 4, SUM = 2, MPEG_1 = 3, MPEG_2 = 2, RESERVED = 1, LAYER_3 = 1, MONO = 3 };

struct bits {
    const uint8_t *data;
    int at;
};

static int take(struct bits *bits, int count)
{
    int value = 0;
    for (; count > 0; count--, bits->at++)
        value = value << 1 | (bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1);
    return value;
}

/* One channel of a granule; -1: what no decoder accepts. Returns the bits that it has in the main data. */
static int take_channel(struct bits *bits, bool is_lsf)
{
    enum { BIG_VALUES_MAX = 288, NORMAL_BLOCK = 0 };
    int length = take(bits, 12), big_values = take(bits, 9);
    (void)take(bits, 8 + (is_lsf ? 9 : 4));
    bool switches = take(bits, 1);
    int block_type = take(bits, 2);
    (void)take(bits, 20 + (is_lsf ? 2 : 3));
    return big_values > BIG_VALUES_MAX || (switches && block_type == NORMAL_BLOCK) ? -1 : length;
}

/* What the channels have together must be in this frame, or in what it may refer to of earlier ones. */
static bool is_sound(const uint8_t *side, int size, bool is_lsf, int channels)
{
    struct bits bits = {side, 0};
    int earlier = take(&bits, is_lsf ? 8 : 9), all = 0;
    (void)take(&bits, is_lsf ? channels : channels == 1 ? 5 : 3 + 4);
    (void)take(&bits, is_lsf ? 0 : 4);
    for (int i = 0; i < channels * (is_lsf ? 1 : 2); i++) {
        int length = take_channel(&bits, is_lsf);
        if (length < 0)
            return false;
        all += length;
    }
    return all <= (earlier + size - bits.at / 8) * 8;
}

bool mr_mp3_frame_read(const uint8_t *data, int size, struct mr_frame_head *ret)
{
    static const int rates[] = {44100, 48000, 32000};
    static const int kbits[2][15] = {{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
                                     {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}};
    if (size <= HEADER || data[0] != 0xff || (data[1] & 0xe0) != 0xe0)
        return false;
    int version = data[1] >> 3 & 3, rate = data[2] >> 2 & 3, index = data[2] >> 4;
    if (version == RESERVED || (data[1] >> 1 & 3) != LAYER_3 || rate == 3 || index == 0 || index == 15)
        return false;
    bool is_lsf = version != MPEG_1;
    int begin = HEADER + (data[1] & 1 ? 0 : SUM);
    ret->rate = rates[rate] >> (version == MPEG_1 ? 0 : version == MPEG_2 ? 1 : 2);
    ret->channels = data[3] >> 6 == MONO ? 1 : 2;
    ret->samples = is_lsf ? 576 : 1152;
    int side = is_lsf ? (ret->channels == 1 ? 9 : 17) : ret->channels == 1 ? 17 : 32;
    int length = ret->samples / 8 * kbits[is_lsf][index] * 1000 / ret->rate + (data[2] >> 1 & 1);
    return size == length && size >= begin + side &&
           is_sound(data + begin, size - begin, is_lsf, ret->channels);
}
