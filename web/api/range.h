/* The Range header of a download (RFC 9110 §14): one range of bytes. Pure. */
#ifndef MR_WEB_API_RANGE_H
#define MR_WEB_API_RANGE_H

#include <stdint.h>

enum mr_range_kind {
    MR_RANGE_WHOLE, /* no Range, or one that may be ignored: several ranges, another unit, malformed */
    MR_RANGE_PART,  /* answer 206 with [first, last] */
    MR_RANGE_UNSATISFIABLE, /* answer 416 */
};

struct mr_range {
    enum mr_range_kind kind;
    int64_t first, last; /* both inclusive; of the whole for MR_RANGE_WHOLE */
};

/* header, the value of Range, may be NULL; size of the whole in bytes. */
struct mr_range mr_range_parse(const char *header, int64_t size);

#endif
