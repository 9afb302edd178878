#include "web/routes.h"

#include "web/api/api.h"

enum { FIELDS_BODY = 64 << 10, PUSH_BODY = 1 << 20, UPLOAD_BODY = -1, NO_BODY = 0 };

/* Two of the older systems spell /auth and /tasks without /api. */
/* clang-format off */
const struct mr_route mr_web_routes[] = {
    {"POST",   "/api/auth/signup",       mr_api_signup,      FIELDS_BODY, 0},
    {"POST",   "/auth/signup",           mr_api_signup,      FIELDS_BODY, 0},
    {"POST",   "/api/auth/login",        mr_api_login,       FIELDS_BODY, 0},
    {"POST",   "/auth/login",            mr_api_login,       FIELDS_BODY, 0},
    {"GET",    "/api/auth/me",           mr_api_me,          NO_BODY,     0},
    {"GET",    "/auth/me",               mr_api_me,          NO_BODY,     0},
    {"POST",   "/api/tasks",             mr_api_task_create, UPLOAD_BODY, 0},
    {"POST",   "/tasks",                 mr_api_task_create, UPLOAD_BODY, 0},
    {"GET",    "/api/tasks",             mr_api_task_list,   NO_BODY,     0},
    {"GET",    "/tasks",                 mr_api_task_list,   NO_BODY,     0},
    {"GET",    "/api/tasks/all",         mr_api_task_list_all, NO_BODY,   0},
    {"GET",    "/tasks/all",             mr_api_task_list_all, NO_BODY,   0},
    {"GET",    "/api/tasks/{id}",        mr_api_task_get,    NO_BODY,     0},
    {"GET",    "/tasks/{id}",            mr_api_task_get,    NO_BODY,     0},
    {"PUT",    "/api/tasks/{id}",        mr_api_task_redo,   FIELDS_BODY, 0},
    {"PUT",    "/tasks/{id}",            mr_api_task_redo,   FIELDS_BODY, 0},
    {"DELETE", "/api/tasks/{id}",        mr_api_task_delete, NO_BODY,     0},
    {"DELETE", "/tasks/{id}",            mr_api_task_delete, NO_BODY,     0},
    {"GET",    "/api/tasks/{id}/events", mr_api_task_events, NO_BODY,     0},
    {"GET",    "/tasks/{id}/events",     mr_api_task_events, NO_BODY,     0},
    {"GET",    "/api/events",            mr_api_events,      NO_BODY,     0},
    {"GET",    "/events",                mr_api_events,      NO_BODY,     0},
    {"POST",   "/api/probe",             mr_api_probe,       UPLOAD_BODY, 0},
    {"POST",   "/probe",                 mr_api_probe,       UPLOAD_BODY, 0},
    {"POST",   "/api/uploads",           mr_api_upload_create, FIELDS_BODY, 0},
    {"POST",   "/uploads",               mr_api_upload_create, FIELDS_BODY, 0},
    {"GET",    "/api/files/{file_id}",   mr_api_file_get,    NO_BODY,     0},
    {"GET",    "/alive",                 mr_api_alive,       NO_BODY,     0},
    {"GET",    "/api-health",            mr_api_health,      NO_BODY,     0},
    {"GET",    "/ping",                  mr_api_ping,        NO_BODY,     0},
    {"GET",    "/converter-health",      mr_api_converter_health, NO_BODY, 0},
    {"POST",   "/benchmark/conversion/start", mr_api_benchmark_start, UPLOAD_BODY, 0},
    {"GET",    "/benchmark/conversion/data", mr_api_benchmark_data, NO_BODY, 0},
    {"GET",    "/benchmark/conversion/result", mr_api_benchmark_result, NO_BODY, 0},
    {"GET",    "/report",                mr_api_report,      NO_BODY,     0},
    {"GET",    "/",                      mr_api_index,       NO_BODY,     0},
    {"GET",    "/openapi.json",          mr_api_openapi,     NO_BODY,     0},
    {"GET",    "/docs",                  mr_api_docs,        NO_BODY,     0},
    {"POST",   "/internal/sweep",        mr_api_sweep,       PUSH_BODY,   0},
    {"POST",   "/internal/dead-letters", mr_api_dead_letters, PUSH_BODY,  0},
};
/* clang-format on */
const size_t mr_web_route_count = sizeof mr_web_routes / sizeof *mr_web_routes;
