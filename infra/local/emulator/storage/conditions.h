/*
 * Preconditions: the generation and the metageneration that a request expects of an object.
 * Source: https://cloud.google.com/storage/docs/request-preconditions
 */
#ifndef MR_EMULATOR_STORAGE_CONDITIONS_H
#define MR_EMULATOR_STORAGE_CONDITIONS_H

#include "infra/local/emulator/storage/object.h"

enum mr_condition {
    MR_IF_GENERATION_MATCH,
    MR_IF_GENERATION_NOT_MATCH,
    MR_IF_METAGENERATION_MATCH,
    MR_IF_METAGENERATION_NOT_MATCH,
    MR_CONDITION_COUNT
};

struct mr_conditions {
    int64_t generation; /* this generation or none (MR_NOT_FOUND); 0: the live one */
    bool given[MR_CONDITION_COUNT];
    int64_t value[MR_CONDITION_COUNT];
};

/* The query parameter for a condition, "ifGenerationMatch" …; for a copy's source "ifSourceGenerationMatch" …
 */
const char *mr_condition_name(enum mr_condition condition, bool source);

/* Sets a condition from its text; NULL leaves it out. MR_INVALID for anything but a number from 0. */
MR_MUST_CHECK enum mr_status mr_conditions_set(struct mr_conditions *conditions, enum mr_condition condition,
                                               const char *text, struct mr_err *err);

/* What conditions compare with; both are 0 where nothing exists. */
struct mr_version {
    int64_t generation;
    int64_t metageneration;
};
/* Of an object, or of none (NULL). */
struct mr_version mr_stored_version(const struct mr_stored *stored);

/*
 * Compares with what is live. MR_NOT_FOUND for another generation than asked for;
 * MR_CONFLICT with code condition_not_met (412), or not_modified (304) when reading and a …NotMatch fails.
 */
MR_MUST_CHECK enum mr_status mr_conditions_check(const struct mr_conditions *conditions,
                                                 struct mr_version live, bool reading, struct mr_err *err);

/* For a session's file: an object of those that are given, by name; and back. NULL: out of memory. */
json_t *mr_conditions_to_json(const struct mr_conditions *conditions);
void mr_conditions_from_json(const json_t *json, struct mr_conditions *ret);

#endif
