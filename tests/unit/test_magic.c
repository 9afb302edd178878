/* worker/magic: what counts as a medium by its first bytes. */
#include "worker/magic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The bytes, and zeros up to MR_MAGIC_BYTES. */
#define STARTS(text) .bytes = (text), .len = sizeof(text) - 1

static void knows_media_by_their_start(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *extension; /* NULL: no medium */
    } cases[] = {
        {STARTS("ID3\4"), "mp3"},
        {STARTS("\xff\xfb\x90\x64"), "mp3"},
        {STARTS("\xff\xf3\x40\xc4"), "mp3"}, /* MPEG 2, layer III */
        {STARTS("\xff\xfd\x90\x04"), "mp3"}, /* layer II */
        {STARTS("\xff\xe3\x18\xc4"), "mp3"}, /* MPEG 2.5 */
        {STARTS("\xff\xf1\x50\x80"), "aac"},
        {STARTS("\xff\xf9\x50\x80"), "aac"},
        {STARTS("RIFF\x24\0\0\0WAVEfmt "), "wav"},
        {STARTS("RF64\xff\xff\xff\xffWAVEds64"), "wav"},
        {STARTS("RIFF\x24\0\0\0AVI LIST"), "avi"},
        {STARTS("OggS\0\2"), "ogg"},
        {STARTS("fLaC\0\0\0\x22"), "flac"},
        {STARTS("\0\0\0\x20"
                "ftypM4A "),
         "m4a"},
        {STARTS("\0\0\0\x20"
                "ftypisom"),
         "mp4"},
        {STARTS("\0\0\0\x14"
                "ftypqt  "),
         "mov"},
        {STARTS("\0\0\x10\0moov"), "mov"},
        {STARTS("\0\0\0\1mdat"), "mov"},
        {STARTS("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"), "wma"},
        {STARTS("\x1a\x45\xdf\xa3\x9f"), "mkv"},
        {STARTS("GIF89a"), "gif"},
        {STARTS("\0\0\1\xba"), "mpg"},
        {STARTS("FLV\1\5"), "flv"},
        {STARTS("FORM\0\0\0\1AIFFCOMM"), "aiff"},
        {STARTS("FORM\0\0\0\1AIFCFVER"), "aiff"},
        {STARTS("caff\0\1"), "caf"},
        {STARTS("#!AMR\n"), "amr"},
        {STARTS("wvpk"), "wv"},
        {STARTS("\x7f\xfe\x80\x01"), "dts"},
        {STARTS("\xff\x1f\x00\xe8\xf1\x07"), "dts"},
        {STARTS("\xc1\x00\x00\x00\xf8\x72\x6f\xba"), "thd"},
        {STARTS("\x89PNG\r\n\x1a\n\0\0\0\1IHDRx1234\0\0\0\2pHYsxy1234\0\0\0\10acTL"), "apng"},
        {STARTS("\x89PNG\r\n\x1a\n\0\0\0\1IHDRx1234\0\0\0\10IDAT"), NULL}, /* not animated */
        {STARTS("\0\0\0\1\x67\x64\0\x0a"), "h264"},
        {STARTS("\0\0\0\1\x40\x01\x0c\x01"), "hevc"},
        {STARTS("\x12\0\x0a\x0a"), "obu"},
        {STARTS("DKIF\0\0\x20\0VP90"), "ivf"},
        {STARTS("YUV4MPEG2 W160"), "y4m"},
        {STARTS("FRM8\0\0\0\0\0\0\1\0DSD FVER"), "dff"},
        {STARTS("FRM8\0\0\0\0\0\0\1\0DST FVER"), NULL},
        {STARTS("RIFF\x24\0\0\0QLCMfmt "), "qcp"},
        {STARTS("tBaK"), "tak"},
        {STARTS("MPCK"), "mpc"},
        {STARTS("MAC \x96\x0f"), "ape"},
        {STARTS("\xff\xff\xff\xff"), NULL}, /* no rate, no bit rate */
        {STARTS("\xff\xfb\xf0\x64"), NULL}, /* forbidden bit rate */
        {STARTS("\xff\xfb\x9c\x64"), NULL}, /* reserved sampling rate */
        {STARTS("\xff\xeb\x90\x64"), NULL}, /* reserved version */
        {STARTS("\xff\xf1\x74\x80"), NULL}, /* ADTS with rate 13 */
        {STARTS("\xff\xd8\xff\xe0"), NULL}, /* JPEG */
        {STARTS("RIFF\x24\0\0\0WEBPVP8 "), NULL},
        {STARTS("FORM\0\0\0\1ILBM"), NULL},
        {STARTS("\x89PNG\r\n\x1a\n"), NULL},
        {STARTS("PK\3\4"), NULL},
        {STARTS("%PDF-1.7"), NULL},
        {STARTS("<!doctype html>"), NULL},
        {STARTS("#!/bin/sh\n"), NULL},
        {STARTS("#EXTM3U\n"), NULL}, /* a list of further URLs is no medium */
        {STARTS("\x7f"
                "ELF"),
         NULL},
        {STARTS("G once only"), NULL}, /* the sync byte of MPEG-TS, but not again */
        {STARTS(""), NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char start[MR_MAGIC_BYTES] = "";
        memcpy(start, cases[i].bytes, cases[i].len);
        const char *found = mr_magic_extension(start, sizeof start);
        if (!found != !cases[i].extension || (found && strcmp(found, cases[i].extension) != 0))
            fail_msg("%zu (%s): %s", i, cases[i].bytes, found ? found : "nothing");
        for (size_t len = 0; len < cases[i].len; len++) { /* exactly so many bytes, for the sanitizers */
            char *part = memcpy(test_malloc(len + 1), start, len);
            (void)!mr_magic_extension(part, len);
            test_free(part);
        }
    }
}

static void wants_transport_streams_in_step(void **state)
{
    (void)state;
    char start[MR_MAGIC_BYTES] = {0};
    start[0] = start[188] = start[376] = 'G';
    assert_string_equal(mr_magic_extension(start, sizeof start), "ts");
    assert_null(mr_magic_extension(start, 188));
    memset(start, 0, sizeof start);
    start[4] = start[196] = 'G';
    assert_string_equal(mr_magic_extension(start, sizeof start), "m2ts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_media_by_their_start),
        cmocka_unit_test(wants_transport_streams_in_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
