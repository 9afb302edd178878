#include "worker/media/completeness.h"

#include "worker/media/file_end.h"
#include "worker/media/joined.h"
#include "worker/media/ogg_end.h"

#include <errno.h>
#include <libavutil/common.h>
#include <string.h>

/* Behind the last packet: a block has four bytes before its frame, the track's number, a time and flags. */
static int64_t end_of_packets(struct mr_track *const tracks[MR_SLOTS])
{
    enum { BLOCK_HEADER = 4 };
    int64_t end = 0;
    for (size_t i = 0; i < MR_SLOTS; i++) {
        const struct mr_decoder *decoder = tracks[i] ? &tracks[i]->decoder : NULL;
        if (decoder && decoder->packets && decoder->last_position >= 0)
            end = FFMAX(end, decoder->last_position + BLOCK_HEADER + decoder->packet_size.last);
    }
    return end;
}

enum mr_status mr_completeness_judge_end(struct mr_track *const tracks[MR_SLOTS], struct mr_source *source,
                                         int rc, struct mr_err *err)
{
    if (source->failed)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the parent stopped serving input");
    int64_t joined = rc < 0 && !source->joined_bytes ? mr_joined_behind(source, end_of_packets(tracks)) : 0;
    if (joined)
        source->joined_bytes = source->size - joined;
    if (rc >= 0 || rc == AVERROR_EOF || joined)
        return MR_OK;
    if (rc == AVERROR(ENOMEM) || source->at < source->size)
        return mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "the file cannot be read to its end");
    /* Some demuxers report a packet that is cut by the end of the file as a failed read. */
    mr_decoder_count_cut(&mr_track_main(tracks)->decoder);
    return MR_OK;
}

static enum mr_status check_main(const struct mr_track *track, struct mr_err *err)
{
    if (!mr_track_is_empty(track))
        return MR_OK;
    if (track->parts->options->trim_start_us)
        return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.trim.start must be before the end of the file");
    return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the file holds no %s that can be decoded",
                        track->ops->name);
}

static bool is_too_short(const struct mr_track *track, int64_t declared, int64_t seen)
{
    return declared - seen > av_clip64(declared / track->ops->tolerance.share, track->ops->tolerance.min_us,
                                       track->ops->tolerance.max_us);
}

static enum mr_status check_length(const struct mr_track *track, struct mr_err *err)
{
    if (!mr_track_is_active(track) || track->declared_us < 0)
        return MR_OK;
    int64_t declared = track->declared_us, seen = mr_track_decoded_us(track); /* with the holes in it */
    if (!is_too_short(track, declared, seen))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_TRUNCATED, "the file is cut: it declares %.3f s of %s and holds %.3f s",
                        (double)declared / 1e6, track->ops->name, (double)seen / 1e6);
}

static bool is_open(struct mr_track *const tracks[MR_SLOTS], const struct mr_demuxer *input)
{
    bool is_matroska = strcmp(input->format->iformat->name, "matroska,webm") == 0;
    return is_matroska && !input->states_size &&
           mr_file_end_matroska_is_open(input->source, end_of_packets(tracks));
}

static bool ends_badly(struct mr_track *const tracks[MR_SLOTS])
{
    for (size_t i = 0; i < MR_SLOTS; i++)
        if (mr_track_is_active(tracks[i]) && mr_decoder_ends_badly(&tracks[i]->decoder))
            return true;
    return false;
}

/* A file that states no length (CBR MP3 without a Xing header, ADTS, MPEG-TS) and is cut between two packets
 * looks like a whole one. */
static void warn_of_cut(struct mr_track *const tracks[MR_SLOTS], const struct mr_parts *parts, bool is_whole)
{
    const struct mr_demuxer *input = parts->input;
    struct mr_notes *notes = parts->notes;
    enum mr_ogg_end ogg = mr_ogg_end_of(input->source);
    if (ogg == MR_OGG_DAMAGED)
        mr_notes_warn(notes, MR_CODE_DAMAGED_PACKETS,
                      "a page near the end of the Ogg file is damaged: what it held is missing");
    else if (ogg == MR_OGG_OPEN)
        mr_notes_warn(notes, MR_CODE_TRUNCATED,
                      "the file does not end as an Ogg file should: its end may be missing");
    else if (input->missing_bytes)
        mr_notes_warn(notes, MR_CODE_TRUNCATED,
                      "the file states %lld bytes more than it has: its end may be missing",
                      (long long)input->missing_bytes);
    else if (is_whole && is_open(tracks, input))
        mr_notes_warn(notes, MR_CODE_TRUNCATED, "the file ends within a frame: its end is missing");
    else if (ends_badly(tracks))
        mr_notes_warn(notes, MR_CODE_TRUNCATED,
                      "the last packet is damaged: the end of the file may be missing");
}

/* A stated length that is no proof becomes one where there is damage, too: where frames have no times of their own, what
 * is missing makes the rest come earlier. */
static void warn_of_loss(const struct mr_track *track, const struct mr_parts *parts)
{
    int64_t stated = parts->input->stated_us, seen = mr_track_decoded_us(track);
    if (track->declared_us < 0 && track->decoder.bad_packets && is_too_short(track, stated, seen))
        mr_notes_warn(parts->notes, MR_CODE_DAMAGED_PACKETS,
                      "%.3f s of the %.3f s that the file states are lost, and what follows comes earlier",
                      (double)(stated - seen) / 1e6, (double)stated / 1e6);
}

enum mr_status mr_completeness_check(struct mr_track *const tracks[MR_SLOTS], const struct mr_parts *parts,
                                     bool is_whole, struct mr_err *err)
{
    MR_TRY(check_main(mr_track_main(tracks), err));
    for (size_t i = 0; i < MR_SLOTS; i++)
        if (mr_track_is_active(tracks[i]))
            MR_TRY(mr_decoder_check_damage(&tracks[i]->decoder, parts->notes, err));
    for (size_t i = MR_SLOTS; is_whole && i-- > 0;) /* audio first: its length is stated more exactly */
        MR_TRY(check_length(tracks[i], err));
    if (is_whole)
        warn_of_loss(mr_track_main(tracks), parts);
    warn_of_cut(tracks, parts, is_whole);
    int64_t joined = parts->input->joined_bytes + parts->input->source->joined_bytes;
    if (joined)
        mr_notes_warn(parts->notes, MR_CODE_JOINED_FILE,
                      "a second file of %lld bytes was joined to this one and is left out",
                      (long long)joined);
    return MR_OK;
}
