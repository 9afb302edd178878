/*
 * Parameters of header values, and the header block of a form part. All functions work in place on the caller's
 * buffer, into which the results point; nothing is allocated. For form*.c and disposition.c; any thread.
 */
#ifndef MR_HTTP_FORM_HEAD_H
#define MR_HTTP_FORM_HEAD_H

#include "shared/http/form.h"

/*
 * Reads the next parameter at *cursor, which begins after the header's main value ("; name=value;
 * name=\"value\""). Quotes are removed; \" and \\ lose their backslash; any other backslash stays, as browsers
 * write it. False at the end, and for text that is not a parameter.
 */
bool mr_form_param(char **cursor, char **ret_name, char **ret_value);

/* Reads a part's header lines (each ended by CRLF, NUL after the last). MR_INVALID if they are malformed, if
 * there is no field name, or if a name is not UTF-8 or holds control characters. */
MR_MUST_CHECK enum mr_status mr_form_part_head(char *head, struct mr_form_part *ret, struct mr_err *err);

/* MR_INVALID unless text is UTF-8 without control characters; `what` names it in the message. */
MR_MUST_CHECK enum mr_status mr_form_check_name(const char *text, const char *what, struct mr_err *err);

#endif
