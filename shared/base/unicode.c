#include "shared/base/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

enum { DIFFERENT_MAX = 8 };

/* Takes what libunistring has allocated. */
static enum mr_status terminate(uint8_t *text, size_t len, char **ret, struct mr_err *err)
{
    uint8_t *longer = text || !len ? realloc(text, len + 1) : NULL;
    if (!longer) {
        free(text);
        return mr_fail_oom(err);
    }
    longer[len] = '\0';
    *ret = (char *)longer;
    return MR_OK;
}

enum mr_status mr_unicode_nfc(const char *text, char **ret, struct mr_err *err)
{
    size_t len = 0;
    uint8_t *normal = u8_normalize(UNINORM_NFC, (const uint8_t *)text, strlen(text), NULL, &len);
    return terminate(normal, normal ? len : 1, ret, err);
}

enum mr_status mr_unicode_fold(const char *text, char **ret, struct mr_err *err)
{
    size_t len = 0;
    uint8_t *folded = u8_casefold((const uint8_t *)text, strlen(text), NULL, UNINORM_NFC, NULL, &len);
    return terminate(folded, folded ? len : 1, ret, err);
}

static bool is_among(const ucs4_t *seen, size_t count, ucs4_t c)
{
    for (size_t i = 0; i < count; i++)
        if (seen[i] == c)
            return true;
    return false;
}

struct mr_unicode_traits mr_unicode_traits_of(const char *text)
{
    struct mr_unicode_traits t = {0};
    ucs4_t c = 0, seen[DIFFERENT_MAX];
    for (const uint8_t *p = (const uint8_t *)text; (p = u8_next(&c, p));) {
        t.characters++;
        t.lower |= uc_is_property_lowercase(c);
        t.upper |= uc_is_property_uppercase(c);
        t.digit |= uc_is_general_category(c, UC_DECIMAL_DIGIT_NUMBER);
        t.blank |= uc_is_property_white_space(c);
        t.control |= uc_is_general_category(c, UC_CONTROL) || uc_is_general_category(c, UC_LINE_SEPARATOR) ||
                     uc_is_general_category(c, UC_PARAGRAPH_SEPARATOR);
        t.invisible |= uc_is_property_default_ignorable_code_point(c);
        if (t.different < DIFFERENT_MAX && !is_among(seen, t.different, c))
            seen[t.different++] = c;
    }
    return t;
}
