"""Whether a paragraph begins with a heading: by its number, by how it is printed, by how it is worded."""

import re
from dataclasses import dataclass

from bootstrap_assets.documents.extraction.assembly import Assembly

_PART = r"ARTICLE|Article|EXHIBIT|Exhibit|SCHEDULE|Schedule|ANNEX|Annex|APPENDIX|Appendix|ATTACHMENT|Attachment"
_LABEL = re.compile(
    rf"(?P<part>(?:{_PART})\s+(?:[IVXLC]+|\d{{1,3}}|[A-Z](?:-\d+)?))\b(?:\s*[.:–—-])?"
    r"|(?:SECTION|Section|§)\s*(?P<section>\d{1,3}(?:\.\d{1,3}){0,4})\b[.:)]?"
    r"|(?P<number>\d{1,3}(?:\.\d{1,3}){0,4})(?P<stop>[.)]?)(?=\s|$)"
    r"|(?P<letter>[A-Z]|[IVXLC]{1,6})\.(?=\s|$)"
    r"|\((?P<item>[a-z]{1,4}|[A-Z]|\d{1,2})\)(?=\s|$)"
)
_SMALL_WORDS = frozenset("a an and as at by for from in into of on or per the to under upon with".split())
_SENTENCE = re.compile(r"[^.:;]{2,100}?(?=[.:]?(?:\s[–—-]\s|\s*$|(?<=[.:])\s)|[.:])")
_AFTER_TITLE = " .:–—-\t\n“\"‘'(["
_ABBREVIATIONS = frozenset("Cf Id Ibid See No".split())
_MOST_WORDS = 14
_MOST_CHARACTERS = 120
_LEADERS = re.compile(r"\.{4,}|(?:\. ){4,}|…{2,}|\t\s*\d+$")


@dataclass(frozen=True, slots=True)
class Label:
    """The number that a paragraph begins with, how deep it is (from 1), and where what follows it begins."""

    number: str
    level: int
    end: int
    is_item: bool = False


@dataclass(frozen=True, slots=True)
class Title:
    """A heading at the beginning of a paragraph: its first `length` characters."""

    number: str | None
    title: str
    level: int
    length: int


def label_of(text: str) -> Label | None:
    """The number at the beginning of a paragraph, None for none. Years and amounts are none."""
    match = _LABEL.match(text)
    if match is None:
        return None
    if match["part"]:
        return Label(" ".join(match["part"].split()), 1, match.end())
    if match["item"]:
        return Label(f"({match['item']})", 4, match.end(), is_item=True)
    if match["letter"]:
        return Label(match["letter"], 2, match.end())
    if match["section"]:
        return Label(match["section"], match["section"].count(".") + 1, match.end())
    if "." not in match["number"] and not match["stop"]:
        return None
    return Label(match["number"], match["number"].count(".") + 1, match.end(), is_item=match["stop"] == ")")


def head_paragraph(
    assembly: Assembly, span: tuple[int, int] | None, text: str, bold: int = 0, level: int | None = None
) -> None:
    """Say what heading a paragraph is or begins with; with a `level`, all of it is one of that level."""
    if span is None:
        return
    if level is not None:
        label = label_of(text)
        words = text[label.end :] if label else text
        assembly.head(span, level, label.number if label else None, words.strip(_AFTER_TITLE))
    elif title := title_of(text, bold):
        end = min(span[0] + title.length, span[1])
        assembly.head((span[0], end), title.level, title.number, title.title)


def title_of(text: str, bold: int = 0, is_large: bool = False) -> Title | None:
    """The heading that a paragraph is or begins with, None for none.

    `bold` counts its first characters that are printed bold; `is_large` says that it is larger than the rest.
    """
    if _LEADERS.search(text[:_MOST_CHARACTERS]):
        return None
    label = label_of(text)
    if label is None:
        return _unnumbered(text, bold, is_large)
    begin = label.end + len(text[label.end :]) - len(text[label.end :].lstrip())
    if label.is_item:
        end = _bold_end(text, begin, bold)
        return _numbered(text, label, begin, end) if end < len(text) else None
    end = _worded_end(text, begin) or _bold_end(text, begin, bold)
    if end or "." in label.number or not text[begin:].strip():
        return _numbered(text, label, begin, end)
    return None


def _numbered(text: str, label: Label, begin: int, end: int) -> Title | None:
    if label.is_item and not end:
        return None
    title = text[begin:end].rstrip(_AFTER_TITLE) if end else ""
    return Title(label.number, title, label.level, begin + len(title) if title else label.end)


def _bold_end(text: str, begin: int, bold: int) -> int:
    """Where the bold words after a number end; 0 where there are none, or too many for a title."""
    if bold <= begin:
        return 0
    end = min(bold, len(text))
    if end - begin > _MOST_CHARACTERS:
        return 0
    return end if re.search(r"\w", text[begin:end]) else 0


def _worded_end(text: str, begin: int) -> int:
    """Where the words after a number end that are put as a title is; 0 where they are not."""
    match = _SENTENCE.match(text, begin)
    return match.end() if match and _is_title(match[0]) else 0


def _is_title(words: str) -> bool:
    """Whether words are capitalised as those of a title are."""
    parts = re.findall(r"[^\W\d_][\w’']*", words)
    if not parts or len(parts) > _MOST_WORDS or not parts[0][0].isupper():
        return False
    if len(parts) == 1 and parts[0] in _ABBREVIATIONS:
        return False
    return all(part[0].isupper() or part in _SMALL_WORDS for part in parts)


def _unnumbered(text: str, bold: int, is_large: bool) -> Title | None:
    line = text.strip()
    if (
        not 2 < len(line) <= _MOST_CHARACTERS
        or len(line.split()) > _MOST_WORDS
        or not re.search(r"[^\W\d_]{2}", line)
    ):
        return None
    if line.startswith("[") or line.endswith((",", ";")) or "__" in line or "\t" in line:
        return None
    is_bold = bold >= len(line)
    if is_large or is_bold or _is_capital(line):
        return Title(None, line.rstrip(".:"), 1 if is_large else 2, len(text))
    return None


def _is_capital(line: str) -> bool:
    return "\n" not in line and line.isupper() and bool(re.search(r"[A-Z]{4}", line)) and not line.endswith(".")
