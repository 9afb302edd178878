#include "infra/local/emulator/storage/conditions.h"

#include "shared/base/encoding.h"

static const struct {
    const char *name;
    const char *source_name;
    bool of_metageneration;
    bool negated;
} conditions_table[EM_CONDITION_COUNT] = {
    [EM_IF_GENERATION_MATCH] = {"ifGenerationMatch", "ifSourceGenerationMatch", false, false},
    [EM_IF_GENERATION_NOT_MATCH] = {"ifGenerationNotMatch", "ifSourceGenerationNotMatch", false, true},
    [EM_IF_METAGENERATION_MATCH] = {"ifMetagenerationMatch", "ifSourceMetagenerationMatch", true, false},
    [EM_IF_METAGENERATION_NOT_MATCH] = {"ifMetagenerationNotMatch", "ifSourceMetagenerationNotMatch", true,
                                        true},
};

const char *em_condition_name(enum em_condition condition, bool source)
{
    return source ? conditions_table[condition].source_name : conditions_table[condition].name;
}

enum mr_status em_conditions_set(struct em_conditions *conditions, enum em_condition condition,
                                 const char *text, struct mr_err *err)
{
    if (!text)
        return MR_OK;
    if (!mr_parse_int64(text, 0, INT64_MAX, &conditions->value[condition]))
        return mr_fail(err, MR_INVALID, "Invalid value for %s: %s", conditions_table[condition].name, text);
    conditions->given[condition] = true;
    return MR_OK;
}

struct em_version em_stored_version(const struct em_stored *stored)
{
    if (!stored)
        return (struct em_version){0};
    return (struct em_version){stored->generation, stored->metageneration};
}

enum mr_status em_conditions_check(const struct em_conditions *conditions, struct em_version live,
                                   bool reading, struct mr_err *err)
{
    if (conditions->generation && live.generation != conditions->generation)
        return mr_fail(err, MR_NOT_FOUND, "No such generation of the object.");
    for (size_t i = 0; i < EM_CONDITION_COUNT; i++) {
        if (!conditions->given[i])
            continue;
        int64_t actual = conditions_table[i].of_metageneration ? live.metageneration : live.generation;
        if ((actual == conditions->value[i]) != conditions_table[i].negated)
            continue;
        if (reading && conditions_table[i].negated)
            return mr_fail_code(err, MR_CODE_NOT_MODIFIED, "Not Modified");
        return mr_fail_code(err, MR_CODE_CONDITION_NOT_MET,
                            "At least one of the pre-conditions you specified did not hold.");
    }
    return MR_OK;
}

json_t *em_conditions_to_json(const struct em_conditions *conditions)
{
    MR_AUTO_JSON json_t *json = json_object();
    for (size_t i = 0; json && i < EM_CONDITION_COUNT; i++)
        if (conditions->given[i] &&
            json_object_set_new(json, conditions_table[i].name, json_integer(conditions->value[i])) < 0)
            return NULL;
    return MR_TAKE(json);
}

void em_conditions_from_json(const json_t *json, struct em_conditions *ret)
{
    *ret = (struct em_conditions){0};
    for (size_t i = 0; i < EM_CONDITION_COUNT; i++) {
        const json_t *value = json_object_get(json, conditions_table[i].name);
        ret->given[i] = json_is_integer(value);
        ret->value[i] = json_integer_value(value);
    }
}
