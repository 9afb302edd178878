/* Prints the tables of formats, codecs, options and presets as JSON lines, each with its `table`. */
#include "shared/media/options.h"
#include "shared/media/presets.h"

#include <stdio.h>
#include <stdlib.h>

/* This prints for a check: what goes wrong ends it. */
static void demand(bool good)
{
    if (!good)
        exit(1);
}

static void print(json_t *line)
{
    demand(line && json_dumpf(line, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF);
    json_decref(line);
}

static void append(json_t *array, const char *text)
{
    demand(json_array_append_new(array, json_string(text)) == 0);
}

static void print_format(const struct mr_format *format)
{
    json_t *aliases = json_array(), *codecs = json_array();
    for (size_t i = 0; i < sizeof format->aliases / sizeof *format->aliases && format->aliases[i]; i++)
        append(aliases, format->aliases[i]);
    for (const char *const *codec = format->codecs; *codec; codec++)
        append(codecs, *codec);
    print(json_pack("{s:s,s:s,s:o,s:b,s:o,s:s?}", "table", "format", "name", format->name, "aliases", aliases,
                    "video", format->media_class == MR_MEDIA_VIDEO, "codecs", codecs, "audio_codec",
                    format->audio_codec));
}

static void print_codec(const struct mr_codec *codec)
{
    json_t *limits = json_object(), *rates = json_array();
    const struct mr_option *option;
    for (size_t i = 0; (option = mr_option_at(i)); i++) {
        const struct mr_range *range = (const void *)((const char *)codec + option->limit);
        if (option->limit && range->max)
            demand(json_object_set_new(limits, option->field.name,
                                       json_pack("[i,i]", range->min, range->max)) == 0);
    }
    for (const int *rate = codec->sample_rates; rate && *rate; rate++)
        demand(json_array_append_new(rates, json_integer(*rate)) == 0);
    print(json_pack("{s:s,s:s,s:s,s:o,s:o,s:b}", "table", "codec", "name", codec->name, "title", codec->title,
                    "limits", limits, "sample_rates", rates, "has_presets", codec->speed_presets != NULL));
}

static void print_inputs(void)
{
#define MR_CONTAINER(title, demuxers, extensions)                                                            \
    print(json_pack("{s:s,s:s,s:s}", "table", "container", "title", title, "extensions", extensions));
#define MR_READS(kind, title, decoders)                                                                      \
    print(json_pack("{s:s,s:s,s:s}", "table", "reads", "kind", #kind, "title", title));
#include "worker/media/inputs.def"
#undef MR_READS
#undef MR_CONTAINER
}

static json_t *describe(const struct mr_field *field)
{
    static const char *const types[] = {
        [MR_FIELD_INTEGER] = "integer", [MR_FIELD_NUMBER] = "number", [MR_FIELD_SECONDS] = "number",
        [MR_FIELD_FLAG] = "boolean",    [MR_FIELD_WORD] = "string",   [MR_FIELD_TEXT] = "string",
        [MR_FIELD_RATIO] = "ratio",     [MR_FIELD_OBJECT] = "object",
    };
    MR_AUTO(mr_buf) struct mr_buf expects = MR_BUF_INIT(400);
    json_t *words = json_array(), *parts = json_array();
    const struct mr_field *part;
    const char *word;
    demand(mr_field_expects(field, &expects, NULL) == MR_OK);
    for (size_t i = 0; field->words && (word = field->words->at(i)); i++)
        append(words, word);
    for (size_t i = 0; field->parts && (part = mr_field_at(field->parts, i)); i++)
        demand(json_array_append_new(parts, describe(part)) == 0);
    json_t *described = json_pack("{s:s,s:s,s:s,s:s?,s:f,s:f,s:b,s:b,s:o,s:o}", "name", field->name, "type",
                                  types[field->type], "expects", mr_buf_str(&expects), "meaning",
                                  field->meaning, "min", field->min, "max", field->max, "even", field->even,
                                  "required", field->required, "words", words, "parts", parts);
    demand(described != NULL);
    return described;
}

static void print_option(const struct mr_option *option)
{
    json_t *line = describe(&option->field);
    demand(json_object_set_new(line, "table", json_string("option")) == 0 &&
           json_object_set_new(line, "needs_audio", json_boolean(option->needs & MR_OF_AUDIO)) == 0 &&
           json_object_set_new(line, "needs_video", json_boolean(option->needs & MR_OF_VIDEO)) == 0 &&
           json_object_set_new(line, "is_preview", json_boolean(option->is_preview)) == 0 &&
           json_object_set_new(line, "excludes",
                               option->excludes ? json_string(option->excludes) : json_null()) == 0 &&
           json_object_set_new(line, "of_main", json_boolean(option->changes & MR_OF_MAIN)) == 0);
    print(line);
}

int main(void)
{
    const struct mr_format *format;
    const struct mr_codec *codec;
    const struct mr_option *option;
    const struct mr_preset *preset;
    for (size_t i = 0; (format = mr_format_at(i)); i++)
        print_format(format);
    print_inputs();
    for (size_t i = 0; (codec = mr_codec_at(i)); i++)
        print_codec(codec);
    for (size_t i = 0; (option = mr_option_at(i)); i++)
        print_option(option);
    for (size_t i = 0; (preset = mr_preset_at(i)); i++)
        print(json_pack("{s:s,s:s,s:s,s:s}", "table", "preset", "name", preset->name, "format",
                        preset->format, "options", preset->options));
    return 0;
}
