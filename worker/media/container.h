/*
 * Opens a file with libav's demuxers, those of inputs.def and no others, and none that opens a second file. Used by
 * one thread.
 */
#ifndef MR_WORKER_MEDIA_CONTAINER_H
#define MR_WORKER_MEDIA_CONTAINER_H

#include "worker/media/demuxer.h"

/* How far libav reads to find out what a file has. */
struct mr_window {
    int64_t bytes, us;
};
extern const struct mr_window mr_usual_window;

/* input has its source, and gets its format. Codes: those of mr_foreign_refuse, resource_limit. */
MR_MUST_CHECK enum mr_status mr_container_open(struct mr_demuxer *input, const char *name,
                                               const struct mr_window *window, struct mr_err *err);

/* Opens a file, but reads only its head: tags, pictures, chapters. name: a hint. An error of libav's, or 0 and *ret,
 * which the caller closes (avformat_close_input). */
MR_MUST_CHECK int mr_container_read_head(AVIOContext *io, const char *name, AVFormatContext **ret);

/* Fails for the bytes that are missing. Code: truncated. */
enum mr_status mr_container_break_off(const struct mr_demuxer *input, struct mr_err *err);

#endif
