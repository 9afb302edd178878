/*
 * Over media_fixture.h, for video: one sandbox and one directory for a test program, conversions that must
 * succeed or fail, and what ffprobe and ffmpeg report about the result. Helpers fail the running cmocka test.
 * Not for several threads.
 */
#ifndef MR_TESTS_UNIT_VIDEO_FIXTURE_H
#define MR_TESTS_UNIT_VIDEO_FIXTURE_H

#include "tests/unit/media_fixture.h"

#include <stdbool.h>

/* Before and after all tests. False: the sandbox does not start, said on standard error. */
bool video_start(void);
void video_stop(void);
const struct media_dir *video_dir(void);

/* Converts input to output, both in the directory; the receipt. options: JSON, or NULL. */
json_t *edit_ok(const char *input, const char *output, const char *format, const char *options);
/* The same, for either outcome. options (NULL: none) are not consumed. The caller owns *ret_receipt. */
enum mr_status try_edit(const char *input, const char *format, const json_t *options, json_t **ret_receipt,
                        struct mr_err *err);
/* The same with so many threads for the video. */
json_t *edit_with_threads(int threads, const char *input, const char *output, const char *format,
                          const char *options);
/* The conversion fails with this code, and a sentence that holds `words` (NULL: any). */
void expect_failure(const char *input, const char *format, const char *options, const char *code,
                    const char *words);

/* All in seconds. */
struct video {
    int width, height, frames;
    double video_from, video_s; /* where the video begins and ends; 0: there is none */
    double video_at;            /* where its last frame begins: not all containers state how long it lasts */
    double audio_from, audio_s;
    char video[24], audio[24]; /* the codecs' names */
};
struct video look(const char *file);

/* The mean brightness of a part of the frame (ffmpeg's crop) at a time, 0 to 255. */
double brightness(const char *file, double at, const char *crop);
void assert_near(double value, double wanted, double slack, const char *what);
/* True if the receipt's list (kept, changed, dropped, warnings) has an entry that begins so. */
bool has_what(const json_t *receipt, const char *list, const char *what);

struct bytes {
    uint8_t *data; /* from malloc */
    size_t size;
};
/* A file of the directory, with room for 4 KiB behind it. */
struct bytes video_bytes(const char *file);

#endif
