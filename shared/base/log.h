/*
 * Structured logs: one JSON object per line on stderr, in Cloud Logging's special fields
 * (severity, message, time, logging.googleapis.com/trace, …/spanId).
 * Source: https://cloud.google.com/logging/docs/structured-logging
 *
 * A struct mr_log is a small value: a request copies its parent's and sets its own trace. Lines are written
 * with one write(2) each, so threads and processes do not mix within a line. Secrets are never passed in.
 */
#ifndef MR_BASE_LOG_H
#define MR_BASE_LOG_H

#include "shared/base/err.h"
#include "shared/base/json.h"

enum mr_severity { MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_NOTICE, MR_LOG_WARNING, MR_LOG_ERROR, MR_LOG_CRITICAL };

struct mr_log {
    int fd;               /* where lines go; not owned */
    enum mr_severity min; /* lines below are dropped */
    const char *program;  /* e.g. "mediarun-web"; not owned */
    bool is_text;         /* lines for people (log_text.h) instead of JSON */
    const char *project;  /* for the trace's full name; not owned, may be NULL or "" */
    char trace[33];       /* 32 hex digits, or "" */
    char span[17];        /* 16 hex digits, or "" */
    bool is_unsampled;    /* who began the trace does not record it */
};

/* A logger without a trace. */
struct mr_log mr_log_init(const char *program, enum mr_severity min);

/* For LOG_FORMAT: "text" or, whatever else it is, "json". */
void mr_log_set_format(struct mr_log *log, const char *format);

/* "debug", "info", "notice", "warning", "error", "critical"; false for anything else. */
bool mr_log_parse_severity(const char *text, enum mr_severity *ret_severity);

/*
 * Takes trace and span from the W3C `traceparent` header value ("00-<32 hex>-<16 hex>-<flags>") or, where
 * that is NULL or malformed, from `X-Cloud-Trace-Context` ("TRACE/SPAN_DECIMAL;o=1"). Either may be NULL.
 */
void mr_log_set_trace(struct mr_log *log, const char *traceparent, const char *cloud_trace);

/* Writes one line. `fields` is a json_pack format for an object of further fields, e.g. "{s:I,s:s}", or NULL.
 */
void mr_log_write(const struct mr_log *log, enum mr_severity severity, const char *message,
                  const char *fields, ...);

/* As mr_log_write for a failure: adds error.status, error.code and error.message. */
void mr_log_err(const struct mr_log *log, enum mr_severity severity, const char *message,
                const struct mr_err *cause, const char *fields, ...);

#endif
