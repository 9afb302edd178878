/* Spans as OTLP over HTTP takes them in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Pure. */
#ifndef MR_HTTP_OTLP_H
#define MR_HTTP_OTLP_H

#include "shared/base/json.h"
#include "shared/http/span.h"

/* An ExportTraceServiceRequest; the caller owns *ret. service: the program. */
MR_MUST_CHECK enum mr_status mr_otlp_request(const char *service, const struct mr_span *spans, size_t count,
                                             json_t **ret, struct mr_err *err);

#endif
