"""What the names in a zip say where the zip does not tell their encoding.

A zip marks names that are UTF-8. Without the mark its specification means code page 437, but Windows
writes the code page of its country, and macOS and many tools write UTF-8: read by the specification, the
names of the classes would turn to other letters without a word. The rule here, for each name:

1. with the mark, UTF-8;
2. else the extra field "Unicode path" (0x7075 of Info-ZIP), if it was made for this name;
3. else UTF-8, if the bytes are that (as plain ASCII is);
4. else the zip is refused, with what the name would be in several encodings and how to unpack it.
"""

import shlex
import struct
import zipfile
import zlib
from pathlib import Path, PurePath

from farfield.datasets.archive_checks import UnusableArchiveError

MARK = 0x800  # bit 11 of the flags: the name is UTF-8
UNICODE_PATH = 0x7075
GUESSES = ("gbk", "shift_jis", "euc_kr", "big5", "cp866", "cp1251", "cp1252", "cp850", "cp437")


def name_of(info: zipfile.ZipInfo, archive: str) -> str:
    """The name of a member by the rule above; InputError if it leaves the encoding open."""
    if info.flag_bits & MARK:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")  # back to the bytes: zipfile reads what is not marked so
    if stated := _unicode_path(info.extra, raw):
        return stated
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        readings = {encoding: _reading(raw, encoding) for encoding in GUESSES}
    listing = ", ".join(f"{text!r} ({encoding})" for encoding, text in readings.items() if text)
    place = PurePath(archive)
    inside = "" if Path(archive).is_file() else f" (first unpack {place.parent}, in which it lies)"
    encoding = next((encoding for encoding, text in readings.items() if text), GUESSES[0])
    raise UnusableArchiveError(
        f"{archive} does not say in which encoding its names are written, and they are no UTF-8. One of them may "
        f"be {listing or raw!r}. Unpack it with the encoding that gives the right names{inside}, and use the "
        f"folder: "
        f"python -m zipfile --metadata-encoding {encoding} -e {shlex.quote(archive)} "
        f"{shlex.quote(place.name.split('.')[0] or 'unpacked')}"
    )


def _reading(raw: bytes, encoding: str) -> str:
    """The text if the bytes can be of this encoding; else nothing."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in the extra field, if its checksum is that of the plain name; else nothing."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        whole = kind == UNICODE_PATH and len(field) == size > 5 and field[0] == 1
        if whole and int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
            return field[5:].decode("utf-8")
    return ""
