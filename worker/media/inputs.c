#include "worker/media/inputs.h"

#include <libavutil/avstring.h>

/* A comma before each name; the first one is skipped. */
static const char demuxers[] =
#define MR_CONTAINER(title, demuxers, extensions) "," demuxers
#define MR_READS(kind, title, decoders)
#include "worker/media/inputs.def"
#undef MR_READS
#undef MR_CONTAINER
    ;

static const char decoders[] =
#define MR_CONTAINER(title, demuxers, extensions)
#define MR_READS(kind, title, decoders) "," decoders
#include "worker/media/inputs.def"
#undef MR_READS
#undef MR_CONTAINER
    ;

const char *mr_inputs_demuxers(void)
{
    return demuxers + 1;
}

const char *mr_inputs_decoders(void)
{
    return decoders + 1;
}

const AVCodec *mr_inputs_find_decoder(const AVCodecParameters *params)
{
    const AVCodec *codec = avcodec_find_decoder(params->codec_id);
    return codec && av_match_list(codec->name, decoders + 1, ',') ? codec : NULL;
}
