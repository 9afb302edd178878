#include "shared/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS = 3 };

void *mr_memory_malloc(size_t size)
{
    return mr_memory_realloc(NULL, size);
}

void *mr_memory_calloc(size_t count, size_t size)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        void *data = calloc(count, size);
        if (data)
            return data;
    }
    abort();
}

/* One byte at least: an allocation of none may be NULL. */
void *mr_memory_realloc(void *data, size_t size)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        void *moved = realloc(data, size ? size : 1);
        if (moved)
            return moved;
    }
    abort();
}

char *mr_memory_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mr_memory_malloc(size), text, size);
}
