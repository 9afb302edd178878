/*
 * A front end as Cloud Run has one: one address for a service, whose connections go to several instances. It is a
 * TCP relay, because the instances here are processes with ports of their own.
 *
 * Each connection goes to the instance with the fewest connections; one that refuses is skipped. One thread per
 * connection. For development only, like the rest of the emulator: it binds the loopback address.
 */
#ifndef EM_FRONT_H
#define EM_FRONT_H

#include "shared/base/err.h"

/*
 * spec: "PORT=ADDRESS:PORT,ADDRESS:PORT,…" (numeric IPv4 addresses, 64 at most). Prints
 * "front listening on 127.0.0.1:PORT" on stdout and relays until SIGTERM or SIGINT. MR_INVALID for a bad spec,
 * MR_UNAVAILABLE if the port cannot be bound. Call it from main, before any other thread exists.
 */
MR_MUST_CHECK enum mr_status em_front_run(const char *spec, struct mr_err *err);

#endif
