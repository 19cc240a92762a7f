"""A PDF of a few pages, written by hand: Helvetica, no pictures, the same bytes each time."""

from collections.abc import Sequence

Style = tuple[str, int]
REGULAR: Style = ("F1", 10)
BOLD: Style = ("F2", 10)
LARGE: Style = ("F2", 15)

PdfLine = tuple[float, float, Style, str]
"""Points from the left and from the bottom of the page, style, words."""

HEADER = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"


def pdf_of(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A file with objects numbered from 1, the first being the catalogue; `trailer` adds to its dictionary."""
    content = bytearray(HEADER)
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    content += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer)
    content += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(content)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object with its length."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def pages_pdf(pages: Sequence[Sequence[PdfLine]], title: str) -> bytes:
    """A file of pages in A4, each with the lines drawn at their places."""
    first = 6
    kids = b" ".join(b"%d 0 R" % (first + 2 * index) for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        _font(b"Helvetica"),
        _font(b"Helvetica-Bold"),
        b"<< /Title (%s) /Producer (bootstrap-assets, invented) >>" % _escaped(title),
    ]
    for index, lines in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
            b" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents %d 0 R >>" % (first + 2 * index + 1)
        )
        objects.append(stream(b"\n".join(_text_object(line) for line in lines)))
    return pdf_of(objects, b"/Info 5 0 R")


def _font(name: bytes) -> bytes:
    return b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name


def _text_object(line: PdfLine) -> bytes:
    left, bottom, (font, size), words = line
    return b"BT /%s %d Tf %g %g Td (%s) Tj ET" % (font.encode(), size, left, bottom, _escaped(words))


def _escaped(words: str) -> bytes:
    content = words.encode("cp1252", errors="replace")
    return content.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
