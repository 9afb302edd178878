/* For tests of tags and covers, beside video_fixture.h: ID3v2.3 tags made byte by byte, and tags as ffprobe shows them. */
#ifndef MR_TESTS_TAG_FIXTURE_H
#define MR_TESTS_TAG_FIXTURE_H

#include "shared/base/json.h"

#include <stddef.h>
#include <stdint.h>

enum { TAG_MAX = 8192 };

/* An ID3v2.3 tag of frames with texts or pictures. */
struct tag {
    uint8_t data[TAG_MAX];
    size_t len;
};

/* Four bytes of a number, the highest first, each with so many bits: 7 or 8. */
void tag_put_number(uint8_t *at, size_t number, int bits);
void tag_add_frame(struct tag *tag, const char *name, const void *body, size_t len);
/* file is in the video_fixture's directory; type as in ID3v2.4, 4.14. */
void tag_add_picture(struct tag *tag, const char *mime, int type, const char *file);
/* Puts bytes before and behind tone.mp3, which has no tag and which the test has made. */
void tag_wrap_mp3(const char *file, const void *before, size_t before_len, const void *behind,
                  size_t behind_len);
/* back.jpg, other.bmp and front.png. */
void tag_make_pictures(void);

/* A tag by its name in any case; NULL: there is none. Owned by the JSON. */
const char *tag_find(const json_t *tags, const char *key);
/* A tag as ffprobe shows it, of the file or of its first stream. */
const char *tag_of(const json_t *probe, const char *key);

#endif
