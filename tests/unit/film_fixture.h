/*
 * Over media_fixture.h, for videos: one sandbox and one directory for a test program, conversions that must
 * succeed or fail, and what ffprobe and ffmpeg say about the result. Helpers fail the running cmocka test.
 * Not for several threads.
 */
#ifndef MR_TESTS_FILM_FIXTURE_H
#define MR_TESTS_FILM_FIXTURE_H

#include "tests/unit/media_fixture.h"

#include <stdbool.h>

/* Before and after all tests. False: the sandbox does not start, said on standard error. */
bool films_start(void);
void films_stop(void);
const struct media_dir *films_dir(void);

/* Converts input to output, both in the directory; the receipt. options: JSON, or NULL. */
json_t *edit_ok(const char *input, const char *output, const char *format, const char *options);
/* The conversion fails with this code, and a sentence that holds `words` (NULL: any). */
void expect_failure(const char *input, const char *format, const char *options, const char *code,
                    const char *words);

/* All in seconds. */
struct film {
    int width, height, frames;
    double picture_from, picture_s; /* where the video begins and ends; 0: there is none */
    double picture_at; /* where its last frame begins: how long that one lasts, not all containers tell */
    double sound_from, sound_s;
    char picture[24], sound[24]; /* the codecs' names */
};
struct film look(const char *file);

/* The mean brightness of a part of the video (ffmpeg's crop) at a time, 0 to 255. */
double brightness(const char *file, double at, const char *crop);
void assert_near(double value, double wanted, double slack, const char *what);
/* True if the receipt's list (kept, changed, dropped, warnings) has an entry that begins so. */
bool has_what(const json_t *receipt, const char *list, const char *what);

#endif
