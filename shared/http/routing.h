/*
 * Routing: a request's path against the patterns of a route table (the language is described in server.h).
 *
 * Pure functions on the caller's memory; nothing is allocated. A path is parsed once and then matched against each
 * route in order: tables are short, and the first route that matches wins.
 */
#ifndef MR_HTTP_ROUTING_H
#define MR_HTTP_ROUTING_H

#include "shared/http/server.h"

enum {
    MR_PATH_MAX = 4096,         /* bytes of a path, the final NUL included; longer ones get 414 */
    MR_PATH_SEGMENTS_MAX = 128, /* segments of a path */
    MR_ALLOW_MAX = 128,         /* bytes of an Allow header */
};

/* A normalised path: text is "/a/b%20c", its segments are decoded. */
struct mr_path {
    char text[MR_PATH_MAX];
    char decoded[MR_PATH_MAX];
    size_t count;
    struct {
        size_t start; /* of the segment in text, after its slash */
        size_t decoded;
    } segments[MR_PATH_SEGMENTS_MAX];
};

/* Merges repeated slashes, drops a trailing one, and decodes. MR_INVALID for a path without a leading slash,
 * a broken escape, an encoded NUL, or what is not UTF-8; MR_TOO_LARGE over the limits above. */
MR_MUST_CHECK enum mr_status mr_path_parse(const char *raw, struct mr_path *ret, struct mr_err *err);

/* A matched route and its parameters; the names point into the route's pattern. */
struct mr_route_match {
    const struct mr_route *route;
    size_t count;
    struct {
        const char *name;
        size_t name_len;
        size_t value; /* offset in text */
    } params[MR_ROUTE_PARAMS_MAX];
    char text[MR_PATH_MAX];
    size_t used;
};

enum mr_routing { MR_ROUTE_FOUND, MR_ROUTE_NOT_FOUND, MR_ROUTE_OTHER_METHOD };

/* Finds the first route for method and path. */
enum mr_routing mr_route_find(const struct mr_route *routes, size_t count, const char *method,
                              const struct mr_path *path, struct mr_route_match *ret);

/* The value of a parameter, or NULL if the pattern has none of that name. */
const char *mr_route_param(const struct mr_route_match *match, const char *name);

/* Writes the methods that the path supports, "GET, HEAD, POST", for the Allow header of a 405. */
void mr_route_allow(const struct mr_route *routes, size_t count, const struct mr_path *path,
                    char out[MR_ALLOW_MAX]);
/* The methods that any path supports, and OPTIONS: the answer to "OPTIONS *" (RFC 9110 §9.3.7). */
void mr_route_allow_all(const struct mr_route *routes, size_t count, char out[MR_ALLOW_MAX]);
/* False for methods that no route can have. */
bool mr_route_knows_method(const char *method);

#endif
