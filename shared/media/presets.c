#include "shared/media/presets.h"

#include <string.h>

static const struct mr_preset presets[] = {
    {.name = MR_PRESET_OF_UPLOADS,
     .format = "mp4",
     .options = "{\"resize\":{\"width\":640,\"height\":360,\"fit\":\"pad\"},"
                "\"trim\":{\"start\":0,\"duration\":18},"
                "\"logo\":{\"intro\":1,\"outro\":1}}"},
    {.name = MR_PRESET_OF_URLS,
     .format = "mp4",
     .options = "{\"fps\":24,"
                "\"resize\":{\"aspect\":\"16:9\",\"fit\":\"crop\"},"
                "\"split\":{\"seconds\":20},"
                "\"logo\":{\"intro\":1,\"outro\":1}}"},
};
enum { PRESETS = sizeof presets / sizeof *presets };

const struct mr_preset *mr_preset_find(const char *name)
{
    for (size_t i = 0; name && i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

const struct mr_preset *mr_preset_at(size_t index)
{
    return index < PRESETS ? &presets[index] : NULL;
}

static const char *name_at(size_t index)
{
    return index < PRESETS ? presets[index].name : NULL;
}

const struct mr_field_words mr_preset_words = {name_at, NULL};

enum mr_status mr_preset_apply(const struct mr_preset *preset, const char *format,
                               const struct mr_format **ret_format, json_t **ret_options, struct mr_err *err)
{
    const struct mr_format *target = mr_format_find(format ? format : preset->format);
    if (!target || target->media_class != MR_MEDIA_VIDEO)
        return mr_fail_code(err, MR_CODE_WRONG_FORMAT,
                            "newFormat must be a video format with the preset %s, not %s", preset->name,
                            format ? format : preset->format);
    json_t *options = json_loads(preset->options, JSON_REJECT_DUPLICATES, NULL);
    if (!options)
        return mr_fail_oom(err);
    *ret_format = target;
    *ret_options = options;
    return MR_OK;
}
