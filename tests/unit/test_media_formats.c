/* The two format tables agree with each other and with the libav that is linked. */
#include "shared/media/formats.h"
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

static void test_catalogue(void **state)
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
        assert_int_equal(mr_media_has_video(media), format->media_class == MR_MEDIA_VIDEO);
        assert_int_equal(mr_media_has_audio(media), strcmp(format->name, "gif") != 0);
        if (media->encoder)
            assert_non_null(avcodec_find_encoder_by_name(media->encoder));
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

/* The sample rates that an encoder lists are the codec's, but that Opus resamples to one. */
static void assert_sample_rates(const struct mr_codec *codec, const AVCodec *encoder)
{
    size_t count = 0;
    if (!codec->sample_rates || strcmp(codec->name, "opus") == 0)
        return;
    assert_non_null(encoder->supported_samplerates);
    for (; encoder->supported_samplerates[count]; count++) {
        bool found = false;
        for (const int *rate = codec->sample_rates; *rate; rate++)
            found = found || *rate == encoder->supported_samplerates[count];
        if (!found && encoder->supported_samplerates[count] >= codec->sample_rate.min)
            fail_msg("%s: %d", codec->name, encoder->supported_samplerates[count]);
    }
}

static void test_codecs_have_encoders(void **state)
{
    (void)state;
    const struct mr_codec *codec;
    for (size_t i = 0; (codec = mr_codec_at(i)); i++) {
        const struct mr_media_codec *media = mr_media_codec_find(codec->name);
        assert_non_null(media);
        const AVCodec *encoder = avcodec_find_encoder_by_name(media->encoder);
        assert_non_null(encoder);
        if (media->deep_encoder)
            assert_non_null(avcodec_find_encoder_by_name(media->deep_encoder));
        assert_int_equal(encoder->type == AVMEDIA_TYPE_VIDEO, codec->media_class == MR_MEDIA_VIDEO);
        assert_ptr_equal(mr_codec_find(codec->name), codec);
        assert_int_equal(codec->frame_rate.max > 0, codec->media_class == MR_MEDIA_VIDEO);
        assert_int_equal(codec->channels.max > 0, codec->media_class == MR_MEDIA_AUDIO);
        assert_int_equal(codec->sample_rate.max > 0, codec->media_class == MR_MEDIA_AUDIO);
        assert_sample_rates(codec, encoder);
    }
    assert_null(mr_codec_at(SIZE_MAX));
    assert_null(mr_codec_find("prores"));
    assert_null(mr_codec_find(NULL));
}

static void test_codecs_of_formats(void **state)
{
    (void)state;
    static const struct {
        const char *format, *asked;
        const char *main, *audio; /* NULL: none */
    } cases[] = {
        {"mp3", NULL, "mp3", "mp3"},   {"ogg", NULL, "vorbis", "vorbis"}, {"ogg", "flac", "flac", "flac"},
        {"ogg", "opus", NULL, NULL},   {"mp4", NULL, "h264", "aac"},      {"mp4", "mpeg4", "mpeg4", "aac"},
        {"webm", NULL, "vp9", "opus"}, {"avi", "h264", "h264", "mp3"},    {"gif", NULL, "gif", NULL},
        {"mp4", "aac", NULL, "aac"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct mr_format *format = mr_format_find(cases[i].format);
        assert_ptr_equal(mr_format_codec(format, cases[i].asked), mr_codec_find(cases[i].main));
        assert_ptr_equal(mr_format_audio_codec(format, cases[i].asked), mr_codec_find(cases[i].audio));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_catalogue),
        cmocka_unit_test(test_libav_has_them),
        cmocka_unit_test(test_codecs_have_encoders),
        cmocka_unit_test(test_codecs_of_formats),
    };
    return cmocka_run_group_tests_name("media formats", tests, NULL, NULL);
}
