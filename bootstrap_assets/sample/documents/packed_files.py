"""DOCX and EPUB files, written by hand: as little XML as the formats need, the same bytes each time."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from html import escape

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_TYPES = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MOMENT = (2025, 1, 1, 0, 0, 0)

Paragraph = tuple[str, str]
"""A style ("Title", "Heading1", "Clause", "Subclause", "Normal") and words."""

_LISTS = {"Heading1": 0, "Clause": 1, "Subclause": 2}
_LEVELS = (("decimal", "%1."), ("decimal", "%1.%2"), ("lowerLetter", "(%3)"))


def packed(members: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of the members in their order; the first is stored as it is, as EPUB wants its `mimetype`."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(members.items()):
            info = zipfile.ZipInfo(name, _MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED if number else zipfile.ZIP_STORED
            info.external_attr = 0o644 << 16
            info.create_system = 3
            archive.writestr(info, content)
    return target.getvalue()


def docx_members(body: str, more: Mapping[str, str | bytes] | None = None) -> dict[str, str | bytes]:
    """The members of a Word document with a body in WordprocessingML."""
    return {
        "[Content_Types].xml": _content_types(),
        "_rels/.rels": _relationships(("officeDocument", "word/document.xml")),
        "word/document.xml": _xml(f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'),
        "word/_rels/document.xml.rels": _relationships(("styles", "styles.xml"), ("numbering", "numbering.xml")),
        "word/styles.xml": _xml(_styles()),
        "word/numbering.xml": _xml(_numbering()),
        **(more or {}),
    }


def docx(paragraphs: Sequence[Paragraph]) -> bytes:
    """A Word document; the numbers of its headings and clauses are those of a list, as lawyers make them."""
    return packed(docx_members("".join(_paragraph(style, words) for style, words in paragraphs)))


def epub(title: str, chapters: Sequence[str]) -> bytes:
    """A book of chapters in XHTML, in their order."""
    names = [f"chapter-{number}.xhtml" for number in range(1, len(chapters) + 1)]
    items = "".join(
        f'<item id="c{number}" href="{name}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(names, 1)
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(1, len(names) + 1))
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": _xml(
                '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
                '<rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/>'
                "</rootfiles></container>"
            ),
            "book/package.opf": _xml(
                '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
                '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
                '<dc:identifier id="id">invented</dc:identifier>'
                f"<dc:title>{escape(title)}</dc:title><dc:language>en</dc:language></metadata>"
                f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
            ),
            **{f"book/{name}": _chapter(title, body) for name, body in zip(names, chapters, strict=True)},
        }
    )


def _chapter(title: str, body: str) -> str:
    head = f"<head><title>{escape(title)}</title></head>"
    return _xml(f'<html xmlns="http://www.w3.org/1999/xhtml">{head}<body>{body}</body></html>')


def _paragraph(style: str, words: str) -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{escape(words)}</w:t></w:r></w:p>'


def _xml(content: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{content}'


def _content_types() -> str:
    parts = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{_TYPES}.{kind}+xml"/>'
        for name, kind in (("document", "document.main"), ("styles", "styles"), ("numbering", "numbering"))
    )
    relations = "application/vnd.openxmlformats-package.relationships+xml"
    return _xml(
        f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{relations}"/>{parts}</Types>'
    )


def _relationships(*targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="r{number}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return _xml(f'<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>')


def _styles() -> str:
    names = {"Title": "Title", "Heading1": "heading 1", "Clause": "Clause", "Subclause": "Subclause"}
    rows = "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{name}"/>{_list_of(style)}</w:style>'
        for style, name in names.items()
    )
    normal = '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>'
    return f'<w:styles xmlns:w="{W}">{normal}{rows}</w:styles>'


def _list_of(style: str) -> str:
    if style not in _LISTS:
        return ""
    return f'<w:pPr><w:numPr><w:ilvl w:val="{_LISTS[style]}"/><w:numId w:val="1"/></w:numPr></w:pPr>'


def _numbering() -> str:
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/>'
        f'<w:numFmt w:val="{kind}"/><w:lvlText w:val="{label}"/></w:lvl>'
        for level, (kind, label) in enumerate(_LEVELS)
    )
    return (
        f'<w:numbering xmlns:w="{W}"><w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )
