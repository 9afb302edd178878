/*
 * A mail relay for tests, with STARTTLS or TLS from the start: one thread, one connection after the other,
 * each answer as scripted. What clients say is recorded.
 */
#ifndef MR_TESTS_FAKE_SMTP_H
#define MR_TESTS_FAKE_SMTP_H

#include <stdbool.h>
#include <stddef.h>

/* Each answer without CRLF; NULL: as a good relay would. FAKE_SMTP_SILENT: none, the connection stays open;
 * FAKE_SMTP_HANG_UP: the connection is closed instead. */
#define FAKE_SMTP_SILENT  "silent"
#define FAKE_SMTP_HANG_UP "hang up"
struct fake_smtp_script {
    const char *greeting, *ehlo, *starttls, *auth, *mail, *rcpt, *data, *end, *quit;
    bool no_starttls; /* EHLO does not offer it */
    bool other_name;  /* the certificate is for another host */
};

struct fake_smtp;

/* Listens on a free port of 127.0.0.1; implicit: TLS from the start (smtps). */
struct fake_smtp *fake_smtp_start(bool implicit);
void fake_smtp_stop(struct fake_smtp *fake);
/* smtp://127.0.0.1:PORT or smtps://…, alive as long as fake. */
const char *fake_smtp_url(const struct fake_smtp *fake);
/* The PEM file of the certificate that speaks for 127.0.0.1, in the working directory. */
const char *fake_smtp_ca_file(const struct fake_smtp *fake);

/* The script from now on; forgets what was recorded. Texts are not copied. */
void fake_smtp_script(struct fake_smtp *fake, const struct fake_smtp_script *script);
/* What clients have said since: one line each, "\n" between; "(tls)" where it began; the mail's own lines
 * follow DATA. malloc'ed. */
char *fake_smtp_said(struct fake_smtp *fake);

#endif
