/* What a client may request: each field's type and meaning, which fields make which task, and the hash by which
 * a repetition is known. */
#include "shared/media/presets.h"
#include "web/api/task_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { MAX_RECORDS = 5000, MESSAGE_MAX = 160 };

static char empty[] = "", relay[] = "smtp://relay", here[] = "https://mediarun.test", yes[] = "true",
            no[] = "0";
static struct mr_config config = {.max_records = MAX_RECORDS,
                                  .smtp_url = empty,
                                  .public_url = here,
                                  .enabled_email = yes,
                                  .stress_test = no};
static struct mr_web web = {.config = &config};

static int setup(void **state)
{
    (void)state;
    struct mr_err err = {0};
    return mr_guard_new("hooks.test:8000", &web.guard, &err) == MR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mr_guard_free(web.guard);
    return 0;
}

static void init(struct mr_task_request *wanted)
{
    struct mr_err err = {0};
    assert_int_equal(mr_task_request_init(wanted, &web, 7, &err), MR_OK);
}

/* Takes one field; value is JSON text, or a form's text. */
static enum mr_status take(struct mr_task_request *wanted, const char *name, const char *value, bool is_form,
                           struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = is_form ? json_string(value) : json_loads(value, JSON_DECODE_ANY, NULL);
    if (!json)
        fail_msg("the test's own JSON is broken: %s", value);
    return mr_task_request_take(wanted, name, json, is_form, err);
}

static const struct {
    const char *name, *value;
    bool is_form;
    const char *code;  /* NULL: it is accepted */
    const char *taken; /* as JSON text; NULL: as it came */
} one_field[] = {
    {"newFormat", "\"WAV\"", false, NULL, "\"wav\""},
    {"newFormat", "acc", true, NULL, "\"aac\""},
    {"newFormat", "Matroska", true, NULL, "\"mkv\""},
    {"newFormat", "\"mp5\"", false, "unsupported_format", NULL},
    {"newFormat", "\"\"", false, "unsupported_format", NULL},
    {"newFormat", "7", false, "wrong_type", NULL},
    {"newFormat", "[\"mp3\"]", false, "wrong_type", NULL},
    {"newFormat", "true", false, "wrong_type", NULL},
    {"options", "{}", false, NULL, "{}"},
    {"options", "\"{}\"", false, NULL, "{}"},
    {"options", "{}", true, NULL, "{}"},
    {"options", "{\"speed\":3}", true, "unknown_option", NULL},
    {"options", "{\"speed\":3}", false, "unknown_option", NULL},
    {"options", "not json", true, "wrong_type", NULL},
    {"options", "[]", true, "wrong_type", NULL},
    {"options", "[]", false, "wrong_type", NULL},
    {"options", "{\"a\":1,\"a\":2}", true, "wrong_type", NULL},
    {"options", "{\"fps\":24}", true, NULL, "{\"fps\":24}"},
    {"options", "\"{\\\"trim\\\":{\\\"duration\\\":1.5}}\"", false, NULL, "{\"trim\":{\"duration\":1.5}}"},
    {"options", "{\"fps\":\"24\"}", true, "wrong_type", NULL},
    {"options", "{\"fps\":10000}", false, "out_of_range", NULL},
    {"options", "{\"resize\":{\"fit\":\"crop\"}}", false, "bad_option", NULL},
    {"options", "{\"split\":{}}", false, "missing_option", NULL},
    {"priority", "\"high\"", false, NULL, NULL},
    {"priority", "\"normal\"", false, NULL, NULL},
    {"priority", "\"HIGH\"", false, "unknown_priority", NULL},
    {"priority", "1", false, "wrong_type", NULL},
    {"kind", "\"convert\"", false, NULL, NULL},
    {"kind", "\"edit\"", false, NULL, NULL},
    {"kind", "\"insert_records\"", false, NULL, NULL},
    {"kind", "\"deliver\"", false, "unknown_kind", NULL},
    {"kind", "\"ping\"", false, "unknown_kind", NULL},
    {"kind", "{}", false, "wrong_type", NULL},
    {"records", "1", false, NULL, "1"},
    {"records", "5000", true, NULL, "5000"},
    {"records", "0", false, "out_of_range", NULL},
    {"records", "-1", true, "out_of_range", NULL},
    {"records", "5001", false, "out_of_range", NULL},
    {"records", "\"5\"", false, "wrong_type", NULL},
    {"records", "5.0", false, "wrong_type", NULL},
    {"records", "5.0", true, "wrong_type", NULL},
    {"records", " 5", true, "wrong_type", NULL},
    {"records", "many", true, "wrong_type", NULL},
    {"records", "99999999999999999999", true, "wrong_type", NULL},
    {"records", "true", false, "wrong_type", NULL},
    {"name", "\"upload\"", false, NULL, NULL},
    {"name", "5", false, "wrong_type", NULL},
    {"description", "null", false, NULL, NULL},
    {"description", "[]", false, "wrong_type", NULL},
    {"url", "\"https://example.com/a.mp3\"", false, NULL, NULL},
    {"url", "\"http://example.com/a.mp3\"", false, NULL, NULL},
    {"url", "\"ftp://example.com/a.mp3\"", false, "url_scheme", NULL},
    {"url", "\"file:///etc/passwd\"", false, "url_scheme", NULL},
    {"url", "\"http://user:pass@example.com/\"", false, "url_credentials", NULL},
    {"url", "\"http://169.254.169.254/\"", false, "address_refused", NULL},
    {"url", "\"http://2130706433/\"", false, "address_refused", NULL},
    {"url", "\"/a.mp3\"", false, "url_scheme", NULL},
    {"url", "\"https://\"", false, "url_malformed", NULL},
    {"url", "5", false, "wrong_type", NULL},
    {"callback_url", "\"https://example.com/hook\"", false, NULL, NULL},
    {"callback_url", "\"http://hooks.test:8000/hook\"", false, NULL, NULL},
    {"callback_url", "\"http://example.com/hook\"", false, "url_scheme", NULL},
    {"callback_url", "\"https://[::1]/hook\"", false, "address_refused", NULL},
    {"callback_url", "{}", false, "wrong_type", NULL},
    {"upload_id", "\"0B0B0B0B-0000-4000-8000-00000000000A\"", false, NULL,
     "\"0b0b0b0b-0000-4000-8000-00000000000a\""},
    {"upload_id", "\"7\"", false, "malformed_id", NULL},
    {"upload_id", "7", false, "wrong_type", NULL},
    {"reuse", "true", false, NULL, NULL},
    {"reuse", "true", true, NULL, "true"},
    {"reuse", "false", true, NULL, "false"},
    {"reuse", "\"true\"", false, "wrong_type", NULL},
    {"reuse", "1", false, "wrong_type", NULL},
    {"reuse", "1", true, "wrong_type", NULL},
    {"reuse", "null", false, NULL, NULL},
    {"preset", "\"fpv\"", false, NULL, NULL},
    {"preset", "idrl", true, NULL, NULL},
    {"preset", "\"FPV\"", false, "unknown_preset", NULL},
    {"preset", "\"fast\"", false, "unknown_preset", NULL},
    {"preset", "1", false, "wrong_type", NULL},
    {"fileName", "\"a.mp3\"", false, "wrong_type", NULL},
    {"file", "a.mp3", true, "wrong_type", NULL},
    {"newformat", "\"mp3\"", false, "unknown_field", NULL},
    {"user_id", "1", false, "unknown_field", NULL},
    {"", "1", false, "unknown_field", NULL},
};

static void each_field_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof one_field / sizeof *one_field; i++) {
        MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
        struct mr_err err = {0};
        init(&wanted);
        enum mr_status status =
            take(&wanted, one_field[i].name, one_field[i].value, one_field[i].is_form, &err);
        const char *code = one_field[i].code;
        if (status != (code ? MR_INVALID : MR_OK) || (code && strcmp(code, mr_code_name(err.code)) != 0))
            fail_msg("%s=%s: %s %s", one_field[i].name, one_field[i].value, mr_code_name(err.code),
                     err.message);
        if (code && (strncmp(err.message, one_field[i].name, strlen(one_field[i].name)) != 0 ||
                     strlen(err.message) > MESSAGE_MAX))
            fail_msg("%s: the message does not begin with it, or is long: %s", one_field[i].name,
                     err.message);
        if (!one_field[i].taken)
            continue;
        MR_AUTO_JSON json_t *expected = json_loads(one_field[i].taken, JSON_DECODE_ANY, NULL);
        assert_true(json_equal(json_object_get(wanted.fields, one_field[i].name), expected));
    }
}

static void texts_are_counted_in_characters(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
        struct mr_err err = {0};
        char text[2 * 1001 + 1];
        size_t count = 1000 + (size_t)extra;
        for (size_t i = 0; i < count; i++)
            memcpy(text + 2 * i, "ñ", 2);
        text[2 * count] = '\0';
        init(&wanted);
        assert_int_equal(take(&wanted, "name", text, true, &err), extra ? MR_INVALID : MR_OK);
        assert_int_equal(err.code, extra ? MR_CODE_TOO_LONG : MR_CODE_NONE);
    }
}

static void a_field_is_given_once(void **state)
{
    (void)state;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    struct mr_err err = {0};
    init(&wanted);
    assert_int_equal(take(&wanted, "newFormat", "", true, &err),
                     MR_OK); /* a form's empty field means nothing */
    assert_int_equal(take(&wanted, "newFormat", "mp3", true, &err), MR_OK);
    assert_int_equal(take(&wanted, "newFormat", "mp3", true, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "repeated_field");
}

#define UPLOAD "\"upload_id\":\"00000000-0000-4000-8000-000000000000\""
#define FILM   "\"url\":\"https://example.com/a/Video.MP4?x=.avi\""

static const struct {
    const char *fields; /* JSON */
    bool has_file;
    const char *kind;          /* NULL: refused */
    const char *code, *detail; /* of a refusal: the code, and what the message holds */
} together[] = {
    {"{\"newFormat\":\"mp3\"}", true, "convert", NULL, NULL},
    {"{\"newFormat\":\"mp3\",\"kind\":\"convert\",\"priority\":\"high\"}", true, "convert", NULL, NULL},
    {"{\"newFormat\":\"mp3\",\"url\":\"https://example.com/a\"}", false, "convert", NULL, NULL},
    {"{\"newFormat\":\"mp3\",\"upload_id\":\"00000000-0000-4000-8000-000000000000\"}", false, "convert", NULL,
     NULL},
    {"{\"name\":\"upload\",\"description\":\"user upload\"}", false, "insert_records", NULL, NULL},
    {"{\"name\":\"upload\",\"description\":\"user upload\",\"records\":5}", false, "insert_records", NULL,
     NULL},
    {"{\"kind\":\"insert_records\"}", false, "insert_records", NULL, NULL},
    {"{\"kind\":\"insert_records\",\"records\":5,\"priority\":\"high\"}", false, "insert_records", NULL,
     NULL},
    {"{}", false, NULL, "missing_field", "fileName"},
    {"{\"newFormat\":\"mp3\"}", false, NULL, "missing_field", "fileName"},
    {"{}", true, NULL, "missing_field", "newFormat"},
    {"{\"url\":\"https://example.com/a.mp3\"}", false, NULL, "missing_field", ".mp4"},
    {"{\"url\":\"https://example.com/a.mov\"}", false, NULL, "missing_field", ".mp4"},
    {"{\"url\":\"https://example.com/film?a=.mp4\"}", false, NULL, "missing_field", ".mp4"},
    {"{" FILM "}", false, "edit", NULL, NULL},
    {"{" FILM ",\"priority\":\"high\"}", false, "edit", NULL, NULL},
    {"{" FILM ",\"newFormat\":\"mp3\"}", false, "convert", NULL, NULL},
    {"{" FILM ",\"newFormat\":\"mp3\",\"options\":{\"bitrate\":64000}}", false, "convert", NULL, NULL},
    {"{" FILM ",\"preset\":\"fpv\"}", false, "edit", NULL, NULL},
    {"{" FILM ",\"preset\":\"fpv\",\"newFormat\":\"webm\"}", false, "edit", NULL, NULL},
    {"{" FILM ",\"kind\":\"edit\",\"newFormat\":\"gif\"}", false, "edit", NULL, NULL},
    {"{" UPLOAD "}", false, "edit", NULL, NULL},
    {"{" UPLOAD ",\"preset\":\"idrl\"}", false, "edit", NULL, NULL},
    {"{\"preset\":\"idrl\"}", true, "edit", NULL, NULL},
    {"{\"preset\":\"idrl\"}", false, NULL, "missing_field", "fileName"},
    {"{\"kind\":\"edit\"}", false, NULL, "missing_field", "fileName"},
    {"{\"kind\":\"edit\"}", true, NULL, "missing_field", "newFormat"},
    {"{\"kind\":\"convert\"," FILM "}", false, NULL, "missing_field", "newFormat"},
    {"{\"kind\":\"convert\",\"newFormat\":\"mp4\",\"preset\":\"fpv\"," FILM "}", false, NULL, "unknown_field",
     "preset"},
    {"{\"preset\":\"fpv\",\"newFormat\":\"mp3\"," FILM "}", false, NULL, "wrong_format", "newFormat"},
    {"{\"preset\":\"fpv\",\"options\":{}," FILM "}", false, NULL, "preset_and_options", "options"},
    {"{\"kind\":\"edit\",\"newFormat\":\"mp4\",\"options\":{}," FILM "}", false, NULL, "preset_and_options",
     "options"},
    {"{\"options\":{\"fps\":24}," FILM "}", false, NULL, "missing_field", "newFormat"},
    {"{\"options\":{\"fps\":24}," UPLOAD "}", false, NULL, "missing_field", "newFormat"},
    {"{\"options\":{\"fps\":24},\"newFormat\":\"mp3\"," UPLOAD "}", false, NULL, "bad_option", "options.fps"},
    {"{\"newFormat\":\"webm\",\"options\":{\"codec\":\"h264\"}}", true, NULL, "bad_option", "options.codec"},
    {"{\"kind\":\"insert_records\",\"preset\":\"fpv\"}", false, NULL, "unknown_field", "preset"},
    {"{\"kind\":\"convert\",\"newFormat\":\"mp3\"}", false, NULL, "missing_field", "fileName"},
    {"{\"newFormat\":\"mp3\",\"url\":\"https://example.com/a\"}", true, NULL, "too_many_sources", "url"},
    {"{\"newFormat\":\"mp3\",\"url\":\"https://example.com/a\","
     "\"upload_id\":\"00000000-0000-4000-8000-000000000000\"}",
     false, NULL, "too_many_sources", "upload_id"},
    {"{\"name\":\"upload\"}", false, NULL, "missing_field", "description"},
    {"{\"description\":\"upload\"}", false, NULL, "missing_field", "name"},
    {"{\"records\":5}", false, NULL, "unknown_field", "records"},
    {"{\"newFormat\":\"mp3\",\"records\":5}", true, NULL, "unknown_field", "records"},
    {"{\"newFormat\":\"mp3\",\"name\":\"a\",\"description\":\"b\"}", true, NULL, "unknown_field", "name"},
    {"{\"kind\":\"insert_records\",\"reuse\":true}", false, NULL, "unknown_field", "reuse"},
    {"{\"kind\":\"insert_records\",\"newFormat\":\"mp3\"}", false, NULL, "unknown_field", "newFormat"},
    {"{\"kind\":\"insert_records\",\"url\":\"https://example.com/a\"}", false, NULL, "unknown_field", "url"},
    {"{\"kind\":\"insert_records\"}", true, NULL, "unknown_field", "fileName"},
};

static void give_file(struct mr_task_request *wanted)
{
    wanted->file = (struct mr_task_request_file){.is_stored = true,
                                                 .object = "inputs/x",
                                                 .name = mr_file_name_of("Canción.WAV"),
                                                 .stored = {.size = 9}};
}

static void fill(struct mr_task_request *wanted, const char *text, bool has_file)
{
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *fields = json_loads(text, 0, NULL);
    assert_non_null(fields);
    init(wanted);
    for (void *i = json_object_iter(fields); i; i = json_object_iter_next(fields, i))
        if (mr_task_request_take(wanted, json_object_iter_key(i), json_object_iter_value(i), false, &err) !=
            MR_OK)
            fail_msg("%s: %s", text, err.message);
    if (has_file)
        give_file(wanted);
}

static void fields_make_a_task_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
        MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
        struct mr_task_draft draft = {0};
        struct mr_err err = {0};
        fill(&wanted, together[i].fields, together[i].has_file);
        enum mr_status status = mr_task_request_plan(&wanted, &draft, &err);
        if (status != (together[i].kind ? MR_OK : MR_INVALID))
            fail_msg("%s: %s %s", together[i].fields, mr_status_name(status), err.message);
        if (status == MR_OK)
            assert_string_equal(draft.kind, together[i].kind);
        else if (strcmp(mr_code_name(err.code), together[i].code) != 0 ||
                 !strstr(err.message, together[i].detail))
            fail_msg("%s: %s, %s", together[i].fields, mr_code_name(err.code), err.message);
    }
}

static void a_draft_holds_what_was_ordered(void **state)
{
    (void)state;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    struct mr_task_draft draft = {0};
    struct mr_err err = {0};
    fill(&wanted,
         "{\"newFormat\":\"MP3\",\"priority\":\"high\",\"callback_url\":\"https://example.com/"
         "\",\"reuse\":true}",
         true);
    assert_int_equal(mr_task_request_plan(&wanted, &draft, &err), MR_OK);
    assert_int_equal(draft.user_id, 7);
    assert_string_equal(draft.file_id, wanted.file_id);
    assert_string_equal(draft.new_format, "mp3");
    assert_string_equal(draft.priority, "high");
    assert_string_equal(draft.callback_url, "https://example.com/");
    assert_string_equal(draft.original_file, "Canción.WAV");
    assert_string_equal(draft.original_format, "wav");
    assert_string_equal(draft.input_object, "inputs/x");
    assert_int_equal(draft.original_size, 9);
    assert_null(draft.url);
    assert_null(draft.idempotency_key);
    assert_false(draft.notify_mail);
    assert_true(draft.reuse);
}

/* What becomes of a file that comes without a word, by its name and by the media type of its part. */
static const struct {
    const char *name, *media_type;
    bool is_video;
} sources[] = {
    {"clip.mp4", NULL, true},
    {"Clip.MOV", "application/octet-stream", true},
    {"clip.webm", "audio/webm", true},
    {"clip.m4v", NULL, true},
    {"loop.gif", "image/gif", true},
    {"clip.mpg", "video/mpeg", true},
    {"clip", "Video/mp4", true},
    {"clip.mpg", NULL, false},
    {"clip", "application/octet-stream", false},
    {"song.mp3", NULL, false},
    {"song.mp3", "video/mp4", false},
    {"song.mp4.wav", NULL, false},
    {"mp4", NULL, false},
    {"", NULL, false},
};

static void assert_follows(const struct mr_task_draft *draft, const char *preset)
{
    MR_AUTO_JSON json_t *expected = json_loads(mr_preset_find(preset)->options, 0, NULL);
    assert_string_equal(draft->kind, "edit");
    assert_string_equal(draft->preset, preset);
    assert_string_equal(draft->new_format, "mp4");
    assert_true(json_equal((json_t *)(uintptr_t)draft->options, expected));
}

static void videos_without_a_word_follow_a_preset(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const struct mr_file_name name = mr_file_name_of(sources[i].name);
        const bool is_video = mr_file_is_video(&name, sources[i].media_type);
        if (is_video != sources[i].is_video)
            fail_msg("%s, %s", sources[i].name, sources[i].media_type);
        for (int is_upload = 0; is_upload < 2; is_upload++) {
            MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
            struct mr_task_draft draft = {0};
            struct mr_err err = {0};
            const struct mr_upload_input input = {
                .object = "inputs/u", .size = 3, .file_name = name, .is_video = is_video};
            fill(&wanted, is_upload ? "{" UPLOAD "}" : "{}", !is_upload);
            wanted.file.name = name;
            wanted.file.is_video = is_video;
            enum mr_status status = mr_task_request_plan(&wanted, &draft, &err);
            if (is_upload && status == MR_OK)
                status = mr_task_request_plan_upload(&wanted, &input, &draft, &err);
            assert_int_equal(status, is_video ? MR_OK : MR_INVALID);
            if (!is_video)
                assert_string_equal(mr_code_name(err.code), "missing_field");
            else
                assert_follows(&draft, MR_PRESET_OF_UPLOADS);
            if (is_video && is_upload)
                assert_string_equal(draft.original_file, sources[i].name);
        }
    }
}

static void a_url_without_a_word_follows_a_preset(void **state)
{
    (void)state;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    struct mr_task_draft draft = {0};
    struct mr_err err = {0};
    fill(&wanted, "{" FILM "}", false);
    assert_int_equal(mr_task_request_plan(&wanted, &draft, &err), MR_OK);
    assert_follows(&draft, MR_PRESET_OF_URLS);
    assert_string_equal(draft.original_file, "Video.MP4");
}

static void an_upload_with_a_format_is_what_it_is(void **state)
{
    (void)state;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    struct mr_task_draft draft = {0};
    struct mr_err err = {0};
    const struct mr_upload_input input = {.file_name = mr_file_name_of("clip.mp4"), .is_video = true};
    fill(&wanted, "{" UPLOAD ",\"newFormat\":\"mp3\"}", false);
    assert_int_equal(mr_task_request_plan(&wanted, &draft, &err), MR_OK);
    assert_int_equal(mr_task_request_plan_upload(&wanted, &input, &draft, &err), MR_OK);
    assert_string_equal(draft.kind, "convert");
    assert_string_equal(draft.new_format, "mp3");
    assert_null(draft.preset);
}

static void records_have_a_default(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *options;
    } table[] = {{"{\"kind\":\"insert_records\"}", "{\"records\":1000}"},
                 {"{\"name\":\"a\",\"description\":\"b\",\"records\":5}",
                  "{\"records\":5,\"name\":\"a\",\"description\":\"b\"}"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
        struct mr_task_draft draft = {0};
        struct mr_err err = {0};
        MR_AUTO_JSON json_t *expected = json_loads(table[i].options, 0, NULL);
        fill(&wanted, table[i].fields, false);
        assert_int_equal(mr_task_request_plan(&wanted, &draft, &err), MR_OK);
        assert_true(json_equal((json_t *)(uintptr_t)draft.options, expected));
        assert_int_equal(draft.original_size, -1);
        assert_null(draft.new_format);
        assert_null(draft.original_file);
    }
}

static void mail_follows_the_configuration(void **state)
{
    (void)state;
    for (int sends = 0; sends < 2; sends++) {
        MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
        struct mr_task_draft draft = {0};
        struct mr_err err = {0};
        config.smtp_url = sends ? relay : empty;
        fill(&wanted, "{\"newFormat\":\"mp3\"}", true);
        assert_int_equal(mr_task_request_plan(&wanted, &draft, &err), MR_OK);
        assert_int_equal(draft.notify_mail, sends);
    }
    config.smtp_url = empty;
}

static void files_are_named_after_their_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *name, *extension;
    } table[] = {
        {"https://example.com/a/Song.MP3", "Song.MP3", "mp3"},
        {"https://example.com/a/Song.mp3?x=/y.wav#z/w", "Song.mp3", "mp3"},
        {"https://example.com/Canci%C3%B3n%20uno.ogg", "Canción uno.ogg", "ogg"},
        {"https://example.com/a+b.ogg", "a+b.ogg", "ogg"},
        {"https://example.com/song.mp3/", "song.mp3", "mp3"},
        {"https://example.com/", "download", ""},
        {"https://example.com", "download", ""},
        {"https://example.com?a=/b.mp3", "download", ""},
        {"https://example.com/a/..%2f..%2fetc%2fpasswd", "passwd", ""},
        {"https://example.com/%2e%2e", "download", ""},
        {"https://example.com/a%5Cb.wav", "b.wav", "wav"},
        {"https://example.com/a%0Ab.wav", "a_b.wav", "wav"},
        {"https://example.com/%ff.wav", "download", ""},
        {"https://example.com/%zz.wav", "download", ""},
        {"https://example.com/%00.wav", "download", ""},
        {"https://example.com/noextension", "noextension", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
        struct mr_task_draft draft = {0};
        struct mr_err err = {0};
        init(&wanted);
        /* Past the guard, which has opinions of its own on some of these. */
        wanted.given.url = table[i].url;
        wanted.given.new_format = "mp3";
        assert_int_equal(mr_task_request_plan(&wanted, &draft, &err), MR_OK);
        assert_string_equal(draft.original_file, table[i].name);
        assert_string_equal(draft.original_format, table[i].extension);
    }
}

static void hash_of(const char *fields, const char *file_name, const char *sha256,
                    char out[MR_SHA256_HEX_MAX])
{
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    struct mr_err err = {0};
    fill(&wanted, fields, file_name != NULL);
    wanted.idempotency_key = "k";
    if (file_name) {
        wanted.file.name = mr_file_name_of(file_name);
        snprintf(wanted.file.sha256, sizeof wanted.file.sha256, "%s", sha256);
    }
    assert_int_equal(mr_task_request_hash(&wanted, &err), MR_OK);
    memcpy(out, wanted.request_hash, MR_SHA256_HEX_MAX);
    assert_int_equal(strlen(out), MR_SHA256_HEX_MAX - 1);
}

static void a_repetition_has_the_same_hash(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *file_name, *sha256;
        bool same;
    } table[] = {
        {"{\"newFormat\":\"mp3\",\"priority\":\"high\"}", "a.wav", "11", true},
        {"{\"priority\":\"high\",\"newFormat\":\"MP3\"}", "a.wav", "11", true},
        {"{\"newFormat\":\"mp3\",\"priority\":\"high\",\"options\":null}", "a.wav", "11", true},
        {"{\"newFormat\":\"mp3\",\"priority\":\"normal\"}", "a.wav", "11", false},
        {"{\"newFormat\":\"mp3\"}", "a.wav", "11", false},
        {"{\"newFormat\":\"ogg\",\"priority\":\"high\"}", "a.wav", "11", false},
        {"{\"newFormat\":\"mp3\",\"priority\":\"high\"}", "b.wav", "11", false},
        {"{\"newFormat\":\"mp3\",\"priority\":\"high\"}", "a.wav", "12", false},
        {"{\"newFormat\":\"mp3\",\"priority\":\"high\"}", NULL, NULL, false},
    };
    char first[MR_SHA256_HEX_MAX], other[MR_SHA256_HEX_MAX];
    hash_of(table[0].fields, table[0].file_name, table[0].sha256, first);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        hash_of(table[i].fields, table[i].file_name, table[i].sha256, other);
        if ((strcmp(first, other) == 0) != table[i].same)
            fail_msg("%zu: %s", i, table[i].fields);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_is_judged),
        cmocka_unit_test(texts_are_counted_in_characters),
        cmocka_unit_test(a_field_is_given_once),
        cmocka_unit_test(fields_make_a_task_together),
        cmocka_unit_test(a_draft_holds_what_was_ordered),
        cmocka_unit_test(records_have_a_default),
        cmocka_unit_test(mail_follows_the_configuration),
        cmocka_unit_test(files_are_named_after_their_urls),
        cmocka_unit_test(a_repetition_has_the_same_hash),
        cmocka_unit_test(videos_without_a_word_follow_a_preset),
        cmocka_unit_test(a_url_without_a_word_follows_a_preset),
        cmocka_unit_test(an_upload_with_a_format_is_what_it_is),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
