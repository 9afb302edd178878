#include "infra/local/emulator/storage/index.h"

void em_index_free(struct em_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        em_stored_unref(index->items[i]);
    free(index->items);
    *index = (struct em_index){0};
}

size_t em_index_lower_bound(const struct em_index *index, const char *name)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(index->items[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct em_index *index, size_t at, const char *name)
{
    return at < index->count && !strcmp(index->items[at]->name, name);
}

struct em_stored *em_index_find(const struct em_index *index, const char *name)
{
    size_t at = em_index_lower_bound(index, name);
    return is_at(index, at, name) ? index->items[at] : NULL;
}

enum mr_status em_index_reserve(struct em_index *index, struct mr_err *err)
{
    if (index->count < index->capacity)
        return MR_OK;
    size_t capacity = index->capacity ? index->capacity * 2 : 16;
    struct em_stored **items = reallocarray(index->items, capacity, sizeof(struct em_stored *));
    if (!items)
        return mr_fail_oom(err);
    index->items = items;
    index->capacity = capacity;
    return MR_OK;
}

void em_index_put(struct em_index *index, struct em_stored *stored)
{
    size_t at = em_index_lower_bound(index, stored->name);
    if (is_at(index, at, stored->name)) {
        em_stored_unref(index->items[at]);
    } else {
        memmove(index->items + at + 1, index->items + at, (index->count - at) * sizeof(struct em_stored *));
        index->count++;
    }
    index->items[at] = em_stored_ref(stored);
}

void em_index_remove(struct em_index *index, const char *name)
{
    size_t at = em_index_lower_bound(index, name);
    if (!is_at(index, at, name))
        return;
    em_stored_unref(index->items[at]);
    index->count--;
    memmove(index->items + at, index->items + at + 1, (index->count - at) * sizeof(struct em_stored *));
}
