/*
 * The logo for edited videos, a PNG: the built-in one (worker/assets/logo.png, linked into the worker), or
 * the file that LOGO_FILE names. It is read once at start; then any thread may use it. Only the sandbox
 * decodes it.
 */
#ifndef MR_WORKER_LOGO_H
#define MR_WORKER_LOGO_H

#include "shared/base/buf.h"

#include <stdint.h>

struct mr_logo {
    const void *data;
    size_t len;
    struct mr_buf file; /* holds the data of LOGO_FILE */
};

/* path "": the built-in logo. MR_INVALID for a file that cannot be read, is larger than 4 MiB or is not a PNG
 * of at most 8192×8192 pixels. Free in every case. */
MR_MUST_CHECK enum mr_status mr_logo_load(const char *path, struct mr_logo *ret, struct mr_err *err);
void mr_logo_free(struct mr_logo *logo);
MR_DEFINE_VALUE_CLEANUP(mr_logo, mr_logo_free)

/* Copies up to len bytes from offset, as mr_sandbox_callbacks.read_range does; returns 0 past the end. */
size_t mr_logo_copy(const struct mr_logo *logo, int64_t offset, void *buf, size_t len);

/* worker/assets/logo.png, embedded by infra/embed.sh. */
extern const unsigned char mr_logo_png[];
extern const size_t mr_logo_png_len;

#endif
