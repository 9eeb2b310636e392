#!/usr/bin/env bash
# Pillow 13.0.0 and TIFF files of one grey band, written by tifffile 2026.3.3.
#
# At 1 to 8 bits Pillow turns a file that says PhotometricInterpretation 0 (white is zero), so that 0 comes out as 255;
# at 16 bits it hands over the numbers as they lie, and mode, info and the other tags that people look at are the same
# as of a file that says 1. Two scans of one film, at 8 and at 16 bits, are a positive and a negative. Only
# image.tag_v2[262] tells. Signed bytes (SampleFormat 2) come as mode L, -1 as 255, and nothing but tag 339 says so.
#
# Seen 2026-11-29, Python 3.11.7, numpy 2.4.6. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cat > "$folder/look.py" <<'P'
import io

import numpy as np
import tifffile
from PIL import Image

for dtype, photometric in (("uint8", "miniswhite"), ("uint16", "miniswhite"), ("uint16", "minisblack"), ("int8", "minisblack")):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.array([[-1 if dtype == "int8" else 0, 100]], dtype), photometric=photometric)
    image = Image.open(buffer)
    print(dtype, photometric, image.mode, np.asarray(image).tolist()[0], image.tag_v2[262], image.tag_v2.get(339, (1,))[0])
P
seen=$("$folder/venv/bin/python" "$folder/look.py")
printf '%s\n' "$seen"
[ "$seen" = "uint8 miniswhite L [255, 155] 0 1
uint16 miniswhite I;16 [0, 100] 0 1
uint16 minisblack I;16 [0, 100] 1 1
int8 minisblack L [255, 100] 1 2" ]
