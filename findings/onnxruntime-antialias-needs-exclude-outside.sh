#!/usr/bin/env bash
# ONNX's Resize with antialias=1 in onnxruntime 1.32.0, beside Pillow 13.0.0 on the same picture.
#
# Both average over the pixels that a shrunk pixel covers. At the edges the window reaches beyond the picture: Pillow
# leaves out what is not there and weighs the rest anew; onnxruntime does otherwise with exclude_outside=0, the default,
# and the edges differ by many levels. With exclude_outside=1 no pixel of the linear filter differs by more than one
# level, so a graph that is to answer as Python did needs it.
#
# Seen 2026-11-29, Python 3.11.7, x86-64. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 pillow==13.0.0 numpy==2.4.6
cat > "$folder/look.py" <<'P'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

picture = np.random.default_rng(0).integers(0, 256, (97, 131), dtype=np.uint8)
ours = np.asarray(Image.fromarray(picture).resize((40, 30), Image.Resampling.BILINEAR)).astype(int)
for outside in (0, 1):
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=1, exclude_outside=outside)
    sizes = numpy_helper.from_array(np.array([1, 1, 30, 40], np.int64), "sizes")
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph([node], "g", [value("x", [1, 1, 97, 131])], [value("y", [1, 1, 30, 40])], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"x": picture[None, None].astype(np.float32)})[0][0, 0]
    off = np.abs(theirs.round() - ours)
    print(f"exclude_outside={outside}: inside at most {off[2:-2, 2:-2].max():.0f}, at the edges {'more than 4' if off.max() > 4 else 'at most 1' if off.max() <= 1 else 'a few'} levels")
P
seen=$("$folder/venv/bin/python" "$folder/look.py")
printf '%s\n' "$seen"
[ "$seen" = "exclude_outside=0: inside at most 1, at the edges more than 4 levels
exclude_outside=1: inside at most 1, at the edges at most 1 levels" ]
