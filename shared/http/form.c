#include "shared/http/form.h"

#include "shared/base/encoding.h"
#include "shared/base/utf8.h"
#include "shared/http/form_head.h"

enum {
    WINDOW = 128 * 1024,
    BOUNDARY_MAX = 70, /* RFC 2046 §5.1.1 */
    PADDING_MAX = 64,  /* blanks after a boundary */
    HEAD_MAX = 8 * 1024,
    PARTS_MAX = 64,
    URLENCODED_MAX = 64 * 1024,
    CONTENT_TYPE_MAX = 512,
};

enum state {
    BEFORE_FIRST,
    IN_PART,
    PART_ENDED, /* it was read completely */
    FORM_ENDED,
    FAILED,
};

/*
 * The window holds the bytes [start, end) that were read but not yet returned. Up to data_end they are known to be
 * data; at_boundary is true if a boundary begins there. A line end is put before the body, so that the first
 * boundary looks like all others.
 */
struct mr_form {
    mr_form_source *source;
    void *ctx;
    bool urlencoded;
    enum state state;
    size_t parts;
    struct mr_form_part part;
    struct mr_err failure;
    char *window;
    size_t capacity, start, end, data_end;
    bool at_boundary, source_ended;
    size_t boundary_len;                            /* of the one at data_end, with its line end */
    bool boundary_closes;                           /* it is the last one */
    size_t next_pair;                               /* urlencoded: where the next pair begins in the window */
    char delimiter[sizeof "\r\n--" + BOUNDARY_MAX]; /* CRLF, two dashes, boundary */
    size_t delimiter_len;
    char head[HEAD_MAX + 1]; /* what part's strings point into */
};

/* Keeps the failure, so that further calls fail with it; failure is NULL on those. */
static enum mr_status fail_form(struct mr_form *form, const struct mr_err *failure, struct mr_err *err)
{
    form->state = FAILED;
    if (failure)
        form->failure = *failure;
    return mr_fail_from(err, &form->failure);
}

/* Reads more into the window, which must have room at its end or before start. */
static enum mr_status fill(struct mr_form *form, struct mr_err *err)
{
    if (form->start && form->capacity - form->end < form->capacity / 2) {
        memmove(form->window, form->window + form->start, form->end - form->start);
        form->end -= form->start;
        form->data_end -= form->start;
        form->start = 0;
    }
    if (form->end == form->capacity)
        return mr_fail(err, MR_INTERNAL, "the form's window is full");
    size_t got = 0;
    MR_TRY(form->source(form->ctx, form->window + form->end, form->capacity - form->end, &got, err));
    form->end += got;
    form->source_ended = got == 0;
    return MR_OK;
}

enum verdict { BOUNDARY, NO_BOUNDARY, NEEDS_MORE };

/* Whether the text after a delimiter makes it a boundary: blanks and a line end, or the closing dashes. Data may
 * contain the delimiter with something else after it. */
static enum verdict judge(struct mr_form *form, size_t at)
{
    const char *begin = form->window + at, *end = form->window + form->end;
    const char *p = begin + form->delimiter_len;
    size_t dashes = (size_t)(end - p) < 2 ? (size_t)(end - p) : 2;
    bool closes = memcmp(p, "--", dashes) == 0;
    if (closes && dashes < 2)
        return form->source_ended ? NO_BOUNDARY : NEEDS_MORE;
    if (closes)
        p += 2;
    for (const char *padding = p; p < end && p - padding < PADDING_MAX && (*p == ' ' || *p == '\t'); p++)
        ;
    bool complete = end - p >= 2 && memcmp(p, "\r\n", 2) == 0;
    bool cut = end - p < 2 && memcmp(p, "\r\n", (size_t)(end - p)) == 0;
    if (cut && !form->source_ended)
        return NEEDS_MORE;
    if (!complete && !(closes && cut))
        return NO_BOUNDARY;
    form->boundary_len = (size_t)(p - begin) + (complete ? 2 : 0);
    form->boundary_closes = closes;
    return BOUNDARY;
}

/* Moves data_end forward over bytes that are certainly data. */
static void scan(struct mr_form *form)
{
    while (!form->at_boundary) {
        size_t left = form->end - form->data_end;
        const char *from = form->window + form->data_end;
        const char *found = memmem(from, left, form->delimiter, form->delimiter_len);
        if (!found) {
            size_t keep = form->source_ended ? 0 : form->delimiter_len - 1; /* may be the beginning of one */
            if (left > keep)
                form->data_end = form->end - keep;
            return;
        }
        form->data_end = (size_t)(found - form->window);
        enum verdict verdict = judge(form, form->data_end);
        if (verdict == NEEDS_MORE)
            return;
        if (verdict == BOUNDARY)
            form->at_boundary = true;
        else
            form->data_end++;
    }
}

/* Returns when there is data before data_end, or a boundary at it. */
static enum mr_status provide(struct mr_form *form, struct mr_err *err)
{
    scan(form);
    while (form->start == form->data_end && !form->at_boundary) {
        if (form->source_ended)
            return mr_fail_code(err, MR_CODE_INCOMPLETE_BODY, "the form ends before its closing boundary");
        MR_TRY(fill(form, err));
        scan(form);
    }
    return MR_OK;
}

static enum mr_status skip_to_boundary(struct mr_form *form, struct mr_err *err)
{
    for (;;) {
        MR_TRY(provide(form, err));
        form->start = form->data_end;
        if (form->at_boundary)
            return MR_OK;
    }
}

/* The rest of the body has no meaning; it is read so that the connection can serve another request. */
static enum mr_status skip_epilogue(struct mr_form *form, struct mr_err *err)
{
    while (!form->source_ended) {
        form->start = form->data_end = form->end = 0;
        MR_TRY(fill(form, err));
    }
    return MR_OK;
}

static enum mr_status read_head(struct mr_form *form, struct mr_err *err)
{
    /* From the boundary's own line end on, so that an empty head is found, too. */
    form->start += form->boundary_len - 2;
    form->data_end = form->start;
    form->at_boundary = false;
    for (;;) {
        size_t left = form->end - form->start;
        const char *head = form->window + form->start;
        const char *end = memmem(head, left, "\r\n\r\n", 4);
        size_t len = end ? (size_t)(end - head) : left;
        if (len > HEAD_MAX)
            return mr_fail(err, MR_TOO_LARGE, "the head of a form part is longer than %d bytes", HEAD_MAX);
        if (end) {
            memcpy(form->head, head + 2, len); /* without the first line end, with the last line's */
            form->head[len] = '\0';
            form->start += len + 4;
            form->data_end = form->start;
            return mr_form_part_head(form->head, &form->part, err);
        }
        if (form->source_ended)
            return mr_fail_code(err, MR_CODE_INCOMPLETE_BODY, "the form ends within the head of a part");
        MR_TRY(fill(form, err));
    }
}

static enum mr_status next_part(struct mr_form *form, struct mr_err *err)
{
    MR_TRY(skip_to_boundary(form, err));
    if (form->boundary_closes) {
        form->state = FORM_ENDED;
        return skip_epilogue(form, err);
    }
    form->state = IN_PART;
    return read_head(form, err);
}

static enum mr_status read_part(struct mr_form *form, void *data, size_t len, size_t *ret_len,
                                struct mr_err *err)
{
    MR_TRY(provide(form, err));
    size_t ready = form->data_end - form->start;
    if (ready > len)
        ready = len;
    memcpy(data, form->window + form->start, ready);
    form->start += ready;
    if (!ready && len)
        form->state = PART_ENDED;
    *ret_len = ready;
    return MR_OK;
}

/* Reads the whole urlencoded body: such a form is small, and a value must be complete before it is returned. */
static enum mr_status load_pairs(struct mr_form *form, struct mr_err *err)
{
    if (form->source_ended)
        return MR_OK;
    while (!form->source_ended) {
        if (form->end > URLENCODED_MAX)
            return mr_fail(err, MR_TOO_LARGE, "the form is larger than %d bytes", URLENCODED_MAX);
        size_t got = 0;
        MR_TRY(form->source(form->ctx, form->window + form->end, form->capacity - 1 - form->end, &got, err));
        form->end += got;
        form->source_ended = got == 0;
    }
    form->window[form->end] = '\0';
    if (memchr(form->window, '\0', form->end))
        return mr_fail(err, MR_INVALID, "the form must not contain NUL bytes");
    return MR_OK;
}

/* Goes to the next pair that is not empty; its value is then in [start, data_end). */
static enum mr_status next_pair(struct mr_form *form, struct mr_err *err)
{
    MR_TRY(load_pairs(form, err));
    char *pair = form->window + form->next_pair;
    pair += strspn(pair, "&");
    if (!*pair) {
        form->state = FORM_ENDED;
        return MR_OK;
    }
    char *end = pair + strcspn(pair, "&");
    form->next_pair = (size_t)(end - form->window) + (*end == '&');
    *end = '\0';
    char *value = strchr(pair, '=');
    if (value)
        *value++ = '\0';
    else
        value = end;
    MR_TRY(mr_percent_decode(pair, true, err));
    MR_TRY(mr_percent_decode(value, true, err));
    MR_TRY(mr_form_check_name(pair, "field name", err));
    form->part = (struct mr_form_part){.name = pair};
    form->start = (size_t)(value - form->window);
    form->data_end = form->start + strlen(value);
    form->at_boundary = true;
    form->state = IN_PART;
    return MR_OK;
}

static enum mr_status set_boundary(struct mr_form *form, char *parameters, struct mr_err *err)
{
    char *name = NULL, *value = NULL;
    while (mr_form_param(&parameters, &name, &value))
        if (strcasecmp(name, "boundary") == 0) {
            size_t len = strlen(value);
            if (!len || len > BOUNDARY_MAX)
                return mr_fail(err, MR_INVALID, "the boundary in Content-Type must have 1 to %d characters",
                               BOUNDARY_MAX);
            form->delimiter_len =
                (size_t)snprintf(form->delimiter, sizeof form->delimiter, "\r\n--%s", value);
            return MR_OK;
        }
    return mr_fail(err, MR_INVALID, "Content-Type must name a boundary");
}

static enum mr_status set_type(struct mr_form *form, const char *content_type, struct mr_err *err)
{
    char text[CONTENT_TYPE_MAX];
    size_t len = strlen(content_type);
    if (len >= sizeof text)
        return mr_fail(err, MR_INVALID, "Content-Type is too long");
    memcpy(text, content_type, len + 1);
    size_t type = strcspn(text, "; \t");
    bool more = text[type] != '\0';
    text[type] = '\0';
    form->urlencoded = strcasecmp(text, "application/x-www-form-urlencoded") == 0;
    if (form->urlencoded)
        return MR_OK;
    if (strcasecmp(text, "multipart/form-data") != 0)
        return mr_fail(err, MR_UNSUPPORTED, "the body must be a form");
    return set_boundary(form, text + type + more, err);
}

enum mr_status mr_form_open_source(const char *content_type, mr_form_source *source, void *ctx,
                                   struct mr_form **ret, struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = calloc(1, sizeof *form);
    if (!form)
        return mr_fail_oom(err);
    form->source = source;
    form->ctx = ctx;
    MR_TRY(set_type(form, content_type ? content_type : "", err));
    form->capacity = form->urlencoded ? URLENCODED_MAX + 2 : WINDOW;
    form->window = malloc(form->capacity);
    if (!form->window)
        return mr_fail_oom(err);
    if (!form->urlencoded) {
        memcpy(form->window, "\r\n", 2);
        form->end = 2;
    }
    *ret = MR_TAKE(form);
    return MR_OK;
}

static enum mr_status read_request(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    return mr_request_read(ctx, data, len, ret_len, err);
}

enum mr_status mr_form_open(struct mr_request *req, struct mr_form **ret, struct mr_err *err)
{
    return mr_form_open_source(mr_request_header(req, "Content-Type"), read_request, req, ret, err);
}

void mr_form_free(struct mr_form *form)
{
    if (!form)
        return;
    free(form->window);
    free(form);
}

static enum mr_status advance(struct mr_form *form, struct mr_err *err)
{
    MR_TRY(form->urlencoded ? next_pair(form, err) : next_part(form, err));
    if (form->state == IN_PART && ++form->parts > PARTS_MAX)
        return mr_fail(err, MR_TOO_LARGE, "the form has more than %d parts", PARTS_MAX);
    return MR_OK;
}

enum mr_status mr_form_next(struct mr_form *form, const struct mr_form_part **ret_part, struct mr_err *err)
{
    if (form->state == FAILED)
        return fail_form(form, NULL, err);
    if (form->state != FORM_ENDED) {
        struct mr_err failure;
        if (advance(form, &failure) != MR_OK)
            return fail_form(form, &failure, err);
    }
    *ret_part = form->state == IN_PART ? &form->part : NULL;
    return MR_OK;
}

enum mr_status mr_form_read(struct mr_form *form, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    size_t got = 0;
    if (form->state == FAILED)
        return fail_form(form, NULL, err);
    if (form->state == IN_PART) {
        struct mr_err failure;
        if (read_part(form, data, len, &got, &failure) != MR_OK)
            return fail_form(form, &failure, err);
    }
    *ret_len = got;
    return MR_OK;
}

enum mr_status mr_form_value(struct mr_form *form, struct mr_buf *buf, struct mr_err *err)
{
    char chunk[4096];
    for (size_t got = 1; got;) {
        MR_TRY(mr_form_read(form, chunk, sizeof chunk, &got, err));
        MR_TRY(mr_buf_append(buf, chunk, got, err));
    }
    if (!mr_utf8_is_valid(mr_buf_str(buf), buf->len))
        return mr_fail(err, MR_INVALID, "the value of a form field must be UTF-8");
    return MR_OK;
}
