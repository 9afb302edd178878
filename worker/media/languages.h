/*
 * Codes of languages: ISO 639-1 ("de"), 639-2/T ("deu") and 639-2/B ("ger"), and the first part of tags of BCP 47
 * ("de-AT"), in any case of letters. Pure functions, any thread.
 */
#ifndef MR_WORKER_MEDIA_LANGUAGES_H
#define MR_WORKER_MEDIA_LANGUAGES_H

#include <stdbool.h>

/* True if both name the same language. tag may be NULL. */
bool mr_language_is(const char *tag, const char *wanted);

/* The code of three letters for a language that has one of two as well; NULL: it is not known. */
const char *mr_language_three(const char *tag);

#endif
