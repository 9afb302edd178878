/*
 * What a file is by its first bytes: the containers and bare streams that the converter may be shown. A name
 * and a Content-Type are claims; this is the cheap look before a stranger's file is stored. Pure; any thread.
 */
#ifndef MR_WORKER_MAGIC_H
#define MR_WORKER_MAGIC_H

#include <stddef.h>

enum { MR_MAGIC_BYTES = 512 }; /* as many of the first bytes decide */

/* The usual extension of files that begin so, e.g. "mp3"; NULL if it is no medium we know. Static. */
const char *mr_magic_extension(const void *data, size_t len);

#endif
