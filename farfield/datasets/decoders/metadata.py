"""What stands beside the picture in a file: the orientation is taken from it, and the rest can be left out."""

import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
# What a picture needs; everything else in a PNG file may be left out.
_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_TEXTS = set(range(0xE1, 0xF0)) - {0xEE} | {0xFE}  # APP1 to APP15 without Adobe's colours, and comments


def without(data: bytes) -> bytes | None:
    """The PNG, JPEG or WebP file without metadata but its orientation; None if it is another file or has none.

    A file that is damaged in its picture stays so.
    """
    try:
        if data.startswith(PNG):
            bare = _bare_png(data)
        elif data.startswith(b"\xff\xd8"):
            bare = _bare_jpeg(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            bare = _bare_webp(data)
        else:
            return None
    except (struct.error, IndexError):
        return None
    return None if bare == data else bare


def exif_orientation(exif: bytes) -> int:
    """The orientation in a block of EXIF, which may be damaged elsewhere; 1 if it says none."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        start = struct.unpack_from(f"{order}I", block, 4)[0]
        for entry in range(struct.unpack_from(f"{order}H", block, start)[0]):
            tag, kind, count = struct.unpack_from(f"{order}HHI", block, start + 2 + 12 * entry)
            if tag == 0x0112 and kind in (3, 4) and count == 1:
                form = "H" if kind == 3 else "I"
                return int(struct.unpack_from(f"{order}{form}", block, start + 10 + 12 * entry)[0])
    except struct.error:  # it ends early
        pass
    return 1


def _exif(orientation: int) -> bytes:
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def _bare_png(data: bytes) -> bytes:
    parts, at, turned = [PNG], 8, 1
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + length]
        if kind in _PICTURE:
            parts.append(chunk)
        elif kind == b"eXIf":
            turned = exif_orientation(chunk[8:-4])
        at += 12 + length
    if turned != 1:
        body = b"eXIf" + _exif(turned)
        block = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        parts.insert(2, block)  # after the header
    return b"".join(parts)


def _bare_jpeg(data: bytes) -> bytes:
    parts, at, turned = [data[:2]], 2, 1
    while data[at] == 0xFF and data[at + 1] not in (0xDA, 0xD9):
        if data[at + 1] == 0xFF:  # a filler
            at += 1
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        segment = data[at : at + 2 + length]
        if data[at + 1] not in _TEXTS:
            parts.append(segment)
        elif segment[4:10] == b"Exif\0\0":
            turned = exif_orientation(segment[4:])
        at += 2 + length
    if turned != 1:
        block = b"Exif\0\0" + _exif(turned)
        parts.insert(1, b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)
    return b"".join(parts) + data[at:]


def _bare_webp(data: bytes) -> bytes:
    chunks, at, turned = [], 12, 1
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        chunk = data[at : at + 8 + length + length % 2]
        if kind == b"EXIF":
            turned = exif_orientation(chunk[8:])
        elif kind == b"VP8X":
            chunks.append(chunk[:8] + bytes([chunk[8] & ~0b101100]) + chunk[9:])  # no profile, EXIF or XMP
        elif kind not in (b"XMP ", b"ICCP"):
            chunks.append(chunk)
        at += 8 + length + length % 2
    if turned != 1 and chunks and chunks[0].startswith(b"VP8X"):
        chunks[0] = chunks[0][:8] + bytes([chunks[0][8] | 0b1000]) + chunks[0][9:]
        block = _exif(turned)
        chunks.append(b"EXIF" + struct.pack("<I", len(block)) + block + b"\0" * (len(block) % 2))
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body
