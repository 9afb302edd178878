#include "infra/local/emulator/storage/related.h"

#include <strings.h>

enum {
    WINDOW_BYTES = 256 * 1024,
    BOUNDARY_MAX = 70, /* RFC 2046 §5.1.1 */
    TYPE_MAX = 256,
};

struct em_related {
    mr_form_source *source;
    void *ctx;
    char boundary[BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
    const char *delimiter;           /* `boundary`; without its CR in a body whose lines end with LF alone */
    size_t delimiter_len;
    bool has_begun; /* the line of the first boundary was read: it says how lines end */
    char type[TYPE_MAX];
    bool at_boundary;  /* the delimiter is consumed, the rest of its line is not */
    bool finished;     /* the closing delimiter was read */
    size_t start, end; /* the window's unread bytes */
    char window[WINDOW_BYTES];
};

static enum mr_status read_boundary(const char *content_type, struct em_related *related, struct mr_err *err)
{
    const char *value = strcasestr(content_type, "boundary=");
    size_t len = 0;
    if (value) {
        value += strlen("boundary=");
        /* RFC 2045 knows only double quotes, but Google's older Python client writes single ones. */
        char quote = *value == '"' || *value == '\'' ? *value++ : '\0';
        const char *end = quote ? strchr(value, quote) : value + strcspn(value, "; \t");
        len = end ? (size_t)(end - value) : 0;
    }
    if (len == 0 || len > BOUNDARY_MAX)
        return mr_fail(err, MR_INVALID, "No usable multipart boundary in Content-Type.");
    int written = snprintf(related->boundary, sizeof related->boundary, "\r\n--%.*s", (int)len, value);
    related->delimiter = related->boundary + 1;
    related->delimiter_len = (size_t)written - 1;
    return MR_OK;
}

enum mr_status em_related_new(const char *content_type, mr_form_source *source, void *ctx,
                              struct em_related **ret, struct mr_err *err)
{
    MR_AUTO(em_related) struct em_related *related = calloc(1, sizeof *related);
    if (!related)
        return mr_fail_oom(err);
    related->source = source;
    related->ctx = ctx;
    MR_TRY(read_boundary(content_type, related, err));
    /* The first delimiter may be at the very start, without the line break before it. */
    related->window[related->end++] = '\n';
    *ret = MR_TAKE(related);
    return MR_OK;
}

void em_related_free(struct em_related *related)
{
    free(related);
}

/* Reads more bytes into the window. MR_INVALID at the end of the body, or if the window is full. */
static enum mr_status fill(struct em_related *related, struct mr_err *err)
{
    memmove(related->window, related->window + related->start, related->end - related->start);
    related->end -= related->start;
    related->start = 0;
    if (related->end == WINDOW_BYTES)
        return mr_fail(err, MR_INVALID, "The head of a part is too long.");
    size_t got = 0;
    MR_TRY(related->source(related->ctx, related->window + related->end, WINDOW_BYTES - related->end, &got,
                           err));
    if (got == 0)
        return mr_fail(err, MR_INVALID, "The multipart body ends before its closing boundary.");
    related->end += got;
    return MR_OK;
}

enum mr_status em_related_read(struct em_related *related, void *data, size_t len, size_t *ret_len,
                               struct mr_err *err)
{
    while (!related->at_boundary && !related->finished) {
        char *from = related->window + related->start;
        size_t unread = related->end - related->start, safe = 0;
        const char *found = memmem(from, unread, related->delimiter, related->delimiter_len);
        if (found)
            safe = (size_t)(found - from);
        else if (unread >= related->delimiter_len)
            /* The last bytes may be the start of a delimiter. */
            safe = unread - related->delimiter_len + 1;
        if (safe) {
            *ret_len = safe < len ? safe : len;
            memcpy(data, from, *ret_len);
            related->start += *ret_len;
            return MR_OK;
        }
        if (found) {
            related->start += related->delimiter_len;
            related->at_boundary = true;
            break;
        }
        MR_TRY(fill(related, err));
    }
    *ret_len = 0;
    return MR_OK;
}

/* The next line without its LF or CR LF, NUL-terminated in the window. */
static enum mr_status read_line(struct em_related *related, char **ret, bool *ret_has_cr, struct mr_err *err)
{
    for (;;) {
        char *from = related->window + related->start;
        char *end = memchr(from, '\n', related->end - related->start);
        if (end) {
            *ret_has_cr = end > from && end[-1] == '\r';
            end[*ret_has_cr ? -1 : 0] = '\0';
            related->start = (size_t)(end - related->window) + 1;
            *ret = from;
            return MR_OK;
        }
        MR_TRY(fill(related, err));
    }
}

/* Reads the rest of a delimiter's line: "--" ends the body, blanks are padding. */
static enum mr_status read_boundary_line(struct em_related *related, struct mr_err *err)
{
    while (related->end - related->start < 2)
        MR_TRY(fill(related, err));
    related->at_boundary = false;
    related->finished = !memcmp(related->window + related->start, "--", 2);
    if (related->finished)
        return MR_OK;
    char *rest = NULL;
    bool has_cr = false;
    MR_TRY(read_line(related, &rest, &has_cr, err));
    if (rest[strspn(rest, " \t")])
        return mr_fail(err, MR_INVALID, "A multipart boundary must end its line.");
    if (has_cr && !related->has_begun) {
        related->delimiter = related->boundary;
        related->delimiter_len++;
    }
    related->has_begun = true;
    return MR_OK;
}

static enum mr_status read_head(struct em_related *related, struct mr_err *err)
{
    static const char name[] = "content-type:";
    related->type[0] = '\0';
    for (;;) {
        char *line = NULL;
        bool has_cr = false;
        MR_TRY(read_line(related, &line, &has_cr, err));
        if (!*line)
            return MR_OK;
        if (strncasecmp(line, name, strlen(name)))
            continue;
        const char *value = line + strlen(name);
        snprintf(related->type, sizeof related->type, "%s", value + strspn(value, " \t"));
    }
}

enum mr_status em_related_next(struct em_related *related, const char **ret_type, struct mr_err *err)
{
    char skipped[4096];
    for (size_t len = 1; len > 0;)
        MR_TRY(em_related_read(related, skipped, sizeof skipped, &len, err));
    if (related->at_boundary)
        MR_TRY(read_boundary_line(related, err));
    if (!related->finished)
        MR_TRY(read_head(related, err));
    *ret_type = related->finished ? NULL : related->type;
    return MR_OK;
}
