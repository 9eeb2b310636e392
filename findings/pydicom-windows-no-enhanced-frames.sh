#!/usr/bin/env bash
# pydicom 3.0.2 and a frame of an enhanced multi-frame file, whose rescale and window stand in the functional groups.
#
# apply_modality_lut and apply_voi_lut look at the top of the data set alone: of such a file they give back the stored
# values, without an error or a warning. The same numbers at the top are applied. Whoever windows CT files sees the
# enhanced ones in stored units among the others in Hounsfield units. Neither of them turns MONOCHROME1.
#
# Seen 2026-11-29, Python 3.11.7, numpy 2.4.6. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pydicom==3.0.2 numpy==2.4.6
cat > "$folder/look.py" <<'P'
import warnings

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

warnings.simplefilter("error")
stored = np.array([[0, 1064, 2000]], np.uint16)


def shown(dataset):
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.BitsStored, dataset.PixelRepresentation = 12, 0
    hu = apply_modality_lut(stored, dataset)
    return hu.tolist()[0], apply_voi_lut(hu, dataset).tolist()[0]


plain = Dataset()
plain.RescaleSlope, plain.RescaleIntercept, plain.WindowCenter, plain.WindowWidth = 1, -1024, 40, 400
scale, window, group, enhanced = Dataset(), Dataset(), Dataset(), Dataset()
scale.RescaleSlope, scale.RescaleIntercept = 1, -1024
window.WindowCenter, window.WindowWidth = 40, 400
group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [scale], [window]
enhanced.NumberOfFrames, enhanced.SharedFunctionalGroupsSequence = 1, [group]
print("plain", *shown(plain))
print("enhanced", *shown(enhanced))
P
seen=$("$folder/venv/bin/python" "$folder/look.py")
printf '%s\n' "$seen"
grep -q '^plain \[-1024.0, 40.0, 976.0\] \[-1024.0, 10' <<< "$seen"
grep -q '^enhanced \[0, 1064, 2000\] \[0, 1064, 2000\]$' <<< "$seen"
