/*
 * For the media tests: inputs made by the ffmpeg program in a temporary directory, conversions through the
 * real sandbox with files at both ends, and what ffmpeg and ffprobe say about the results. Helpers fail the
 * running cmocka test when the machine, not the tested code, is at fault. Not for several threads, but for
 * media_convert.
 */
#ifndef MR_TESTS_MEDIA_FIXTURE_H
#define MR_TESTS_MEDIA_FIXTURE_H

#include "shared/base/err.h"
#include "shared/base/json.h"
#include "worker/sandbox.h"

#include <stdint.h>

struct media_dir {
    char path[64];
    int threads; /* that the video of a conversion may have; 0: 1 */
};
/* A new directory in the current one, which tests/unit/run.sh removes. */
void media_dir_make(struct media_dir *dir);
void media_dir_remove(const struct media_dir *dir);

/* Runs `arguments` (a printf format, split at blanks) of ffmpeg in dir; the test fails if ffmpeg does. */
void media_ffmpeg(const struct media_dir *dir, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Converts dir/input to dir/output. Memory limit: none under sanitizers. */
enum mr_status media_convert(struct mr_sandbox *sandbox, const struct media_dir *dir, const char *input,
                             const char *output, const char *format, json_t **ret_receipt,
                             struct mr_err *err);

/*
 * The same with options (not consumed; NULL: none) and the logo dir/logo.png if there is one. The first
 * output is dir/output, the n-th dir/output.n (n from 1).
 */
enum mr_status media_edit(struct mr_sandbox *sandbox, const struct media_dir *dir, const char *input,
                          const char *output, const char *format, const json_t *options, json_t **ret_receipt,
                          struct mr_err *err);

/* For a child in the place of mr_media_run: answers with the receipt that `act` makes of the spec, or with its failure. Returns
 * the exit status. */
typedef enum mr_status media_act_fn(const json_t *spec, const struct mr_sandbox_fds *fds,
                                    json_t **ret_receipt, struct mr_err *err);
int media_act(media_act_fn *act, const void *text, size_t len, const struct mr_sandbox_fds *fds);

/* From now on so much for a conversion; 0: as before. */
void media_bound_memory(int mib);

/* ffprobe's JSON of a file: format, streams (with packets' count), chapters. The caller owns it. */
json_t *media_probe(const struct media_dir *dir, const char *file);

/* What a program writes to standard output, run in dir (split at blanks). The caller frees it. */
char *media_run(const struct media_dir *dir, size_t *ret_len, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The audio of a file as libav decodes it, without what mediarun puts around it: the first channel, at the given rate. In
 * this process: the start of the ffmpeg program takes longer than a short file. */
struct media_samples {
    float *data; /* malloc'ed */
    size_t count;
    int rate;
};
struct media_samples media_decode(const struct media_dir *dir, const char *file, int rate);
void media_samples_free(struct media_samples *samples);
/* The level in dB of one frequency over the middle of the samples (0 dB: a full-scale sine). */
double media_tone_db(const struct media_samples *samples, double frequency);

int64_t media_file_size(const struct media_dir *dir, const char *file);
void media_write_file(const struct media_dir *dir, const char *file, const void *data, size_t len);
/* dir/to gets the first `permille` thousandths of dir/from. */
void media_cut_file(const struct media_dir *dir, const char *from, const char *to, int permille);

#endif
