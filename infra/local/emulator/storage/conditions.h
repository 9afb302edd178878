/*
 * Preconditions: the generation and the metageneration that a request expects an object to have.
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
    int64_t generation; /* this generation, else MR_NOT_FOUND; 0: the live one, whatever it is */
    bool given[EM_CONDITION_COUNT];
    int64_t value[EM_CONDITION_COUNT];
};

/* The query parameter for a condition, e.g. "ifGenerationMatch", or "ifSourceGenerationMatch" for the source of
 * a copy. */
const char *em_condition_name(enum em_condition condition, bool source);

/* Sets a condition from its text; NULL sets none. MR_INVALID unless it is a number from 0. */
MR_MUST_CHECK enum mr_status em_conditions_set(struct em_conditions *conditions, enum em_condition condition,
                                               const char *text, struct mr_err *err);

/* What the conditions compare with; both are 0 if there is no object. */
struct em_version {
    int64_t generation;
    int64_t metageneration;
};
/* The version of an object, or of none (NULL). */
struct em_version em_stored_version(const struct em_stored *stored);

/*
 * Checks the conditions against the live version. MR_NOT_FOUND if another generation was requested; MR_CONFLICT
 * with code condition_not_met (412), or not_modified (304) if a …NotMatch fails in a read.
 */
MR_MUST_CHECK enum mr_status em_conditions_check(const struct em_conditions *conditions,
                                                 struct em_version live, bool reading, struct mr_err *err);

/* The given conditions as a JSON object by name (NULL without memory), and back: for a session's file. */
json_t *em_conditions_to_json(const struct em_conditions *conditions);
void em_conditions_from_json(const json_t *json, struct em_conditions *ret);

#endif
