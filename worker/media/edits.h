/*
 * What the edit list of an MP4 or MOV file hides. Players decode hidden packets where shown ones refer to them, and
 * show nothing of them; in a copy they would be shown, unless its container has an edit list as well.
 */
#ifndef MR_WORKER_MEDIA_EDITS_H
#define MR_WORKER_MEDIA_EDITS_H

#include "worker/media/av.h"

struct mr_edits {
    bool hides_lead;   /* packets before the first shown one, which refers to them */
    bool hides_within; /* packets behind a shown one, to which others refer */
    int64_t lead;      /* how long the packets before the first shown one are, in the stream's time base */
};

/* Of a stream of the input, after it was opened. Reads the index in memory. */
struct mr_edits mr_edits_of(AVStream *stream);

#endif
