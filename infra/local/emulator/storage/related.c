#include "infra/local/emulator/storage/related.h"

#include <strings.h>

enum {
    WINDOW_BYTES = 64 * 1024,
    BOUNDARY_MAX = 70, /* RFC 2046 §5.1.1 */
    TYPE_MAX = 256,
};

struct em_related {
    mr_form_source *source;
    void *ctx;
    char delimiter[BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
    size_t delimiter_len;
    char type[TYPE_MAX];
    bool at_boundary;  /* the delimiter has been consumed, its line not yet */
    bool finished;     /* the closing delimiter has been seen */
    size_t start, end; /* the window's unread bytes */
    char window[WINDOW_BYTES];
};

static enum mr_status read_boundary(const char *content_type, struct em_related *related, struct mr_err *err)
{
    const char *value = strcasestr(content_type, "boundary=");
    size_t len = 0;
    if (value) {
        value += strlen("boundary=");
        /* A single quote is no quote in RFC 2045, but Google's older Python client writes it as one. */
        char quote = *value == '"' || *value == '\'' ? *value++ : '\0';
        const char *end = quote ? strchr(value, quote) : value + strcspn(value, "; \t");
        len = end ? (size_t)(end - value) : 0;
    }
    if (len == 0 || len > BOUNDARY_MAX)
        return mr_fail(err, MR_INVALID, "No usable multipart boundary in Content-Type.");
    int written = snprintf(related->delimiter, sizeof related->delimiter, "\r\n--%.*s", (int)len, value);
    related->delimiter_len = (size_t)written;
    return MR_OK;
}

enum mr_status em_related_new(const char *content_type, mr_form_source *source, void *ctx,
                              struct em_related **ret, struct mr_err *err)
{
    struct em_related *related = calloc(1, sizeof *related);
    if (!related)
        return mr_fail_oom(err);
    related->source = source;
    related->ctx = ctx;
    enum mr_status status = read_boundary(content_type, related, err);
    if (status != MR_OK) {
        free(related);
        return status;
    }
    /* The first delimiter may stand at the very start, without the line break that belongs to it. */
    memcpy(related->window, "\r\n", 2);
    related->end = 2;
    *ret = related;
    return MR_OK;
}

void em_related_free(struct em_related *related)
{
    free(related);
}

/* Brings more bytes into the window; MR_INVALID when there are none, or no room. */
static enum mr_status fill(struct em_related *related, struct mr_err *err)
{
    memmove(related->window, related->window + related->start, related->end - related->start);
    related->end -= related->start;
    related->start = 0;
    if (related->end == WINDOW_BYTES)
        return mr_fail(err, MR_INVALID, "The head of a part is too long.");
    size_t got = 0;
    enum mr_status status =
        related->source(related->ctx, related->window + related->end, WINDOW_BYTES - related->end, &got, err);
    if (status == MR_OK && got == 0)
        return mr_fail(err, MR_INVALID, "The multipart body ends before its closing boundary.");
    related->end += got;
    return status;
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
            /* Its last bytes may be the beginning of a delimiter. */
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
        enum mr_status status = fill(related, err);
        if (status != MR_OK)
            return status;
    }
    *ret_len = 0;
    return MR_OK;
}

/* The next line without its CR LF, NUL-terminated in the window. */
static enum mr_status read_line(struct em_related *related, char **ret, struct mr_err *err)
{
    for (;;) {
        char *from = related->window + related->start;
        char *end = memmem(from, related->end - related->start, "\r\n", 2);
        if (end) {
            *end = '\0';
            related->start = (size_t)(end - related->window) + 2;
            *ret = from;
            return MR_OK;
        }
        enum mr_status status = fill(related, err);
        if (status != MR_OK)
            return status;
    }
}

/* What follows a delimiter on its line: "--" closes; blanks are padding. */
static enum mr_status read_boundary_line(struct em_related *related, struct mr_err *err)
{
    while (related->end - related->start < 2) {
        enum mr_status status = fill(related, err);
        if (status != MR_OK)
            return status;
    }
    related->at_boundary = false;
    related->finished = !memcmp(related->window + related->start, "--", 2);
    if (related->finished)
        return MR_OK;
    char *rest = NULL;
    MR_TRY(read_line(related, &rest, err));
    if (rest[strspn(rest, " \t")])
        return mr_fail(err, MR_INVALID, "Something follows a multipart boundary on its line.");
    return MR_OK;
}

static enum mr_status read_head(struct em_related *related, struct mr_err *err)
{
    static const char name[] = "content-type:";
    related->type[0] = '\0';
    for (;;) {
        char *line = NULL;
        enum mr_status status = read_line(related, &line, err);
        if (status != MR_OK)
            return status;
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
    size_t len = 1;
    enum mr_status status = MR_OK;
    while (status == MR_OK && len)
        status = em_related_read(related, skipped, sizeof skipped, &len, err);
    if (status == MR_OK && related->at_boundary)
        status = read_boundary_line(related, err);
    if (status == MR_OK && !related->finished)
        status = read_head(related, err);
    if (status == MR_OK)
        *ret_type = related->finished ? NULL : related->type;
    return status;
}
