/*
 * The names of one bucket, sorted by their bytes (which is UTF-8's code point order, as Cloud Storage lists).
 *
 * Holds one reference of each object. Has no lock of its own: the store's protects it.
 */
#ifndef EM_STORAGE_INDEX_H
#define EM_STORAGE_INDEX_H

#include "infra/local/emulator/storage/object.h"

struct em_index {
    struct em_stored **items;
    size_t count, capacity;
};

void em_index_free(struct em_index *index);

/* The object of that name, not referenced for the caller; NULL if there is none. */
struct em_stored *em_index_find(const struct em_index *index, const char *name);
/* Makes sure that the next em_index_put cannot fail. */
MR_MUST_CHECK enum mr_status em_index_reserve(struct em_index *index, struct mr_err *err);
/* Adds a reference of `stored`, in the place of an object of the same name if there is one. Needs
 * em_index_reserve. */
void em_index_put(struct em_index *index, struct em_stored *stored);
void em_index_remove(struct em_index *index, const char *name);

/* What to list; NULL texts do not restrict. */
struct em_list_query {
    const char *prefix;
    const char *delimiter;    /* names are folded into prefixes at its first occurrence after `prefix` */
    const char *start_offset; /* from this name on */
    const char *end_offset;   /* up to, and without, this name */
    const char *page_token;   /* of the page before */
    size_t max_results;       /* items and prefixes together */
    bool include_trailing_delimiter; /* an item whose name is a prefix is listed as an item, too */
};

/* One page; zero-initialise, free in every case. */
struct em_listing {
    struct em_stored **items;
    size_t count;
    json_t *prefixes; /* array of strings, or NULL */
    char *next_page_token;
};
void em_listing_free(struct em_listing *listing);
MR_DEFINE_VALUE_CLEANUP(em_listing, em_listing_free)

/* MR_INVALID for a page token that is none. */
MR_MUST_CHECK enum mr_status em_index_list(const struct em_index *index, const struct em_list_query *query,
                                           struct em_listing *ret, struct mr_err *err);

#endif
