/*
 * Preconditions: the generation and the metageneration that a request expects of an object.
 * Source: https://cloud.google.com/storage/docs/request-preconditions
 */
#ifndef EM_STORAGE_CONDITIONS_H
#define EM_STORAGE_CONDITIONS_H

#include "infra/local/emulator/storage/object.h"

enum em_condition {
    EM_IF_GENERATION_MATCH,
    EM_IF_GENERATION_NOT_MATCH,
    EM_IF_METAGENERATION_MATCH,
    EM_IF_METAGENERATION_NOT_MATCH,
    EM_CONDITION_COUNT
};

struct em_conditions {
    int64_t generation; /* this generation or none (MR_NOT_FOUND); 0: the live one */
    bool given[EM_CONDITION_COUNT];
    int64_t value[EM_CONDITION_COUNT];
};

/* The query parameter for a condition, "ifGenerationMatch" …; for a copy's source "ifSourceGenerationMatch" …
 */
const char *em_condition_name(enum em_condition condition, bool source);

/* Sets a condition from its text; NULL leaves it out. MR_INVALID for anything but a number from 0. */
MR_MUST_CHECK enum mr_status em_conditions_set(struct em_conditions *conditions, enum em_condition condition,
                                               const char *text, struct mr_err *err);

/* What conditions compare with; both are 0 where nothing exists. */
struct em_version {
    int64_t generation;
    int64_t metageneration;
};
/* Of an object, or of none (NULL). */
struct em_version em_stored_version(const struct em_stored *stored);

/*
 * Compares with what is live. MR_NOT_FOUND for another generation than asked for;
 * MR_CONFLICT with code condition_not_met (412), or not_modified (304) when reading and a …NotMatch fails.
 */
MR_MUST_CHECK enum mr_status em_conditions_check(const struct em_conditions *conditions,
                                                 struct em_version live, bool reading, struct mr_err *err);

/* For a session's file: an object of those that are given, by name; and back. NULL: out of memory. */
json_t *em_conditions_to_json(const struct em_conditions *conditions);
void em_conditions_from_json(const json_t *json, struct em_conditions *ret);

#endif
