"""From the bytes of a text file to its text: what can be read for certain, and nothing read wrongly in silence.

Files come in UTF-8, in UTF-16 (Excel's "Unicode text", Notepad, PowerShell's `>`) and in Windows-1252 (Python's
`open` and many editors on Windows). A byte order mark, or zeros at every other byte, tell UTF-16 for certain.
Windows-1252 has no mark: it is assumed where the bytes can hardly be anything else, and reported. What fits none
is refused.
"""

import codecs
import re
from typing import NamedTuple

from bootstrap_assets.corpus.records import Finding, Severity
from bootstrap_assets.texts.content import REPLACEMENT

UTF_8 = "UTF-8"
WINDOWS_1252 = "Windows-1252"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_WIDE = (
    (4, "utf-32-le", "UTF-32"),
    (4, "utf-32-be", "UTF-32"),
    (2, "utf-16-le", "UTF-16"),
    (2, "utf-16-be", "UTF-16"),
)
_BEGINNING = 1 << 16
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b"))
_MOST_INVALID = 0.05
"""The largest share of characters that may be invalid in a text that is still taken for damaged UTF-8."""

_NOT_WESTERN = re.compile(
    # Codes without a character; whole words of other letters; a sign that stands between letters.
    rb"[\x81\x8d\x8f\x90\x9d]|[\x80-\xff]{6}"
    rb"|[A-Za-z][\x82-\x84\x86-\x89\x8b\x95\x98\x9b\xa1-\xa6\xa8\xa9\xab\xac\xaf-\xb6\xb8\xb9\xbb-\xbf][A-Za-z]"
)


class UnknownEncoding(ValueError):
    """The bytes are text in an encoding that cannot be told for certain, or no text."""


class Decoded(NamedTuple):
    """A text, the encoding it was in, and how many invalid sequences of that became U+FFFD."""

    text: str
    encoding: str = UTF_8
    invalid: int = 0

    def findings(self, source: str, place: str) -> list[Finding]:
        """What is not certain about the text, as warnings."""
        findings = []
        if self.encoding == WINDOWS_1252:
            message = "is not UTF-8: read as Windows-1252; save it as UTF-8 if letters are wrong"
            findings.append(Finding(source, Severity.WARNING, "read_as_windows_1252", message, place))
        if self.invalid:
            kind = "invalid_utf8" if self.encoding == UTF_8 else "invalid_text"
            message = (
                f"{self.invalid} invalid {self.encoding} sequence(s) were replaced by U+FFFD;"
                " if the file is in another encoding, save it as UTF-8"
            )
            findings.append(Finding(source, Severity.WARNING, kind, message, place))
        return findings


def decode(content: bytes) -> Decoded:
    """The text without byte order mark. Raises UnknownEncoding, whose message says what to do."""
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            return _decode_as(content.removeprefix(mark), codec, name)
    if b"\0" in content[:_BEGINNING] and (wide := _wide(content)):
        return wide
    if _is_binary(content):
        raise UnknownEncoding("holds control characters as no text does: is it UTF-16 without a mark, or no text?")
    text = _decode_as(content, "utf-8", UTF_8)
    return text if not text.invalid else _damaged_or_western(content, text)


def _decode_as(content: bytes, codec: str, name: str) -> Decoded:
    try:
        return Decoded(content.decode(codec), name)
    except UnicodeDecodeError:
        text = content.decode(codec, errors="replace")
        # A genuine U+FFFD in the text is no loss.
        genuine = content.decode(codec, errors="ignore").count(REPLACEMENT)
        return Decoded(text, name, text.count(REPLACEMENT) - genuine)


def _wide(content: bytes) -> Decoded | None:
    """The text, if zeros stand where the other halves of Latin letters are in UTF-16 or UTF-32."""
    for width, codec, name in _WIDE:
        start = content[: _BEGINNING - _BEGINNING % width]
        low = 0 if codec.endswith("le") else width - 1
        zeros = [start[place::width].count(0) / max(1, len(start) // width) for place in range(width)]
        if zeros[low] < 0.1 and all(share > 0.6 for place, share in enumerate(zeros) if place != low):
            return _decode_as(content, codec, name)
    return None


def _is_binary(content: bytes) -> bool:
    start = content[:_BEGINNING]
    return len(start) >= 32 and len(start) - len(start.translate(None, _CONTROLS)) > len(start) / 10


def _damaged_or_western(content: bytes, utf_8: Decoded) -> Decoded:
    """Bytes that are not valid UTF-8: Windows-1252 where they look it, else UTF-8 with some damage."""
    ascii_only = len(content.translate(None, bytes(range(128, 256))))
    others = len(utf_8.text) - ascii_only - utf_8.invalid
    if others * 10 <= utf_8.invalid and not _NOT_WESTERN.search(content):
        return Decoded(content.decode("cp1252"), WINDOWS_1252)
    if utf_8.invalid > max(2, _MOST_INVALID * len(utf_8.text)):
        raise UnknownEncoding("is neither UTF-8 nor UTF-16 nor Windows-1252: save it as UTF-8")
    return utf_8
