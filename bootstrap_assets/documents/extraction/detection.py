"""What a file is, by its content: names lie, and people rename."""

import re

from bootstrap_assets.documents.extraction.model import Kind, Reason, Refusal

WORD_PART = "[Content_Types].xml"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_OTHERS = (
    (b"{\\rtf", "is RTF: save it as .docx or PDF"),
    (b"Rar!\x1a\x07", "is a RAR archive: unpack it, and add the documents in it"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive: unpack it, and add the documents in it"),
    (b"\x1f\x8b", "is a gzip file: unpack it, and add the document in it"),
    (b"\x89PNG", "is a picture: run text recognition (OCR) on it, and add the result"),
    (b"\xff\xd8\xff", "is a picture: run text recognition (OCR) on it, and add the result"),
    (b"GIF8", "is a picture: run text recognition (OCR) on it, and add the result"),
    (b"II*\x00", "is a picture: run text recognition (OCR) on it, and add the result"),
    (b"MM\x00*", "is a picture: run text recognition (OCR) on it, and add the result"),
    (b"\x7fELF", "is a program, not a document"),
    (b"MZ", "is a program, not a document"),
    (b"%!PS", "is PostScript: convert it to PDF"),
    (b"SQLite format 3", "is a database, not a document"),
)
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--(?:(?!-->)[\s\S]){0,4000}-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE,
)
_XML = re.compile(r"\s*<\?xml\b")
_MARKDOWN = re.compile(
    r"^ {0,3}#{1,6} \S|^(?:\d{1,3}\. |[-*] )?\*\*[^*\n]{1,200}\*\*|\[[^\]\n]{1,200}\]\(https?://|^(?:```|~~~)",
    re.MULTILINE,
)
_PDF_WITHIN = 1024
_LOOKED_AT = 64 * 1024


def is_zip(content: bytes) -> bool:
    """Whether bytes are a zip archive."""
    return content.startswith(_ZIP)


def is_pdf(content: bytes) -> bool:
    """Whether bytes are a PDF; some have a few bytes of something else before it."""
    return b"%PDF-" in content[:_PDF_WITHIN] and not is_zip(content)


def refuse_other_formats(content: bytes) -> None:
    """Raise Refusal, with what to do, for what is empty or of a format that is known and not read."""
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise Refusal(Reason.EMPTY, "is empty: there is nothing in it to read")
    if content.startswith(_OLE):
        if _ENCRYPTED_PACKAGE in content:
            raise Refusal(Reason.ENCRYPTED, "is encrypted with a password: open it in Word and save it without")
        raise Refusal(Reason.OTHER_FORMAT, "is in Word's old format (.doc), or Excel's: save it as .docx or PDF")
    for mark, message in _OTHERS:
        if content.startswith(mark):
            raise Refusal(Reason.OTHER_FORMAT, message)


def kind_of_names(names: list[str], mimetype: bytes) -> Kind:
    """DOCX or EPUB, by what a zip archive packs. Raises Refusal for any other archive."""
    if mimetype.strip() == b"application/epub+zip" or "META-INF/container.xml" in names:
        return Kind.EPUB
    if WORD_PART in names and any(name.startswith("word/") for name in names):
        return Kind.DOCX
    if WORD_PART in names:
        message = "is a workbook or a presentation: save it as PDF"
    elif mimetype.startswith(b"application/vnd.oasis.opendocument"):
        message = "is an OpenDocument file: save it as .docx or PDF"
    else:
        message = "is a zip archive and no document: unpack it, and add the documents in it"
    raise Refusal(Reason.OTHER_FORMAT, message)


def kind_of_text(text: str, name: str) -> Kind:
    """HTML, Markdown or plain text. Its name decides between the last two where its content does not."""
    start = text[:_LOOKED_AT]
    if _HTML.match(start):
        return Kind.HTML
    if _XML.match(start):
        raise Refusal(Reason.OTHER_FORMAT, "is XML of an unknown kind: save it as .docx, HTML or PDF")
    if name.lower().endswith((".htm", ".html", ".xhtml")) and re.search(
        r"<(?:p|div|h[1-6]|table|br)\b", start, re.I
    ):
        return Kind.HTML
    if _MARKDOWN.search(start) or name.lower().endswith((".md", ".markdown")):
        return Kind.MARKDOWN
    return Kind.TEXT
