/*
 * The texts of a form: parameters of header values, and the header block of a part. All functions work in
 * place on a buffer of the caller's, into which the results point; nothing is allocated. For form*.c and
 * disposition.c.
 */
#ifndef MR_HTTP_FORM_HEAD_H
#define MR_HTTP_FORM_HEAD_H

#include "shared/http/form.h"

/*
 * Takes the next parameter from *cursor, which begins after the value proper ("; name=value;
 * name=\"value\""). Quotes are removed; \" and \\ lose their backslash, any other backslash stays, as
 * browsers write it. False at the end, and for what is not a parameter.
 */
bool mr_form_param(char **cursor, char **ret_name, char **ret_value);

/* Reads a part's header lines (each ended by CRLF, NUL after the last). MR_INVALID if they are malformed, if
 * there is no field name, or if a name is not UTF-8 or holds control characters. */
MR_MUST_CHECK enum mr_status mr_form_part_head(char *head, struct mr_form_part *ret, struct mr_err *err);

/* MR_INVALID unless text is UTF-8 without control characters; `what` names it in the message. */
MR_MUST_CHECK enum mr_status mr_form_check_name(const char *text, const char *what, struct mr_err *err);

#endif
