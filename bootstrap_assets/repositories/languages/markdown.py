"""Markdown by sections: headings are symbols that hold what is below them, links to files are imports."""

import re
from collections.abc import Iterator

from bootstrap_assets.repositories.languages.drafts import Draft
from bootstrap_assets.repositories.symbols import Import, Kind, Parsed

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'(][^)]*)?\)")
_MARKS = re.compile(r"[*_`]|!?\[([^\]]*)\]\([^)]*\)")
_TITLE = 200  # characters
_DOCSTRING = 4000

Heading = tuple[int, int, str]
"""Line (from 1), level, title."""


class Markdown:
    """Markdown, as CommonMark has its headings."""

    name = "markdown"

    def read(self, source: bytes) -> Parsed:
        """The sections of a document, each with its text up to the next heading as docstring."""
        lines = source.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        draft = Draft(self.name, " > ")
        headings = list(_headings(lines))
        starts = [line for line, _, _ in headings] + [len(lines) + 1]
        for place, (line, level, title) in enumerate(headings):
            end = next((other for other, deep, _ in headings[place + 1 :] if deep <= level), len(lines) + 1)
            own = "\n".join(lines[line : starts[place + 1] - 1]).strip()
            draft.leave(line)
            draft.define(
                title, Kind.SECTION, "#" * level + " " + title, own[:_DOCSTRING], (line, end - 1), end=end
            )
        for number, column, target in _links(lines):
            draft.bring(Import(target, "", "", number, column))
        return draft.finish(source.count(b"\n") + (not source.endswith(b"\n") and source != b""))


def _headings(lines: list[str]) -> Iterator[Heading]:
    for number, line, is_code in _outside_of_code(lines):
        if is_code:
            continue
        atx = _ATX.fullmatch(line)
        below = lines[number] if number < len(lines) else ""
        title = _plain(atx[2] or "" if atx else line)
        if atx and title:
            yield number, len(atx[1]), title
        elif line.strip() and not atx and (under := _SETEXT.fullmatch(below)) and not line.startswith(_NO_TITLE):
            yield number, 1 if under[1][0] == "=" else 2, title


_NO_TITLE = ("    ", "\t", ">", "-", "*", "|", "---", "===")


def _outside_of_code(lines: list[str]) -> Iterator[tuple[int, str, bool]]:
    """Each line with its number, and whether it is code; the front matter counts as code."""
    fence = (
        "---" if lines and lines[0].strip() == "---" and "---" in (line.strip() for line in lines[1:80]) else ""
    )
    for number, line in enumerate(lines, start=1):
        opening = _FENCE.match(line)
        if fence == "---":
            fence = "" if number > 1 and line.strip() == "---" else fence
            yield number, line, True
        elif fence:
            is_end = opening and opening[1].startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if is_end else fence
            yield number, line, True
        else:
            fence = opening[1] if opening else ""
            yield number, line, bool(opening)


def _links(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Links to files of the repository: no scheme, no mere anchor."""
    for number, line, is_code in _outside_of_code(lines):
        for result in _LINK.finditer(line) if not is_code else ():
            target = result[1].partition("#")[0].partition("?")[0]
            if target and ":" not in target and not target.startswith("//"):
                yield number, result.start(1), target


def _plain(title: str) -> str:
    return " ".join(_MARKS.sub(lambda result: result[1] or "", title).split())[:_TITLE]
