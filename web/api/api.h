/* The handlers of web's API, one file per resource. The app of all of them is a struct mr_web; the route
 * table is web/routes.c. */
#ifndef MR_WEB_API_API_H
#define MR_WEB_API_API_H

#include "shared/http/server.h"
#include "web/app.h"

mr_handler mr_api_signup; /* auth.c */
mr_handler mr_api_login;
mr_handler mr_api_me;
mr_handler mr_api_password_change; /* account_change.c */
mr_handler mr_api_logout;
mr_handler mr_api_rename;
mr_handler mr_api_account_delete;
mr_handler mr_api_guest_begin; /* guests.c */
mr_handler mr_api_guest_keep;
mr_handler mr_api_status;        /* status.c */
mr_handler mr_api_status_page;   /* static.c */
mr_handler mr_api_operator_page; /* static.c */
mr_handler mr_api_reset_ask;     /* reset.c */
mr_handler mr_api_reset_use;
mr_handler mr_api_confirm; /* confirm.c */
mr_handler mr_api_confirmation_create;
mr_handler mr_api_key_post; /* keys.c */
mr_handler mr_api_key_list;
mr_handler mr_api_key_revoke;
mr_handler mr_api_task_create; /* task_create.c */
mr_handler mr_api_task_list;   /* task_list.c */
mr_handler mr_api_task_list_all;
mr_handler mr_api_task_get; /* tasks.c */
mr_handler mr_api_task_cancel;
mr_handler mr_api_task_redo;
mr_handler mr_api_task_delete;
mr_handler mr_api_task_delete_many; /* task_delete_many.c */
mr_handler mr_api_link_post;        /* links.c */
mr_handler mr_api_link_list;
mr_handler mr_api_link_revoke;
mr_handler mr_api_stream_token;  /* stream_tokens.c */
mr_handler mr_api_probe;         /* probe.c */
mr_handler mr_api_upload_create; /* uploads.c */
mr_handler mr_api_upload_list;
mr_handler mr_api_upload_cancel;
mr_handler mr_api_delivery_list; /* deliveries.c */
mr_handler mr_api_delivery_replay;
mr_handler mr_api_file_get;    /* files.c */
mr_handler mr_api_task_events; /* events.c */
mr_handler mr_api_events;
mr_handler mr_api_alive; /* health.c */
mr_handler mr_api_health;
mr_handler mr_api_ping; /* ping.c */
mr_handler mr_api_converter_health;
mr_handler mr_api_benchmark_start; /* benchmark.c */
mr_handler mr_api_benchmark_data;
mr_handler mr_api_benchmark_result;
mr_handler mr_api_index; /* static.c */
mr_handler mr_api_openapi;
mr_handler mr_api_openapi_30;
mr_handler mr_api_docs;
mr_handler mr_api_asset;
mr_handler mr_api_report;
mr_handler mr_api_confirm_page;
mr_handler mr_api_reset_page;
mr_handler mr_api_operator_failures; /* operators.c */
mr_handler mr_api_operator_failed;
mr_handler mr_api_operator_stuck;
mr_handler mr_api_operator_dead_letters;
mr_handler mr_api_operator_leases;
mr_handler mr_api_operator_usage;
mr_handler mr_api_operator_requeue;
mr_handler mr_api_metrics; /* metrics.c */
mr_handler mr_api_sweep;   /* internal.c */
mr_handler mr_api_dead_letters;

/* Deletes a task and its objects (tasks.c); key is its number or file_id. An object that cannot be deleted
 * now is logged and left to the sweep. MR_NOT_FOUND. Any thread. */
MR_MUST_CHECK enum mr_status mr_api_remove_task(struct mr_web *web, const struct mr_log *log, int64_t user_id,
                                                const char *key, struct mr_err *err);

#endif
