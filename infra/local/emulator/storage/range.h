/*
 * The two headers with byte ranges: Range of a download (RFC 9110 §14.2), and Content-Range of a resumable
 * upload. Pure functions. Source for Content-Range:
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#ifndef EM_STORAGE_RANGE_H
#define EM_STORAGE_RANGE_H

#include "shared/base/err.h"

#include <stdint.h>

enum em_object_range { EM_OBJECT_WHOLE, EM_OBJECT_PART, EM_OBJECT_NO_PART };

/*
 * Reads "bytes=a-b", "bytes=a-" or "bytes=-n" for an object of `size` bytes. *ret_first and *ret_length are
 * always set (to the whole object unless the result is EM_OBJECT_PART). NULL, other units, several ranges and
 * malformed values mean the whole object, as RFC 9110 requires.
 */
enum em_object_range em_object_range_parse(const char *value, int64_t size, int64_t *ret_first,
                                           int64_t *ret_length);

enum { EM_CONTENT_RANGE_OPEN = -1 };

struct em_content_range {
    bool query;    /* "bytes *" + "/…": no body; asks for the state, or announces the size */
    int64_t first; /* position of the first byte in the object */
    int64_t last;  /* EM_CONTENT_RANGE_OPEN for "S-*": up to the end of the body */
    int64_t total; /* EM_CONTENT_RANGE_OPEN for "/" + "*": not known yet */
};

/* MR_INVALID unless it is "bytes S-E/T", with "*" allowed for E, for T, and for S-E as a whole. */
MR_MUST_CHECK enum mr_status em_content_range_parse(const char *value, struct em_content_range *ret,
                                                    struct mr_err *err);

#endif
