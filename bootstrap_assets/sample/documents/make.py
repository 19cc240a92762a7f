"""Writes the sample's documents: python -m bootstrap_assets.sample.documents.make"""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from bootstrap_assets.sample.documents import FOLDER, texts
from bootstrap_assets.sample.documents.packed_files import docx, epub
from bootstrap_assets.sample.documents.pdf_file import BOLD, LARGE, REGULAR, PdfLine, pages_pdf

_LEFT, _TOP, _STEP, _WIDTH = 72, 760, 14, 88


def documents() -> Mapping[str, bytes]:
    """The files by their names, one of each format."""
    return {
        "supply-agreement.pdf": pages_pdf([list(_page(number)) for number in (0, 1)], texts.PDF_TITLE),
        "mutual-nda.docx": docx(texts.DOCX_PARAGRAPHS),
        "supplier-handbook.epub": epub(texts.EPUB_TITLE, texts.EPUB_CHAPTERS),
        "web-shop-terms.html": texts.HTML_PAGE.encode(),
        "data-processing.md": texts.MARKDOWN.encode(),
        "loan-of-equipment.txt": texts.TEXT.encode(),
    }


def write(folder: Path) -> list[Path]:
    """Write the files to a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, content in documents().items():
        (folder / name).write_bytes(content)
        files.append(folder / name)
    return files


def _page(number: int) -> Iterator[PdfLine]:
    bottom = float(_TOP)
    if number == 0:
        yield _LEFT, bottom, LARGE, texts.PDF_TITLE
        yield _LEFT, bottom - 2 * _STEP, REGULAR, texts.INVENTED
        bottom -= 4 * _STEP
    before = sum(len(page) for page in texts.PDF_PAGES[:number])
    for count, (title, words) in enumerate(texts.PDF_PAGES[number], before + 1):
        yield _LEFT, bottom, BOLD, f"{count}. {title}"
        bottom -= 1.6 * _STEP
        for line in textwrap.wrap(words, _WIDTH):
            yield _LEFT, bottom, REGULAR, line
            bottom -= _STEP
        bottom -= _STEP
    yield _LEFT, 40.0, REGULAR, f"Supply Agreement (invented), page {number + 1}"


if __name__ == "__main__":
    write(FOLDER)
