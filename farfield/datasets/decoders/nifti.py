"""NIfTI volumes, by nibabel (extra `medical`): the middle slice across the body, as it is usually shown.

The volume is turned so that its axes run to the right, to the front and to the head; the slice has the front
above. Of several volumes the first counts.
"""

import gzip
import io
import zlib

import numpy as np

from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

SUFFIXES = (".nii", ".nii.gz")
MOST_BYTES = 2**29  # of a volume


def knows(data: bytes) -> bool:
    if data[:2] == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(wbits=31).decompress(data[:4096], 352)
        except zlib.error:
            return False
    return data[344:348] in (b"n+1\0", b"ni1\0") or data[4:8] == b"n+2\0"


def read(data: bytes, *, stored: bool) -> Values:
    try:
        import nibabel
    except ImportError:
        raise needs_extra("a NIfTI volume", "medical") from None
    if data[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UnreadableImageError(f"too large: unpacked it takes more than {MOST_BYTES / 2**30:g} GB")
    kind = nibabel.Nifti2Image if data[4:8] == b"n+2\0" else nibabel.Nifti1Image
    volume = kind.from_bytes(data)
    shape = volume.shape
    if len(shape) < 2 or 0 in shape:
        raise UnreadableImageError(f"damaged: a volume of {list(shape)} values")
    if len(shape) > 3:
        volume = volume.slicer[(slice(None), slice(None), slice(None)) + (slice(0, 1),) * (len(shape) - 3)]
    volume = nibabel.as_closest_canonical(nibabel.squeeze_image(volume)) if len(shape) > 2 else volume
    slices = volume.shape[2] if len(volume.shape) > 2 else 1
    place = slices // 2
    values = np.asarray(volume.dataobj)
    plane = np.rot90(values[:, :, place] if values.ndim > 2 else values)
    if plane.dtype.kind not in "uif":
        raise UnreadableImageError(f"its values are {plane.dtype}, not numbers of grey")
    plane = np.ascontiguousarray(plane[..., None], dtype=plane.dtype.newbyteorder("="))
    if stored:
        return of_array(plane)
    bits = 8 * plane.dtype.itemsize
    return Values(
        plane, f"NIfTI {plane.dtype.name}", bits, signed=plane.dtype.kind in "if", modality="NIfTI", page=place,
        pages=slices,
    )  # fmt: skip
