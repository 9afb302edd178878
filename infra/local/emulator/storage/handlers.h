/* The handlers of Cloud Storage's routes; the table is in storage/storage.c. */
#ifndef EM_STORAGE_HANDLERS_H
#define EM_STORAGE_HANDLERS_H

#include "infra/local/emulator/app.h"
#include "infra/local/emulator/storage/faults.h"
#include "infra/local/emulator/storage/session.h"
#include "infra/local/emulator/storage/store.h"

/* What the handlers work with. */
struct em_storage {
    struct em_store *store;
    struct em_faults *faults;
    struct em_upload_sessions *sessions;
};

enum { EM_FAULTS_BYTES_MAX = 64 << 10 };

/* fault_handlers.c: the faults, and the handlers that may have one */
mr_handler em_faults_put, em_faults_list;
mr_handler em_object_get_or_fault, em_object_delete_or_fault, em_object_compose_or_fault;
mr_handler em_upload_post_or_fault, em_upload_put_or_fault;

/* bucket_handlers.c */
mr_handler em_bucket_insert, em_bucket_list, em_bucket_get, em_bucket_patch, em_bucket_delete;
mr_handler em_bucket_test_permissions, em_bucket_storage_layout, em_managed_folder_list;
/* object_handlers.c */
mr_handler em_object_list, em_object_get, em_object_patch, em_object_update, em_object_delete;
mr_handler em_object_download;
/* compose_handlers.c, copy_handlers.c */
mr_handler em_object_compose, em_object_rewrite, em_object_copy;
/* upload_handlers.c, resumable.c */
mr_handler em_upload_post, em_upload_put, em_upload_delete;
/* xml_handlers.c */
mr_handler em_xml_get, em_xml_put, em_xml_post, em_xml_delete;
/* cors_session.c, cors_bucket.c */
mr_handler em_upload_preflight, em_xml_preflight;

#endif
