#!/bin/sh
# Prints C for the given migrations: mr_migrations[], one string literal per line of SQL.
set -eu
echo '#include "shared/data/db_migrate.h"'
echo 'const struct mr_migration mr_migrations[] = {'
for file in "$@"; do
    printf '    {"%s",\n' "$(basename "$file" .sql)"
    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/     "/; s/$/\\n"/' "$file"
    echo '    },'
done
echo '    {NULL, NULL}};'
