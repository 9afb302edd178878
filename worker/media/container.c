#include "worker/media/container.h"

#include "worker/media/foreign.h"
#include "worker/media/inputs.h"

#include <errno.h>
#include <string.h>

const struct mr_window mr_usual_window = {.bytes = 5 << 20, .us = 10 * 1000 * 1000};

/* Where libav stops: past that it says only that memory is short. */
enum { STREAMS_READ_MAX = 1000 };

static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options)
{
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

/* Only the extension goes to libav: a whole name might look like a URL to it. */
static void make_hint(const char *name, char *out, size_t size)
{
    const char *dot = name ? strrchr(name, '.') : NULL;
    size_t len = dot ? strspn(dot + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") : 0;
    if (len == 0 || len > 8 || dot[1 + len])
        out[0] = '\0';
    else
        snprintf(out, size, "input%s", dot);
}

static enum mr_status set_options(AVDictionary **options, const struct mr_window *window, struct mr_err *err)
{
    int rc = av_dict_set(options, "format_whitelist", mr_inputs_demuxers(), 0);
    if (rc >= 0)
        rc = av_dict_set(options, "codec_whitelist", mr_inputs_decoders(), 0);
    if (rc >= 0)
        rc = av_dict_set(options, "protocol_whitelist", "", 0);
    if (rc >= 0)
        rc = av_dict_set_int(options, "probesize", window->bytes, 0);
    if (rc >= 0)
        rc = av_dict_set_int(options, "analyzeduration", window->us, 0);
    if (rc >= 0)
        rc = av_dict_set_int(options, "max_streams", STREAMS_READ_MAX, 0);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "set the demuxer's options") : MR_OK;
}

enum mr_status mr_container_break_off(const struct mr_demuxer *input, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_TRUNCATED, "the file is cut: %lld bytes are missing at its end",
                        (long long)input->missing_bytes);
}

int mr_container_read_head(AVIOContext *io, const char *name, AVFormatContext **ret)
{
    MR_AUTO_DICT AVDictionary *options = NULL;
    AVFormatContext *format = set_options(&options, &mr_usual_window, NULL) ? NULL : avformat_alloc_context();
    if (!format)
        return AVERROR(ENOMEM);
    format->pb = io;
    format->io_open = refuse_open;
    int rc = avformat_open_input(&format, name, NULL, &options); /* frees format when it fails */
    if (rc >= 0)
        *ret = format;
    return rc;
}

enum mr_status mr_container_open(struct mr_demuxer *input, const char *name, const struct mr_window *window,
                                 struct mr_err *err)
{
    MR_AUTO_DICT AVDictionary *options = NULL;
    MR_TRY(set_options(&options, window, err));
    AVFormatContext *format = avformat_alloc_context();
    if (!format)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "open the input");
    format->pb = input->source->io;
    format->io_open = refuse_open;
    char hint[32];
    make_hint(name, hint, sizeof hint);
    int rc = avformat_open_input(&format, hint, NULL, &options); /* frees format when it fails */
    if (rc == AVERROR(ENOMEM))
        return mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "open the file");
    if (rc < 0 && input->missing_bytes && !mr_foreign_lacks_index(input->source))
        return mr_container_break_off(input, err);
    if (rc < 0)
        return mr_foreign_refuse(input->source, err);
    input->format = format;
    return MR_OK;
}
