/*
 * Form bodies. The first byte chooses the kind of form and how the body arrives; the parts and the failure must be
 * the same as if it arrived at once, because nobody decides where a network cuts.
 */
#include "tests/fuzz/fuzz.h"

#include "shared/base/buf.h"
#include "shared/base/utf8.h"
#include "shared/http/form.h"

#include <string.h>

struct body {
    const uint8_t *data;
    size_t len, at, step; /* at most step bytes arrive at once */
};

static enum mr_status next_bytes(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    (void)err;
    struct body *body = ctx;
    size_t n = body->len - body->at;
    n = n < len ? n : len;
    n = n < body->step ? n : body->step;
    memcpy(data, body->data + body->at, n);
    body->at += n;
    *ret_len = n;
    return MR_OK;
}

static enum mr_status note(struct mr_buf *notes, const char *text)
{
    if (!text)
        return mr_buf_append(notes, "-;", 2, NULL);
    MR_HOLDS(mr_utf8_is_valid(text, strlen(text)));
    MR_TRY(mr_buf_append(notes, text, strlen(text), NULL));
    return mr_buf_append(notes, ";", 1, NULL);
}

static enum mr_status note_parts(struct mr_form *form, size_t step, struct mr_buf *notes, struct mr_err *err)
{
    for (;;) {
        const struct mr_form_part *part = NULL;
        MR_TRY(mr_form_next(form, &part, err));
        if (!part)
            return MR_OK;
        MR_HOLDS(part->name);
        MR_HOLDS(note(notes, part->name) == MR_OK && note(notes, part->filename) == MR_OK);
        char bytes[512];
        for (size_t len = 1; len;) {
            MR_TRY(mr_form_read(form, bytes, step < sizeof bytes ? step : sizeof bytes, &len, err));
            MR_HOLDS(len <= sizeof bytes && mr_buf_append(notes, bytes, len, NULL) == MR_OK);
        }
    }
}

static enum mr_status read_form(const char *type, const uint8_t *data, size_t len, size_t step,
                                struct mr_buf *notes, struct mr_err *err)
{
    struct body body = {data, len, 0, step};
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    MR_TRY(mr_form_open_source(type, next_bytes, &body, &form, err));
    return note_parts(form, step, notes, err);
}

void mr_fuzz_form(const uint8_t *data, size_t len)
{
    static const char *const types[] = {"multipart/form-data; boundary=b",
                                        "application/x-www-form-urlencoded",
                                        "multipart/form-data; boundary=\"a long-ish boundary'()+_,-./:=?\""};
    if (len == 0)
        return;
    const char *type = types[*data % 3];
    size_t step = *data / 3 % 16 + 1;
    MR_AUTO(mr_buf) struct mr_buf whole = MR_BUF_INIT(1 << 24), parts = MR_BUF_INIT(1 << 24);
    struct mr_err whole_err = {0}, parts_err = {0};
    enum mr_status status = read_form(type, data + 1, len - 1, 1 << 20, &whole, &whole_err);
    if (status != MR_OK)
        mr_fuzz_check_failure(status, &whole_err);
    MR_HOLDS(read_form(type, data + 1, len - 1, step, &parts, &parts_err) == status);
    MR_HOLDS(strcmp(whole_err.message, parts_err.message) == 0);
    /* Where the body is broken, a part may end earlier or later before the failure. */
    MR_HOLDS(status != MR_OK ||
             (whole.len == parts.len && memcmp(mr_buf_str(&whole), mr_buf_str(&parts), whole.len) == 0));
}
