#include "shared/http/otlp.h"

#include "shared/base/version.h"

#include <inttypes.h>

enum { NANO_TEXT_MAX = 32, STATUS_ERROR = 2 };

static json_t *text_attribute(const char *key, const char *value)
{
    return json_pack("{s:s,s:{s:o}}", "key", key, "value", "stringValue", mr_json_text(value));
}

/* 64-bit numbers are texts in this form of JSON. */
static json_t *number_attribute(const char *key, int64_t value)
{
    char text[NANO_TEXT_MAX];
    snprintf(text, sizeof text, "%" PRId64, value);
    return json_pack("{s:s,s:{s:s}}", "key", key, "value", "intValue", text);
}

static json_t *attributes_of(const struct mr_span *span)
{
    json_t *list = json_array();
    for (int i = 0; i < span->attribute_count; i++) {
        const struct mr_span_attribute *one = &span->attributes[i];
        json_t *made =
            one->is_text ? text_attribute(one->key, one->text) : number_attribute(one->key, one->number);
        if (json_array_append_new(list, made) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *span_of(const struct mr_span *span)
{
    char start[NANO_TEXT_MAX], end[NANO_TEXT_MAX];
    snprintf(start, sizeof start, "%" PRId64 "000", span->start_us);
    snprintf(end, sizeof end, "%" PRId64 "000", span->start_us + span->took_us);
    return json_pack("{s:s,s:s,s:s*,s:s,s:i,s:s,s:s,s:o,s:o}", "traceId", span->trace, "spanId", span->id,
                     "parentSpanId", span->parent[0] ? span->parent : NULL, "name", span->name, "kind",
                     (int)span->kind, "startTimeUnixNano", start, "endTimeUnixNano", end, "attributes",
                     attributes_of(span), "status",
                     span->failed ? json_pack("{s:i}", "code", STATUS_ERROR) : json_object());
}

enum mr_status mr_otlp_request(const char *service, const struct mr_span *spans, size_t count, json_t **ret,
                               struct mr_err *err)
{
    MR_AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, span_of(&spans[i])) != 0)
            return mr_fail_oom(err);
    *ret = json_pack("{s:[{s:{s:[o,o]},s:[{s:{s:s,s:s},s:O}]}]}", "resourceSpans", "resource", "attributes",
                     text_attribute("service.name", service), text_attribute("service.version", mr_version),
                     "scopeSpans", "scope", "name", "mediarun", "version", mr_version, "spans", list);
    return *ret ? MR_OK : mr_fail_oom(err);
}
