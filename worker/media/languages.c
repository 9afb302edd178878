#include "worker/media/languages.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* ISO 639-1, 639-2/T, and 639-2/B where it differs. */
/* clang-format off */
static const struct {
    char two[3], three[4];
    const char *bibliographic;
} languages[] = {
    {"aa", "aar", NULL}, {"ab", "abk", NULL}, {"ae", "ave", NULL}, {"af", "afr", NULL}, {"ak", "aka", NULL},
    {"am", "amh", NULL}, {"an", "arg", NULL}, {"ar", "ara", NULL}, {"as", "asm", NULL}, {"av", "ava", NULL},
    {"ay", "aym", NULL}, {"az", "aze", NULL}, {"ba", "bak", NULL}, {"be", "bel", NULL}, {"bg", "bul", NULL},
    {"bh", "bih", NULL}, {"bi", "bis", NULL}, {"bm", "bam", NULL}, {"bn", "ben", NULL}, {"bo", "bod", "tib"},
    {"br", "bre", NULL}, {"bs", "bos", NULL}, {"ca", "cat", NULL}, {"ce", "che", NULL}, {"ch", "cha", NULL},
    {"co", "cos", NULL}, {"cr", "cre", NULL}, {"cs", "ces", "cze"}, {"cu", "chu", NULL}, {"cv", "chv", NULL},
    {"cy", "cym", "wel"}, {"da", "dan", NULL}, {"de", "deu", "ger"}, {"dv", "div", NULL}, {"dz", "dzo", NULL},
    {"ee", "ewe", NULL}, {"el", "ell", "gre"}, {"en", "eng", NULL}, {"eo", "epo", NULL}, {"es", "spa", NULL},
    {"et", "est", NULL}, {"eu", "eus", "baq"}, {"fa", "fas", "per"}, {"ff", "ful", NULL}, {"fi", "fin", NULL},
    {"fj", "fij", NULL}, {"fo", "fao", NULL}, {"fr", "fra", "fre"}, {"fy", "fry", NULL}, {"ga", "gle", NULL},
    {"gd", "gla", NULL}, {"gl", "glg", NULL}, {"gn", "grn", NULL}, {"gu", "guj", NULL}, {"gv", "glv", NULL},
    {"ha", "hau", NULL}, {"he", "heb", NULL}, {"hi", "hin", NULL}, {"ho", "hmo", NULL}, {"hr", "hrv", NULL},
    {"ht", "hat", NULL}, {"hu", "hun", NULL}, {"hy", "hye", "arm"}, {"hz", "her", NULL}, {"ia", "ina", NULL},
    {"id", "ind", NULL}, {"ie", "ile", NULL}, {"ig", "ibo", NULL}, {"ii", "iii", NULL}, {"ik", "ipk", NULL},
    {"io", "ido", NULL}, {"is", "isl", "ice"}, {"it", "ita", NULL}, {"iu", "iku", NULL}, {"ja", "jpn", NULL},
    {"jv", "jav", NULL}, {"ka", "kat", "geo"}, {"kg", "kon", NULL}, {"ki", "kik", NULL}, {"kj", "kua", NULL},
    {"kk", "kaz", NULL}, {"kl", "kal", NULL}, {"km", "khm", NULL}, {"kn", "kan", NULL}, {"ko", "kor", NULL},
    {"kr", "kau", NULL}, {"ks", "kas", NULL}, {"ku", "kur", NULL}, {"kv", "kom", NULL}, {"kw", "cor", NULL},
    {"ky", "kir", NULL}, {"la", "lat", NULL}, {"lb", "ltz", NULL}, {"lg", "lug", NULL}, {"li", "lim", NULL},
    {"ln", "lin", NULL}, {"lo", "lao", NULL}, {"lt", "lit", NULL}, {"lu", "lub", NULL}, {"lv", "lav", NULL},
    {"mg", "mlg", NULL}, {"mh", "mah", NULL}, {"mi", "mri", "mao"}, {"mk", "mkd", "mac"}, {"ml", "mal", NULL},
    {"mn", "mon", NULL}, {"mr", "mar", NULL}, {"ms", "msa", "may"}, {"mt", "mlt", NULL}, {"my", "mya", "bur"},
    {"na", "nau", NULL}, {"nb", "nob", NULL}, {"nd", "nde", NULL}, {"ne", "nep", NULL}, {"ng", "ndo", NULL},
    {"nl", "nld", "dut"}, {"nn", "nno", NULL}, {"no", "nor", NULL}, {"nr", "nbl", NULL}, {"nv", "nav", NULL},
    {"ny", "nya", NULL}, {"oc", "oci", NULL}, {"oj", "oji", NULL}, {"om", "orm", NULL}, {"or", "ori", NULL},
    {"os", "oss", NULL}, {"pa", "pan", NULL}, {"pi", "pli", NULL}, {"pl", "pol", NULL}, {"ps", "pus", NULL},
    {"pt", "por", NULL}, {"qu", "que", NULL}, {"rm", "roh", NULL}, {"rn", "run", NULL}, {"ro", "ron", "rum"},
    {"ru", "rus", NULL}, {"rw", "kin", NULL}, {"sa", "san", NULL}, {"sc", "srd", NULL}, {"sd", "snd", NULL},
    {"se", "sme", NULL}, {"sg", "sag", NULL}, {"si", "sin", NULL}, {"sk", "slk", "slo"}, {"sl", "slv", NULL},
    {"sm", "smo", NULL}, {"sn", "sna", NULL}, {"so", "som", NULL}, {"sq", "sqi", "alb"}, {"sr", "srp", NULL},
    {"ss", "ssw", NULL}, {"st", "sot", NULL}, {"su", "sun", NULL}, {"sv", "swe", NULL}, {"sw", "swa", NULL},
    {"ta", "tam", NULL}, {"te", "tel", NULL}, {"tg", "tgk", NULL}, {"th", "tha", NULL}, {"ti", "tir", NULL},
    {"tk", "tuk", NULL}, {"tl", "tgl", NULL}, {"tn", "tsn", NULL}, {"to", "ton", NULL}, {"tr", "tur", NULL},
    {"ts", "tso", NULL}, {"tt", "tat", NULL}, {"tw", "twi", NULL}, {"ty", "tah", NULL}, {"ug", "uig", NULL},
    {"uk", "ukr", NULL}, {"ur", "urd", NULL}, {"uz", "uzb", NULL}, {"ve", "ven", NULL}, {"vi", "vie", NULL},
    {"vo", "vol", NULL}, {"wa", "wln", NULL}, {"wo", "wol", NULL}, {"xh", "xho", NULL}, {"yi", "yid", NULL},
    {"yo", "yor", NULL}, {"za", "zha", NULL}, {"zh", "zho", "chi"}, {"zu", "zul", NULL},
};
/* clang-format on */

enum { CODE_MAX = 4 };

/* The language of a tag like "de-AT" or "ger", by its number in the table; -1: it is not in there. */
static int number_of(const char *code)
{
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strcmp(languages[i].two, code) == 0 || strcmp(languages[i].three, code) == 0 ||
            (languages[i].bibliographic && strcmp(languages[i].bibliographic, code) == 0))
            return (int)i;
    return -1;
}

/* The first part of a tag, in lower case. False: it has another form. */
static bool read_code(const char *tag, char code[CODE_MAX])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t len = strspn(tag, letters);
    if (len < 2 || len > 3 || (tag[len] && tag[len] != '-' && tag[len] != '_'))
        return false;
    for (size_t i = 0; i < len; i++)
        code[i] = (char)(tag[i] | 0x20);
    code[len] = '\0';
    return true;
}

bool mr_language_is(const char *tag, const char *wanted)
{
    char have[CODE_MAX], want[CODE_MAX];
    if (!tag || !read_code(tag, have) || !read_code(wanted, want))
        return false;
    int number = number_of(have);
    return strcmp(have, want) == 0 || (number >= 0 && number == number_of(want));
}

const char *mr_language_three(const char *tag)
{
    char code[CODE_MAX];
    int number = read_code(tag, code) ? number_of(code) : -1;
    return number < 0 ? NULL : languages[number].three;
}
