/* What the names of outputs begin with. Pure. */
#ifndef MR_MEDIA_FILE_STEM_H
#define MR_MEDIA_FILE_STEM_H

enum { MR_FILE_STEM_MAX = 200 }; /* bytes */

/* "My song.wav" has the stem "My song"; a name that is nothing else has "output". A long stem is cut between two characters. */
void mr_file_stem(const char *file_name, char stem[MR_FILE_STEM_MAX + 1]);

#endif
