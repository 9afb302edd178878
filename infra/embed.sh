#!/bin/sh
# Prints the C source of files that are linked into a program:
#
#   infra/embed.sh migrations FILE.sql…   mr_migrations[] (shared/data/db_migrate.h), the text of each file
#   infra/embed.sh grants FILE.sql        mr_grants_sql[] (shared/data/db_migrate.h), its text
#   infra/embed.sh static FILE…           mr_static_files[] (web/static_files.h), the bytes of each file, also compressed
#   infra/embed.sh logo FILE.png          mr_logo_png[] (worker/logo.h), the bytes of the file
set -eu

# bytes [FILE]: its bytes, or those of the input, as the elements of an array.
bytes() { od -An -v -tx1 ${1:+"$1"} | sed 's/ / 0x/g; s/\([0-9a-f]\) /\1, /g; s/$/,/'; }

# identifier FILE: the name of its array.
identifier() { printf 'file_%s' "$(basename "$1" | tr -c 'a-zA-Z0-9\n' _)"; }

# text FILE: its lines as C strings.
text() { sed 's/\\/\\\\/g; s/"/\\"/g; s/^/     "/; s/$/\\n"/' "$1"; }

grants() {
    echo '#include "shared/data/db_migrate.h"'
    echo 'const char mr_grants_sql[] ='
    text "$1"
    echo '    ;'
}

migrations() {
    echo '#include "shared/data/db_migrate.h"'
    echo 'const struct mr_migration mr_migrations[] = {'
    for file in "$@"; do
        printf '    {"%s",\n' "$(basename "$file" .sql)"
        text "$file"
        echo '    },'
    done
    echo '    {NULL, NULL}};'
}

static() {
    echo '#include "web/static_files.h"'
    for file in "$@"; do
        echo "static const unsigned char $(identifier "$file")[] = {"
        bytes "$file"
        echo '};'
        echo "static const unsigned char $(identifier "$file")_gzip[] = {"
        gzip -9 -n <"$file" | bytes
        echo '};'
    done
    echo 'const struct mr_static_file mr_static_files[] = {'
    for file in "$@"; do
        identifier=$(identifier "$file")
        printf '    {"%s", %s, sizeof %s, %s_gzip, sizeof %s_gzip},\n' "$(basename "$file")" "$identifier" "$identifier" "$identifier" "$identifier"
    done
    echo '    {NULL, NULL, 0, NULL, 0}};'
}

logo() {
    echo '#include "worker/logo.h"'
    echo 'const unsigned char mr_logo_png[] = {'
    bytes "$1"
    echo '};'
    echo 'const size_t mr_logo_png_len = sizeof mr_logo_png;'
}

kind=${1:?usage: infra/embed.sh migrations|grants|static|logo FILE…}
shift
case $kind in
    migrations | grants | static | logo) "$kind" "$@" ;;
    *) echo "infra/embed.sh: unknown kind '$kind': must be migrations, grants, static or logo" >&2 && exit 2 ;;
esac
