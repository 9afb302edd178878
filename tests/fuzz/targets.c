#include "tests/fuzz/fuzz.h"

#include "shared/base/utf8.h"

#include <string.h>

static const struct mr_fuzz_target targets[] = {
    {"form", mr_fuzz_form},
    {"jwt", mr_fuzz_jwt},
    {"options", mr_fuzz_options},
    {"push", mr_fuzz_push},
    {"ranges", mr_fuzz_ranges},
    {"request", mr_fuzz_request},
    {"routing", mr_fuzz_routing},
    {"sandbox_child", mr_fuzz_sandbox_child},
    {"sandbox_parent", mr_fuzz_sandbox_parent},
};

const struct mr_fuzz_target *mr_fuzz_at(size_t index)
{
    return index < sizeof targets / sizeof *targets ? &targets[index] : NULL;
}

const struct mr_fuzz_target *mr_fuzz_find(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

void mr_fuzz_check_failure(enum mr_status status, const struct mr_err *err)
{
    MR_HOLDS(status != MR_OK);
    MR_HOLDS(err->status == status);
    MR_HOLDS(err->message[0] != '\0');
    MR_HOLDS(mr_utf8_is_valid(err->message, strlen(err->message)));
}
