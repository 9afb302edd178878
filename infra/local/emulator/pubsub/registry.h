/*
 * Named things in a sorted array: found by bisection, listed in order. Shared by Pub/Sub and Scheduler. Not
 * thread-safe: its owner's lock guards it.
 */
#ifndef MR_EMULATOR_PUBSUB_REGISTRY_H
#define MR_EMULATOR_PUBSUB_REGISTRY_H

#include "shared/base/err.h"

/* Zero-initialise. */
struct mr_registry {
    struct mr_registry_entry {
        const char *name;
        void *value;
    } * entries;
    size_t count;
    size_t capacity;
};

/* Adds a name that is not there yet; it belongs to value and lives as long. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_registry_add(struct mr_registry *registry, const char *name, void *value,
                                             struct mr_err *err);
/* Nothing happens if it is not there. */
void mr_registry_remove(struct mr_registry *registry, const char *name);
/* The value of a name, or NULL. */
void *mr_registry_find(const struct mr_registry *registry, const char *name);
/* The position of the first name after `name`, which need not be there: for lists. */
size_t mr_registry_after(const struct mr_registry *registry, const char *name);
/* Frees the array, not the values. */
void mr_registry_free(struct mr_registry *registry);

#endif
