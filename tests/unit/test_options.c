/* Options and presets: every option at its bounds and beyond, of a wrong type, with what it contradicts, and
 * for targets that cannot have it. */
#include "shared/media/options.h"
#include "shared/media/presets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum mr_status check(const char *options, const char *target, struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = json_loads(options, 0, NULL);
    if (!json)
        fail_msg("the test's own JSON is broken: %s", options);
    return mr_options_check(json, mr_format_find(target), err);
}

enum { MESSAGE_MAX = 160 };

/* Refused with the code, by a message that begins with the field. */
static void assert_refused(const char *options, const char *target, const char *code, const char *field)
{
    struct mr_err err = {0};
    enum mr_status status = check(options, target, &err);
    if (status != MR_INVALID || strcmp(mr_code_name(err.code), code) != 0 ||
        strncmp(err.message, field, strlen(field)) != 0 || err.message[strlen(field)] != ' ' ||
        strlen(err.message) > MESSAGE_MAX)
        fail_msg("%s for %s: %s, %s: %s (not %s, %s)", options, target ? target : "any",
                 mr_status_name(status), mr_code_name(err.code), err.message, code, field);
}

static void assert_taken(const char *options, const char *target)
{
    struct mr_err err = {0};
    if (check(options, target, &err) != MR_OK)
        fail_msg("%s for %s: %s: %s", options, target ? target : "any", mr_code_name(err.code), err.message);
}

static const struct {
    const char *field;  /* of the message */
    const char *format; /* the options, with %s in the place of the value */
    const char *target;
    const char *lowest, *highest, *below, *above;
} numbers[] = {
    {"options.bitrate", "{\"bitrate\":%s}", "mp4", "8000", "100000000", "7999", "100000001"},
    {"options.bitrate", "{\"bitrate\":%s}", "mp3", "8000", "320000", "-1", "320001"},
    {"options.bitrate", "{\"bitrate\":%s}", "opus", "8000", "510000", "0", "9223372036854775807"},
    {"options.bitrate", "{\"bitrate\":%s}", "wma", "24000", "320000", "23999", "320001"},
    {"options.bitrate", "{\"bitrate\":%s}", "ogg", "32000", "480000", "8000", "480001"},
    {"options.bitrate", "{\"bitrate\":%s}", "ac3", "32000", "640000", "31999", "640001"},
    {"options.bitrate", "{\"bitrate\":%s}", "eac3", "32000", "3024000", "8000", "3024001"},
    {"options.sample_rate", "{\"sample_rate\":%s}", "ac3", "32000", "48000", "22050", "96000"},
    {"options.channels", "{\"channels\":%s}", "ac3", "1", "6", "0", "8"},
    {"options.sample_rate", "{\"sample_rate\":%s}", "wav", "8000", "192000", "7999", "192001"},
    {"options.sample_rate", "{\"sample_rate\":%s}", "mp3", "8000", "48000", "11000", "48001"},
    {"options.sample_rate", "{\"sample_rate\":%s}", "webm", "48000", "48000", "44100", "96000"},
    {"options.sample_rate", "{\"sample_rate\":%s}", "avi", "8000", "48000", "-8000", "96000"},
    {"options.channels", "{\"channels\":%s}", "flac", "1", "8", "0", "9"},
    {"options.channels", "{\"channels\":%s}", "mp3", "1", "2", "-1", "3"},
    {"options.channels", "{\"channels\":%s}", "mp4", "1", "6", "0", "8"},
    {"options.loudness", "{\"loudness\":%s}", "mp3", "-70", "-5", "-70.5", "-4.9"},
    {"options.loudness", "{\"loudness\":%s}", "mkv", "-69.9", "-5.0", "-1e300", "0"},
    {"options.crf", "{\"crf\":%s}", "mp4", "0", "51", "-1", "52"},
    {"options.crf", "{\"codec\":\"hevc\",\"crf\":%s}", "mp4", "0", "51", "-1", "52"},
    {"options.crf", "{\"codec\":\"av1\",\"crf\":%s}", "webm", "1", "63", "0", "64"},
    {"options.crf", "{\"crf\":%s}", "webm", "0", "63", "-1", "64"},
    {"options.fps", "{\"fps\":%s}", "mp4", "1", "120", "0", "10000"},
    {"options.fps", "{\"fps\":%s}", "mkv", "1.0", "119.88", "-24", "120.01"},
    {"options.fps", "{\"fps\":%s}", "gif", "1", "25", "0.5", "26"},
    {"options.resize.width", "{\"resize\":{\"width\":%s}}", "mp4", "16", "7680", "14", "100000"},
    {"options.resize.width", "{\"resize\":{\"width\":%s,\"height\":100}}", "gif", "18", "7678", "-640",
     "7681"},
    {"options.resize.height", "{\"resize\":{\"height\":%s}}", "webm", "16", "4320", "0", "4322"},
    {"options.trim.start", "{\"trim\":{\"start\":%s,\"duration\":1}}", "mp4", "0", "360000", "-0.001",
     "360001"},
    {"options.trim.duration", "{\"trim\":{\"duration\":%s}}", "mp4", "0.001", "360000", "0", "1e9"},
    {"options.split.seconds", "{\"split\":{\"seconds\":%s}}", "mp4", "1", "3600", "0.0001", "3601"},
    {"options.logo.intro", "{\"logo\":{\"intro\":%s,\"outro\":1}}", "mp4", "0", "10", "-1", "10.01"},
    {"options.logo.outro", "{\"logo\":{\"intro\":0.5,\"outro\":%s}}", "mp4", "0", "10", "-0.1", "11"},
    {"options.thumbnail.at", "{\"thumbnail\":{\"at\":%s}}", "mp4", "0", "360000", "-1", "360000.5"},
    {"options.waveform.points", "{\"waveform\":{\"points\":%s}}", "mp3", "16", "10000", "15", "10001"},
    {"options.waveform.height", "{\"waveform\":{\"points\":99,\"height\":%s}}", "mp4", "16", "1080", "15",
     "1081"},
    {"options.thumbnail.width", "{\"thumbnail\":{\"at\":0,\"width\":%s}}", "mp4", "16", "1920", "15", "1921"},
};

static void fill(char out[200], const char *format, const char *value)
{
    const char *place = strstr(format, "%s");
    assert_non_null(place);
    int len = snprintf(out, 200, "%.*s%s%s", (int)(place - format), format, value, place + 2);
    assert_in_range(len, 1, 199);
}

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const char *const good[] = {numbers[i].lowest, numbers[i].highest};
        const char *const beyond[] = {numbers[i].below, numbers[i].above};
        static const char *const other_types[] = {"\"20\"", "true", "null", "[20]", "{}"};
        char options[200];
        for (size_t j = 0; j < 2; j++) {
            fill(options, numbers[i].format, good[j]);
            assert_taken(options, numbers[i].target);
            fill(options, numbers[i].format, beyond[j]);
            assert_refused(options, numbers[i].target, "out_of_range", numbers[i].field);
        }
        for (size_t j = 0; j < sizeof other_types / sizeof *other_types; j++) {
            fill(options, numbers[i].format, other_types[j]);
            assert_refused(options, numbers[i].target, "wrong_type", numbers[i].field);
            assert_refused(options, NULL, "wrong_type", numbers[i].field);
        }
    }
}

static const char *const taken[][2] = {
    {"{}", NULL},
    {"{}", "mp3"},
    {"{\"codec\":\"h264\",\"preset\":\"ultrafast\",\"crf\":20}", "mkv"},
    {"{\"codec\":\"vp9\",\"crf\":60}", "mkv"},
    {"{\"codec\":\"h264\",\"crf\":30}", "avi"},
    {"{\"preset\":\"veryslow\",\"bitrate\":500000}", "mov"},
    {"{\"codec\":\"flac\",\"sample_rate\":96000}", "ogg"},
    {"{\"codec\":\"mp3\",\"bitrate\":128000}", "mp3"},
    {"{\"mute\":true}", "mp4"},
    {"{\"mute\":false,\"loudness\":-23,\"channels\":1}", "mp4"},
    {"{\"resize\":{\"width\":640,\"height\":360}}", "mp4"},
    {"{\"resize\":{\"width\":640,\"height\":360,\"fit\":\"stretch\"}}", "avi"},
    {"{\"resize\":{\"aspect\":\"16:9\",\"fit\":\"crop\"}}", "mp4"},
    {"{\"resize\":{\"aspect\":\"9:16\",\"height\":1920}}", "mp4"},
    {"{\"resize\":{\"aspect\":\"10:1\"}}", "mp4"},
    {"{\"trim\":{\"start\":3}}", "webm"},
    {"{\"trim\":{\"duration\":5},\"loudness\":-16}", "m4a"},
    {"{\"split\":{\"seconds\":5}}", "wav"},
    {"{\"trim\":{\"duration\":1000},\"split\":{\"seconds\":1}}", "mp4"},
    {"{\"logo\":{\"outro\":2}}", "gif"},
    {"{\"thumbnail\":{\"at\":1.5}}", "mp4"},
    {"{\"waveform\":{\"points\":800}}", "mp3"},
    {"{\"waveform\":{\"points\":800,\"height\":100}}", "mp4"},
    {"{\"verify\":\"packets\"}", "mp3"},
    {"{\"verify\":\"decode\"}", "gif"},
    {"{\"background\":\"#0aF09c\"}", "mp4"},
};

static const struct {
    const char *options, *target; /* NULL: not known */
    const char *code, *field;
} refused[] = {
    {"{\"speed\":3}", NULL, "unknown_option", "options.speed"},
    {"{\"Bitrate\":128000}", "mp3", "unknown_option", "options.Bitrate"},
    {"{\"\":1}", "mp3", "unknown_option", "options."},
    {"{\"resize\":{\"depth\":1}}", "mp4", "unknown_option", "options.resize.depth"},
    {"{\"trim\":{\"start\":1,\"end\":2}}", NULL, "unknown_option", "options.trim.end"},
    {"{\"crf\":23.5}", "mp4", "wrong_type", "options.crf"},
    {"{\"bitrate\":128000.0}", "mp3", "wrong_type", "options.bitrate"},
    {"{\"resize\":\"640x360\"}", "mp4", "wrong_type", "options.resize"},
    {"{\"resize\":{\"width\":\"640\"}}", "mp4", "wrong_type", "options.resize.width"},
    {"{\"resize\":{\"aspect\":1.5}}", "mp4", "wrong_type", "options.resize.aspect"},
    {"{\"resize\":{\"width\":640,\"height\":360,\"fit\":1}}", "mp4", "wrong_type", "options.resize.fit"},
    {"{\"trim\":[0,18]}", "mp4", "wrong_type", "options.trim"},
    {"{\"split\":20}", "mp4", "wrong_type", "options.split"},
    {"{\"logo\":true}", "mp4", "wrong_type", "options.logo"},
    {"{\"thumbnail\":1}", "mp4", "wrong_type", "options.thumbnail"},
    {"{\"verify\":true}", "mp3", "wrong_type", "options.verify"},
    {"{\"verify\":\"all\"}", "mp3", "out_of_range", "options.verify"},
    {"{\"mute\":1}", "mp4", "wrong_type", "options.mute"},
    {"{\"mute\":\"true\"}", NULL, "wrong_type", "options.mute"},
    {"{\"codec\":5}", "mp4", "wrong_type", "options.codec"},
    {"{\"preset\":null}", "mp4", "wrong_type", "options.preset"},

    {"{\"codec\":\"prores\"}", NULL, "out_of_range", "options.codec"},
    {"{\"codec\":\"H264\"}", "mp4", "out_of_range", "options.codec"},
    {"{\"preset\":\"placebo\"}", "mp4", "out_of_range", "options.preset"},
    {"{\"resize\":{\"width\":2,\"height\":2,\"fit\":\"pad\"}}", "mp4", "out_of_range",
     "options.resize.width"},
    {"{\"resize\":{\"width\":64,\"height\":64,\"fit\":\"fill\"}}", NULL, "out_of_range",
     "options.resize.fit"},
    {"{\"resize\":{\"width\":100000,\"height\":100000}}", NULL, "out_of_range", "options.resize.width"},
    {"{\"resize\":{\"aspect\":\"16x9\"}}", "mp4", "out_of_range", "options.resize.aspect"},
    {"{\"resize\":{\"aspect\":\"0:9\"}}", "mp4", "out_of_range", "options.resize.aspect"},
    {"{\"resize\":{\"aspect\":\"-16:-9\"}}", "mp4", "out_of_range", "options.resize.aspect"},
    {"{\"resize\":{\"aspect\":\"16:9:1\"}}", "mp4", "out_of_range", "options.resize.aspect"},
    {"{\"resize\":{\"aspect\":\"11:1\"}}", "mp4", "out_of_range", "options.resize.aspect"},
    {"{\"resize\":{\"aspect\":\"99999999999:9\"}}", "mp4", "out_of_range", "options.resize.aspect"},
    {"{\"resize\":{\"aspect\":\"1:9\",\"width\":7680}}", "mp4", "out_of_range", "options.resize.aspect"},
    {"{\"trim\":{\"duration\":1001},\"split\":{\"seconds\":1}}", NULL, "out_of_range", "options.split"},

    {"{\"background\":\"white\"}", "mp4", "out_of_range", "options.background"},
    {"{\"background\":\"#12345g\"}", "mp4", "out_of_range", "options.background"},
    {"{\"background\":\"#fffffff\"}", NULL, "out_of_range", "options.background"},
    {"{\"background\":16777215}", "mp4", "wrong_type", "options.background"},
    {"{\"background\":\"#ffffff\"}", "mp3", "bad_option", "options.background"},

    {"{\"split\":{}}", "mp4", "missing_option", "options.split.seconds"},
    {"{\"thumbnail\":{\"width\":100}}", "mp4", "missing_option", "options.thumbnail.at"},
    {"{\"waveform\":{\"height\":100}}", "mp3", "missing_option", "options.waveform.points"},
    {"{\"waveform\":{\"points\":100}}", "gif", "bad_option", "options.waveform"},
    {"{\"mute\":true,\"waveform\":{\"points\":100}}", "mp4", "bad_option", "options.waveform"},

    {"{\"crf\":20,\"bitrate\":500000}", NULL, "bad_option", "options.crf"},
    {"{\"mute\":true,\"loudness\":-14}", NULL, "bad_option", "options.loudness"},
    {"{\"mute\":true,\"channels\":2}", NULL, "bad_option", "options.channels"},
    {"{\"mute\":true,\"sample_rate\":8000}", NULL, "bad_option", "options.sample_rate"},
    {"{\"resize\":{}}", NULL, "bad_option", "options.resize"},
    {"{\"resize\":{\"fit\":\"crop\"}}", NULL, "bad_option", "options.resize"},
    {"{\"resize\":{\"width\":640,\"fit\":\"crop\"}}", NULL, "bad_option", "options.resize.fit"},
    {"{\"resize\":{\"width\":640,\"height\":360,\"aspect\":\"16:9\"}}", NULL, "bad_option",
     "options.resize.aspect"},
    {"{\"trim\":{}}", NULL, "bad_option", "options.trim"},
    {"{\"trim\":{\"start\":0}}", NULL, "bad_option", "options.trim"},
    {"{\"logo\":{}}", NULL, "bad_option", "options.logo"},
    {"{\"logo\":{\"intro\":0,\"outro\":0}}", NULL, "bad_option", "options.logo"},

    {"{\"codec\":\"vp9\"}", "avi", "bad_option", "options.codec"},
    {"{\"codec\":\"h264\"}", "webm", "bad_option", "options.codec"},
    {"{\"codec\":\"h264\"}", "mp3", "bad_option", "options.codec"},
    {"{\"codec\":\"aac\"}", "mp4", "bad_option", "options.codec"},
    {"{\"codec\":\"opus\"}", "mp3", "bad_option", "options.codec"},
    {"{\"codec\":\"opus\"}", "ogg", "bad_option", "options.codec"},
    {"{\"codec\":\"hevc\"}", "webm", "bad_option", "options.codec"},
    {"{\"codec\":\"av1\"}", "mov", "bad_option", "options.codec"},
    {"{\"codec\":\"vp9\",\"preset\":\"fast\"}", "mkv", "bad_option", "options.preset"},
    {"{\"codec\":\"alac\"}", "aac", "bad_option", "options.codec"},
    {"{\"codec\":\"mp3\"}", "aiff", "bad_option", "options.codec"},
    {"{\"codec\":\"vp9\"}", "3gp", "bad_option", "options.codec"},
    {"{\"codec\":\"alac\",\"bitrate\":128000}", "m4a", "bad_option", "options.bitrate"},
    {"{\"bitrate\":128000}", "aiff", "bad_option", "options.bitrate"},
    {"{\"sample_rate\":50000}", "m4a", "out_of_range", "options.sample_rate"},
    {"{\"sample_rate\":44099}", "avi", "out_of_range", "options.sample_rate"},
    {"{\"crf\":20}", "mp3", "bad_option", "options.crf"},
    {"{\"crf\":20}", "avi", "bad_option", "options.crf"},
    {"{\"crf\":20}", "gif", "bad_option", "options.crf"},
    {"{\"preset\":\"fast\"}", "webm", "bad_option", "options.preset"},
    {"{\"preset\":\"fast\"}", "wav", "bad_option", "options.preset"},
    {"{\"bitrate\":128000}", "wav", "bad_option", "options.bitrate"},
    {"{\"bitrate\":128000}", "flac", "bad_option", "options.bitrate"},
    {"{\"bitrate\":128000}", "gif", "bad_option", "options.bitrate"},
    {"{\"fps\":25}", "ogg", "bad_option", "options.fps"},
    {"{\"resize\":{\"width\":640}}", "aac", "bad_option", "options.resize"},
    {"{\"mute\":true}", "opus", "bad_option", "options.mute"},
    {"{\"mute\":true}", "gif", "bad_option", "options.mute"},
    {"{\"logo\":{\"intro\":1}}", "flac", "bad_option", "options.logo"},
    {"{\"thumbnail\":{\"at\":5}}", "wma", "bad_option", "options.thumbnail"},
    {"{\"loudness\":-14}", "gif", "bad_option", "options.loudness"},
    {"{\"channels\":2}", "gif", "bad_option", "options.channels"},
    {"{\"sample_rate\":48000}", "gif", "bad_option", "options.sample_rate"},
    {"{\"resize\":{\"width\":641}}", "gif", "out_of_range", "options.resize.width"},
    {"{\"resize\":{\"width\":640,\"height\":361}}", NULL, "out_of_range", "options.resize.height"},
};

static void test_what_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        assert_taken(taken[i][0], taken[i][1]);
    struct mr_err err = {0};
    assert_int_equal(mr_options_check(NULL, mr_format_find("mp3"), &err), MR_OK);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused(refused[i].options, refused[i].target, refused[i].code, refused[i].field);
}

/* Where the options say it alone. */
static void test_pixels(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        const char *field; /* NULL: they are few enough */
    } cases[] = {
        {"{}", NULL},
        {"{\"resize\":{\"width\":640,\"height\":480}}", NULL},
        {"{\"resize\":{\"width\":640,\"height\":482}}", "options.resize.width makes 640×482 "},
        {"{\"resize\":{\"width\":7680}}", NULL},
        {"{\"resize\":{\"aspect\":\"16:9\"}}", NULL},
        {"{\"resize\":{\"width\":1280,\"aspect\":\"16:9\"}}", "options.resize.width makes 1280×720 "},
        {"{\"resize\":{\"height\":720,\"aspect\":\"16:9\"}}", "options.resize.height makes 1280×720 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        MR_AUTO_JSON json_t *options = json_loads(cases[i].options, 0, NULL);
        struct mr_options read;
        assert_int_equal(mr_options_read(options, NULL, &read, &err), MR_OK);
        enum mr_status status = mr_options_check_pixels(&read, 640 * 480, &err);
        assert_int_equal(status, cases[i].field ? MR_INVALID : MR_OK);
        if (!cases[i].field)
            continue;
        assert_string_equal(mr_code_name(err.code), "out_of_range");
        assert_memory_equal(err.message, cases[i].field, strlen(cases[i].field));
    }
}

static void test_no_object(void **state)
{
    (void)state;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *array = json_array();
    assert_int_equal(mr_options_check(array, NULL, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "wrong_type");
}

/* What a client writes is quoted in whole characters, and not at length. */
static void test_a_long_name(void **state)
{
    (void)state;
    struct mr_err err = {0};
    char name[4001];
    for (size_t i = 0; i < 2000; i++)
        memcpy(name + 2 * i, "ñ", 2);
    name[4000] = '\0';
    MR_AUTO_JSON json_t *options = json_pack("{s:i}", name, 1);
    assert_int_equal(mr_options_check(options, NULL, &err), MR_INVALID);
    assert_non_null(strstr(err.message, "ñ is not a known option"));
    assert_true(strlen(err.message) <= MESSAGE_MAX);
}

/* A message begins with the field and says what is accepted. */
static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *options, *target, *message;
    } cases[] = {
        {"{\"crf\":\"20\"}", NULL, "options.crf must be a whole number from 0 to 63"},
        {"{\"crf\":52}", "mp4", "options.crf must be a whole number from 0 to 51 for h264"},
        {"{\"fps\":0.5}", NULL, "options.fps must be a number from 1 to 120"},
        {"{\"fps\":26}", "gif", "options.fps must be a number from 1 to 25 for gif"},
        {"{\"trim\":{\"duration\":0}}", NULL, "options.trim.duration must be a number from 0.001 to 360000"},
        {"{\"resize\":{\"fit\":\"fill\"}}", NULL, "options.resize.fit must be one of pad, crop, stretch"},
        {"{\"resize\":{\"width\":641}}", NULL, "options.resize.width must be an even number from 16 to 7680"},
        {"{\"resize\":{\"aspect\":\"16x9\"}}", NULL,
         "options.resize.aspect must be two whole numbers like 16:9, from 1:10 to 10:1"},
        {"{\"resize\":{\"width\":640,\"fit\":\"crop\"}}", NULL,
         "options.resize.fit needs aspect, or both width and height"},
        {"{\"mute\":1}", NULL, "options.mute must be true or false"},
        {"{\"trim\":18}", NULL, "options.trim must be a JSON object"},
        {"[]", NULL, "options must be a JSON object"},
        {"{\"split\":{}}", NULL, "options.split.seconds is required"},
        {"{\"speed\":3}", NULL, "options.speed is not a known option"},
        {"{\"crf\":20,\"bitrate\":500000}", NULL, "options.crf cannot be combined with options.bitrate"},
        {"{\"codec\":\"vp9\"}", "avi", "options.codec must be one of mpeg4, h264 for avi"},
        {"{\"codec\":\"vorbis\"}", "mp3", "options.codec must be mp3 for mp3"},
        {"{\"crf\":20}", "avi", "options.crf cannot be used with mpeg4"},
        {"{\"preset\":\"fast\"}", "webm", "options.preset cannot be used with vp9"},
        {"{\"fps\":24}", "mp3", "options.fps needs a format with video; mp3 has none"},
        {"{\"channels\":2}", "gif", "options.channels needs a format with audio; gif has none"},
        {"{\"sample_rate\":44100}", "opus", "options.sample_rate must be 48000 for opus"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        assert_int_equal(check(cases[i].options, cases[i].target, &err), MR_INVALID);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void read_options(const char *text, struct mr_options *ret)
{
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *json = json_loads(text, 0, NULL);
    if (mr_options_read(json, NULL, ret, &err) != MR_OK)
        fail_msg("%s: %s", text, err.message);
}

static void test_values(void **state)
{
    (void)state;
    struct mr_options options;
    read_options(
        "{\"bitrate\":64000,\"sample_rate\":44100,\"channels\":2,\"loudness\":-16.5,\"codec\":\"h264\","
        "\"preset\":\"slow\",\"fps\":23.976,\"trim\":{\"start\":1.5,\"duration\":0.001},"
        "\"split\":{\"seconds\":20},\"logo\":{\"outro\":0.5},\"thumbnail\":{\"at\":0,\"width\":320},"
        "\"resize\":{\"width\":640,\"aspect\":\"16:9\",\"fit\":\"crop\"}}",
        &options);
    assert_int_equal(options.bit_rate, 64000);
    assert_int_equal(options.sample_rate, 44100);
    assert_int_equal(options.channels, 2);
    assert_true(options.loudness == -16.5 && options.fps == 23.976);
    assert_string_equal(options.codec, "h264");
    assert_string_equal(options.preset, "slow");
    assert_int_equal(options.crf, -1);
    assert_int_equal(options.trim_start_us, 1500000);
    assert_int_equal(options.trim_us, 1000);
    assert_int_equal(options.split_us, 20000000);
    assert_int_equal(options.intro_us, 0);
    assert_int_equal(options.outro_us, 500000);
    assert_int_equal(options.thumbnail_us, 0);
    assert_int_equal(options.thumbnail_width, 320);
    assert_int_equal(options.resize.width, 640);
    assert_int_equal(options.resize.aspect.width, 16);
    assert_int_equal(options.resize.aspect.height, 9);
    assert_int_equal(options.resize.fit, MR_FIT_CROP);
    read_options("{\"crf\":0,\"mute\":true}", &options);
    assert_int_equal(options.crf, 0);
    assert_true(options.mute);
    assert_int_equal(options.trim_us, INT64_MAX);
    assert_int_equal(options.thumbnail_us, -1);
    assert_null(options.codec);
}

/* What cannot be copied. */
static void test_changes(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        bool audio, video, both;
        bool audio_alone; /* of a file without video */
    } cases[] = {
        {"{}", false, false, false, false},
        {"{\"mute\":true}", false, false, false, false},
        {"{\"thumbnail\":{\"at\":0}}", false, false, false, false},
        {"{\"bitrate\":64000}", false, true, false, true},
        {"{\"codec\":\"aac\"}", false, true, false, true},
        {"{\"crf\":0}", false, true, false, false},
        {"{\"channels\":1}", true, false, false, true},
        {"{\"loudness\":-14}", true, false, false, true},
        {"{\"resize\":{\"aspect\":\"4:3\"}}", false, true, false, false},
        {"{\"trim\":{\"start\":1}}", true, true, true, true},
        {"{\"split\":{\"seconds\":1}}", true, true, true, true},
        {"{\"logo\":{\"intro\":1}}", true, true, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_options options;
        read_options(cases[i].options, &options);
        assert_int_equal(mr_options_change(&options, MR_OF_AUDIO, true), cases[i].audio);
        assert_int_equal(mr_options_change(&options, MR_OF_VIDEO, true), cases[i].video);
        assert_int_equal(mr_options_change(&options, MR_OF_AUDIO | MR_OF_VIDEO, true), cases[i].both);
        assert_int_equal(mr_options_change(&options, MR_OF_AUDIO, false), cases[i].audio_alone);
    }
}

/* An option's own bounds let through whatever one codec or another accepts. */
static void test_bounds_hold_all_codecs(void **state)
{
    (void)state;
    const struct mr_option *option;
    const struct mr_codec *codec;
    for (size_t i = 0; (option = mr_option_at(i)); i++) {
        double max = 0;
        for (size_t n = 0; option->limit && (codec = mr_codec_at(n)); n++) {
            const struct mr_range *range = (const void *)((const char *)codec + option->limit);
            assert_true(!range->max || range->min <= range->max);
            max = range->max > max ? range->max : max;
        }
        if (option->limit && option->field.max > max)
            fail_msg("%s: no codec takes %.0f", option->field.name, option->field.max);
    }
    assert_true(mr_option_find("crf")->field.max == 63);
}

static void test_each_format_has_codecs(void **state)
{
    (void)state;
    const struct mr_format *format;
    for (size_t i = 0; (format = mr_format_at(i)); i++) {
        size_t count = 0;
        for (; format->codecs[count]; count++) {
            char options[60];
            snprintf(options, sizeof options, "{\"codec\":\"%s\"}", format->codecs[count]);
            assert_taken(options, format->name);
            assert_int_equal(mr_codec_find(format->codecs[count])->media_class, format->media_class);
        }
        assert_true(count > 0);
    }
}

static void test_presets(void **state)
{
    (void)state;
    const struct mr_preset *preset;
    size_t count = 0;
    for (; (preset = mr_preset_at(count)); count++) {
        assert_ptr_equal(mr_preset_find(preset->name), preset);
        const struct mr_format *format;
        for (size_t i = 0; (format = mr_format_at(i)); i++) {
            const struct mr_format *target = NULL;
            MR_AUTO_JSON json_t *options = NULL;
            struct mr_err err = {0};
            enum mr_status status = mr_preset_apply(preset, format->name, &target, &options, &err);
            if (format->media_class == MR_MEDIA_VIDEO) {
                assert_int_equal(status, MR_OK);
                assert_ptr_equal(target, format);
                assert_taken(preset->options, format->name);
            } else {
                assert_int_equal(status, MR_INVALID);
                assert_string_equal(mr_code_name(err.code), "wrong_format");
            }
        }
    }
    assert_int_equal(count, 2);
    assert_null(mr_preset_find("none"));
    assert_null(mr_preset_find(NULL));
    assert_null(mr_preset_at(SIZE_MAX));
}

static void test_the_older_systems_presets(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {MR_PRESET_OF_UPLOADS, "{\"trim\":{\"start\":0,\"duration\":18},\"logo\":{\"intro\":1,\"outro\":1},"
                               "\"resize\":{\"width\":640,\"height\":360,\"fit\":\"pad\"}}"},
        {MR_PRESET_OF_URLS, "{\"split\":{\"seconds\":20},\"fps\":24,\"logo\":{\"intro\":1,\"outro\":1},"
                            "\"resize\":{\"aspect\":\"16:9\",\"fit\":\"crop\"}}"}};
    for (size_t i = 0; i < 2; i++) {
        const struct mr_format *target = NULL;
        MR_AUTO_JSON json_t *options = NULL;
        MR_AUTO_JSON json_t *right = json_loads(expected[i][1], 0, NULL);
        struct mr_err err = {0};
        assert_int_equal(mr_preset_apply(mr_preset_find(expected[i][0]), NULL, &target, &options, &err),
                         MR_OK);
        assert_string_equal(target->name, "mp4");
        assert_true(json_equal(options, right));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_no_object),
        cmocka_unit_test(test_a_long_name),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_bounds_hold_all_codecs),
        cmocka_unit_test(test_each_format_has_codecs),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_the_older_systems_presets),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
