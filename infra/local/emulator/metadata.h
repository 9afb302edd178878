/*
 * The metadata server of Cloud Run, under /computeMetadata/v1/. Every request has to carry
 * "Metadata-Flavor: Google", every answer does. Source:
 * https://cloud.google.com/run/docs/container-contract#metadata-server
 */
#ifndef EM_METADATA_H
#define EM_METADATA_H

#include "infra/local/emulator/app.h"

const struct mr_route *em_metadata_routes(size_t *ret_count);

#endif
