/* The routes of web, as one table. */
#ifndef MR_WEB_ROUTES_H
#define MR_WEB_ROUTES_H

#include "shared/http/server.h"

extern const struct mr_route mr_web_routes[];
extern const size_t mr_web_route_count;
/* The query parameters that they have. */
extern const struct mr_route_query mr_web_queries[];
extern const size_t mr_web_query_count;

#endif
