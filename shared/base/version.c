#include "shared/base/version.h"

const char mr_version[] = MR_VERSION;
