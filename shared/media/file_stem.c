#include "shared/media/file_stem.h"

#include "shared/base/utf8.h"

#include <stdio.h>
#include <string.h>

void mr_file_stem(const char *file_name, char stem[MR_FILE_STEM_MAX + 1])
{
    const char *dot = strrchr(file_name, '.');
    size_t len = dot && dot != file_name ? (size_t)(dot - file_name) : strlen(file_name);
    if (len > MR_FILE_STEM_MAX)
        len = mr_utf8_prefix(file_name, MR_FILE_STEM_MAX);
    snprintf(stem, MR_FILE_STEM_MAX + 1, "%.*s", len ? (int)len : MR_FILE_STEM_MAX,
             len ? file_name : "output");
}
