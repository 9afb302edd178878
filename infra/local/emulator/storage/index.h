/*
 * The objects of one bucket, sorted by the bytes of their names. For UTF-8 this is the order of code points,
 * in which Cloud Storage lists.
 *
 * The index holds one reference to each object. It has no lock of its own: the store's lock protects it.
 */
#ifndef EM_STORAGE_INDEX_H
#define EM_STORAGE_INDEX_H

#include "infra/local/emulator/storage/object.h"

struct em_index {
    struct em_stored **items;
    size_t count, capacity;
};

/* Drops all references and frees the array, not the struct. */
void em_index_free(struct em_index *index);

/* The position of the first name that is not less than `name`. */
size_t em_index_lower_bound(const struct em_index *index, const char *name);
/* The object with this name, or NULL. The caller gets no reference of its own. */
struct em_stored *em_index_find(const struct em_index *index, const char *name);
/* Makes room so that the next em_index_put cannot fail. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_index_reserve(struct em_index *index, struct mr_err *err);
/* Adds `stored`, or replaces the object of the same name. Takes a reference of its own. Call em_index_reserve
 * first. */
void em_index_put(struct em_index *index, struct em_stored *stored);
/* Does nothing if there is no object with this name. */
void em_index_remove(struct em_index *index, const char *name);

#endif
