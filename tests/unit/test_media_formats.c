/* The two format tables agree with each other and with the libav that is linked. */
#include "shared/media/formats.h"
#include "shared/media/options.h"
#include "worker/media/encoder.h"
#include "worker/media/formats.h"

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *asked;
        const char *name; /* NULL: none */
    } cases[] = {
        {"mp3", "mp3"},  {"MP3", "mp3"}, {"acc", "aac"}, {"Acc", "aac"}, {"m4a", "m4a"},
        {"wave", "wav"}, {"wma", "wma"}, {"oga", "ogg"}, {"", NULL},     {"mp", NULL},
        {"mp33", NULL},  {".mp3", NULL}, {"exe", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct mr_format *format = mr_format_find(cases[i].asked);
        assert_int_equal(format == NULL, cases[i].name == NULL);
        if (format)
            assert_string_equal(format->name, cases[i].name);
    }
    assert_null(mr_format_find(NULL));
}

static void test_file_names(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *name;
    } cases[] = {
        {"a.mp3", "mp3"},
        {"dir.wav/a.FLAC", "flac"},
        {"two.dots.opus", "opus"},
        {"dir.wav/a", NULL},
        {"noextension", NULL},
        {"mp3", NULL},
        {"a.", NULL},
        {"", NULL},
        {"Ünï cödé.m4a", "m4a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct mr_format *format = mr_format_of_file(cases[i].file);
        assert_int_equal(format == NULL, cases[i].name == NULL);
        if (format)
            assert_string_equal(format->name, cases[i].name);
    }
    assert_null(mr_format_of_file(NULL));
}

static void test_catalogue_is_sound(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct mr_format *format; (format = mr_format_at(count)); count++) {
        assert_ptr_equal(mr_format_find(format->name), format);
        for (size_t i = 0; i < 3 && format->aliases[i]; i++)
            assert_ptr_equal(mr_format_find(format->aliases[i]), format);
        assert_true(strlen(format->extension) > 0);
        assert_non_null(strchr(format->mime, '/'));
    }
    assert_true(count >= 8);
    assert_null(mr_format_at(SIZE_MAX));
}

static void test_libav_has_them(void **state)
{
    (void)state;
    const struct mr_format *format;
    for (size_t i = 0; (format = mr_format_at(i)); i++) {
        const struct mr_media_format *media = mr_media_format_find(format->name);
        assert_non_null(media);
        assert_non_null(av_guess_format(media->muxer, NULL, NULL));
        assert_true(media->encoder || media->video_encoder);
        assert_true(!media->encoder || avcodec_find_encoder_by_name(media->encoder));
        assert_true(!media->video_encoder || avcodec_find_encoder_by_name(media->video_encoder));
        assert_int_equal(media->video_encoder != NULL, format->media_class == MR_MEDIA_VIDEO);
        assert_true(!media->encoder || media->max_channels > 0);
        if (media->deep_encoder)
            assert_non_null(avcodec_find_encoder_by_name(media->deep_encoder));
        if (media->copy_filter)
            assert_non_null(av_bsf_get_by_name(media->copy_filter));
        AVDictionary *options = NULL;
        assert_true(av_dict_parse_string(&options, media->muxer_options, "=", ":", 0) >= 0);
        av_dict_free(&options);
    }
    assert_null(mr_media_format_find("exe"));
}

static bool takes(const struct mr_format *format, const char *option, json_t *value)
{
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *options = json_pack("{s:o}", option, value);
    return mr_options_check(options, format, &err) == MR_OK;
}

/* What web lets through, the worker can do: codecs, channels, frame rates. */
static void test_options_have_their_encoders(void **state)
{
    (void)state;
    const struct mr_format *format;
    for (size_t i = 0; (format = mr_format_at(i)); i++) {
        const struct mr_media_format *media = mr_media_format_find(format->name);
        const char *codec, *usual = media->video_encoder ? media->video_encoder : media->encoder;
        assert_string_equal(mr_encoder_of_codec(mr_option_codec_at(format, 0)), usual);
        for (size_t n = 0; (codec = mr_option_codec_at(format, n)); n++)
            assert_non_null(avcodec_find_encoder_by_name(mr_encoder_of_codec(codec)));
        int channels = media->max_channels < 8 ? media->max_channels : 8;
        assert_int_equal(takes(format, "channels", json_integer(channels)), media->encoder != NULL);
        assert_false(takes(format, "channels", json_integer(channels + 1)));
        if (media->one_rate)
            assert_true(takes(format, "sample_rate", json_integer(media->one_rate)));
        if (media->max_rate)
            assert_false(takes(format, "sample_rate", json_integer(media->max_rate + 1)));
        if (media->max_fps) {
            assert_true(takes(format, "fps", json_integer(media->max_fps)));
            assert_false(takes(format, "fps", json_integer(media->max_fps + 1)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_catalogue_is_sound),
        cmocka_unit_test(test_libav_has_them),
        cmocka_unit_test(test_options_have_their_encoders),
    };
    return cmocka_run_group_tests_name("media formats", tests, NULL, NULL);
}
