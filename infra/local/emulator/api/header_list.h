/* The headers of an outgoing request: lines "Name: value", built one by one. One thread at a time. */
#ifndef EM_API_HEADER_LIST_H
#define EM_API_HEADER_LIST_H

#include "shared/base/buf.h"
#include "shared/base/cleanup.h"

enum { EM_HEADERS_MAX = 128 };

/* Initialise with EM_HEADER_LIST_INIT, and free in every case. */
struct em_header_list {
    struct mr_buf text; /* the lines, each ended by NUL */
    size_t count;
    const char *lines[EM_HEADERS_MAX + 1]; /* set by em_header_list_lines */
};
#define EM_HEADER_LIST_INIT                                                                                  \
    {                                                                                                        \
        .text = MR_BUF_INIT(256 << 10)                                                                       \
    }
void em_header_list_free(struct em_header_list *headers);
MR_DEFINE_VALUE_CLEANUP(em_header_list, em_header_list_free)

/* MR_TOO_LARGE above EM_HEADERS_MAX lines or 256 KiB. */
MR_MUST_CHECK enum mr_status em_header_list_add(struct em_header_list *headers, const char *name,
                                                const char *value, struct mr_err *err);
/* Adds "Authorization: Bearer <token>". */
MR_MUST_CHECK enum mr_status em_header_list_add_bearer(struct em_header_list *headers, const char *token,
                                                       struct mr_err *err);
/* The lines as struct mr_http_request wants them: pointers ended by NULL, valid until the next change. */
const char *const *em_header_list_lines(struct em_header_list *headers);

#endif
