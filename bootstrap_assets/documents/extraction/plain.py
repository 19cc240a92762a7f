"""Plain text, and the decoding that all formats of letters share."""

import re

from bootstrap_assets.documents.extraction.assembly import Assembly
from bootstrap_assets.documents.extraction.model import Reason, Refusal
from bootstrap_assets.documents.extraction.normal import normalise
from bootstrap_assets.documents.extraction.titles import head_paragraph
from bootstrap_assets.sources.text_encoding import UnknownEncoding, decode

_DECLARED = re.compile(rb"(?:charset\s*=\s*|<\?xml[^>]{0,100}?encoding\s*=\s*)[\"']?([A-Za-z][\w.:-]{1,30})")
_ENCODINGS = re.compile(
    r"iso-?8859-\d{1,2}|windows-125\d|cp125\d|koi8-[ru]|gb(?:2312|k|18030)|big5|shift_jis|euc-(?:jp|kr)|macintosh",
    re.IGNORECASE,
)
_PARAGRAPHS = re.compile(r"\n[ \t\f\v]*\n\s*|\f\s*")


def text_in(content: bytes, assembly: Assembly) -> str:
    """Bytes as text, by their byte order mark, by the encoding they declare, or by how they look."""
    declared = _DECLARED.search(content[:2048])
    if declared and _ENCODINGS.fullmatch(name := declared[1].decode()):
        return content.decode(name, errors="replace")
    try:
        text = decode(content)
    except UnknownEncoding as error:
        raise Refusal(Reason.OTHER_FORMAT, str(error)) from None
    for finding in text.findings("", ""):
        assembly.notice(finding.kind, finding.message)
    return text.text


def read_plain(source: str, assembly: Assembly) -> None:
    """Add a text: paragraphs end at blank lines, other line breaks stay. Raises Refusal where it is too long."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n")
    for number, piece in enumerate(_PARAGRAPHS.split(lines), 1):
        paragraph = normalise(piece)
        head_paragraph(assembly, assembly.add(paragraph, paragraph=number), paragraph)
