/*
 * Memory for libraries that cannot live without it: jansson's parser and libcurl write past their buffers when an
 * allocation fails (https://github.com/akheron/jansson/issues/362). These functions ask again, and end the process if
 * there still is no memory: the platform starts it again, and a corrupt heap would do worse. Any thread.
 */
#ifndef MR_BASE_MEMORY_H
#define MR_BASE_MEMORY_H

#include <stddef.h>

/* As malloc, calloc, realloc and strdup, but never NULL. The caller frees. */
void *mr_memory_malloc(size_t size);
void *mr_memory_calloc(size_t count, size_t size);
void *mr_memory_realloc(void *data, size_t size);
char *mr_memory_strdup(const char *text);

#endif
