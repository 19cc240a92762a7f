"""PDF files, through PDFium: text with page and box, headings, and what a user should know of the file.

Nothing in a PDF is run: forms are not initialised, so neither scripts nor actions are, and what is embedded is
counted and not opened.
"""

import re
from collections.abc import Callable
from itertools import islice

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from bootstrap_assets.documents.extraction.assembly import Assembly
from bootstrap_assets.documents.extraction.model import Reason, Refusal
from bootstrap_assets.documents.extraction.normal import normalise
from bootstrap_assets.documents.extraction.pdf_lines import Line, lines_of
from bootstrap_assets.documents.extraction.pdf_paragraphs import Bookmarks, add_lines, folded

_END_WITHIN = 64 * 1024
"""Bytes at the end of a file among which a whole PDF has its end mark."""

_LINEARISED = re.compile(rb"/Linearized\b[^>]{0,200}?/L\s+(\d{1,12})\b")
_MOST_BOOKMARKS = 5_000
_UNDRAWN = re.compile(rb"/NeedAppearances\s+true|/XFA\b")
_FIELDS = {pdfium_c.FPDF_ANNOT_WIDGET, pdfium_c.FPDF_ANNOT_FREETEXT, pdfium_c.FPDF_ANNOT_STAMP}
_PICTURE = pdfium_c.FPDF_PAGEOBJ_IMAGE


def read_pdf(content: bytes, assembly: Assembly, password: str | None, progress: Callable[[], None]) -> None:
    """Add a PDF's text. Raises Refusal; `progress` is called after each page."""
    _refuse_truncated(content)
    document = _open(content, password)
    try:
        assembly.pages = _count_pages(document, assembly.limits.pages)
        pages = _lines_of_pages(document, assembly, progress)
        _notice_contents(document, content, pages, assembly)
        add_lines(pages, assembly, _bookmarks(document))
        assembly.title = normalise(document.get_metadata_value("Title")) or None
    finally:
        document.close()


def _refuse_truncated(content: bytes) -> None:
    declared = _LINEARISED.search(content[:1024])
    if b"%%EOF" not in content[-_END_WITHIN:] or (declared and int(declared[1]) > len(content)):
        raise Refusal(Reason.DAMAGED, "is a PDF that is cut off: its end is missing; fetch or save it again")


def _open(content: bytes, password: str | None) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(content, password=password)
    except pdfium.PdfiumError as error:
        if pdfium_c.FPDF_GetLastError() == pdfium_c.FPDF_ERR_PASSWORD or "password" in str(error).lower():
            state = "the password does not open it" if password else "it opens with a password only"
            raise Refusal(
                Reason.ENCRYPTED, f"is encrypted: {state}; give the right one, or save it without"
            ) from None
        message = "is a damaged PDF that cannot be opened: fetch it again, or print it to a new PDF"
        raise Refusal(Reason.DAMAGED, message) from error


def _count_pages(document: pdfium.PdfDocument, most: int) -> int:
    count = len(document)
    if count > most:
        message = f"has {count:,} pages; the limit is {most:,}: divide it into several files"
        raise Refusal(Reason.TOO_LARGE, message)
    if not count:
        raise Refusal(Reason.DAMAGED, "is a PDF without a page")
    return count


def _lines_of_pages(
    document: pdfium.PdfDocument, assembly: Assembly, progress: Callable[[], None]
) -> list[list[Line]]:
    """The lines of every page. A page that cannot be loaded is told; where none can be, the file is damaged."""
    pages, broken, pictures, letters = [], [], [], 0
    for index in range(len(document)):
        try:
            page = _with_annotations(document, index)
            lines = lines_of(page, index + 1)
            if not lines and _has_picture(page):
                pictures.append(index + 1)
            page.close()
        except pdfium.PdfiumError:
            broken.append(index + 1)
            lines = []
        pages.append(lines)
        letters += sum(len(line.text) for line in lines)
        if letters > assembly.limits.characters:
            raise Refusal(Reason.TOO_LARGE, f"holds more text than the limit of {assembly.limits.characters:,}")
        progress()
    _judge(pages, broken, pictures, assembly)
    return pages


def _judge(pages: list[list[Line]], broken: list[int], pictures: list[int], assembly: Assembly) -> None:
    if len(broken) == len(pages):
        raise Refusal(Reason.DAMAGED, "is a damaged PDF: none of its pages can be read; print it to a new PDF")
    if not any(pages):
        what = "its pages are pictures (a scan)" if pictures else "its pages show no letters"
        message = f"has no text: {what}; run text recognition (OCR, such as ocrmypdf) on it, and add the result"
        raise Refusal(Reason.NO_TEXT, message)
    if broken:
        assembly.notice("unreadable_pages", f"{_page_list(broken)} could not be read: the text lacks them")
    if pictures:
        assembly.notice("pictures_only", f"{_page_list(pictures)} are pictures without text: the text lacks them")


def _with_annotations(document: pdfium.PdfDocument, index: int) -> pdfium.PdfPage:
    """A page with what was typed into its form or written onto it drawn as part of it: else it is no text."""
    page = document[index]
    kinds = {_annotation_kind(page, number) for number in range(pdfium_c.FPDFPage_GetAnnotCount(page))}
    if not kinds & _FIELDS:
        return page
    pdfium_c.FPDFPage_Flatten(page, pdfium_c.FLAT_NORMALDISPLAY)
    page.close()
    return document[index]


def _annotation_kind(page: pdfium.PdfPage, number: int) -> int:
    annotation = pdfium_c.FPDFPage_GetAnnot(page, number)
    if not annotation:
        return 0
    kind: int = pdfium_c.FPDFAnnot_GetSubtype(annotation)
    pdfium_c.FPDFPage_CloseAnnot(annotation)
    return kind


def _has_picture(page: pdfium.PdfPage) -> bool:
    return any(True for _picture in islice(page.get_objects(filter=[_PICTURE], max_depth=3), 1))


def _notice_contents(
    document: pdfium.PdfDocument, content: bytes, pages: list[list[Line]], assembly: Assembly
) -> None:
    count = pdfium_c.FPDFDoc_GetAttachmentCount(document)
    if count > 0:
        assembly.notice("embedded_files", f"{count} embedded file(s) were not opened: add them on their own")
    if re.search(rb"/(?:JavaScript|JS|Launch)\b", content):
        assembly.notice("actions", "holds scripts or launch actions: none was run")
    if _UNDRAWN.search(content):
        assembly.notice("form", "is a form that does not show what was typed into it: print it to a new PDF")
    unmapped = sum(line.text.count("\x00") + line.text.count("\ufffd") for page in pages for line in page)
    if unmapped:
        assembly.notice(
            "unmapped_letters", f"{unmapped} letter(s) have no meaning in the file's fonts: shown as U+FFFD"
        )


def _bookmarks(document: pdfium.PdfDocument) -> Bookmarks:
    levels: dict[tuple[int, str], int] = {}
    for bookmark in islice(document.get_toc(max_depth=6), _MOST_BOOKMARKS):
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        if index is not None:
            levels[index + 1, folded(bookmark.get_title())] = bookmark.level + 1
    return levels


def _page_list(numbers: list[int], most: int = 10) -> str:
    first = ", ".join(map(str, numbers[:most]))
    more = f" and {len(numbers) - most:,} more" if len(numbers) > most else ""
    return f"page(s) {first}{more}"
