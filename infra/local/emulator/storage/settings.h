/*
 * What clients may choose of an object: its settings (contentType, metadata, …) and its name. Pure functions.
 */
#ifndef EM_STORAGE_SETTINGS_H
#define EM_STORAGE_SETTINGS_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

/*
 * The settings that result from `old` (NULL: none yet) and a client's resource. With `replace`, fields that the
 * resource lacks are removed (insert, PUT). Otherwise they stay, null removes a field, and metadata is merged
 * key by key (PATCH). Fields that clients cannot set are ignored. MR_INVALID for a wrong type. The caller owns
 * *ret.
 */
MR_MUST_CHECK enum mr_status em_settings_apply(const json_t *old, const json_t *resource, bool replace,
                                               json_t **ret, struct mr_err *err);

/* MR_INVALID unless Cloud Storage accepts it as the name of an object.
 * Source: https://cloud.google.com/storage/docs/objects#naming */
MR_MUST_CHECK enum mr_status em_object_name_check(const char *name, struct mr_err *err);

#endif
