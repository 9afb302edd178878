/*
 * The names of all objects in the bucket. infra/storage/lifecycle.json deletes old ones by their prefix.
 *
 *   inputs/UUID                                     a file that web stored (UUID: the task's file_id), or a
 *                                                   direct upload (UUID: its id)
 *   inputs/FILE_ID-GENERATION-FENCE                 a file that a worker fetched from the task's url
 *   results/FILE_ID/GENERATION-FENCE.EXTENSION      a task's first output
 *   results/FILE_ID/GENERATION-FENCE-N.EXTENSION    its output N, from 1
 *   results/FILE_ID/GENERATION-FENCE-joinUNIT_FENCE.EXTENSION  the first output of a task that was cut into units
 *   results/FILE_ID/GENERATION-FENCE-copy.EXTENSION the first output of a task that was answered from another's (results.h)
 *   units/FILE_ID/GENERATION-FENCE-N-UNIT_FENCE.packets        what its unit N has made (units.h)
 *   NAME.head, NAME.body                            the parts of an output that is then composed
 *
 * The fence is in the names that a worker writes, so that a worker that lost its lease can neither overwrite nor
 * publish anything. Pure functions; any thread.
 */
#ifndef MR_DATA_OBJECT_NAMES_H
#define MR_DATA_OBJECT_NAMES_H

#include <stddef.h>

struct mr_claim;

enum { MR_OBJECT_NAME_SIZE = 256 }; /* bytes of any of these names, with its NUL */

/* A stored file or a direct upload. */
void mr_object_name_input(const char *uuid, char out[MR_OBJECT_NAME_SIZE]);
/* A file fetched from the claimed task's url. */
void mr_object_name_fetched(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE]);
/* What the names of the claimed task's outputs begin with: give it to mr_object_name_output. */
void mr_object_name_outputs(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE]);
/* Likewise of the copies of another task's outputs, of what a claimed unit makes, and of the outputs of a claimed join. */
void mr_object_name_copied(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE]);
void mr_object_name_unit(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE]);
void mr_object_name_joined(const struct mr_claim *claim, char out[MR_OBJECT_NAME_SIZE]);
/* Output n, from 0; extension without its dot. */
void mr_object_name_output(const char *outputs, size_t n, const char *extension,
                           char out[MR_OBJECT_NAME_SIZE]);
/* A part of an output: "head" or "body". */
void mr_object_name_part(const char *output, const char *part, char out[MR_OBJECT_NAME_SIZE]);

#endif
