/*
 * Named things in a sorted array: found by bisection, listed in order. Shared by Pub/Sub and Scheduler. Not
 * thread-safe: its owner's lock guards it.
 */
#ifndef EM_PUBSUB_REGISTRY_H
#define EM_PUBSUB_REGISTRY_H

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

/* Adds a name that is not there yet; it belongs to value and lives as long. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status em_registry_add(struct em_registry *registry, const char *name, void *value,
                                             struct mr_err *err);
/* Nothing happens if it is not there. */
void em_registry_remove(struct em_registry *registry, const char *name);
/* The value of a name, or NULL. */
void *em_registry_find(const struct em_registry *registry, const char *name);
/* The position of the first name after `name`, which need not be there: for lists. */
size_t em_registry_after(const struct em_registry *registry, const char *name);
/* Frees the array, not the values. */
void em_registry_free(struct em_registry *registry);

#endif
