"""What a file is that holds no picture, so that nobody looks for damage in it."""

_BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself with `git lfs pull`"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"CDF\x01", "a netCDF file"),
    (b"CDF\x02", "a netCDF file"),
    (b"GRIB", "a GRIB file"),
    (b"MATLAB", "a MATLAB file"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"PK\x03\x04", "a zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"PAR1", "a parquet file"),
    (b"\x80\x04", "a pickle"),
)
_TEXTS = (
    ("<!doctype html", "a web page"),
    ("<html", "a web page"),
    ("<svg", "an SVG drawing"),
    ("<?xml", "XML"),
)


def named(data: bytes) -> str:
    """What the file is, as the end of a sentence; empty if that is not known."""
    if not data:
        return "it is empty"
    for start, name in _BEGINNINGS:
        if data.startswith(start):
            return f"it is {name}"
    if data[4:8] == b"ftyp":
        return "it is a video"
    text = data[:512].decode("utf-8", "ignore").lstrip("\ufeff \t\r\n").lower()
    for opening, name in _TEXTS:
        if text.startswith(opening):
            return "it is an SVG drawing" if name == "XML" and "<svg" in text else f"it is {name}"
    if not any(data[:4096]):
        return "it begins with zeros, as what a download or a disk has lost does"
    return ""
