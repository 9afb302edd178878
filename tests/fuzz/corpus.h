/* The inputs of corpus/, linked into the unit tests: corpus.py prints them as C. */
#ifndef MR_TESTS_FUZZ_CORPUS_H
#define MR_TESTS_FUZZ_CORPUS_H

#include <stddef.h>
#include <stdint.h>

struct mr_fuzz_file {
    const char *target;
    const uint8_t *data;
    size_t len;
};
extern const struct mr_fuzz_file mr_fuzz_files[];
extern const size_t mr_fuzz_file_count;

#endif
