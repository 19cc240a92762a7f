"""Text as it is kept: what looks the same is the same, and what nobody sees is gone."""

import re
import unicodedata

from bootstrap_assets.texts.content import clean_text

_LIGATURES = {
    0xFB00 + index: letters for index, letters in enumerate(("ff", "fi", "fl", "ffi", "ffl", "st", "st"))
}
_INVISIBLE = dict.fromkeys(
    # Soft hyphen, zero-width space, word joiner, byte order mark; marks and overrides of direction, which say
    # nothing that the letters do not and can show a text otherwise than it is read.
    (0xAD, 0x200B, 0x2060, 0xFEFF, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_SPACES = dict.fromkeys((0x09, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
_BREAKS = dict.fromkeys((0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029), "\n")
_CONTROLS = dict.fromkeys((*range(1, 9), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)))
_TABLE = {**_LIGATURES, **_INVISIBLE, **_SPACES, **_BREAKS, **_CONTROLS}
_ONLY_PLAIN = re.compile(r"[\n -~]*")
_RUNS = re.compile(r" {2,}")
_LINE_EDGES = re.compile(r" *\n *")
_BLANK_LINES = re.compile(r"\n{3,}")


def normalise(text: str) -> str:
    """Composed letters (NFC), ligatures and odd spaces resolved, controls and soft hyphens out, spaces single.

    Line feeds stay, at most two in a row; NUL and lone surrogates become U+FFFD; there is no space at either end.
    """
    text = text.replace("\r\n", "\n")
    if not _ONLY_PLAIN.fullmatch(text):
        text = unicodedata.normalize("NFC", clean_text(text).translate(_TABLE))
    text = _RUNS.sub(" ", text)
    if "\n" in text:
        text = _BLANK_LINES.sub("\n\n", _LINE_EDGES.sub("\n", text))
    return text.strip(" \n")
