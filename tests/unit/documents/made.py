"""Documents made for tests: sound ones with something odd in them, and bad ones."""

import hashlib
import zlib

from bootstrap_assets.sample.documents.packed_files import docx_members, packed
from bootstrap_assets.sample.documents.pdf_file import REGULAR, pages_pdf, pdf_of, stream

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
    b" /Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>"
)


def page_pdf(
    content: bytes, font: bytes = FONT, *more: bytes, catalogue: bytes = b"", trailer: bytes = b""
) -> bytes:
    """A PDF of one page that draws `content`; further objects are numbered from 6."""
    return pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            PAGE,
            font,
            stream(content),
            *more,
        ],
        trailer,
    )


def shown(words: bytes, left: int = 72, bottom: int = 700) -> bytes:
    return b"BT /F1 10 Tf %d %d Td (%s) Tj ET\n" % (left, bottom, words)


def many_pages(count: int) -> bytes:
    return pages_pdf(
        [[(72.0, 700.0, REGULAR, f"Page {number} of many.")] for number in range(1, count + 1)], "Many"
    )


def unicode_pdf(letters: str, placed: bytes | None = None) -> bytes:
    """A PDF whose letters have a meaning by the font's ToUnicode table alone; their codes are 65 (A), 66, …."""
    rows = "".join(f"<{code:02x}> <{ord(letter):04x}>\n" for code, letter in enumerate(letters, 65))
    table = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        "1 begincodespacerange <00> <ff> endcodespacerange\n"
        f"{len(letters)} beginbfchar\n{rows}endbfchar endcmap end end"
    )
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>"
    codes = bytes(range(65, len(letters) + 65)).hex().encode()
    content = placed or b"BT /F1 10 Tf 72 700 Td <%s> Tj ET" % codes
    return page_pdf(content, font, stream(table.encode()))


def form_pdf(words: bytes) -> bytes:
    """A form of one field, with what was typed into it."""
    shows = b"/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /F1 4 0 R >> >>"
    return pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] >> >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            PAGE.replace(b"/Contents", b"/Annots [6 0 R] /Contents"),
            FONT,
            stream(shown(b"Name:")),
            b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (n) /Rect [120 690 320 710] /F 4 /AP << /N 7 0 R >> >>",
            stream(b"/Tx BMC q BT /F1 10 Tf 2 13 Td (%s) Tj ET Q EMC" % words, shows),
        ]
    )


def scan_pdf(words: bytes = b"") -> bytes:
    """A page that is a picture, and shows no letter; with `words`, another that does."""
    pixels = zlib.compress(b"\x80" * 64)
    picture = stream(
        pixels,
        b"/Type /XObject /Subtype /Image /Width 8 /Height 8 /BitsPerComponent 8 /ColorSpace /DeviceGray"
        b" /Filter /FlateDecode",
    )
    page = PAGE.replace(b"/Font << /F1 4 0 R >>", b"/Font << /F1 4 0 R >> /XObject << /P 6 0 R >>")
    return pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count %d /Kids [3 0 R %s] >>" % (1 + bool(words), b"7 0 R" if words else b""),
            page,
            FONT,
            stream(b"q 500 0 0 700 40 40 cm /P Do Q"),
            picture,
            PAGE.replace(b"/Contents 5", b"/Contents 8"),
            stream(shown(words)),
        ]
    )


def encrypted_pdf(password: bytes, words: bytes) -> bytes:
    """A PDF that opens with a password: the standard handler, revision 2 (RC4 of 40 bits)."""
    filling = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
    user, owner = (password + filling)[:32], (b"owner" + filling)[:32]
    identity, rights = b"0123456789abcdef", -4
    owner_entry = _rc4(hashlib.md5(owner).digest()[:5], user)
    key = hashlib.md5(user + owner_entry + rights.to_bytes(4, "little", signed=True) + identity).digest()[:5]
    user_entry = _rc4(key, filling)
    object_key = hashlib.md5(key + (5).to_bytes(3, "little") + bytes(2)).digest()[:10]
    encryption = b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >>" % (
        owner_entry.hex().encode(),
        user_entry.hex().encode(),
        rights,
    )
    trailer = b"/Encrypt 6 0 R /ID [<%s> <%s>]" % ((identity.hex().encode(),) * 2)
    return page_pdf(_rc4(object_key, shown(words)), FONT, encryption, trailer=trailer)


def _rc4(key: bytes, content: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    result = bytearray()
    for byte in content:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        result.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(result)


def word(body: str, **parts: str | bytes) -> bytes:
    """A Word document with a body in WordprocessingML; `numbering`, `styles`, … replace parts of that name."""
    return packed(docx_members(body, {f"word/{name}.xml": content for name, content in parts.items()}))


def paragraph(words: str, properties: str = "", run: str = "") -> str:
    inner = f"<w:pPr>{properties}</w:pPr>" if properties else ""
    look = f"<w:rPr>{run}</w:rPr>" if run else ""
    return f"<w:p>{inner}<w:r>{look}<w:t>{words}</w:t></w:r></w:p>"


def slow_page(paragraphs: int = 200_000) -> bytes:
    """A web page that takes seconds to read."""
    return b"<!doctype html><html><body>" + b"<p>A clause of some words.\n" * paragraphs + b"</body></html>"
