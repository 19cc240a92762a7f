"""The markup in which the sample is written: a header, paragraphs, and labels around pieces of text.

    ---
    title: A title
    Governing Law: Scotland
    ---
    A paragraph may be broken
    into lines; an empty line ends it.

    [[Cap On Liability: Neither side pays more than £100, [[Uncapped Liability: save for fraud]].]]

    [[Renewal Term | Expiration Date: One piece may answer two categories.]]

Labels nest and may run over several paragraphs. White space after the colon is not part of the text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap_assets.errors import FormatError

_BRACKET = re.compile(r"\[\[([^\[\]:]+):\s*|\]\]")
_FENCE = "---"


@dataclass(frozen=True, slots=True)
class Label:
    """A name given to `text[start:end]`."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Manuscript:
    """An authored file: its header and its paragraphs, with the labels still in them."""

    place: str
    header: Mapping[str, str]
    paragraphs: Sequence[str]


def read_manuscript(path: Path) -> Manuscript:
    """Read an authored file. Raises FormatError, naming file and line, if the header is malformed."""
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    if first != _FENCE or _FENCE not in lines:
        raise FormatError(
            f"{path.name}, line 1: the file does not begin with a header between two lines of {_FENCE}"
        )
    end = lines.index(_FENCE)
    header = dict(_entry(path.name, number, line) for number, line in enumerate(lines[:end], 2))
    blocks = re.split(r"\n\s*\n", "\n".join(lines[end + 1 :]))
    paragraphs = tuple(" ".join(block.split()) for block in blocks if block.strip())
    return Manuscript(path.name, header, paragraphs)


def _entry(file: str, number: int, line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon:
        raise FormatError(f"{file}, line {number}: a header line is `key: value`, not {line!r}")
    return key.strip(), value.strip()


def strip_labels(source: str, place: str) -> tuple[str, list[Label]]:
    """Take the labels out of a text: the plain text, and the labels in the order in which they begin.

    Raises FormatError, naming the place, if brackets do not match or a label is empty.
    """
    pieces: list[str] = []
    labels: list[Label] = []
    open_labels: list[tuple[str, int]] = []
    length = position = 0
    for bracket in _BRACKET.finditer(source):
        piece = source[position : bracket.start()]
        pieces.append(piece)
        length += len(piece)
        position = bracket.end()
        if bracket[1] is not None:
            open_labels.append((bracket[1], length))
        elif open_labels:
            labels += _labels(*open_labels.pop(), length, place)
        else:
            raise FormatError(f"{place}: `]]` closes nothing after {source[:position][-40:]!r}")
    if open_labels:
        raise FormatError(f"{place}: the label {open_labels[-1][0]!r} is never closed")
    text = "".join(pieces) + source[position:]
    return text, sorted(labels, key=lambda label: (label.start, -label.end))


def _labels(names: str, start: int, end: int, place: str) -> list[Label]:
    if start == end:
        raise FormatError(f"{place}: the label {names!r} holds no text")
    return [Label(name.strip(), start, end) for name in names.split("|")]
