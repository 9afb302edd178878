/* What mediarun says: data on standard output, everything else on standard error. Both are safe for a terminal: what others
 * wrote loses its control characters. */
#ifndef MR_CLIENT_REPORT_H
#define MR_CLIENT_REPORT_H

#include "client/cli.h"
#include "client/exits.h"

/* Writes "mediarun: SUBJECT: message (code)". subject NULL: none. Returns the exit status that the failure means. */
enum mr_cli_exit mr_cli_report(struct mr_cli *cli, const char *subject, const struct mr_err *failure);

/* Writes "mediarun: SUBJECT: …" unless --quiet. */
void mr_cli_note(struct mr_cli *cli, const char *subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes a line of data. MR_INVALID with code "local_file" if it cannot be written. */
MR_MUST_CHECK enum mr_status mr_cli_print(const char *text, struct mr_err *err);
/* Writes a JSON document as one line; pretty: indented. */
MR_MUST_CHECK enum mr_status mr_cli_print_json(const json_t *document, bool is_pretty, struct mr_err *err);

#endif
