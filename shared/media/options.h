/*
 * The options of a conversion, `tasks.options`: what a client may say about how its file is converted. One
 * table (options.c) holds each option's name, type, bounds, member of struct mr_options, and what it needs; one
 * reader (options_rules.c) fills the struct and checks what options mean to each other and to a format, in web for a
 * request and in the sandboxed child for a conversion.
 *
 * To add an option: a row in options.c with a member here, its use in worker/media, and tests.
 *
 * The tables are read-only; any thread.
 */
#ifndef MR_SHARED_MEDIA_OPTIONS_H
#define MR_SHARED_MEDIA_OPTIONS_H

#include "shared/base/fields.h"
#include "shared/media/formats.h"

#include <stdint.h>

enum { MR_PARTS_MAX = 1000 }; /* of a split */

enum mr_fit { MR_FIT_NOT_GIVEN, MR_FIT_PAD, MR_FIT_CROP, MR_FIT_STRETCH }; /* not given: as pad */

enum mr_verify { MR_VERIFY_NOT_GIVEN, MR_VERIFY_PACKETS, MR_VERIFY_DECODE }; /* not given: as packets */

/* Texts are constants but for the last two. */
struct mr_options {
    /* bits per second, of the video where the format has it, else of the audio; 0: not given */
    int64_t bit_rate;
    int sample_rate;    /* Hz; 0: not given */
    int channels;       /* 0: not given */
    double loudness;    /* LUFS, below 0; 0: not given */
    const char *codec;  /* of the video where the format has it, else of the audio; NULL: not given */
    int crf;            /* -1: not given */
    const char *preset; /* NULL: not given */
    double fps;         /* 0: not given */
    struct {
        int width, height; /* 0: not given */
        struct mr_ratio aspect;
        enum mr_fit fit;
    } resize;
    int64_t trim_start_us;
    int64_t trim_us;            /* length; INT64_MAX: to the end */
    int64_t split_us;           /* length of a part; 0: one */
    int64_t intro_us, outro_us; /* of the logo */
    int64_t thumbnail_us;       /* -1: none */
    int thumbnail_width;        /* 0: the video's */
    int filmstrip_frames;       /* 0: none */
    int filmstrip_width;        /* 0: the default */
    int waveform_points;        /* 0: none */
    int waveform_height;        /* of its picture; 0: none */
    bool mute;
    unsigned background; /* RGB, 24 bits */
    const char *audio;   /* "all", "first" or a language; NULL: not given; the JSON's, as the next */
    const char *subtitles;
    enum mr_verify verify; /* how copies are checked */
};

/* What an option concerns: the audio, the video, or one of them: the video where the format has it, else the audio. */
enum { MR_OF_AUDIO = MR_MEDIA_AUDIO, MR_OF_VIDEO = MR_MEDIA_VIDEO, MR_OF_MAIN = 4 };

/* A row of the table. */
struct mr_option {
    struct mr_field field;
    unsigned needs;       /* MR_OF_…: what the format must hold */
    unsigned changes;     /* MR_OF_…: what cannot be copied but must be encoded */
    const char *excludes; /* an option with which it cannot be combined; NULL: none */
    size_t limit;         /* offset of a struct mr_range in struct mr_codec that holds for it, too; 0: none */
    bool is_preview;      /* a probe may have it, too */
};

/*
 * Reads and checks options (NULL: none given) for a target; target NULL: it is not known yet, and what depends on it
 * is not checked. MR_INVALID, and a message that begins with the field ("options.resize.width must be …"), with code
 * "unknown_option", "wrong_type", "missing_option" (a part of an option), "out_of_range", or "bad_option"
 * for what makes no sense with the target or with another option.
 */
MR_MUST_CHECK enum mr_status mr_options_read(const json_t *json, const struct mr_format *target,
                                             struct mr_options *ret, struct mr_err *err);

/* As mr_options_read, for who only wants to know. */
MR_MUST_CHECK enum mr_status mr_options_check(const json_t *json, const struct mr_format *target,
                                              struct mr_err *err);

/* As mr_options_check, for a probe: it takes previews alone, and the background under them. */
MR_MUST_CHECK enum mr_status mr_options_check_probe(const json_t *json, struct mr_err *err);

/* Where the options alone say how many pixels a frame will have: at most max. "out_of_range", as above. */
MR_MUST_CHECK enum mr_status mr_options_check_pixels(const struct mr_options *options, int64_t max,
                                                     struct mr_err *err);

/* True if the field, or a part of it, is given. */
bool mr_option_is_given(const struct mr_options *options, const struct mr_field *field);

/* True if an option is given that changes all of `streams` (MR_OF_AUDIO, MR_OF_VIDEO, or both) of a file with
 * video, or without. */
bool mr_options_change(const struct mr_options *options, unsigned streams, bool has_video);

/* How many outputs they add to the parts. */
int mr_options_extras(const struct mr_options *options);

/* The threads (struct mr_codec) of the encoder of a job that makes this format with these options (NULL: none). */
int mr_options_threads(const json_t *options, const struct mr_format *format);

/* How long what `trim` leaves of an input of all_us is; 0: nothing, or all_us is not known (0 or less). */
int64_t mr_options_clip_us(const struct mr_options *read, int64_t all_us);

/* True if a size is given, in one way or another. */
bool mr_options_resize(const struct mr_options *options);

/* Iteration in the table's order: 0, 1, …; NULL past the last. And by name. */
const struct mr_option *mr_option_at(size_t index);
const struct mr_option *mr_option_find(const char *name);

#endif
