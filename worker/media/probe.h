/*
 * The input: which container and codec the bytes are, the audio stream to convert, its decoder, and what the
 * container declares of its length. Only demuxers and decoders of a fixed list are let near the bytes, none
 * that opens a second file. Used by the child's only thread.
 */
#ifndef MR_WORKER_MEDIA_PROBE_H
#define MR_WORKER_MEDIA_PROBE_H

#include "shared/base/json.h"
#include "worker/media/av.h"
#include "worker/media/source.h"

struct mr_input {
    struct mr_source *source; /* not owned */
    AVFormatContext *format;
    AVStream *audio;
    AVCodecContext *decoder;
    int64_t
        missing_bytes; /* that the container announces beyond the file's end (cut.h); few, or it is refused */
    int64_t declared_us; /* the length that the container states, not one guessed from a bit rate; -1: none */
    int64_t estimated_us; /* the best guess, for progress; -1: none */
};

/*
 * Opens the input. name is its file name, a hint, or NULL. Codes: invalid_media, truncated (the container
 * says that the file should go on), no_audio, unsupported_codec, resource_limit.
 */
MR_MUST_CHECK enum mr_status mr_input_open(struct mr_input *input, struct mr_source *source, const char *name,
                                           struct mr_err *err);
void mr_input_close(struct mr_input *input);
MR_DEFINE_VALUE_CLEANUP(mr_input, mr_input_close)

/* The container's short name, e.g. "mov". */
void mr_input_container(const struct mr_input *input, char *out, size_t size);

#endif
