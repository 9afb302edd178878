#include "worker/media/ogg_flac.h"

#include <libavutil/crc.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

/* RFC 3533, section 6; RFC 9639, 10.1. */
void mr_ogg_flac_finish(uint8_t *file, size_t len, const uint8_t info[MR_FLAC_INFO])
{
    enum { HEADER = 27, SUM = 22, SEGMENTS = 26, INFO_AT = 17 };
    if (len < HEADER || memcmp(file, "OggS", 4) != 0 || len < HEADER + (size_t)file[SEGMENTS])
        return;
    size_t body = HEADER + (size_t)file[SEGMENTS], end = body;
    for (size_t i = HEADER; i < body; i++)
        end += file[i];
    if (end > len || end - body < INFO_AT + MR_FLAC_INFO ||
        memcmp(file + body,
               "\x7f"
               "FLAC",
               5) != 0)
        return;
    memcpy(file + body + INFO_AT, info, MR_FLAC_INFO);
    AV_WB32(file + SUM, 0);
    AV_WB32(file + SUM, av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, file, end));
}
