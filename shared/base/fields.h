/*
 * Fields of JSON objects as tables: a row holds a field's name, its type and bounds, and where in a struct its
 * value goes. One reader serves the options of a conversion and the fields of requests, whether they come as
 * JSON or from a form.
 *
 * A message begins with the field and says what is accepted: "options.channels must be a whole number from 1 to 8".
 * Tables are constant; any thread may read with them into structs of its own.
 */
#ifndef MR_BASE_FIELDS_H
#define MR_BASE_FIELDS_H

#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

enum mr_field_type {
    MR_FIELD_INTEGER, /* int or int64_t, by the size of the member */
    MR_FIELD_NUMBER,  /* double */
    MR_FIELD_SECONDS, /* int64_t, microseconds */
    MR_FIELD_FLAG,    /* bool */
    MR_FIELD_WORD,    /* const char *, the table's own; or int: the word's number, from 1 */
    MR_FIELD_TEXT,    /* const char *, the JSON's */
    MR_FIELD_RATIO,   /* struct mr_ratio, from a text like "16:9" */
    MR_FIELD_OBJECT,  /* its parts; without parts any object, as const json_t *, the JSON's */
};

struct mr_ratio {
    int width, height; /* 0: not given */
};

/* The words of a field. */
struct mr_field_words {
    const char *(*at)(size_t index); /* NULL past the last */
    /* the word that this spells, or NULL; find NULL: exactly one of them */
    const char *(*find)(const char *spelled);
};

/*
 * A further check of a value that has the right type and is within the row's bounds. base is the struct that
 * is filled; *value may be replaced by its canonical form. A failure's message begins with path.
 */
typedef enum mr_status mr_field_check(void *base, const char *path, json_t **value, struct mr_err *err);

struct mr_field;

struct mr_field_rows {
    const struct mr_field *first; /* may be the first member of larger rows */
    size_t count, stride;
};
/* Of an array of struct mr_field, or of structs whose first member is one that is called field. */
#define MR_FIELD_ROWS(array)                                                                                 \
    {                                                                                                        \
        (array), sizeof(array) / sizeof *(array), sizeof *(array)                                            \
    }
#define MR_FIELD_LARGER_ROWS(array)                                                                          \
    {                                                                                                        \
        &(array)[0].field, sizeof(array) / sizeof *(array), sizeof *(array)                                  \
    }

struct mr_field {
    const char *name;
    enum mr_field_type type;
    size_t offset, size; /* of the member; size 0: the value is only checked. See MR_FIELD_AT */
    bool required;
    bool text_too; /* JSON may give the value as text, as forms do */
    bool even;     /* of an integer */
    /* of numbers, both accepted; both 0: any. max of a text: characters; of a ratio: from 1:max to max:1 */
    double min, max;
    const struct mr_field_words *words;
    const struct mr_field_rows *parts;
    /* of a value that is not accepted; MR_CODE_NONE: too_long for a text, else out_of_range */
    enum mr_code code;
    mr_field_check *check;
    const char *meaning; /* for documents; NULL: nothing to say */
};
#define MR_FIELD_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

struct mr_field_table {
    struct mr_field_rows rows;
    const char *path;     /* stands before each name, with a dot; NULL: nothing does */
    const char *noun;     /* "field", "option" */
    enum mr_code unknown; /* the code for a name that is not in the table */
    enum mr_code missing; /* the code for a required field that is absent */
};

/* The row of that name, NULL if there is none; and the row of that number, from 0. */
const struct mr_field *mr_field_find(const struct mr_field_rows *rows, const char *name);
const struct mr_field *mr_field_at(const struct mr_field_rows *rows, size_t index);

/*
 * Fills base from an object: members that the table does not know, null and absent required fields are errors,
 * what is absent stays as it is in base. Texts belong to the object. MR_INVALID; codes "wrong_type" and those
 * of the table and its rows.
 */
MR_MUST_CHECK enum mr_status mr_fields_read(const struct mr_field_table *table, void *base,
                                            const json_t *object, struct mr_err *err);

/* MR_INVALID with the table's code unless there is a field of that name. */
MR_MUST_CHECK enum mr_status mr_fields_check_name(const struct mr_field_table *table, const char *name,
                                                  struct mr_err *err);

/*
 * Takes one field of a request: checks it, puts its canonical value into kept, an object, and fills base, whose
 * texts then belong to kept. null means absent. is_form: value is a string, numbers and objects are text, and
 * an empty text means absent. Codes as mr_fields_read, and "repeated_field".
 */
MR_MUST_CHECK enum mr_status mr_fields_take(const struct mr_field_table *table, void *base, json_t *kept,
                                            const char *name, const json_t *value, bool is_form,
                                            struct mr_err *err);
/* All members of a body, as mr_fields_take; required fields are not asked for. */
MR_MUST_CHECK enum mr_status mr_fields_take_all(const struct mr_field_table *table, void *base, json_t *kept,
                                                const json_t *body, bool is_form, struct mr_err *err);
/* MR_INVALID with the table's code for the first required field that is not in kept. */
MR_MUST_CHECK enum mr_status mr_fields_check_required(const struct mr_field_table *table, const json_t *kept,
                                                      struct mr_err *err);

/* Fails with "path must be …", for a check that knows the accepted values better than the row. */
enum mr_status mr_field_fail_range(struct mr_err *err, enum mr_code code, const char *path, int64_t min,
                                   int64_t max);

/* Appends what the field accepts, e.g. "a whole number from 1 to 8". */
MR_MUST_CHECK enum mr_status mr_field_expects(const struct mr_field *field, struct mr_buf *out,
                                              struct mr_err *err);

/* "16:9": two whole numbers without a sign, the ratio from 1:max to max:1. */
bool mr_ratio_parse(const char *text, int max, struct mr_ratio *ret);

#endif
