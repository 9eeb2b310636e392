#!/usr/bin/env bash
# A part of numpy 2.4.6's `memmap`, such as x[5:], is a memmap too, with the file's name and the offset of the whole
# array: `np.memmap(part.filename, part.dtype, "r", part.offset, part.shape)` reads other values, and nothing says so.
# Whether an array is where its `offset` says can be told from its `base`: an `mmap` for the whole, an array for a part.
#
# And a memmap is no array to pickle's protocol 5: with a `buffer_callback` no buffer is handed out, all bytes are copied
# into the pickle, whereas `x.view(np.ndarray)` of the same memory hands out its buffer.
#
# Seen 2026-11-29, Python 3.11.7. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import mmap
import pickle

import numpy as np

np.save("x.npy", np.arange(10))
whole = np.load("x.npy", mmap_mode="r")
part = whole[5:]
assert isinstance(part, np.memmap) and part.filename == whole.filename
again = np.memmap(part.filename, part.dtype, "r", part.offset, part.shape)
print(f"the part {part.tolist()} opened again from what it says of itself: {again.tolist()}")
assert part.offset == whole.offset == 128 and again.tolist() == [0, 1, 2, 3, 4]
assert isinstance(whole.base, mmap.mmap) and isinstance(part.base, np.memmap)

for name, array in (("memmap", whole), ("array", whole.view(np.ndarray))):
    buffers = []
    data = pickle.dumps(array, protocol=5, buffer_callback=buffers.append)
    print(f"{name}: {len(buffers)} buffers beside {len(data)} bytes")
    assert len(buffers) == (name == "array")
PYTHON
