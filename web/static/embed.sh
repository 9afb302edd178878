#!/bin/sh
# Prints C for the given files: mr_static_files[], their bytes as arrays.
set -eu
echo '#include "web/static_files.h"'
for file in "$@"; do
    printf 'static const unsigned char file_%s[] = {\n' "$(basename "$file" | tr -c 'a-zA-Z0-9\n' _)"
    od -An -v -tx1 "$file" | sed 's/ / 0x/g; s/\([0-9a-f]\) /\1, /g; s/$/,/'
    echo '};'
done
echo 'const struct mr_static_file mr_static_files[] = {'
for file in "$@"; do
    name=$(basename "$file" | tr -c 'a-zA-Z0-9\n' _)
    printf '    {"%s", file_%s, sizeof file_%s},\n' "$(basename "$file")" "$name" "$name"
done
echo '    {NULL, NULL, 0}};'
