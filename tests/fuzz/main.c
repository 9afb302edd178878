/* One program for all targets: TARGET=form mediarun-fuzz [libFuzzer's options] [corpus directories]. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct mr_fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *name = getenv("TARGET");
    target = name ? mr_fuzz_find(name) : NULL;
    if (target)
        return 0;
    fprintf(stderr, "TARGET must be one of:");
    for (size_t i = 0; mr_fuzz_at(i); i++)
        fprintf(stderr, " %s", mr_fuzz_at(i)->name);
    fprintf(stderr, "\n");
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    target->run(data, len);
    return 0;
}
