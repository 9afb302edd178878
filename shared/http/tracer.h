/*
 * The tracer sends ended spans to a collector by OTLP over HTTP (JSON). It delays nobody: spans wait in a queue of fixed size,
 * from which one thread sends batches; what does not fit, and a batch that the collector does not take in three attempts, is
 * dropped and counted (metric mediarun_spans_total, and a log line at most once a minute). A failure of the collector has
 * no other effect.
 */
#ifndef MR_HTTP_TRACER_H
#define MR_HTTP_TRACER_H

#include "shared/base/cleanup.h"
#include "shared/http/client.h"
#include "shared/http/http_metrics.h"
#include "shared/http/span.h"

struct mr_tracer_options {
    /* base URL of the collector, "" for none: then there is no tracer; "/v1/traces" is added */
    const char *endpoint;
    const char *headers; /* "NAME=VALUE,…", values percent-encoded (a secret); may be "" */
    const char *service; /* the program's name; must outlive the tracer, as must all below */
    bool samples_all;    /* also traces that their client does not sample */
    struct mr_http_client *http;
    struct mr_http_metrics *metrics; /* may be NULL */
    const struct mr_log *log;
};

/* *ret is NULL without an endpoint. MR_INVALID for malformed headers; MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_tracer_start(const struct mr_tracer_options *options, struct mr_tracer **ret,
                                             struct mr_err *err);
/* Sends what is in the queue, for a second at most, and frees. No span may be alive. NULL is allowed. */
void mr_tracer_stop(struct mr_tracer *tracer);
MR_DEFINE_CLEANUP(mr_tracer, mr_tracer_stop)

bool mr_tracer_samples_all(const struct mr_tracer *tracer);

/* Copies an ended span into the queue, or drops it. Any thread; does not wait. For span.c. */
void mr_tracer_take(struct mr_tracer *tracer, const struct mr_span *span);

#endif
