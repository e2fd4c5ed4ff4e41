#!/usr/bin/env bash
# fastMRI (see fastmri.md): train all stages on a folder of noisy volumes, then denoise each of them.
# Usage: fastmri.sh DATA_DIR OUT_DIR [settings of diffdenoise fit]
set -euo pipefail
data=$1 out=$2
shift 2
mkdir -p "$out"
diffdenoise fit "$data" "$out/work" "$@"
for file in "$data"/*.*; do
    name=$(basename "$file")
    diffdenoise denoise "$file" "$out/${name%%.*}.nii.gz" --model "$out/work" --overwrite
done
