/*
 * The names of one bucket, sorted by their bytes (which is UTF-8's code point order, as Cloud Storage lists).
 *
 * Holds one reference of each object. Has no lock of its own: the store's protects it.
 */
#ifndef MR_EMULATOR_STORAGE_INDEX_H
#define MR_EMULATOR_STORAGE_INDEX_H

#include "infra/local/emulator/storage/object.h"

struct mr_index {
    struct mr_stored **items;
    size_t count, capacity;
};

void mr_index_free(struct mr_index *index);

/* The object of that name, not referenced for the caller; NULL if there is none. */
struct mr_stored *mr_index_find(const struct mr_index *index, const char *name);
/* Makes sure that the next mr_index_put cannot fail. */
MR_MUST_CHECK enum mr_status mr_index_reserve(struct mr_index *index, struct mr_err *err);
/* Adds a reference of `stored`, in the place of an object of the same name if there is one. Needs
 * mr_index_reserve. */
void mr_index_put(struct mr_index *index, struct mr_stored *stored);
void mr_index_remove(struct mr_index *index, const char *name);

/* What to list; NULL texts do not restrict. */
struct mr_list_query {
    const char *prefix;
    const char *delimiter;    /* names are folded into prefixes at its first occurrence after `prefix` */
    const char *start_offset; /* from this name on */
    const char *end_offset;   /* up to, and without, this name */
    const char *page_token;   /* of the page before */
    size_t max_results;       /* items and prefixes together */
    bool include_trailing_delimiter; /* an item whose name is a prefix is listed as an item, too */
};

/* One page; zero-initialise, free in every case. */
struct mr_listing {
    struct mr_stored **items;
    size_t count;
    json_t *prefixes; /* array of strings, or NULL */
    char *next_page_token;
};
void mr_listing_free(struct mr_listing *listing);
MR_DEFINE_VALUE_CLEANUP(mr_listing, mr_listing_free)

/* MR_INVALID for a page token that is none. */
MR_MUST_CHECK enum mr_status mr_index_list(const struct mr_index *index, const struct mr_list_query *query,
                                           struct mr_listing *ret, struct mr_err *err);

#endif
