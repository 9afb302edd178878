/*
 * The logo of edited videos, a PNG: mediarun's own (worker/assets/logo.png, linked into the worker), or the
 * file that LOGO_FILE names. Read once at start; any thread may use it afterwards. Only the sandbox decodes
 * it.
 */
#ifndef MR_WORKER_LOGO_H
#define MR_WORKER_LOGO_H

#include "shared/base/buf.h"

#include <stdint.h>

struct mr_logo {
    const void *data;
    size_t len;
    struct mr_buf file; /* what data points to if it is not mediarun's own */
};

/* path "": mediarun's own. MR_INVALID for a file that cannot be read, is too large or is no PNG. Free in
 * every case. */
MR_MUST_CHECK enum mr_status mr_logo_load(const char *path, struct mr_logo *ret, struct mr_err *err);
void mr_logo_free(struct mr_logo *logo);
MR_DEFINE_VALUE_CLEANUP(mr_logo, mr_logo_free)

/* Up to len bytes at offset, as mr_sandbox_callbacks.read_range gives them; 0 past the end. */
size_t mr_logo_copy(const struct mr_logo *logo, int64_t offset, void *buf, size_t len);

/* worker/assets/logo.png, from worker/assets/embed.sh. */
extern const unsigned char mr_logo_png[];
extern const size_t mr_logo_png_len;

#endif
