#include "shared/http/form_head.h"

#include "shared/base/encoding.h"
#include "shared/base/utf8.h"

static char *skip_blanks(char *text)
{
    return text + strspn(text, " \t");
}

/* Ends the value in place; returns where parsing continues, or NULL if the closing quote is missing. */
static char *take_quoted(char *text)
{
    char *out = text;
    for (; *text && *text != '"'; text++) {
        if (*text == '\\' && (text[1] == '"' || text[1] == '\\'))
            text++;
        *out++ = *text;
    }
    char *next = *text ? text + 1 : NULL;
    *out = '\0';
    return next;
}

static char *take_token(char *text)
{
    char *end = text + strcspn(text, "; \t");
    char *next = *end ? end + 1 : end; /* only blanks and semicolons are skipped there */
    *end = '\0';
    return next;
}

bool mr_form_param(char **cursor, char **ret_name, char **ret_value)
{
    char *name = *cursor + strspn(*cursor, "; \t");
    char *end = name + strcspn(name, "= \t;");
    char *value = skip_blanks(end);
    if (!*name || end == name || *value != '=')
        return false;
    *end = '\0';
    value = skip_blanks(value + 1);
    bool quoted = *value == '"';
    value += quoted;
    char *next = quoted ? take_quoted(value) : take_token(value);
    if (!next)
        return false;
    *cursor = next;
    *ret_name = name;
    *ret_value = value;
    return true;
}

/* Browsers write a quote within a name as %22 and do not escape percent signs (WHATWG HTML, multipart/form-data
 * encoding algorithm), so nothing else is decoded. */
static void restore_quotes(char *text)
{
    char *out = text;
    for (; *text; text++) {
        if (strncmp(text, "%22", 3) == 0) {
            *out++ = '"';
            text += 2;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

/* RFC 8187: charset'language'percent-encoded. NULL if it is anything else. */
static char *decode_extended(char *value)
{
    static const char charset[] = "UTF-8'";
    if (strncasecmp(value, charset, sizeof charset - 1) != 0)
        return NULL;
    char *text = strchr(value + sizeof charset - 1, '\'');
    if (!text || mr_percent_decode(text + 1, false, NULL) != MR_OK)
        return NULL;
    return text + 1;
}

/* One encoded word of UTF-8 (RFC 2047) at text: its bytes go to *out. Returns what follows, NULL if there is none. */
static char *decode_word(char *text, char **out)
{
    static const char start[] = "=?utf-8?";
    if (strncasecmp(text, start, sizeof start - 1) != 0)
        return NULL;
    char *body = text + sizeof start - 1, *end = *body && body[1] == '?' ? strstr(body + 2, "?=") : NULL;
    unsigned char *bytes = NULL;
    size_t len = 0;
    if (!end)
        return NULL;
    if ((*body == 'B' || *body == 'b') &&
        mr_base64_decode(body + 2, (size_t)(end - body - 2), &bytes, &len, NULL) == MR_OK) {
        memcpy(*out, bytes, len); /* shorter than the word */
        free(bytes);
    } else if (*body == 'Q' || *body == 'q') {
        *end = '\0';
        for (char *p = body + 2; *p; p++)
            *p = *p == '_' ? ' ' : *p == '=' ? '%' : *p;
        if (mr_percent_decode(body + 2, false, NULL) != MR_OK)
            return NULL;
        len = strlen(body + 2);
        memmove(*out, body + 2, len);
    } else {
        return NULL;
    }
    *out += len;
    return end + 2;
}

/* What .NET writes in filename: encoded words, with blanks between them. Any other text stays as it is. */
static void decode_words(char *text)
{
    char *out = text, *next = text;
    if (strncmp(text, "=?", 2) != 0)
        return;
    while (*next && (next = decode_word(next, &out)))
        next = skip_blanks(next);
    if (next)
        *out = '\0';
}

static const char *without_directory(const char *name)
{
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\')
            name = p + 1;
    return name;
}

enum mr_status mr_form_check_name(const char *text, const char *what, struct mr_err *err)
{
    if (!mr_utf8_is_valid(text, strlen(text)))
        return mr_fail(err, MR_INVALID, "a form's %s must be UTF-8", what);
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return mr_fail(err, MR_INVALID, "a form's %s must not contain control characters", what);
    return MR_OK;
}

static enum mr_status read_disposition(char *value, struct mr_form_part *part, struct mr_err *err)
{
    size_t type = strcspn(value, "; \t");
    if (type != strlen("form-data") || strncasecmp(value, "form-data", type) != 0)
        return mr_fail(err, MR_INVALID, "a form part must be form-data");
    char *cursor = value + type, *name = NULL, *text = NULL, *extended = NULL;
    while (mr_form_param(&cursor, &name, &text)) {
        if (strcasecmp(name, "name") == 0) {
            restore_quotes(text);
            part->name = text;
        } else if (strcasecmp(name, "filename") == 0) {
            restore_quotes(text);
            decode_words(text);
            part->filename = without_directory(text);
        } else if (strcasecmp(name, "filename*") == 0) {
            extended = decode_extended(text);
        }
    }
    if (extended) /* RFC 6266 §4.3: it goes before filename */
        part->filename = without_directory(extended);
    if (part->name)
        MR_TRY(mr_form_check_name(part->name, "field name", err));
    return part->filename ? mr_form_check_name(part->filename, "file name", err) : MR_OK;
}

/* Turns the line ends within folded lines (obs-fold, RFC 5322) into blanks. */
static void unfold(char *head)
{
    for (char *p = head; (p = strstr(p, "\r\n"));) {
        if (p[2] == ' ' || p[2] == '\t')
            p[0] = p[1] = ' ';
        else
            p += 2;
    }
}

static void trim_end(char *text)
{
    size_t len = strlen(text);
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        text[--len] = '\0';
}

enum mr_status mr_form_part_head(char *head, struct mr_form_part *ret, struct mr_err *err)
{
    *ret = (struct mr_form_part){0};
    unfold(head);
    for (char *line = head, *end = NULL; (end = strstr(line, "\r\n")); line = end + 2) {
        *end = '\0';
        char *value = strchr(line, ':');
        if (!value || value == line)
            return mr_fail(err, MR_INVALID, "a form part has a malformed header");
        *value = '\0';
        value = skip_blanks(value + 1);
        trim_end(value);
        if (strcasecmp(line, "Content-Disposition") == 0) {
            MR_TRY(read_disposition(value, ret, err));
        } else if (strcasecmp(line, "Content-Type") == 0) {
            ret->content_type = value;
        }
    }
    return ret->name ? MR_OK : mr_fail(err, MR_INVALID, "a form part must have a name");
}
