/*
 * What goes along with the audio: tags, cover art, chapters. Each is carried over where the target can hold
 * it (formats.h), and the receipt hears of everything that was there. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_TAGS_H
#define MR_WORKER_MEDIA_TAGS_H

#include "shared/base/json.h"
#include "worker/media/formats.h"
#include "worker/media/probe.h"

/* What the receipt says; all arrays, owned. */
struct mr_notes {
    json_t *kept;     /* strings */
    json_t *dropped;  /* {what, why} */
    json_t *warnings; /* {code, detail} */
};
MR_MUST_CHECK enum mr_status mr_notes_init(struct mr_notes *notes, struct mr_err *err);
void mr_notes_free(struct mr_notes *notes);
MR_DEFINE_VALUE_CLEANUP(mr_notes, mr_notes_free)
void mr_notes_warn(struct mr_notes *notes, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets the tags of `output`, or of its stream `audio` where the format keeps them there. */
MR_MUST_CHECK enum mr_status mr_tags_carry(const struct mr_input *input, const struct mr_media_format *format,
                                           AVFormatContext *output, AVStream *audio, struct mr_notes *notes,
                                           struct mr_err *err);

/*
 * Cover art: adds a stream for it (*ret_stream; its packet is *ret_packet, a borrowed one to be written after
 * the header), or a tag. *ret_stream stays NULL if there is no stream to fill.
 */
MR_MUST_CHECK enum mr_status mr_cover_carry(const struct mr_input *input,
                                            const struct mr_media_format *format, AVFormatContext *output,
                                            AVStream *audio, AVStream **ret_stream,
                                            const AVPacket **ret_packet, struct mr_notes *notes,
                                            struct mr_err *err);

MR_MUST_CHECK enum mr_status mr_chapters_carry(const struct mr_input *input,
                                               const struct mr_media_format *format, AVFormatContext *output,
                                               AVStream *audio, struct mr_notes *notes, struct mr_err *err);

#endif
