#include "worker/media/notes.h"

#include <stdarg.h>
#include <stdio.h>

enum mr_status mr_notes_init(struct mr_notes *notes, struct mr_err *err)
{
    *notes = (struct mr_notes){json_array(), json_array(), json_array(), json_array(), 0, false};
    return notes->kept && notes->changed && notes->dropped && notes->warnings ? MR_OK : mr_fail_oom(err);
}

void mr_notes_free(struct mr_notes *notes)
{
    json_decref(notes->kept);
    json_decref(notes->changed);
    json_decref(notes->dropped);
    json_decref(notes->warnings);
    *notes = (struct mr_notes){0};
}

/* Takes the reference of note. */
static void add(struct mr_notes *notes, json_t *to, json_t *note)
{
    size_t bytes = note ? json_dumpb(note, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) + 1 : 0;
    if (notes->bytes + bytes <= MR_NOTES_BYTES) {
        notes->bytes += bytes;
        (void)json_array_append_new(to, note);
        return;
    }
    json_decref(note);
    if (!notes->is_short)
        mr_notes_warn(notes, MR_CODE_RECEIPT_SHORTENED, "the receipt leaves out notes beyond %d bytes",
                      MR_NOTES_BYTES);
    notes->is_short = true;
}

void mr_notes_kept(struct mr_notes *notes, const char *what)
{
    if (notes)
        add(notes, notes->kept, mr_json_text(what));
}

void mr_notes_changed(struct mr_notes *notes, const char *what, const char *from, const char *to,
                      const char *why)
{
    if (notes)
        add(notes, notes->changed,
            json_pack("{s:o, s:o, s:o, s:s}", "what", mr_json_text(what), "from", mr_json_text(from), "to",
                      mr_json_text(to), "why", why));
}

void mr_notes_dropped(struct mr_notes *notes, const char *what, const char *why)
{
    if (notes)
        add(notes, notes->dropped, json_pack("{s:o, s:s}", "what", mr_json_text(what), "why", why));
}

void mr_notes_warn(struct mr_notes *notes, enum mr_code code, const char *format, ...)
{
    char detail[MR_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    if (notes)
        json_array_append_new(notes->warnings, json_pack("{s:s, s:o}", "code", mr_code_name(code), "detail",
                                                         mr_json_text(detail)));
}
