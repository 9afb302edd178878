/*
 * The metadata server of Cloud Run, under /computeMetadata/v1/. Every request has to carry
 * "Metadata-Flavor: Google", every answer does. Source:
 * https://cloud.google.com/run/docs/container-contract#metadata-server
 */
#ifndef MR_EMULATOR_METADATA_H
#define MR_EMULATOR_METADATA_H

#include "infra/local/emulator/emulator.h"

const struct mr_route *mr_metadata_emulator_routes(size_t *ret_count);

#endif
