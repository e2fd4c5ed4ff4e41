#!/usr/bin/env bash
# Chest X-rays as PNG (see covid_xray.md): denoise each picture of a folder from itself.
# Usage: covid_xray.sh DATA_DIR OUT_DIR [settings of diffdenoise denoise]
set -euo pipefail
data=$1 out=$2
shift 2
mkdir -p "$out"
for file in "$data"/*.png; do
    diffdenoise denoise "$file" "$out/$(basename "$file")" --color gray --json "$out/$(basename "$file" .png).json" --overwrite "$@"
done
