#!/usr/bin/env bash
# Pillow 13.0.0 and 12.0.0 give other pixels for `resize` of a picture that is higher than wide.
#
# 12 resizes along rows first, whatever the picture. 13 begins with the columns for some shapes and sizes, it seems where that
# is clearly less work (200 x 300 squeezed to 224 x 224, not to 84 x 84; 150 x 100 to 140 x 50 too), and both round and clip
# to 8 bits in between. What is squeezed to a square keeps its bytes if it is wide or square. High pictures do not: one level
# with BILINEAR, 17 with BICUBIC and 35 with LANCZOS on noise, where an overshoot is cut off at the other pass. So a data set
# packed with one version and a classifier asked through the other differ for one orientation alone, and so do hashes of
# pixels. What is better for it: here 13 resizes a picture turned by 90 degrees to the turned result, as 12 does not.
#
# Seen 2026-11-29, Python 3.11.7, numpy 2.4.6. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cat > "$folder/resize.py" <<'P'
import sys

import numpy as np
from PIL import Image

noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
shapes = {"high": noise, "wide": noise.swapaxes(0, 1).copy(), "square": noise[:200]}
if sys.argv[1] != "compare":
    made = {
        f"{shape} {name}": np.asarray(Image.fromarray(pixels).resize((224, 224), Image.Resampling[name]))
        for shape, pixels in shapes.items()
        for name in ("BILINEAR", "BICUBIC", "LANCZOS")
    }
    np.savez(sys.argv[1], **made)
else:
    old, new = np.load(sys.argv[2]), np.load(sys.argv[3])
    for name in old:
        print(name, np.abs(old[name].astype(int) - new[name].astype(int)).max())
    for what, made in (("12", old), ("13", new)):
        print(what, "turned:", np.array_equal(made["high BICUBIC"].swapaxes(0, 1), made["wide BICUBIC"]))
P
for version in 12.0.0 13.0.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "pillow==$version" numpy==2.4.6
    "$folder/$version/bin/python" "$folder/resize.py" "$folder/$version.npz"
done
seen=$("$folder/13.0.0/bin/python" "$folder/resize.py" compare "$folder/12.0.0.npz" "$folder/13.0.0.npz")
printf '%s\n' "$seen"
[ "$seen" = "high BILINEAR 1
high BICUBIC 17
high LANCZOS 35
wide BILINEAR 0
wide BICUBIC 0
wide LANCZOS 0
square BILINEAR 0
square BICUBIC 0
square LANCZOS 0
12 turned: False
13 turned: True" ]
