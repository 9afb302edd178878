/*
 * Options of a conversion. The first byte chooses the target. What is accepted for a target is accepted without one,
 * and web and the sandboxed child, which both read it, must come to the same struct.
 */
#include "tests/fuzz/fuzz.h"

#include "shared/media/formats.h"
#include "shared/media/options.h"

#include <string.h>

void mr_fuzz_options(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"mp3", "aac", "m4a",  "ogg",  "opus",   "wav", "flac", "wma",
                                        "mp4", "mov", "mkv",  "webm", "avi",    "gif", "m4b",  "aiff",
                                        "caf", "ac3", "eac3", "mka",  "mpegts", "3gp"};
    if (len == 0)
        return;
    const struct mr_format *format = mr_format_find(names[*data % (sizeof names / sizeof *names)]);
    MR_HOLDS(format);
    MR_AUTO_JSON json_t *json = json_loadb((const char *)data + 1, len - 1, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        return;
    struct mr_options options, again;
    struct mr_err err = {0};
    enum mr_status status = mr_options_read(json, format, &options, &err);
    if (status != MR_OK) {
        mr_fuzz_check_failure(status, &err);
        MR_HOLDS(strncmp(err.message, "options", 7) == 0);
        MR_HOLDS(strlen(err.message) <= 200);
        return;
    }
    MR_HOLDS(mr_options_check(json, NULL, &err) == MR_OK);
    MR_AUTO_STR char *text = json_dumps(json, JSON_COMPACT);
    MR_AUTO_JSON json_t *stored = json_loads(text, 0, NULL);
    MR_HOLDS(mr_options_read(stored, format, &again, &err) == MR_OK);
    MR_HOLDS(again.bit_rate == options.bit_rate && again.trim_us == options.trim_us &&
             again.split_us == options.split_us && again.crf == options.crf &&
             again.resize.width == options.resize.width);
    MR_HOLDS(options.channels >= 0 && options.channels <= 8 && options.sample_rate >= 0 &&
             options.bit_rate >= 0);
    MR_HOLDS(options.trim_start_us >= 0 && options.trim_us > 0 && options.resize.width >= 0 &&
             options.resize.height >= 0);
}
