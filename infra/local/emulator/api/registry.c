#include "infra/local/emulator/api/registry.h"

#include <stdlib.h>
#include <string.h>

/* The position of the first name that is not less than `name`. */
static size_t lower_bound(const struct em_registry *registry, const char *name)
{
    size_t low = 0;
    size_t high = registry->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(registry->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct em_registry *registry, size_t place, const char *name)
{
    return place < registry->count && strcmp(registry->entries[place].name, name) == 0;
}

void *em_registry_find(const struct em_registry *registry, const char *name)
{
    size_t place = lower_bound(registry, name);
    return is_at(registry, place, name) ? registry->entries[place].value : NULL;
}

size_t em_registry_after(const struct em_registry *registry, const char *name)
{
    size_t place = lower_bound(registry, name);
    return is_at(registry, place, name) ? place + 1 : place;
}

enum mr_status em_registry_add(struct em_registry *registry, const char *name, void *value,
                               struct mr_err *err)
{
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity ? registry->capacity * 2 : 16;
        struct em_registry_entry *entries = reallocarray(registry->entries, capacity, sizeof *entries);
        if (!entries)
            return mr_fail_oom(err);
        registry->entries = entries;
        registry->capacity = capacity;
    }
    size_t place = lower_bound(registry, name);
    memmove(&registry->entries[place + 1], &registry->entries[place],
            (registry->count - place) * sizeof *registry->entries);
    registry->entries[place] = (struct em_registry_entry){name, value};
    registry->count++;
    return MR_OK;
}

void em_registry_remove(struct em_registry *registry, const char *name)
{
    size_t place = lower_bound(registry, name);
    if (!is_at(registry, place, name))
        return;
    registry->count--;
    memmove(&registry->entries[place], &registry->entries[place + 1],
            (registry->count - place) * sizeof *registry->entries);
}

void em_registry_free(struct em_registry *registry)
{
    free(registry->entries);
    *registry = (struct em_registry){0};
}
