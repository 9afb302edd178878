/* Copies bytes between two connected sockets, in both directions at once. */
#ifndef EM_FRONT_RELAY_H
#define EM_FRONT_RELAY_H

/*
 * Returns when the instance has ended its answer, or when either side fails. An end of one side (half-close) is
 * passed on. Uses one small buffer per direction. The sockets stay open, and are non-blocking afterwards.
 */
void em_front_relay(int client, int instance);

#endif
