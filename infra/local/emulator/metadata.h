/*
 * The metadata server of Cloud Run, at /computeMetadata/v1/. Every request must have the header
 * "Metadata-Flavor: Google", and every answer has it.
 * Source: https://cloud.google.com/run/docs/container-contract#metadata-server
 */
#ifndef EM_METADATA_H
#define EM_METADATA_H

#include "infra/local/emulator/api/router.h"
#include "infra/local/emulator/app.h"

/* What is spoken of it; the app pointer of the handlers is a struct em_app. */
const struct em_spoken *em_metadata_rows(size_t *ret_count);

#endif
