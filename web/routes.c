#include "web/routes.h"

#include "web/api/api.h"

enum { FIELDS_BODY = 64 << 10, PUSH_BODY = 1 << 20, UPLOAD_BODY = -1, NO_BODY = 0 };

/* Two of the older systems spell /auth and /tasks without /api. */
/* clang-format off */
const struct mr_route mr_web_routes[] = {
    {"POST",   "/api/auth/signup",       mr_api_signup,      FIELDS_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/auth/signup",           mr_api_signup,      FIELDS_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/api/auth/login",        mr_api_login,       FIELDS_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/auth/login",            mr_api_login,       FIELDS_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/auth/me",           mr_api_me,          NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/auth/me",               mr_api_me,          NO_BODY,     MR_ROUTE_NORMAL},
    {"PUT",    "/api/auth/me",           mr_api_rename,      FIELDS_BODY, MR_ROUTE_NORMAL},
    {"DELETE", "/api/auth/me",           mr_api_account_delete, FIELDS_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/api/auth/password",     mr_api_password_change, FIELDS_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/api/auth/logout",       mr_api_logout,      NO_BODY,     MR_ROUTE_NORMAL},
    {"POST",   "/api/auth/reset",        mr_api_reset_ask,   FIELDS_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/auth/reset/password", mr_api_reset_page, NO_BODY,    MR_ROUTE_NORMAL},
    {"POST",   "/api/auth/reset/password", mr_api_reset_use, FIELDS_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/auth/confirm",      mr_api_confirm_page, NO_BODY,    MR_ROUTE_NORMAL},
    {"POST",   "/api/auth/confirm",      mr_api_confirm,     FIELDS_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/api/auth/confirmation", mr_api_confirmation_create, NO_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/api/keys",              mr_api_key_post,    FIELDS_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/keys",              mr_api_key_list,    NO_BODY,     MR_ROUTE_NORMAL},
    {"DELETE", "/api/keys/{id}",         mr_api_key_revoke,  NO_BODY,     MR_ROUTE_NORMAL},
    {"POST",   "/api/tasks",             mr_api_task_create, UPLOAD_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/tasks",                 mr_api_task_create, UPLOAD_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/tasks",             mr_api_task_list,   NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/tasks",                 mr_api_task_list,   NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/api/tasks/all",         mr_api_task_list_all, NO_BODY,   MR_ROUTE_NORMAL},
    {"GET",    "/tasks/all",             mr_api_task_list_all, NO_BODY,   MR_ROUTE_NORMAL},
    {"GET",    "/api/tasks/{id}",        mr_api_task_get,    NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/tasks/{id}",            mr_api_task_get,    NO_BODY,     MR_ROUTE_NORMAL},
    {"PUT",    "/api/tasks/{id}",        mr_api_task_redo,   FIELDS_BODY, MR_ROUTE_NORMAL},
    {"PUT",    "/tasks/{id}",            mr_api_task_redo,   FIELDS_BODY, MR_ROUTE_NORMAL},
    {"DELETE", "/api/tasks/{id}",        mr_api_task_delete, NO_BODY,     MR_ROUTE_NORMAL},
    {"DELETE", "/tasks/{id}",            mr_api_task_delete, NO_BODY,     MR_ROUTE_NORMAL},
    {"DELETE", "/api/tasks",             mr_api_task_delete_many, NO_BODY, MR_ROUTE_SLOW},
    {"POST",   "/api/tasks/{id}/cancel", mr_api_task_cancel, NO_BODY,     MR_ROUTE_NORMAL},
    {"POST",   "/api/tasks/{id}/links",  mr_api_link_post,   FIELDS_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/tasks/{id}/links",  mr_api_link_list,   NO_BODY,     MR_ROUTE_NORMAL},
    {"DELETE", "/api/tasks/{id}/links/{link_id}", mr_api_link_revoke, NO_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/api/tokens/stream",     mr_api_stream_token, FIELDS_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/tasks/{id}/events", mr_api_task_events, NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/tasks/{id}/events",     mr_api_task_events, NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/api/events",            mr_api_events,      NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/events",                mr_api_events,      NO_BODY,     MR_ROUTE_NORMAL},
    {"POST",   "/api/probe",             mr_api_probe,       UPLOAD_BODY, MR_ROUTE_SLOW},
    {"POST",   "/probe",                 mr_api_probe,       UPLOAD_BODY, MR_ROUTE_SLOW},
    {"POST",   "/api/uploads",           mr_api_upload_create, FIELDS_BODY, MR_ROUTE_NORMAL},
    {"POST",   "/uploads",               mr_api_upload_create, FIELDS_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/uploads",           mr_api_upload_list, NO_BODY,     MR_ROUTE_NORMAL},
    {"DELETE", "/api/uploads/{upload_id}", mr_api_upload_cancel, NO_BODY,   MR_ROUTE_SLOW},
    {"GET",    "/api/deliveries",        mr_api_delivery_list, NO_BODY,   MR_ROUTE_NORMAL},
    {"POST",   "/api/deliveries/{id}/replay", mr_api_delivery_replay, NO_BODY, MR_ROUTE_NORMAL},
    {"GET",    "/api/files/{file_id}",   mr_api_file_get,    NO_BODY,     MR_ROUTE_SLOW},
    {"GET",    "/alive",                 mr_api_alive,       NO_BODY,     MR_ROUTE_VITAL},
    {"GET",    "/api-health",            mr_api_health,      NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/ping",                  mr_api_ping,        NO_BODY,     MR_ROUTE_SLOW},
    {"GET",    "/converter-health",      mr_api_converter_health, NO_BODY, MR_ROUTE_SLOW},
    {"POST",   "/benchmark/conversion/start", mr_api_benchmark_start, UPLOAD_BODY, MR_ROUTE_SLOW},
    {"GET",    "/benchmark/conversion/data", mr_api_benchmark_data, NO_BODY, MR_ROUTE_SLOW},
    {"GET",    "/benchmark/conversion/result", mr_api_benchmark_result, NO_BODY, MR_ROUTE_SLOW},
    {"GET",    "/report",                mr_api_report,      NO_BODY,     MR_ROUTE_SLOW},
    {"GET",    "/",                      mr_api_index,       NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/openapi.json",          mr_api_openapi,     NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/openapi-3.0.json",      mr_api_openapi_30,  NO_BODY,     MR_ROUTE_NORMAL},
    {"GET",    "/docs",                  mr_api_docs,        NO_BODY,     MR_ROUTE_NORMAL},
    {"POST",   "/internal/sweep",        mr_api_sweep,       PUSH_BODY,   MR_ROUTE_VITAL},
    {"POST",   "/internal/dead-letters", mr_api_dead_letters, PUSH_BODY,  MR_ROUTE_VITAL},
};
/* clang-format on */
const size_t mr_web_route_count = sizeof mr_web_routes / sizeof *mr_web_routes;

#define LIST "max order after status kind name format created_after created_before count"

/* Pages take any, since others add some to links. */
const struct mr_route_query mr_web_queries[] = {
    {mr_api_task_create, "wait"},
    {mr_api_task_list, LIST},
    {mr_api_task_delete_many, "status kind name format created_after created_before dry_run"},
    {mr_api_delivery_list, "max before status"},
    {mr_api_task_list_all, LIST},
    {mr_api_file_get, "n token"},
    {mr_api_events, "token"},
    {mr_api_task_events, "token"},
    {mr_api_confirm, "token"},
    {mr_api_converter_health, "wait"},
    {mr_api_confirm_page, "*"},
    {mr_api_reset_page, "*"},
    {mr_api_reset_use, "token"},
    {mr_api_index, "*"},
    {mr_api_docs, "*"},
    {mr_api_report, "*"},
};
const size_t mr_web_query_count = sizeof mr_web_queries / sizeof *mr_web_queries;
