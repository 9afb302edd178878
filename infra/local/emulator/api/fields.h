/*
 * Reads JSON as Google's front end reads protocol buffers: a table names the fields of an object, each with its
 * reader. An unknown name is INVALID_ARGUMENT; null means the same as absent.
 * Source: https://protobuf.dev/programming-guides/json/
 *
 * Pure functions; any thread. Whatever the readers return is borrowed from the JSON value.
 */
#ifndef EM_API_FIELDS_H
#define EM_API_FIELDS_H

#include "shared/base/err.h"
#include "shared/base/json.h"

#include <stdint.h>

/* The number of elements of an array. */
#define EM_COUNT(table) (sizeof(table) / sizeof *(table))

/* Stores value at target. path is the field's full name, for the error. */
typedef enum mr_status em_field_reader(void *target, json_t *value, const char *path, struct mr_err *err);

struct em_field {
    const char *name;
    em_field_reader *read;
    size_t offset; /* of the target within the struct given to em_fields_read */
};

/* The readers, in field_readers.c, with the type of their target. */
em_field_reader em_read_string;   /* const char * */
em_field_reader em_read_bool;     /* bool */
em_field_reader em_read_int;      /* int64_t; accepts a decimal string as well */
em_field_reader em_read_duration; /* int64_t microseconds, from "3.5s" */
em_field_reader em_read_time;     /* int64_t microseconds since 1970, from RFC 3339 */
em_field_reader em_read_object;   /* json_t *, an object */
em_field_reader em_read_array;    /* json_t *, an array */
em_field_reader em_read_strings;  /* json_t *, an object of strings */
em_field_reader em_read_ignored;  /* for a field that only the service sets */
em_field_reader
    em_read_unimplemented; /* for a field that the emulator rejects; default values are accepted */

/* Fails with MR_INVALID: the value at path is not what is expected. */
enum mr_status em_field_wrong_type(const char *path, const char *expected, struct mr_err *err);

/* Reads the fields of object into *out; path is the object's name within the request ("" at the top).
 * MR_INVALID for an unknown field or a wrong type, MR_UNSUPPORTED for an unimplemented field. */
MR_MUST_CHECK enum mr_status em_fields_read(json_t *object, const char *path, const struct em_field *fields,
                                            size_t count, void *out, struct mr_err *err);

/* MR_INVALID unless min <= value <= max. */
MR_MUST_CHECK enum mr_status em_check_range(const char *name, int64_t value, int64_t min, int64_t max,
                                            struct mr_err *err);

enum { EM_DURATION_TEXT_MAX = 40 };
/* The JSON form of a google.protobuf.Duration, e.g. "600s" or "0.250s"; us must not be negative. */
void em_duration_format(int64_t us, char out[EM_DURATION_TEXT_MAX]);

#endif
