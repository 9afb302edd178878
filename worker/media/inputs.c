#include "worker/media/inputs.h"

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
