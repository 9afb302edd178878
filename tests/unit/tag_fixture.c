#include "tests/unit/tag_fixture.h"

#include "tests/unit/video_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

void tag_put_number(uint8_t *at, size_t number, int bits)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (3 - i) * bits & ((1U << bits) - 1));
}

void tag_add_frame(struct tag *tag, const char *name, const void *body, size_t len)
{
    if (!tag->len)
        tag->len = 10;
    assert_true(tag->len + 10 + len <= TAG_MAX);
    memcpy(tag->data + tag->len, name, 4);
    tag_put_number(tag->data + tag->len + 4, len, 8);
    memcpy(tag->data + tag->len + 10, body, len);
    tag->len += 10 + len;
    memcpy(tag->data, "ID3\3\0\0", 6);
    tag_put_number(tag->data + 6, tag->len - 10, 7);
}

void tag_add_picture(struct tag *tag, const char *mime, int type, const char *file)
{
    uint8_t body[TAG_MAX];
    size_t len = 0, at = strlen(mime) + 4;
    char *image = media_run(video_dir(), &len, "cat %s", file);
    assert_true(at + len <= sizeof body);
    memset(body, 0, at);
    memcpy(body + 1, mime, strlen(mime));
    body[at - 2] = (uint8_t)type;
    memcpy(body + at, image, len);
    free(image);
    tag_add_frame(tag, "APIC", body, at + len);
}

/* Puts bytes before and behind tone.mp3, which has no tag. */
void tag_wrap_mp3(const char *file, const void *before, size_t before_len, const void *behind,
                  size_t behind_len)
{
    size_t len;
    char *tone = media_run(video_dir(), &len, "cat tone.mp3");
    char *all = malloc(before_len + len + behind_len);
    assert_non_null(all);
    if (before_len)
        memcpy(all, before, before_len);
    memcpy(all + before_len, tone, len);
    if (behind_len)
        memcpy(all + before_len + len, behind, behind_len);
    media_write_file(video_dir(), file, all, before_len + len + behind_len);
    free(tone);
    free(all);
}

const char *tag_find(const json_t *tags, const char *key)
{
    const char *name;
    const json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)tags, name, value)
        if (strcasecmp(name, key) == 0)
            return json_string_value(value);
    return NULL;
}

/* A tag as ffprobe shows it, of the file or of its first stream. */
const char *tag_of(const json_t *probe, const char *key)
{
    const json_t *format = json_object_get(probe, "format"),
                 *stream = json_array_get(json_object_get(probe, "streams"), 0);
    const char *value = tag_find(json_object_get(format, "tags"), key);
    return value ? value : tag_find(json_object_get(stream, "tags"), key);
}

void tag_make_pictures(void)
{
    media_ffmpeg(video_dir(),
                 "-f lavfi -i color=blue:s=16x16:d=1 -frames:v 1 back.jpg -frames:v 1 other.bmp");
    media_ffmpeg(video_dir(), "-f lavfi -i color=red:s=16x16:d=1 -frames:v 1 front.png");
}
