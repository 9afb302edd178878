#include "shared/http/span.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/http/tracer.h"

#include <ctype.h>

enum { TRACE_BYTES = 16, SPAN_BYTES = 8 };

static bool make_id(char *out, size_t bytes)
{
    unsigned char random[TRACE_BYTES];
    if (mr_random_bytes(random, bytes, NULL) != MR_OK)
        return false;
    mr_hex_encode(random, bytes, out);
    return true;
}

/* Hexadecimal in lower case; false for an id of zeros, which names nothing (W3C Trace Context §3.2.2). */
static bool take_id(const char *id, char *out)
{
    bool is_any = false;
    for (; *id; id++) {
        *out++ = (char)tolower((unsigned char)*id);
        is_any |= *id != '0';
    }
    *out = '\0';
    return is_any;
}

static struct mr_span begin(struct mr_tracer *tracer, const char *trace, const char *parent, const char *name,
                            enum mr_span_kind kind)
{
    struct mr_span span = {.tracer = tracer,
                           .name = name,
                           .kind = kind,
                           .start_us = mr_time_now_us(),
                           .begun_us = mr_time_monotonic_us()};
    const bool continues = take_id(trace, span.trace);
    if (!continues || !take_id(parent, span.parent))
        span.parent[0] = '\0';
    if ((!continues && !make_id(span.trace, TRACE_BYTES)) || !make_id(span.id, SPAN_BYTES))
        span.tracer = NULL;
    return span;
}

struct mr_span mr_span_begin(struct mr_tracer *tracer, const struct mr_log *within, const char *name,
                             enum mr_span_kind kind)
{
    if (!tracer || (within->is_unsampled && !mr_tracer_samples_all(tracer)))
        return (struct mr_span){.tracer = NULL};
    return begin(tracer, within->trace, within->span, name, kind);
}

struct mr_span mr_span_child(const struct mr_span *parent, const char *name, enum mr_span_kind kind)
{
    if (!parent->tracer)
        return (struct mr_span){.tracer = NULL};
    return begin(parent->tracer, parent->trace, parent->id, name, kind);
}

bool mr_span_is_recorded(const struct mr_span *span)
{
    return span->tracer;
}

void mr_span_enter(const struct mr_span *span, struct mr_log *log)
{
    if (!span->tracer)
        return;
    memcpy(log->trace, span->trace, sizeof log->trace);
    memcpy(log->span, span->id, sizeof log->span);
    log->is_unsampled = false;
}

void mr_span_traceparent(const struct mr_span *span, char out[MR_SPAN_TRACEPARENT_MAX])
{
    snprintf(out, MR_SPAN_TRACEPARENT_MAX, "00-%s-%s-01", span->trace, span->id);
}

static struct mr_span_attribute *add_attribute(struct mr_span *span, const char *key)
{
    if (!span->tracer || span->attribute_count == MR_SPAN_ATTRIBUTES_MAX)
        return NULL;
    struct mr_span_attribute *attribute = &span->attributes[span->attribute_count++];
    *attribute = (struct mr_span_attribute){.key = key};
    return attribute;
}

void mr_span_set_number(struct mr_span *span, const char *key, int64_t value)
{
    struct mr_span_attribute *attribute = add_attribute(span, key);
    if (attribute)
        attribute->number = value;
}

void mr_span_set_text(struct mr_span *span, const char *key, const char *value)
{
    struct mr_span_attribute *attribute = add_attribute(span, key);
    if (!attribute)
        return;
    attribute->is_text = true;
    snprintf(attribute->text, sizeof attribute->text, "%s", value);
}

void mr_span_end(struct mr_span *span, enum mr_status status)
{
    struct mr_tracer *tracer = MR_TAKE(span->tracer);
    if (!tracer)
        return;
    span->took_us = mr_time_monotonic_us() - span->begun_us;
    span->failed = status != MR_OK;
    mr_tracer_take(tracer, span);
}
