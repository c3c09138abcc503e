#!/bin/sh
# Speaks the sentences of manifest.tsv with espeak-ng; needs espeak-ng 1.51 or newer. Run it in this folder.
set -eu
cd "$(dirname "$0")"
tail -n +2 manifest.tsv | while IFS="$(printf '\t')" read -r path text seconds speaker language; do
    espeak-ng -v "${speaker#espeak-ng }" -s 150 -w "$path" "$text"
done
