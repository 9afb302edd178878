#!/bin/sh
# Prints C for the logo: mr_logo_png and mr_logo_png_len (worker/logo.h).
set -eu
echo '#include "worker/logo.h"'
echo 'const unsigned char mr_logo_png[] = {'
od -An -v -tx1 "$1" | sed 's/ / 0x/g; s/\([0-9a-f]\) /\1, /g; s/$/,/'
echo '};'
echo 'const size_t mr_logo_png_len = sizeof mr_logo_png;'
