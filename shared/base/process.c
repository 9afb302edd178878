#include "shared/base/process.h"

#include "shared/base/json.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Chunks of files and frames of video come and go all the time: blocks that are mapped again for each cost more page faults than
 * all else that is done with them. An arena keeps up to TRIM_THRESHOLD of what was freed; larger blocks than MMAP_THRESHOLD are
 * returned to the system. Setting them keeps glibc from moving the thresholds. */
enum { ARENAS = 4, MMAP_THRESHOLD = 8 << 20, TRIM_THRESHOLD = 32 << 20 };

void mr_process_prepare(sigset_t *ret_signals)
{
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    mr_json_prepare();
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void mr_process_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int mr_process_cores(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 1 ? (int)cores : 1;
}

/* "max" is no number, and version 1 writes a huge one. */
static int64_t read_limit(const char *path, int64_t otherwise)
{
    FILE *file = fopen(path, "re");
    int64_t limit = 0;
    if (!file)
        return otherwise;
    const bool is_limited = fscanf(file, "%" SCNd64, &limit) == 1 && limit > 0 && limit < otherwise;
    fclose(file);
    return is_limited ? limit : otherwise;
}

int64_t mr_process_memory(void)
{
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    bytes = read_limit("/sys/fs/cgroup/memory.max", bytes);
    return read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes", bytes);
}
