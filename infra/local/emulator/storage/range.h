/*
 * The two headers that speak of byte ranges: Range of a download (RFC 9110 §14.2) and Content-Range of a
 * resumable upload's request. Pure functions. Source of the latter's forms:
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#ifndef MR_EMULATOR_STORAGE_RANGE_H
#define MR_EMULATOR_STORAGE_RANGE_H

#include "shared/base/err.h"

#include <stdint.h>

enum mr_object_range { MR_OBJECT_WHOLE, MR_OBJECT_PART, MR_OBJECT_NO_PART };

/*
 * Reads "bytes=a-b", "bytes=a-" or "bytes=-n" against an object of `size` bytes. *ret_first and *ret_length
 * are always filled (the whole object unless MR_OBJECT_PART). NULL, other units, several ranges and nonsense
 * mean the whole object, as RFC 9110 wants.
 */
enum mr_object_range mr_object_range_parse(const char *value, int64_t size, int64_t *ret_first,
                                           int64_t *ret_length);

enum { MR_CONTENT_RANGE_OPEN = -1 };

struct mr_content_range {
    bool query;    /* "bytes *" + "/…": no body, asks for the state or names the end */
    int64_t first; /* of the body's bytes within the object */
    int64_t last;  /* MR_CONTENT_RANGE_OPEN for "S-*": up to the end of the body */
    int64_t total; /* MR_CONTENT_RANGE_OPEN for "/" + "*": not known yet */
};

/* MR_INVALID unless it is "bytes S-E/T", with "*" allowed for E, for T, and for S-E as a whole. */
MR_MUST_CHECK enum mr_status mr_content_range_parse(const char *value, struct mr_content_range *ret,
                                                    struct mr_err *err);

#endif
