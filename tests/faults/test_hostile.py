"""Bytes that somebody else made: images and archives with a few bytes changed."""

import io
import random
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from farfield.datasets.archives import scan, stream
from farfield.datasets.cards import Packing
from farfield.datasets.decoders import UnreadableImageError, decode
from farfield.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA")
MEMBERS = {f"{c}/{i}.png": bytes([i]) * (50 * i + 1) for c in "ab" for i in range(6)}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """With up to eight bytes changed, or cut off, or a piece of it twice."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    if chance.random() < 0.15:
        del changed[chance.randrange(len(changed)) :]
    if chance.random() < 0.15:
        at = chance.randrange(len(data))
        changed[at:at] = data[at // 2 : at]
    return bytes(changed)


@pytest.mark.filterwarnings("ignore:::PIL")
def test_images(tally):
    chance = random.Random(6)
    for form in FORMATS:
        line = tally(f"images: {form}", "bytes changed, cut off or doubled")
        file = io.BytesIO()
        Image.fromarray(PIXELS).save(file, form)
        for _ in range(125):
            data = mutated(file.getvalue(), chance)
            try:
                image = decode(data, Packing(size=16))
                assert image.pixels.shape == (16, 16, 3)
                line.as_it_stands += 1
            except UnreadableImageError as error:
                line.refuses(str(error))


def archive(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in MEMBERS.items():
                packed.writestr(name, data)
        return file.getvalue()
    with tarfile.open(fileobj=file, mode=f"w:{kind.removeprefix('tar').removeprefix('.')}") as tar:
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_archives(tmp_path, tally, kind):
    """Of kinds that have a checksum of what they hold; of a plain tar the card's checksum alone tells."""
    line = tally(f"archives: {kind}", "bytes changed, cut off or doubled")
    chance, right, path = random.Random(7), archive(kind), tmp_path / f"mine.{kind}"
    for _ in range(100):
        path.write_bytes(mutated(right, chance))
        try:
            names = [member.name for member in scan(path)]
            found = dict(stream(path, names))
            if all(MEMBERS.get(name, data) == data for name, data in found.items()):
                line.mended += 1  # what is read has the right bytes
            else:
                line.unnoticed.append("other bytes")
        except InputError as error:
            line.refuses(str(error).replace(f"{tmp_path}/", ""))
            named = path.name in str(error)
            assert named
