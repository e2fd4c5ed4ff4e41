#!/usr/bin/env bash
# M4Raw (see m4raw.md): train all stages on the single repetitions, denoise each, score it against the mean of the others.
# Usage: m4raw.sh DATA_DIR OUT_DIR [settings of diffdenoise fit]
set -euo pipefail
data=$1 out=$2
shift 2
mkdir -p "$out/references" "$out/scores"
diffdenoise fit "$data" "$out/work" "$@"
for file in "$data"/*.h5; do
    diffdenoise denoise "$file" "$out/$(basename "$file" .h5).nii.gz" --model "$out/work" --overwrite
done

# From here on it is scoring: no mean of repetitions was there before.
python - "$data" "$out/references" <<'EOF'
import sys
from pathlib import Path

from monai_diffdenoise import write_volume
from monai_diffdenoise.data import group_repetitions, mean_without, read_repetitions

data, out = map(Path, sys.argv[1:])
for files in group_repetitions(data).values():
    if len(files) > 1:
        volume = read_repetitions(files)
        for number, file in enumerate(files):
            write_volume(mean_without(volume, number), out / f"{file.stem}.nii.gz", overwrite=True)
EOF
for reference in "$out"/references/*.nii.gz; do
    name=$(basename "$reference" .nii.gz)
    echo "$name: before and after"
    diffdenoise evaluate "$data/$name.h5" "$reference" --json "$out/scores/$name.noisy.json" --overwrite
    diffdenoise evaluate "$out/$name.nii.gz" "$reference" --json "$out/scores/$name.json" --overwrite
done
