#include "shared/base/fields.h"

#include "shared/base/encoding.h"
#include "shared/base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 96, QUOTE_MAX = 60, EXPECTS_MAX = 200, RATIO_TEXT_MAX = 9 };

/* What a reader needs at each depth. */
struct reader {
    const struct mr_field_table *table;
    void *base;
};

const struct mr_field *mr_field_at(const struct mr_field_rows *rows, size_t index)
{
    return index < rows->count
               ? (const struct mr_field *)(const void *)((const char *)rows->first + index * rows->stride)
               : NULL;
}

const struct mr_field *mr_field_find(const struct mr_field_rows *rows, const char *name)
{
    const struct mr_field *field;
    for (size_t i = 0; (field = mr_field_at(rows, i)); i++)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

static void join(char out[PATH_SIZE], const char *path, const char *name)
{
    snprintf(out, PATH_SIZE, "%s%s%s", path ? path : "", path ? "." : "", name);
}

static enum mr_status unknown(const struct mr_field_table *table, const char *path, const char *name,
                              struct mr_err *err)
{
    return mr_fail_code(err, table->unknown, "%s%s%.*s is not a known %s", path ? path : "", path ? "." : "",
                        (int)mr_utf8_prefix(name, QUOTE_MAX), name, table->noun);
}

static enum mr_status check_required(const struct mr_field_table *table, const struct mr_field_rows *rows,
                                     const char *path, const json_t *object, struct mr_err *err)
{
    const struct mr_field *field;
    char field_path[PATH_SIZE];
    for (size_t i = 0; (field = mr_field_at(rows, i)); i++) {
        join(field_path, path, field->name);
        if (field->required && !json_object_get(object, field->name))
            return mr_fail_code(err, table->missing, "%s is required", field_path);
    }
    return MR_OK;
}

/* What a field accepts, in words. */

static enum mr_status expects_words(const struct mr_field *field, struct mr_buf *out, struct mr_err *err)
{
    const char *word;
    MR_TRY(mr_buf_append_str(out, "one of ", err));
    for (size_t i = 0; (word = field->words->at(i)); i++)
        MR_TRY(mr_buf_appendf(out, err, "%s%s", i ? ", " : "", word));
    return MR_OK;
}

static enum mr_status expects_number(const struct mr_field *field, struct mr_buf *out, struct mr_err *err)
{
    const char *kind = field->type != MR_FIELD_INTEGER ? "a number"
                       : field->even                   ? "an even number"
                                                       : "a whole number";
    if (field->min == 0 && field->max == 0)
        return mr_buf_append_str(out, kind, err);
    return mr_buf_appendf(out, err, "%s from %.15g to %.15g", kind, field->min, field->max);
}

enum mr_status mr_field_expects(const struct mr_field *field, struct mr_buf *out, struct mr_err *err)
{
    switch (field->type) {
    case MR_FIELD_INTEGER:
    case MR_FIELD_NUMBER:
    case MR_FIELD_SECONDS:
        return expects_number(field, out, err);
    case MR_FIELD_FLAG:
        return mr_buf_append_str(out, "true or false", err);
    case MR_FIELD_WORD:
        return expects_words(field, out, err);
    case MR_FIELD_TEXT:
        return field->max > 0 ? mr_buf_appendf(out, err, "a string of at most %.0f characters", field->max)
                              : mr_buf_append_str(out, "a string", err);
    case MR_FIELD_RATIO:
        return mr_buf_appendf(out, err, "two whole numbers like 16:9, from 1:%.0f to %.0f:1", field->max,
                              field->max);
    case MR_FIELD_OBJECT:
        return mr_buf_append_str(out, "a JSON object", err);
    }
    return MR_OK;
}

static enum mr_status must_be(const struct mr_field *field, const char *path, enum mr_code code,
                              struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf expected = MR_BUF_INIT(EXPECTS_MAX);
    MR_TRY(mr_field_expects(field, &expected, err));
    return mr_fail_code(err, code, "%s must be %s", path, mr_buf_str(&expected));
}

enum mr_status mr_field_fail_range(struct mr_err *err, enum mr_code code, const char *path, int64_t min,
                                   int64_t max)
{
    return mr_fail_code(err, code, "%s must be a whole number from %" PRId64 " to %" PRId64, path, min, max);
}

/* The check of a value. */

bool mr_ratio_parse(const char *text, int max, struct mr_ratio *ret)
{
    int width = 0, height = 0, end = 0;
    if (strspn(text, "0123456789:") != strlen(text) || strlen(text) > RATIO_TEXT_MAX ||
        sscanf(text, "%d:%d%n", &width, &height, &end) != 2 || text[end])
        return false;
    if (width < 1 || height < 1 || width > max * height || height > max * width)
        return false;
    *ret = (struct mr_ratio){width, height};
    return true;
}

static bool has_type(const struct mr_field *field, const json_t *value)
{
    switch (field->type) {
    case MR_FIELD_INTEGER:
        return json_is_integer(value);
    case MR_FIELD_NUMBER:
    case MR_FIELD_SECONDS:
        return json_is_number(value);
    case MR_FIELD_FLAG:
        return json_is_boolean(value);
    case MR_FIELD_WORD:
    case MR_FIELD_TEXT:
    case MR_FIELD_RATIO:
        return json_is_string(value);
    case MR_FIELD_OBJECT:
        return json_is_object(value);
    }
    return false;
}

/* The number of a word, from 1; 0: it is not one of the field's. */
static size_t word_number(const struct mr_field *field, const char *text)
{
    const char *spelled = field->words->find ? field->words->find(text) : text, *word;
    for (size_t i = 0; spelled && (word = field->words->at(i)); i++)
        if (strcmp(word, spelled) == 0)
            return i + 1;
    return 0;
}

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static bool number_fits(const struct mr_field *field, const json_t *value)
{
    double number = json_number_value(value);
    if (field->even && json_integer_value(value) % 2)
        return false;
    return (field->min == 0 && field->max == 0) || (number >= field->min && number <= field->max);
}

static bool is_accepted(const struct mr_field *field, const json_t *value)
{
    struct mr_ratio ignored;
    switch (field->type) {
    case MR_FIELD_INTEGER:
    case MR_FIELD_NUMBER:
    case MR_FIELD_SECONDS:
        return number_fits(field, value);
    case MR_FIELD_WORD:
        return word_number(field, json_string_value(value)) > 0;
    case MR_FIELD_TEXT:
        return field->max <= 0 || (double)count_characters(json_string_value(value)) <= field->max;
    case MR_FIELD_RATIO:
        return mr_ratio_parse(json_string_value(value), (int)field->max, &ignored);
    case MR_FIELD_FLAG:
    case MR_FIELD_OBJECT:
        return true;
    }
    return false;
}

/* Storing it. */

static void store_integer(const struct mr_field *field, json_int_t value, void *place)
{
    if (field->size == sizeof(int64_t))
        *(int64_t *)place = value;
    else
        *(int *)place = (int)value;
}

static void store_word(const struct mr_field *field, size_t number, void *place)
{
    if (field->size == sizeof(int))
        *(int *)place = (int)number;
    else
        *(const char **)place = field->words->at(number - 1);
}

static void store(const struct mr_field *field, const json_t *value, void *base)
{
    void *place = (char *)base + field->offset;
    switch (field->type) {
    case MR_FIELD_INTEGER:
        store_integer(field, json_integer_value(value), place);
        break;
    case MR_FIELD_NUMBER:
        *(double *)place = json_number_value(value);
        break;
    case MR_FIELD_SECONDS:
        *(int64_t *)place = llround(json_number_value(value) * 1e6);
        break;
    case MR_FIELD_FLAG:
        *(bool *)place = json_is_true(value);
        break;
    case MR_FIELD_WORD:
        store_word(field, word_number(field, json_string_value(value)), place);
        break;
    case MR_FIELD_TEXT:
        *(const char **)place = json_string_value(value);
        break;
    case MR_FIELD_RATIO:
        (void)mr_ratio_parse(json_string_value(value), (int)field->max, place);
        break;
    case MR_FIELD_OBJECT:
        *(const json_t **)place = value;
        break;
    }
}

/* Reading objects. */

static enum mr_status read_parts(const struct reader *reader, const struct mr_field_rows *rows,
                                 const char *path, const json_t *object, struct mr_err *err);

/* *value is replaced by its canonical form where a check does so, or a word has one. */
static enum mr_status check_value(const struct reader *reader, const struct mr_field *field, const char *path,
                                  json_t **value, struct mr_err *err)
{
    if (!has_type(field, *value))
        return must_be(field, path, MR_CODE_WRONG_TYPE, err);
    if (!is_accepted(field, *value))
        return must_be(field, path,
                       field->code != MR_CODE_NONE    ? field->code
                       : field->type == MR_FIELD_TEXT ? MR_CODE_TOO_LONG
                                                      : MR_CODE_OUT_OF_RANGE,
                       err);
    if (field->parts)
        MR_TRY(read_parts(reader, field->parts, path, *value, err));
    if (field->check)
        MR_TRY(field->check(reader->base, path, value, err));
    return MR_OK;
}

static enum mr_status read_parts(const struct reader *reader, const struct mr_field_rows *rows,
                                 const char *path, const json_t *object, struct mr_err *err)
{
    char field_path[PATH_SIZE];
    const char *name;
    json_t *member;
    json_object_foreach ((json_t *)(uintptr_t)object, name, member) {
        const struct mr_field *field = mr_field_find(rows, name);
        if (!field)
            return unknown(reader->table, path, name, err);
        join(field_path, path, name);
        MR_AUTO_JSON json_t *value = json_incref(member);
        MR_TRY(check_value(reader, field, field_path, &value, err));
        if (field->size)
            store(field, member, reader->base);
    }
    return check_required(reader->table, rows, path, object, err);
}

enum mr_status mr_fields_read(const struct mr_field_table *table, void *base, const json_t *object,
                              struct mr_err *err)
{
    const struct reader reader = {table, base};
    if (!json_is_object(object))
        return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s must be a JSON object", table->path);
    return read_parts(&reader, &table->rows, table->path, object, err);
}

/* Reading requests. */

/* What a text stands for; NULL: nothing of the field's type. */
static json_t *parse_text(const struct mr_field *field, const char *text)
{
    int64_t number = 0;
    switch (field->type) {
    case MR_FIELD_WORD:
    case MR_FIELD_TEXT:
    case MR_FIELD_RATIO:
        return json_string(text);
    case MR_FIELD_INTEGER:
        return mr_parse_int64(text, INT64_MIN, INT64_MAX, &number) ? json_integer(number) : NULL;
    default:
        return json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    }
}

static enum mr_status keep(const struct mr_field *field, json_t *kept, json_t *value, void *base,
                           struct mr_err *err)
{
    if (field->type == MR_FIELD_WORD)
        value = json_string(field->words->at(word_number(field, json_string_value(value)) - 1));
    else
        json_incref(value);
    if (json_object_set_new(kept, field->name, value) != 0)
        return mr_fail_oom(err);
    if (field->size)
        store(field, value, base);
    return MR_OK;
}

enum mr_status mr_fields_check_name(const struct mr_field_table *table, const char *name, struct mr_err *err)
{
    return mr_field_find(&table->rows, name) ? MR_OK : unknown(table, table->path, name, err);
}

enum mr_status mr_fields_take(const struct mr_field_table *table, void *base, json_t *kept, const char *name,
                              const json_t *value, bool is_form, struct mr_err *err)
{
    const struct reader reader = {table, base};
    const struct mr_field *field = mr_field_find(&table->rows, name);
    char path[PATH_SIZE];
    if (!field)
        return unknown(table, table->path, name, err);
    if (json_is_null(value) || (is_form && json_string_length(value) == 0))
        return MR_OK;
    join(path, table->path, name);
    if (json_object_get(kept, name))
        return mr_fail_code(err, MR_CODE_REPEATED_FIELD, "%s is given twice", path);
    bool is_text = json_is_string(value) && (is_form || field->text_too);
    errno = 0;
    MR_AUTO_JSON json_t *typed =
        is_text ? parse_text(field, json_string_value(value)) : json_incref((json_t *)(uintptr_t)value);
    if (!typed) /* jansson does not always say that memory ran out, but malloc does */
        return errno == ENOMEM ? mr_fail_oom(err) : must_be(field, path, MR_CODE_WRONG_TYPE, err);
    MR_TRY(check_value(&reader, field, path, &typed, err));
    return keep(field, kept, typed, base, err);
}

enum mr_status mr_fields_take_all(const struct mr_field_table *table, void *base, json_t *kept,
                                  const json_t *body, bool is_form, struct mr_err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)body, name, value)
        MR_TRY(mr_fields_take(table, base, kept, name, value, is_form, err));
    return MR_OK;
}

enum mr_status mr_fields_check_required(const struct mr_field_table *table, const json_t *kept,
                                        struct mr_err *err)
{
    return check_required(table, &table->rows, table->path, kept, err);
}
