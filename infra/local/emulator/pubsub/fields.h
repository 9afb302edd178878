/*
 * Reads JSON the way Google's front end reads protocol buffers: a table names the fields of an object, each
 * with its reader; an unknown name is INVALID_ARGUMENT, null is the same as absent. Shared by Pub/Sub and
 * Scheduler. Source: https://protobuf.dev/programming-guides/json/
 *
 * Pure functions; any thread. What readers hand out is borrowed from the JSON value read.
 */
#ifndef MR_EMULATOR_PUBSUB_FIELDS_H
#define MR_EMULATOR_PUBSUB_FIELDS_H

#include "shared/base/json.h"
#include "shared/http/server.h"

/* Stores value at target. path is the field's full name, for the error. */
typedef enum mr_status mr_field_reader(void *target, json_t *value, const char *path, struct mr_err *err);

struct mr_field {
    const char *name;
    mr_field_reader *read;
    size_t offset; /* of the target within the struct given to mr_pubsub_fields_read */
};

mr_field_reader mr_read_string;        /* const char * */
mr_field_reader mr_read_bool;          /* bool */
mr_field_reader mr_read_int;           /* int64_t; a decimal string is taken too */
mr_field_reader mr_read_duration;      /* int64_t microseconds, from "3.5s" */
mr_field_reader mr_read_time;          /* int64_t microseconds since 1970, from RFC 3339 */
mr_field_reader mr_read_object;        /* json_t *, an object */
mr_field_reader mr_read_array;         /* json_t *, an array */
mr_field_reader mr_read_strings;       /* json_t *, an object of strings */
mr_field_reader mr_read_ignored;       /* a field that only the service sets */
mr_field_reader mr_read_unimplemented; /* a real field that this emulator refuses, rather than ignores */

/* Reads the fields of object into *out; path is its name within the request ("" at the top). */
MR_MUST_CHECK enum mr_status mr_pubsub_fields_read(json_t *object, const char *path,
                                                   const struct mr_field *fields, size_t count, void *out,
                                                   struct mr_err *err);

/* The request's body as an object without nulls; no body at all is {}. MR_INVALID otherwise. The caller owns
 * *ret. */
MR_MUST_CHECK enum mr_status mr_google_body(struct mr_request *req, size_t max, json_t **ret,
                                            struct mr_err *err);

/* MR_INVALID unless min <= value <= max. */
MR_MUST_CHECK enum mr_status mr_check_range(const char *name, int64_t value, int64_t min, int64_t max,
                                            struct mr_err *err);

enum { MR_DURATION_TEXT_MAX = 40 };
/* "600s", "0.250s": the JSON form of a google.protobuf.Duration (not negative). */
void mr_duration_format(int64_t us, char out[MR_DURATION_TEXT_MAX]);

/* MR_INVALID unless id is a legal topic or subscription id: 3 to 255 characters of [A-Za-z0-9-_.~+%], a
 * letter first, not "goog". Source: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names */
MR_MUST_CHECK enum mr_status mr_resource_id_check(const char *id, struct mr_err *err);
/* MR_INVALID unless name is "projects/P/<collection>/ID" with a legal ID. */
MR_MUST_CHECK enum mr_status mr_resource_name_check(const char *name, const char *collection,
                                                    struct mr_err *err);
/* "projects/{p}/<collection>/{id}" from the request's path parameters p and `param`; malloc'ed. */
MR_MUST_CHECK enum mr_status mr_resource_name_of(const struct mr_request *req, const char *collection,
                                                 const char *param, char **ret, struct mr_err *err);

/* MR_INVALID unless url is an absolute http or https URL without blanks or control characters. */
MR_MUST_CHECK enum mr_status mr_url_check(const char *field, const char *url, struct mr_err *err);

/* A page of a list: pageSize (1–1000; absent or 0: 100) and pageToken, which is the last name already seen
 * ("" for none). The token is borrowed from req. */
struct mr_page {
    size_t size;
    const char *after;
};
MR_MUST_CHECK enum mr_status mr_page_of(const struct mr_request *req, struct mr_page *ret,
                                        struct mr_err *err);

#endif
