/* Carries bytes between two connected sockets, both ways at once. */
#ifndef EM_FRONT_RELAY_H
#define EM_FRONT_RELAY_H

/*
 * Returns when both sides have said their end, or one of them fails. An end of one side (half-close) is
 * passed on. Holds one small buffer for each way. The sockets stay open, and are non-blocking afterwards.
 */
void em_front_relay(int client, int instance);

#endif
