/*
 * Unicode text (UTF-8) compared and measured as people see it: the only user of libunistring. Texts must be valid
 * (utf8.h). Pure functions; any thread.
 * Sources: https://www.unicode.org/reports/tr15/ (normalisation), The Unicode Standard §3.13 (case folding).
 */
#ifndef MR_BASE_UNICODE_H
#define MR_BASE_UNICODE_H

#include "shared/base/err.h"

#include <stddef.h>

/* *ret is the text in NFC, malloc'ed. */
MR_MUST_CHECK enum mr_status mr_unicode_nfc(const char *text, char **ret, struct mr_err *err);
/* *ret, malloc'ed, is the same for texts that differ only in case or composition. For lookups in memory: what the
 * database compares it folds by itself (fold_name in infra/migrations). */
MR_MUST_CHECK enum mr_status mr_unicode_fold(const char *text, char **ret, struct mr_err *err);

struct mr_unicode_traits {
    size_t characters; /* code points */
    size_t different;  /* of these, up to 8 are counted */
    bool lower, upper, digit, blank;
    bool control;   /* tabs and line ends, too */
    bool invisible; /* zero-width and other ignorable characters */
};
struct mr_unicode_traits mr_unicode_traits_of(const char *text);

#endif
