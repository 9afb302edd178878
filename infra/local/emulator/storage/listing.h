/*
 * Lists of objects, page by page. Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
 *
 * Reads an index, so the caller holds the store's lock.
 */
#ifndef EM_STORAGE_LISTING_H
#define EM_STORAGE_LISTING_H

#include "infra/local/emulator/storage/index.h"

/* What to list. A NULL string means no restriction. */
struct em_list_query {
    const char *prefix;
    /* names are cut after its first occurrence past `prefix`, and listed as prefixes */
    const char *delimiter;
    const char *start_offset;        /* the first name to list */
    const char *end_offset;          /* the first name not to list */
    const char *page_token;          /* next_page_token of the page before */
    size_t max_results;              /* items and prefixes together, at least 1 */
    bool include_trailing_delimiter; /* also list an object whose name equals a prefix */
};

/* One page. Zero-initialise it, and free it in every case. */
struct em_listing {
    struct em_stored **items;
    size_t count;
    json_t *prefixes; /* array of strings, or NULL */
    char *next_page_token;
};
void em_listing_free(struct em_listing *listing);
MR_DEFINE_VALUE_CLEANUP(em_listing, em_listing_free)

/* One page of the index. MR_INVALID for a malformed page token, MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_listing_make(const struct em_index *index, const struct em_list_query *query,
                                             struct em_listing *ret, struct mr_err *err);

#endif
