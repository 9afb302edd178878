/*
 * Spans: the parts of a trace (https://opentelemetry.io/docs/concepts/signals/traces/). A span is a small value that belongs to
 * one thread; its end hands a copy to the tracer (tracer.h), which never waits. The trace is that of the log (shared/base/log.h),
 * which has it from the request or the message (W3C traceparent): so spans and log lines have the same ids.
 *
 * A span without a tracer, and one of a trace that its client does not sample, is not recorded: all functions accept it, and do
 * nothing then.
 */
#ifndef MR_HTTP_SPAN_H
#define MR_HTTP_SPAN_H

#include "shared/base/log.h"

#include <stdint.h>

enum { MR_SPAN_ATTRIBUTES_MAX = 4, MR_SPAN_TEXT_MAX = 48, MR_SPAN_TRACEPARENT_MAX = 56 };

/* As OTLP numbers them. */
enum mr_span_kind {
    MR_SPAN_INTERNAL = 1,
    MR_SPAN_SERVER,
    MR_SPAN_CLIENT,
    MR_SPAN_PRODUCER,
    MR_SPAN_CONSUMER
};

struct mr_span_attribute {
    const char *key; /* static */
    bool is_text;
    int64_t number;
    char text[MR_SPAN_TEXT_MAX];
};

struct mr_tracer;

struct mr_span {
    struct mr_tracer *tracer; /* NULL: not recorded */
    const char *name;         /* static */
    enum mr_span_kind kind;
    char trace[33], id[17], parent[17]; /* lower-case hexadecimal; parent "": none */
    int64_t start_us;                   /* since 1970 */
    int64_t begun_us;                   /* CLOCK_MONOTONIC */
    int64_t took_us;
    bool failed;
    struct mr_span_attribute attributes[MR_SPAN_ATTRIBUTES_MAX];
    int attribute_count;
};

/* Begins a span below the one that the log names; without one it begins a trace. tracer may be NULL. */
struct mr_span mr_span_begin(struct mr_tracer *tracer, const struct mr_log *within, const char *name,
                             enum mr_span_kind kind);
/* Begins one below another one. */
struct mr_span mr_span_child(const struct mr_span *parent, const char *name, enum mr_span_kind kind);

bool mr_span_is_recorded(const struct mr_span *span);
/* Lets the log, and what begins within it, belong to the span. */
void mr_span_enter(const struct mr_span *span, struct mr_log *log);
/* The span as the parent of others, in W3C's form. Only of a recorded one. */
void mr_span_traceparent(const struct mr_span *span, char out[MR_SPAN_TRACEPARENT_MAX]);

/* Attributes beyond the most are left out, texts are cut. */
void mr_span_set_number(struct mr_span *span, const char *key, int64_t value);
void mr_span_set_text(struct mr_span *span, const char *key, const char *value);

/* Ends the span: failed unless status is MR_OK. Once; later calls do nothing. */
void mr_span_end(struct mr_span *span, enum mr_status status);

#endif
