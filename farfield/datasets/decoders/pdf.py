"""PDF documents: their first page, drawn by pypdfium2 (extra `documents`) at 150 dpi on white."""

from threading import Lock

from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

SUFFIXES = (".pdf",)
DPI = 150
LONGEST = 4000  # pixels: a page may be metres wide
LOCK = Lock()  # PDFium is not made for several threads


def knows(data: bytes) -> bool:
    return b"%PDF-" in data[:1024]


def read(data: bytes, *, stored: bool) -> Values:
    try:
        import pypdfium2
    except ImportError:
        raise needs_extra("a PDF document", "documents") from None
    with LOCK:
        document = pypdfium2.PdfDocument(data)
        try:
            if document.get_formtype():
                document.init_forms()  # before any page, or fields that are filled in are not drawn
            pages = len(document)
            if not pages:
                raise UnreadableImageError("damaged: a PDF document without a page")
            page = document[0]
            width, height = page.get_size()
            if not 0 < min(width, height) <= max(width, height):
                raise UnreadableImageError(f"damaged: a page of {width:g} x {height:g} points")
            scale = min(DPI / 72, LONGEST / max(width, height))
            require_pixels(int(width * scale), int(height * scale))
            pixels = page.render(scale=scale, rev_byteorder=True).to_numpy()[..., :3].copy()
        finally:
            document.close()
    if stored:
        return of_array(pixels)
    return Values(pixels, "PDF", colour=True, pages=pages)
