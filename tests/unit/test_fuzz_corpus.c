/* The seeds of the fuzz targets, and what they have found: no file of tests/fuzz/corpus breaks its target. */
#include "tests/fuzz/corpus.h"
#include "tests/fuzz/fuzz.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_corpus(void **state)
{
    const struct mr_fuzz_target *target = *state;
    size_t count = 0;
    for (size_t i = 0; i < mr_fuzz_file_count; i++) {
        const struct mr_fuzz_file *file = &mr_fuzz_files[i];
        if (strcmp(file->target, target->name) != 0)
            continue;
        target->run(file->data, file->len);
        count++;
    }
    assert_true(count > 0); /* each target has seeds */
}

/* Every target takes the empty input, and short ones of each first byte. */
static void test_short_inputs(void **state)
{
    const struct mr_fuzz_target *target = *state;
    target->run((const uint8_t *)"", 0);
    for (int first = 0; first < 256; first++) {
        uint8_t bytes[] = {(uint8_t)first, 0, '{', '}'};
        for (size_t len = 1; len <= sizeof bytes; len++)
            target->run(bytes, len);
    }
}

int main(void)
{
    enum { TARGETS_MAX = 32 };
    struct CMUnitTest tests[2 * TARGETS_MAX];
    size_t count = 0;
    for (size_t i = 0; mr_fuzz_at(i) && i < TARGETS_MAX; i++) {
        const struct mr_fuzz_target *target = mr_fuzz_at(i);
        tests[count++] =
            (struct CMUnitTest){target->name, test_corpus, NULL, NULL, (void *)(uintptr_t)target};
        tests[count++] =
            (struct CMUnitTest){target->name, test_short_inputs, NULL, NULL, (void *)(uintptr_t)target};
    }
    return _cmocka_run_group_tests("fuzz corpus", tests, count, NULL, NULL);
}
