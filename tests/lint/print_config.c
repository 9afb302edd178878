/* Prints the configuration table as docs/configuration.md has to hold it. */
#include "shared/base/config.h"

int main(void)
{
    mr_config_print();
    return 0;
}
