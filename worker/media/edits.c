#include "worker/media/edits.h"

/* Packets of lossy audio overlap, whatever the index calls a key frame. */
static bool refers_back(const AVStream *stream, const AVIndexEntry *entry)
{
    const AVCodecDescriptor *codec = avcodec_descriptor_get(stream->codecpar->codec_id);
    if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
        return !codec || (codec->props & AV_CODEC_PROP_LOSSY);
    return !(entry->flags & AVINDEX_KEYFRAME);
}

struct mr_edits mr_edits_of(AVStream *stream)
{
    struct mr_edits edits = {0};
    bool has_shown = false, after_hidden = false;
    int64_t first = 0;
    int count = avformat_index_get_entries_count(stream);
    for (int i = 0; i < count; i++) {
        const AVIndexEntry *entry = avformat_index_get_entry(stream, i);
        bool is_hidden = entry->flags & AVINDEX_DISCARD_FRAME;
        first = i == 0 ? entry->timestamp : first;
        if (!is_hidden && after_hidden && refers_back(stream, entry)) {
            edits.hides_lead |= !has_shown;
            edits.hides_within |= has_shown;
        }
        if (!is_hidden && !has_shown)
            edits.lead = entry->timestamp - first;
        has_shown |= !is_hidden;
        after_hidden = is_hidden;
    }
    return edits;
}
