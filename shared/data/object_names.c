#include "shared/data/object_names.h"

#include "shared/data/leases.h"

#include <inttypes.h>

void mr_object_name_input(const char *uuid, char out[MR_OBJECT_NAME_SIZE])
{
    snprintf(out, MR_OBJECT_NAME_SIZE, "inputs/%s", uuid);
}

void mr_object_name_fetched(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE])
{
    snprintf(out, MR_OBJECT_NAME_SIZE, "inputs/%s-%" PRId64 "-%" PRId64, claim->file_id, claim->generation,
             claim->fence);
}

void mr_object_name_outputs(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE])
{
    snprintf(out, MR_OBJECT_NAME_SIZE, "results/%s/%" PRId64 "-%" PRId64, claim->file_id, claim->generation,
             claim->fence);
}

void mr_object_name_copied(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE])
{
    snprintf(out, MR_OBJECT_NAME_SIZE, "results/%s/%" PRId64 "-%" PRId64 "-copy", claim->file_id,
             claim->generation, claim->fence);
}

void mr_object_name_output(const char *outputs, size_t n, const char *extension,
                           char out[MR_OBJECT_NAME_SIZE])
{
    if (n == 0)
        snprintf(out, MR_OBJECT_NAME_SIZE, "%s.%s", outputs, extension);
    else
        snprintf(out, MR_OBJECT_NAME_SIZE, "%s-%zu.%s", outputs, n, extension);
}

void mr_object_name_part(const char *output, const char *part, char out[MR_OBJECT_NAME_SIZE])
{
    snprintf(out, MR_OBJECT_NAME_SIZE, "%s.%s", output, part);
}

void mr_object_name_unit(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE])
{
    snprintf(out, MR_OBJECT_NAME_SIZE, "units/%s/%" PRId64 "-%" PRId64 "-%" PRId64 "-%" PRId64,
             claim->file_id, claim->generation, claim->fence, claim->unit.n, claim->unit.fence);
}

void mr_object_name_joined(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE])
{
    snprintf(out, MR_OBJECT_NAME_SIZE, "results/%s/%" PRId64 "-%" PRId64 "-join%" PRId64, claim->file_id,
             claim->generation, claim->fence, claim->unit.fence);
}
