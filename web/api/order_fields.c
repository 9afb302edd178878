#include "shared/media/formats.h"
#include "shared/media/options.h"
#include "shared/media/presets.h"
#include "web/api/body.h"
#include "web/api/order.h"

#include <inttypes.h>

enum { TEXT_MAX = 1000, NAMES_MAX = 256, QUOTE_MAX = 100 };

/* A check may put the value's canonical form in the place of *value. */
typedef enum mr_status check_field(const struct mr_order *order, const char *name, json_t **value,
                                   struct mr_err *err);

static enum mr_status replace_text(json_t **value, const char *text, struct mr_err *err)
{
    json_t *canonical = json_string(text);
    if (!canonical)
        return mr_fail_oom(err);
    json_decref(*value);
    *value = canonical;
    return MR_OK;
}

/* ---- checks ---------------------------------------------------------------------- */

/* Fails with code and "name: none of a, b, c"; at(i) names them, NULL past the last. */
static enum mr_status none_of(const char *name, enum mr_code code, const char *(*at)(size_t index),
                              struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf names = MR_BUF_INIT(NAMES_MAX);
    enum mr_status status = MR_OK;
    for (size_t i = 0; status == MR_OK && at(i); i++)
        status = mr_buf_appendf(&names, err, "%s%s", i ? ", " : "", at(i));
    return mr_fail_code(err, code, "%s: none of %s", name, mr_buf_str(&names));
}

static const char *format_name(size_t index)
{
    const struct mr_format *format = mr_format_at(index);
    return format ? format->name : NULL;
}

static const char *preset_name(size_t index)
{
    const struct mr_preset *preset = mr_preset_at(index);
    return preset ? preset->name : NULL;
}

static const char *kind_name(size_t index)
{
    static const char *const kinds[] = {MR_KIND_CONVERT, MR_KIND_EDIT, MR_KIND_INSERT_RECORDS};
    return index < sizeof kinds / sizeof *kinds ? kinds[index] : NULL;
}

static const char *priority_name(size_t index)
{
    static const char *const priorities[] = {"high", "normal"};
    return index < sizeof priorities / sizeof *priorities ? priorities[index] : NULL;
}

static enum mr_status check_format(const struct mr_order *order, const char *name, json_t **value,
                                   struct mr_err *err)
{
    (void)order;
    const struct mr_format *format = mr_format_find(json_string_value(*value));
    return format ? replace_text(value, format->name, err)
                  : none_of(name, MR_CODE_UNSUPPORTED_FORMAT, format_name, err);
}

/* What depends on the format is checked when the order is planned. */
static enum mr_status check_options(const struct mr_order *order, const char *name, json_t **value,
                                    struct mr_err *err)
{
    (void)name;
    struct mr_options options;
    MR_TRY(mr_options_read(*value, NULL, &options, err));
    return mr_options_check_pixels(&options, order->web->config->max_pixels, err);
}

static enum mr_status check_word(const char *name, const json_t *value, enum mr_code code,
                                 const char *(*at)(size_t index), struct mr_err *err)
{
    for (size_t i = 0; at(i); i++)
        if (strcmp(json_string_value(value), at(i)) == 0)
            return MR_OK;
    return none_of(name, code, at, err);
}

static enum mr_status check_preset(const struct mr_order *order, const char *name, json_t **value,
                                   struct mr_err *err)
{
    (void)order;
    return check_word(name, *value, MR_CODE_UNKNOWN_PRESET, preset_name, err);
}

static enum mr_status check_priority(const struct mr_order *order, const char *name, json_t **value,
                                     struct mr_err *err)
{
    (void)order;
    return check_word(name, *value, MR_CODE_UNKNOWN_PRIORITY, priority_name, err);
}

static enum mr_status check_kind(const struct mr_order *order, const char *name, json_t **value,
                                 struct mr_err *err)
{
    (void)order;
    return check_word(name, *value, MR_CODE_UNKNOWN_KIND, kind_name, err);
}

static enum mr_status check_source_url(const struct mr_order *order, const char *name, json_t **value,
                                       struct mr_err *err)
{
    enum mr_status status = mr_guard_check_url(order->web->guard, json_string_value(*value), 0, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "%s", name);
}

static enum mr_status check_callback_url(const struct mr_order *order, const char *name, json_t **value,
                                         struct mr_err *err)
{
    enum mr_status status =
        mr_guard_check_url(order->web->guard, json_string_value(*value), MR_GUARD_HTTPS_ONLY, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "%s", name);
}

static enum mr_status check_uuid(const struct mr_order *order, const char *name, json_t **value,
                                 struct mr_err *err)
{
    (void)order;
    char text[MR_UUID_TEXT_MAX];
    if (!mr_uuid_is_valid(json_string_value(*value)))
        return mr_fail_code(err, MR_CODE_MALFORMED_ID, "%s: not an id that POST /api/uploads gave", name);
    snprintf(text, sizeof text, "%s", json_string_value(*value));
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'F')
            *p = (char)(*p - 'A' + 'a');
    return replace_text(value, text, err);
}

static enum mr_status check_records(const struct mr_order *order, const char *name, json_t **value,
                                    struct mr_err *err)
{
    int64_t max = order->web->config->max_records;
    if (json_integer_value(*value) >= 1 && json_integer_value(*value) <= max)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "%s: not a number from 1 to %" PRId64, name, max);
}

static enum mr_status check_text(const struct mr_order *order, const char *name, json_t **value,
                                 struct mr_err *err)
{
    (void)order;
    size_t characters = 0;
    for (const char *p = json_string_value(*value); *p; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80;
    if (characters <= TEXT_MAX)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_TOO_LONG, "%s: more than %d characters", name, TEXT_MAX);
}

/* ---- the table --------------------------------------------------------------------- */

enum field_type { TEXT, INTEGER, OBJECT };
enum {
    FILE_TASK = MR_ORDER_CONVERT | MR_ORDER_EDIT,
    ANY_TASK = FILE_TASK | MR_ORDER_INSERT_RECORDS,
};

static const struct field {
    const char *name;
    enum field_type type;
    unsigned uses; /* of enum mr_order_use */
    check_field *check;
} fields[] = {
    {"newFormat", TEXT, FILE_TASK | MR_ORDER_REDO, check_format},
    {"options", OBJECT, FILE_TASK | MR_ORDER_REDO, check_options},
    {"preset", TEXT, MR_ORDER_EDIT | MR_ORDER_REDO, check_preset},
    {"url", TEXT, FILE_TASK | MR_ORDER_PROBE, check_source_url},
    {"upload_id", TEXT, FILE_TASK | MR_ORDER_PROBE, check_uuid},
    {"priority", TEXT, ANY_TASK, check_priority},
    {"callback_url", TEXT, ANY_TASK, check_callback_url},
    {"kind", TEXT, ANY_TASK, check_kind},
    {"records", INTEGER, MR_ORDER_INSERT_RECORDS, check_records},
    {"name", TEXT, MR_ORDER_INSERT_RECORDS, check_text},
    {"description", TEXT, MR_ORDER_INSERT_RECORDS, check_text},
};

static const struct field *find(const char *name)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(name, fields[i].name) == 0)
            return &fields[i];
    return NULL;
}

enum mr_status mr_order_check_name(const char *name, struct mr_err *err)
{
    if (find(name))
        return MR_OK;
    if (mr_order_is_file(name))
        return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s: it must be a file, in multipart/form-data", name);
    return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "%.*s: there is no such field",
                        (int)mr_utf8_prefix(name, QUOTE_MAX), name);
}

/* ---- types ------------------------------------------------------------------------- */

static enum mr_status wrong_type(const struct field *field, struct mr_err *err)
{
    static const char *const words[] = {
        [TEXT] = "a string", [INTEGER] = "a whole number", [OBJECT] = "a JSON object"};
    return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s: it must be %s", field->name, words[field->type]);
}

/* What a text stands for. An object may be text in JSON, too: some clients send all that way. */
static json_t *parse_text(const struct field *field, const char *text, bool is_form)
{
    int64_t number = 0;
    if (field->type == TEXT)
        return json_string(text);
    if (field->type == OBJECT)
        return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    return is_form && mr_parse_int64(text, INT64_MIN, INT64_MAX, &number) ? json_integer(number) : NULL;
}

static enum mr_status typed(const struct field *field, const json_t *value, bool is_form, json_t **ret,
                            struct mr_err *err)
{
    static const json_type types[] = {[TEXT] = JSON_STRING, [INTEGER] = JSON_INTEGER, [OBJECT] = JSON_OBJECT};
    json_t *parsed = json_is_string(value) ? parse_text(field, json_string_value(value), is_form)
                                           : json_incref((json_t *)(uintptr_t)value);
    if (parsed && json_typeof(parsed) == types[field->type]) {
        *ret = parsed;
        return MR_OK;
    }
    json_decref(parsed);
    return wrong_type(field, err);
}

/* ---- taking ------------------------------------------------------------------------ */

enum mr_status mr_order_take(struct mr_order *order, const char *name, const json_t *value, bool is_text,
                             struct mr_err *err)
{
    MR_AUTO_JSON json_t *canonical = NULL;
    enum mr_status status = mr_order_check_name(name, err);
    if (status != MR_OK || json_is_null(value) || (is_text && json_string_length(value) == 0))
        return status;
    const struct field *field = find(name);
    if (json_object_get(order->fields, name))
        return mr_fail_code(err, MR_CODE_REPEATED_FIELD, "%s: it is given twice", name);
    status = typed(field, value, is_text, &canonical, err);
    if (status == MR_OK)
        status = field->check(order, name, &canonical, err);
    if (status == MR_OK && json_object_set(order->fields, name, canonical) != 0)
        status = mr_fail_oom(err);
    return status;
}

enum mr_status mr_order_take_body(struct mr_order *order, struct mr_request *req, struct mr_err *err)
{
    bool is_text = mr_request_is_type(req, "multipart/form-data") ||
                   mr_request_is_type(req, "application/x-www-form-urlencoded");
    MR_AUTO_JSON json_t *given = NULL;
    enum mr_status status = mr_body_fields(req, &given, err);
    for (void *i = json_object_iter(given); status == MR_OK && i; i = json_object_iter_next(given, i))
        status = mr_order_take(order, json_object_iter_key(i), json_object_iter_value(i), is_text, err);
    return status;
}

const char *mr_order_text(const struct mr_order *order, const char *name)
{
    return json_string_value(json_object_get(order->fields, name));
}

enum mr_status mr_order_check_use(const struct mr_order *order, enum mr_order_use use, struct mr_err *err)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!(fields[i].uses & use) && json_object_get(order->fields, fields[i].name))
            return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "%s: it does not belong to such an order",
                                fields[i].name);
    return MR_OK;
}

enum mr_status mr_order_check_preset(const struct mr_order *order, struct mr_err *err)
{
    if (!mr_order_text(order, "preset") || !json_object_get(order->fields, "options"))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_PRESET_AND_OPTIONS,
                        "options: either these or a preset, which is a set of options");
}
