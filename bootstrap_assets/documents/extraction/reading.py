"""One file, read once and whole, and made into a document. Runs in the child process, or in a test."""

import hashlib
import os
import stat
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from bootstrap_assets.documents.extraction import EXTRACTOR, VERSION
from bootstrap_assets.documents.extraction.assembly import Assembly
from bootstrap_assets.documents.extraction.detection import (
    is_pdf,
    is_zip,
    kind_of_names,
    kind_of_text,
    refuse_other_formats,
)
from bootstrap_assets.documents.extraction.model import ExtractedDocument, Kind, Limits, Reason, Refusal
from bootstrap_assets.documents.extraction.packed import Package
from bootstrap_assets.documents.extraction.plain import read_plain, text_in

_CHUNK = 1024**2


def _nothing() -> None:
    """Progress that nobody looks at."""


def extract_file(
    path: Path,
    *,
    password: str | None = None,
    sha256: str | None = None,
    limits: Limits | None = None,
    progress: Callable[[], None] = _nothing,
) -> ExtractedDocument:
    """The document in a file. Raises Refusal, also where its bytes are not those of `sha256` (hex) or change."""
    limits = limits or Limits()
    content = read_whole(path, limits.file_bytes)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise Refusal(Reason.CHANGED, "has changed since it was added: add it again once it is complete")
    return extract_bytes(content, path.name, digest, password, limits, progress)


def extract_bytes(
    content: bytes,
    name: str,
    digest: str,
    password: str | None = None,
    limits: Limits | None = None,
    progress: Callable[[], None] = _nothing,
) -> ExtractedDocument:
    """The document in some bytes, `name` being only a hint at what kind of text they are. Raises Refusal."""
    assembly = Assembly(limits or Limits())
    refuse_other_formats(content)
    kind = _read(content, name, assembly, password, progress)
    if not assembly.length:
        raise Refusal(Reason.NO_TEXT, "has no text: there is nothing in it to search")
    return ExtractedDocument(
        kind=kind,
        text=assembly.text,
        positions=assembly.positions,
        headings=sorted(assembly.headings, key=lambda heading: heading.char_start),
        notices=assembly.notices,
        title=assembly.title,
        pages=assembly.pages,
        sha256=digest,
        size=len(content),
        extractor=EXTRACTOR,
        version=VERSION,
    )


def read_whole(path: Path, most: int) -> bytes:
    """The bytes of an ordinary file. Raises Refusal if it is none, is too large or changes while it is read."""
    try:
        # Not to wait for a writer, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refusal(Reason.UNREADABLE, f"cannot be read: {error.strerror or error}") from error
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        os.close(descriptor)
        raise Refusal(Reason.UNREADABLE, "is no ordinary file but a folder, a pipe or a device")
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123, a descriptor has no path
        if before.st_size > most:
            raise Refusal(Reason.TOO_LARGE, f"has {before.st_size:,} bytes; the limit is {most:,}")
        content = _bytes_of(file, most)
        after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != after.st_size:
        raise Refusal(Reason.CHANGED, "changed while it was read: it is tried again once it is complete")
    return content


def _bytes_of(file: BinaryIO | FileIO, most: int) -> bytes:
    content = bytearray()
    while len(content) <= most and (piece := file.read(_CHUNK)):
        content += piece
    return bytes(content)


def _read(
    content: bytes, name: str, assembly: Assembly, password: str | None, progress: Callable[[], None]
) -> Kind:
    """Add what bytes hold to an assembly, and return their kind. Readers are imported when they are needed."""
    if is_pdf(content):
        from bootstrap_assets.documents.extraction.pdf import read_pdf

        read_pdf(content, assembly, password, progress)
        return Kind.PDF
    if is_zip(content):
        return _read_package(Package(content, assembly.limits), assembly, progress)
    return _read_text(text_in(content, assembly), name, assembly)


def _read_package(package: Package, assembly: Assembly, progress: Callable[[], None]) -> Kind:
    mimetype = package.read("mimetype") if "mimetype" in package else b""
    kind = kind_of_names(package.names(), mimetype)
    if kind is Kind.EPUB:
        from bootstrap_assets.documents.extraction.epub import read_epub

        read_epub(package, assembly, progress)
    else:
        from bootstrap_assets.documents.extraction.docx import read_docx

        read_docx(package, assembly, progress)
    return kind


def _read_text(text: str, name: str, assembly: Assembly) -> Kind:
    kind = kind_of_text(text, name)
    if kind is Kind.HTML:
        from bootstrap_assets.documents.extraction.html import Place, read_html

        assembly.title = read_html(text, assembly, Place())
    elif kind is Kind.MARKDOWN:
        from bootstrap_assets.documents.extraction.markdown import read_markdown

        read_markdown(text, assembly)
    else:
        read_plain(text, assembly)
    return kind
