/* What each program does first. */
#ifndef MR_BASE_PROCESS_H
#define MR_BASE_PROCESS_H

#include <signal.h>
#include <stdint.h>

/*
 * Call in main before any thread exists: blocks SIGTERM and SIGINT in all threads to come, so that main can
 * wait for them (*ret_signals), ignores SIGPIPE, and bounds what malloc keeps: a program that serves many
 * requests from many threads would otherwise hold their peaks for ever. Prepares jansson (json.h).
 */
void mr_process_prepare(sigset_t *ret_signals);

/* Raises the bound on open descriptors as far as the system lets this process: thousands of sockets may be
 * open. A failure leaves it as it is. */
void mr_process_raise_descriptors(void);

/* Processors that are online. */
int mr_process_cores(void);
/* Bytes that the process can have: the machine's memory or, if it is less, the limit of the control group at the root of
 * the process's view, as in a container. */
int64_t mr_process_memory(void);

#endif
