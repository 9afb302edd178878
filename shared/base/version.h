/* The version of the programs: the file VERSION, passed in by the Makefile. */
#ifndef MR_BASE_VERSION_H
#define MR_BASE_VERSION_H

extern const char mr_version[];

#endif
