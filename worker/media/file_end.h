/*
 * Is the file shorter than its own container says? Compares sizes that the container states about itself, without
 * decoding: a file that is cut often still plays to its new end without an error.
 */
#ifndef MR_WORKER_MEDIA_FILE_END_H
#define MR_WORKER_MEDIA_FILE_END_H

#include "worker/media/source.h"

/*
 * Bytes that the container announces beyond the end of the file: ISO base media (MP4, MOV, M4A), RIFF (WAV,
 * AVI), W64, AIFF, CAF, Matroska, ASF and MP3. 0: whole; -1: a container (or a live recording) that states no size.
 */
int64_t mr_file_end_missing_bytes(struct mr_source *source);

/* Where the file should end at least; 0: it does not say. */
int64_t mr_file_end_declared(struct mr_source *source);

/* Where the Matroska file ends that begins at `at`; 0: it does not say; -1: none begins there. */
int64_t mr_file_end_of_segment(struct mr_source *source, int64_t at);

/* Makes a file end where only zeros follow that are no part of it: a disk's last block, or room that was not used. What its
 * last page or frame may have of zeros itself is left. Files of samples stay as they are: zeros are silence there. */
void mr_file_end_blank(struct mr_source *source);

/* Where the first frame of a file of frames is: behind the ID3v2 tags at its beginning. */
int64_t mr_file_end_skip_id3(struct mr_source *source);

/* True if a size that is beyond the end of the file was left there by a writer that could not know it: it is round, or
 * far too large. */
bool mr_file_end_is_placeholder(int64_t declared, int64_t size);

/* True of WAV, W64, AIFF and CAF: writers that cannot go back state a size before they know it. Bytes that are missing are
 * then no proof that the file was cut; all that is there can be decoded. */
bool mr_file_end_is_guess(struct mr_source *source);

/* True if a Matroska file ends within an element. at: where one begins near its end, behind the last packet that was
 * read. For a recording that states no size. */
bool mr_file_end_matroska_is_open(struct mr_source *source, int64_t at);

#endif
