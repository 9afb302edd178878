/*
 * Functions that must not be called here do not compile. Every translation unit gets this header first
 * (Makefile, -include). Each line names what to use instead.
 */
#ifndef MR_BASE_BANNED_H
#define MR_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MR_BANNED(func, instead) mr_banned_##func##_use_##instead

#undef strcpy
#define strcpy(d, s) MR_BANNED(strcpy, mr_buf_or_snprintf)
#undef strcat
#define strcat(d, s) MR_BANNED(strcat, mr_buf_or_snprintf)
#undef strncpy
#define strncpy(d, s, n) MR_BANNED(strncpy, mr_buf_or_snprintf)
#undef strncat
#define strncat(d, s, n) MR_BANNED(strncat, mr_buf_or_snprintf)
#undef sprintf
#define sprintf(...) MR_BANNED(sprintf, snprintf)
#undef vsprintf
#define vsprintf(...) MR_BANNED(vsprintf, vsnprintf)
#undef strtok
#define strtok(s, d) MR_BANNED(strtok, strtok_r)
#undef gmtime
#define gmtime(t) MR_BANNED(gmtime, gmtime_r)
#undef localtime
#define localtime(t) MR_BANNED(localtime, gmtime_r)
#undef ctime
#define ctime(t) MR_BANNED(ctime, mr_time_format)
#undef asctime
#define asctime(t) MR_BANNED(asctime, mr_time_format)
#undef atoi
#define atoi(s) MR_BANNED(atoi, mr_parse_int64)
#undef atol
#define atol(s) MR_BANNED(atol, mr_parse_int64)
#undef rand
#define rand() MR_BANNED(rand, getrandom)
#undef system
#define system(c) MR_BANNED(system, fork_and_exec)
#undef popen
#define popen(c, m) MR_BANNED(popen, fork_and_exec)

#endif
