#include "worker/media/extra.h"

#include "worker/sandbox_client.h"

#include <errno.h>

json_t *mr_extra_picture(const char *format, const char *codec, int width, int height)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:[{s:i, s:s, s:s, s:i, s:i}]}", "format", format,
                     "container", format, "codec", codec, "width", width, "height", height, "streams",
                     "index", 0, "type", "video", "codec", codec, "width", width, "height", height);
}

json_t *mr_extra_text(const char *format)
{
    return json_pack("{s:s, s:s}", "format", format, "container", format);
}

enum mr_status mr_extra_add(struct mr_parts *parts, const void *data, size_t len, json_t *description,
                            struct mr_err *err)
{
    MR_AUTO_JSON json_t *facts = description;
    const uint32_t number = (uint32_t)json_array_size(parts->outputs);
    if (!facts || json_object_set_new(facts, "size", json_integer((json_int_t)len)) < 0)
        return mr_fail_oom(err);
    if (!mr_client_write(parts->fds, number, 0, data, len))
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(EPIPE), "write an output beside the parts");
    return json_array_append(parts->outputs, facts) < 0 ? mr_fail_oom(err) : MR_OK;
}
