"""EPUB books: the chapters of the spine, in reading order. EPUB is a zip of XHTML, read as such."""

import posixpath
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from bootstrap_assets.documents.extraction.assembly import Assembly
from bootstrap_assets.documents.extraction.html import Place, read_html
from bootstrap_assets.documents.extraction.model import Reason, Refusal
from bootstrap_assets.documents.extraction.normal import normalise
from bootstrap_assets.documents.extraction.packed import Package
from bootstrap_assets.documents.extraction.plain import text_in

CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_TEXTS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_ENTITIES = re.compile(r"<!ENTITY|<!DOCTYPE[^>\[]*\[", re.IGNORECASE)
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_SELF_CLOSED = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")


def read_epub(package: Package, assembly: Assembly, progress: Callable[[], None]) -> None:
    """Add the chapters of a book. Raises Refusal; `progress` is called after each chapter."""
    _refuse_encrypted(package)
    folder, book = _book(package)
    assembly.title = _title(book)
    place = Place(chapter=0)
    for href in _spine(book, folder):
        place.chapter, place.href = (place.chapter or 0) + 1, href
        _add_chapter(package, href, assembly, place)
        progress()
    if not place.chapter:
        raise Refusal(Reason.DAMAGED, "is an EPUB without chapters: its reading order (spine) is empty")


def _add_chapter(package: Package, href: str, assembly: Assembly, place: Place) -> None:
    if href not in package:
        assembly.notice("missing_chapters", f"lacks its chapter {href!r}: the text goes on without it")
        return
    source = text_in(package.read(href), assembly)
    if _ENTITIES.search(source):
        message = f"declares a DTD or entities in {href!r}, which no document needs: it is not read"
        raise Refusal(Reason.UNSAFE, message)
    read_html(_SELF_CLOSED.sub(_end_element, source), assembly, place)


def _end_element(match: re.Match[str]) -> str:
    """`<a/>` as HTML has it: there it would stay open, and swallow what follows."""
    return match[0] if match[1].lower() in _VOID else f"<{match[1]}{match[2]}></{match[1]}>"


def _refuse_encrypted(package: Package) -> None:
    if _ENCRYPTION not in package:
        return
    methods = [
        node.get("Algorithm", "") for node in package.xml(_ENCRYPTION).iter() if _is(node, "EncryptionMethod")
    ]
    if any(method not in _FONTS for method in methods):
        raise Refusal(Reason.ENCRYPTED, "is protected against copying (DRM): add a copy without that protection")


def _book(package: Package) -> tuple[str, Element]:
    """The folder and the root of the package document."""
    paths = [node.get("full-path", "") for node in package.xml(CONTAINER).iter() if _is(node, "rootfile")]
    if not paths:
        raise Refusal(Reason.DAMAGED, f"is a damaged EPUB: {CONTAINER} names no book")
    path = _inside("", paths[0])
    return posixpath.dirname(path), package.xml(path)


def _spine(book: Element, folder: str) -> Iterator[str]:
    """The names of the chapters' files, in reading order; what is no text is left out."""
    items = {node.get("id"): node for node in book.iter() if _is(node, "item")}
    for reference in book.iter():
        item = items.get(reference.get("idref")) if _is(reference, "itemref") else None
        if item is not None and item.get("media-type") in _TEXTS:
            yield _inside(folder, item.get("href", ""))


def _inside(folder: str, href: str) -> str:
    """A path in the archive. Raises Refusal for one that leads out of it."""
    path = posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0])))
    if path.startswith(("/", "..")) or re.match(r"[A-Za-z][\w+.-]*:", href):
        raise Refusal(Reason.UNSAFE, f"names a chapter outside of itself ({href!r}): it is not read")
    return path


def _title(book: Element) -> str | None:
    titles = (normalise("".join(node.itertext())) for node in book.iter() if _is(node, "title"))
    return next((title for title in titles if title), None)


def _is(node: Element, name: str) -> bool:
    return node.tag.rpartition("}")[2] == name
