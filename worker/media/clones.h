/*
 * Functions of arithmetic that are compiled twice, for any x86-64 and for x86-64-v3 (AVX2 and FMA: registers of 32 bytes).
 * The dynamic linker asks the processor which one runs, before main and before the sandbox. Not with clang, which does
 * not know the level, nor with sanitizers, whose run-time is not there yet when the linker asks.
 */
#ifndef MR_WORKER_MEDIA_CLONES_H
#define MR_WORKER_MEDIA_CLONES_H

#include <features.h>

#if defined __x86_64__ && defined __GLIBC__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__ &&        \
    !defined __SANITIZE_THREAD__
#define MR_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define MR_CLONES
#endif

/* What a clone calls is compiled with it. */
#define MR_IN_CLONE static inline __attribute__((always_inline))

#endif
