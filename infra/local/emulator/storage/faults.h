/*
 * Faults of storage, on request, for tests of its clients:
 *
 *   PUT /emulator/storage/faults {"faults": [{"method": "storage.objects.get", "fault": "return-503", "count": 3}]}
 *
 * replaces all faults; each applies to the next `count` calls of its method (-1: to all). GET returns what is left.
 *
 *   return-NNN              the call is answered with this HTTP status, 400 to 599
 *   return-corrupted-data   the first byte of a download is wrong, its headers are right
 *   return-broken-stream    the connection is closed in the middle of a download
 *
 * Names of methods and faults follow https://github.com/googleapis/storage-testbench. Any thread may call.
 */
#ifndef EM_STORAGE_FAULTS_H
#define EM_STORAGE_FAULTS_H

#include "shared/base/cleanup.h"
#include "shared/http/server.h"

enum em_fault { EM_FAULT_NONE, EM_FAULT_RETURN, EM_FAULT_CORRUPT, EM_FAULT_BREAK };

struct em_faults;

MR_MUST_CHECK enum mr_status em_faults_new(struct em_faults **ret, struct mr_err *err);
void em_faults_free(struct em_faults *faults);
MR_DEFINE_CLEANUP(em_faults, em_faults_free)

/* Replaces all faults by those of the body above. MR_INVALID for anything else. */
MR_MUST_CHECK enum mr_status em_faults_set(struct em_faults *faults, const json_t *body, struct mr_err *err);
/* A new reference to {"faults": [...]}; NULL without memory. */
json_t *em_faults_get(struct em_faults *faults);

/* The HTTP status that this call of a method is to be answered with, or 0: it runs. */
int em_faults_take_status(struct em_faults *faults, const char *method);
/* What is to happen to this download: EM_FAULT_NONE, _CORRUPT or _BREAK. */
enum em_fault em_faults_take_download(struct em_faults *faults);

#endif
