/*
 * A sorted array of named things: finds by bisection, lists in order. Not thread-safe: the owner's lock protects it.
 */
#ifndef EM_API_REGISTRY_H
#define EM_API_REGISTRY_H

#include "shared/base/err.h"

/* Zero-initialise. */
struct em_registry {
    struct em_registry_entry {
        const char *name;
        void *value;
    } * entries;
    size_t count;
    size_t capacity;
};

/* Adds a name that is not there yet. The name is borrowed and must live as long as value. MR_EXHAUSTED without
 * memory. */
MR_MUST_CHECK enum mr_status em_registry_add(struct em_registry *registry, const char *name, void *value,
                                             struct mr_err *err);
/* Does nothing if the name is not there. */
void em_registry_remove(struct em_registry *registry, const char *name);
/* The value of a name, or NULL. */
void *em_registry_find(const struct em_registry *registry, const char *name);
/* The position of the first name after `name`, which may be absent; for lists. */
size_t em_registry_after(const struct em_registry *registry, const char *name);
/* Frees the array, not the values. */
void em_registry_free(struct em_registry *registry);

#endif
