#include "shared/base/process.h"

#include "shared/base/json.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

/* Blocks above the threshold are returned to the system when freed; setting it prevents glibc from raising it. */
enum { ARENAS = 4, MMAP_THRESHOLD = 256 << 10 };

void mr_process_prepare(sigset_t *ret_signals)
{
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
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
