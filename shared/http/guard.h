/*
 * The guard against server-side request forgery: which URLs from users may be requested.
 *
 * There are two checks. mr_guard_check_url checks the URL itself, before anything is resolved: scheme, credentials,
 * host. The HTTP client (mr_http_request.guard) checks each address at connect time (public_address.h), so a name
 * that resolves differently the second time gains nothing. Only public addresses pass; the exceptions are the hosts
 * that the operator allows (FETCH_ALLOW_HOSTS). Errors say what was refused, never what an internal name resolves
 * to. Read-only after mr_guard_new; any thread.
 */
#ifndef MR_HTTP_GUARD_H
#define MR_HTTP_GUARD_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct mr_guard;

/* allow_hosts: "host[:port],…", IPv6 in brackets; "" for none. MR_INVALID names the bad entry. */
MR_MUST_CHECK enum mr_status mr_guard_new(const char *allow_hosts, struct mr_guard **ret, struct mr_err *err);
void mr_guard_free(struct mr_guard *guard);
MR_DEFINE_CLEANUP(mr_guard, mr_guard_free)

enum { MR_GUARD_HTTPS_ONLY = 1 }; /* http only to hosts of the allow list (webhooks) */

/*
 * Checks an absolute URL: http or https, no user or password, a host in ASCII, no control characters, at most
 * 2,048 bytes, and no literal address (in any notation that libcurl accepts) that is not public. MR_INVALID with
 * code "url_malformed", "url_scheme", "url_credentials" or "address_refused"; the message does not name the field.
 */
MR_MUST_CHECK enum mr_status mr_guard_check_url(const struct mr_guard *guard, const char *url, unsigned flags,
                                                struct mr_err *err);

/* Fails with MR_INVALID, code "address_refused": what both checks report. */
enum mr_status mr_guard_refuse_address(struct mr_err *err);

/* True if the allow list names this host at this port. host: as in struct mr_url (client_url.h). */
bool mr_guard_names_host(const struct mr_guard *guard, const char *host, int port);

#endif
