/*
 * A TCP relay in front of the unit tests' PostgreSQL, for networks that fail silently: it can stop to forward without
 * closing anything. It runs on a thread of its own; any thread may call. A failure ends the program.
 */
#ifndef MR_TESTS_UNIT_RELAY_H
#define MR_TESTS_UNIT_RELAY_H

#include <stdbool.h>

struct relay;

struct relay *relay_start(void);
void relay_stop(struct relay *relay);

/* How to connect to the database of `conninfo` through the relay (malloc'ed). */
char *relay_conninfo(const struct relay *relay, const char *conninfo);

/* While it is silent, it neither forwards nor takes connections; the kernel still takes them in its name. What was sent
 * meanwhile is forwarded when it ends. Returns when it holds. */
void relay_silence(struct relay *relay, bool silent);
/* Leaves the present connections open and forwards nothing on them any more, as a router that forgot them. */
void relay_forget(struct relay *relay);
/* Closes the present connections. */
void relay_cut(struct relay *relay);

#endif
