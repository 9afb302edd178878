/*
 * What the receipt says about each part of the input: kept, changed or dropped and why; and warnings. Notes are for
 * people: without memory the receipt is shorter, nothing worse. A file may hold any number of things to note, so
 * kept, changed and dropped together are bounded by MR_NOTES_BYTES; a warning says so. Each function accepts NULL
 * for notes and does nothing then (for parts after the first, which would repeat it).
 */
#ifndef MR_WORKER_MEDIA_NOTES_H
#define MR_WORKER_MEDIA_NOTES_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

enum { MR_NOTES_BYTES = 24 << 10 }; /* as JSON */

/* All arrays, owned. */
struct mr_notes {
    json_t *kept;     /* strings */
    json_t *changed;  /* {what, from, to, why} */
    json_t *dropped;  /* {what, why} */
    json_t *warnings; /* {code, detail} */
    size_t bytes;     /* of kept, changed and dropped */
    bool is_short;    /* notes were left out */
};
MR_MUST_CHECK enum mr_status mr_notes_init(struct mr_notes *notes, struct mr_err *err);
void mr_notes_free(struct mr_notes *notes);
MR_DEFINE_VALUE_CLEANUP(mr_notes, mr_notes_free)

void mr_notes_kept(struct mr_notes *notes, const char *what);
void mr_notes_changed(struct mr_notes *notes, const char *what, const char *from, const char *to,
                      const char *why);
void mr_notes_dropped(struct mr_notes *notes, const char *what, const char *why);
void mr_notes_warn(struct mr_notes *notes, enum mr_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
