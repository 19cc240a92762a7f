"""Extraction of documents, measured: what of their text and structure is found, pages per second, memory.

    make bench-extraction

Files made here: 300 pages of PDF, 500 chapters of EPUB, 1,000 small documents. Where ../shared/data lies beside
the checkout, also the real ones: CUAD's contracts as PDF against CUAD's own text and labels, Bonterms' agreements
as PDF against their Markdown, Word documents and books.
"""

import html.parser
import json
import re
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pypdfium2 as pdfium
from rapidfuzz.distance import Indel

from bootstrap_assets.documents.extraction.extractor import Extractor
from bootstrap_assets.documents.extraction.model import ExtractedDocument
from bootstrap_assets.documents.extraction.reading import extract_file
from bootstrap_assets.documents.passages import passages_of
from bootstrap_assets.sample.documents.packed_files import epub
from bootstrap_assets.sample.documents.pdf_file import BOLD, REGULAR, pages_pdf
from bootstrap_assets.sample.synthetic import clause_texts

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

_FOLDED = str.maketrans("“”‘’–—‐‑\ufffe", "\"\"''-----", "\u200b\xad")


def folded(text: str) -> str:
    """Quotes, dashes and white space made equal; a hyphen at a line's end has no space behind it."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_FOLDED).split()).replace("- ", "-")


def dense(text: str) -> str:
    """A folded text without any space."""
    return folded(text).replace(" ", "")


@dataclass
class ContractFigures:
    """A contract of CUAD: its pages, its labelled clauses, and how many of them are found."""

    name: str
    pages: int
    labels: int
    in_text: int
    in_text_without_spaces: int
    covered_on_the_page: int
    similarity: float
    seconds: float


def cuad_contracts(data: Path = DATA) -> Iterator[ContractFigures]:
    """The figures of each of CUAD's contracts that is there as PDF."""
    folder = data / "documents" / "pdf"
    with zipfile.ZipFile(data / "cuad" / "CUAD_v1.zip") as archive:
        contracts = {item["title"]: item for item in json.loads(archive.read("CUAD_v1/CUAD_v1.json"))["data"]}
    for file, title in sorted(json.loads((folder / "contracts.json").read_text()).items()):
        paragraph = contracts[title]["paragraphs"][0]
        labels = [answer["text"] for question in paragraph["qas"] for answer in question["answers"]]
        yield _contract(folder / file, paragraph["context"], labels)


def _contract(path: Path, plain: str, labels: list[str]) -> ContractFigures:
    begin = time.perf_counter()
    document = extract_file(path)
    seconds = time.perf_counter() - begin
    text = folded(document.text)
    where = _Whereabouts(path, document)
    return ContractFigures(
        path.name,
        document.pages or 0,
        len(labels),
        sum(folded(label) in text for label in labels),
        sum(dense(label) in where.dense for label in labels),
        sum(where.is_covered(label) for label in labels),
        Indel.normalized_similarity(text, folded(plain)),
        seconds,
    )


class _Whereabouts:
    """Where a clause stands: by PDFium's own text of each page, and by the passages of the extracted document."""

    def __init__(self, path: Path, document: ExtractedDocument) -> None:
        self.passages = passages_of(document, UUID(int=1))
        letters = [(place, dense(letter)) for place, letter in enumerate(document.text) if not letter.isspace()]
        letters = [(place, letter) for place, piece in letters for letter in piece]
        self.dense = "".join(letter for _place, letter in letters)
        self.places = [place for place, _letter in letters]
        with pdfium.PdfDocument(path) as pdf:
            self.pages = [dense(page.get_textpage().get_text_range()) for page in pdf]

    def is_covered(self, label: str) -> bool:
        """Whether passages hold all of a clause, the first of them on a page where PDFium finds its beginning."""
        wanted = dense(label)
        pages = {number for number, page in enumerate(self.pages, 1) if wanted[:30] in page}
        start = self.dense.find(wanted)
        while start >= 0:
            first, last = self.places[start], self.places[start + len(wanted) - 1]
            touched = [piece for piece in self.passages if piece.char_start <= last and piece.char_end > first]
            is_whole = touched[0].char_start <= first and touched[-1].char_end > last
            pages_of_first = range(touched[0].page or 0, (touched[0].last_page or 0) + 1)
            if is_whole and (pages & set(pages_of_first) or not pages):
                return True
            start = self.dense.find(wanted, start + 1)
        return False


@dataclass
class StructureFigures:
    """How much of the structure and words of one edition is found in another."""

    name: str
    numbers: int
    numbers_found: int
    headings: int
    headings_found: int
    paragraphs: int
    paragraphs_found: int


def bonterms_pdfs(data: Path = DATA) -> Iterator[StructureFigures]:
    """The PDF of each agreement against its Markdown, which is read here by its own few rules."""
    for name, pdf in (
        ("Mutual-NDA", "Bonterms-Mutual-NDA-Version-1.pdf"),
        ("Cloud-Terms", "Bonterms-Cloud-Terms-Version-1.0.pdf"),
    ):
        with zipfile.ZipFile(data / "bonterms" / f"{name}.zip") as archive:
            markdown = archive.read(f"{name}-main/{name}.md").decode()
        yield _structure(name, markdown, extract_file(data / "documents" / "pdf" / pdf))


def _structure(name: str, markdown: str, document: ExtractedDocument) -> StructureFigures:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|<[^>]*>|[*_]|^\s*(?:[-#]+ )", r"\1", markdown, flags=re.MULTILINE)
    titles = re.findall(r"^(\d+(?:\.\d+)?)\.? +([^.\n“]+)", plain, re.MULTILINE)
    heads = {(heading.number, dense(heading.title)) for heading in document.headings}
    numbers = {heading.number for heading in document.headings}
    words = dense(document.text)
    paragraphs = [dense(piece) for piece in plain.split("\n") if piece.strip()]
    return StructureFigures(
        name,
        len(titles),
        sum(number in numbers for number, _title in titles),
        len(titles),
        sum((number, dense(title)) in heads for number, title in titles),
        len(paragraphs),
        sum(piece in words for piece in paragraphs),
    )


def word_documents(data: Path = DATA) -> Iterator[tuple[str, int, int, int, int]]:
    """Of each Word document: paragraphs with words, those found in order; paragraphs of lists, labels found."""
    for path in sorted((data / "documents" / "docx").glob("*.docx")):
        with zipfile.ZipFile(path) as archive:
            source = archive.read("word/document.xml").decode()
        document = extract_file(path)
        paragraphs = re.findall(r"<w:p[ >].*?</w:p>", source, re.DOTALL)
        words = [dense(html.unescape("".join(re.findall(r"<w:t[^>]*>([^<]*)", piece)))) for piece in paragraphs]
        lists = [piece for piece, text in zip(paragraphs, words, strict=True) if "<w:numPr>" in piece and text]
        labelled = [line for line in document.text.splitlines() if re.match(r"(?:•|\(?\w{1,4}[.)]) ", line)]
        present = [piece for piece in words if piece]
        yield path.name, len(present), _in_order(dense(document.text), present), len(lists), len(labelled)


def books(data: Path = DATA) -> Iterator[tuple[str, int, int, int]]:
    """Of each book: chapters, pieces of text in them by Python's own HTML parser, those found in order."""
    for path in sorted((data / "documents" / "epub").glob("*.epub")):
        document = extract_file(path)
        chapters = list(dict.fromkeys(position.href for position in document.positions if position.href))
        pieces: list[str] = []
        with zipfile.ZipFile(path) as archive:
            for chapter in chapters:
                reader = _Pieces()
                reader.feed(archive.read(chapter).decode())
                pieces += reader.pieces
        yield path.name, len(chapters), len(pieces), _in_order(dense(document.text), pieces)


class _Pieces(html.parser.HTMLParser):
    """The pieces of text in the body of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._in_body = False
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._in_body = self._in_body or tag == "body"
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_body and not self._in_script and (piece := dense(data)):
            self.pieces.append(piece)


def _in_order(text: str, pieces: list[str]) -> int:
    """How many pieces occur in a text one after another, without much between."""
    place, count = 0, 0
    for piece in pieces:
        found = text.find(piece, place, place + 2_000 + len(piece))
        if found >= 0:
            place, count = found + len(piece), count + 1
    return count


def made_pdf(pages: int) -> bytes:
    """A PDF of so many full pages of invented clauses."""
    clauses = [text for text, _category in clause_texts(600, 7)]
    return pages_pdf([list(_made_page(clauses, number)) for number in range(pages)], "A long agreement")


def _made_page(clauses: list[str], number: int) -> Iterator[tuple[float, float, tuple[str, int], str]]:
    yield 72.0, 780.0, BOLD, f"{number + 1}. Section of the Agreement"
    words = " ".join(clauses[(number * 3 + offset) % len(clauses)] for offset in range(40))
    for line in range(52):
        yield 72.0, 762.0 - 13 * line, REGULAR, words[line * 88 : line * 88 + 88].strip()


def made_epub(chapters: int) -> bytes:
    """A book of so many chapters of invented clauses."""
    clauses = [text for text, _category in clause_texts(600, 7)]
    bodies = [
        f"<h1>Chapter {number}</h1>"
        + "".join(f"<p>{clauses[(number * 7 + n) % len(clauses)]}</p>" for n in range(30))
        for number in range(1, chapters + 1)
    ]
    return epub("A long book", bodies)


def seconds_and_memory(content: bytes, folder: Path) -> tuple[float, float, ExtractedDocument]:
    """Of one file in a fresh child: seconds, and the most MiB that the child held."""
    path = folder / "long"
    path.write_bytes(content)
    with Extractor() as extractor:
        small = folder / "small.txt"
        small.write_text("A clause.")
        extractor.extract(small)
        begin = time.perf_counter()
        document = extractor.extract(path)
        seconds = time.perf_counter() - begin
        return seconds, _peak(extractor.pid), document


def _peak(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status")
    match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(match[1]) / 1024 if match else float("nan")


def milliseconds_per_document(count: int, folder: Path) -> float:
    """Of so many small documents through one extractor, the first start of the child included."""
    clauses = [text for text, _category in clause_texts(count, 7)]
    for number, clause in enumerate(clauses):
        (folder / f"{number}.txt").write_text(clause)
    begin = time.perf_counter()
    with Extractor() as extractor:
        for number in range(count):
            extractor.extract(folder / f"{number}.txt")
    return 1000 * (time.perf_counter() - begin) / count


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, content in (("300 pages of PDF", made_pdf(300)), ("500 chapters of EPUB", made_epub(500))):
            seconds, peak, document = seconds_and_memory(content, folder)
            print(f"{what}: {seconds:.2f} s, {peak:.0f} MiB, {len(document.text):,} characters")
        print(f"1,000 small documents: {milliseconds_per_document(1000, folder):.2f} ms each")
    if not DATA.is_dir():
        print("The real documents are not beside the checkout.")
        return
    print("CUAD: pages, labels, in text, without spaces, covered on the page, similarity, pages/s")
    for contract in cuad_contracts():
        speed = contract.pages / contract.seconds
        print(
            f"  {contract.name}: {contract.pages} {contract.labels} {contract.in_text}"
            f" {contract.in_text_without_spaces} {contract.covered_on_the_page} {contract.similarity:.5f}"
            f" {speed:.0f}"
        )
    for figures in (*bonterms_pdfs(), *word_documents(), *books()):
        print(f"  {figures}")


if __name__ == "__main__":
    main()
