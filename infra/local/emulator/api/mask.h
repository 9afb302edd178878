/*
 * Field masks of PATCH requests: comma-separated paths, in camelCase or snake_case.
 * Source: https://protobuf.dev/reference/protobuf/google.protobuf/#field-mask
 *
 * Pure; any thread.
 */
#ifndef EM_API_MASK_H
#define EM_API_MASK_H

#include "shared/base/err.h"
#include "shared/base/json.h"

/*
 * Replaces the masked fields of target by those of source; a field that source lacks is removed. MR_INVALID for an
 * empty mask, or a path that does not begin with one of the `allowed` fields.
 */
MR_MUST_CHECK enum mr_status em_mask_apply(json_t *target, const json_t *source, const char *mask,
                                           const char *const *allowed, size_t allowed_count,
                                           struct mr_err *err);

#endif
