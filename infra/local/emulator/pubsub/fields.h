/*
 * Reads JSON the way Google's front end reads protocol buffers: a table names the fields of an object, each
 * with its reader; an unknown name is INVALID_ARGUMENT, null is the same as absent. Shared by Pub/Sub and
 * Scheduler. Source: https://protobuf.dev/programming-guides/json/
 *
 * Pure functions; any thread. What readers hand out is borrowed from the JSON value read.
 */
#ifndef EM_PUBSUB_FIELDS_H
#define EM_PUBSUB_FIELDS_H

#include "shared/base/json.h"
#include "shared/http/server.h"

/* Stores value at target. path is the field's full name, for the error. */
typedef enum mr_status em_field_reader(void *target, json_t *value, const char *path, struct mr_err *err);

struct em_field {
    const char *name;
    em_field_reader *read;
    size_t offset; /* of the target within the struct given to em_pubsub_fields_read */
};

em_field_reader em_read_string;        /* const char * */
em_field_reader em_read_bool;          /* bool */
em_field_reader em_read_int;           /* int64_t; a decimal string is taken too */
em_field_reader em_read_duration;      /* int64_t microseconds, from "3.5s" */
em_field_reader em_read_time;          /* int64_t microseconds since 1970, from RFC 3339 */
em_field_reader em_read_object;        /* json_t *, an object */
em_field_reader em_read_array;         /* json_t *, an array */
em_field_reader em_read_strings;       /* json_t *, an object of strings */
em_field_reader em_read_ignored;       /* a field that only the service sets */
em_field_reader em_read_unimplemented; /* a real field that this emulator refuses, rather than ignores */

/* Reads the fields of object into *out; path is its name within the request ("" at the top). */
MR_MUST_CHECK enum mr_status em_pubsub_fields_read(json_t *object, const char *path,
                                                   const struct em_field *fields, size_t count, void *out,
                                                   struct mr_err *err);

/* The request's body as an object without nulls; no body at all is {}. MR_INVALID otherwise. The caller owns
 * *ret. */
MR_MUST_CHECK enum mr_status em_google_body(struct mr_request *req, size_t max, json_t **ret,
                                            struct mr_err *err);

/* MR_INVALID unless min <= value <= max. */
MR_MUST_CHECK enum mr_status em_check_range(const char *name, int64_t value, int64_t min, int64_t max,
                                            struct mr_err *err);

enum { EM_DURATION_TEXT_MAX = 40 };
/* "600s", "0.250s": the JSON form of a google.protobuf.Duration (not negative). */
void em_duration_format(int64_t us, char out[EM_DURATION_TEXT_MAX]);

/* MR_INVALID unless id is a legal topic or subscription id: 3 to 255 characters of [A-Za-z0-9-_.~+%], a
 * letter first, not "goog". Source: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names */
MR_MUST_CHECK enum mr_status em_resource_id_check(const char *id, struct mr_err *err);
/* MR_INVALID unless name is "projects/P/<collection>/ID" with a legal ID. */
MR_MUST_CHECK enum mr_status em_resource_name_check(const char *name, const char *collection,
                                                    struct mr_err *err);
/* "projects/{p}/<collection>/{id}" from the request's path parameters p and `param`; malloc'ed. */
MR_MUST_CHECK enum mr_status em_resource_name_of(const struct mr_request *req, const char *collection,
                                                 const char *param, char **ret, struct mr_err *err);

/* MR_INVALID unless url is an absolute http or https URL without blanks or control characters. */
MR_MUST_CHECK enum mr_status em_url_check(const char *field, const char *url, struct mr_err *err);

/* A page of a list: pageSize (1–1000; absent or 0: 100) and pageToken, which is the last name already seen
 * ("" for none). The token is borrowed from req. */
struct em_page {
    size_t size;
    const char *after;
};
MR_MUST_CHECK enum mr_status em_page_of(const struct mr_request *req, struct em_page *ret,
                                        struct mr_err *err);

#endif
