"""CommonAccord's prose objects: keys are symbols, placeholders are references, includes are imports."""

import re

from bootstrap_assets.repositories.languages.drafts import Draft
from bootstrap_assets.repositories.symbols import Import, Kind, Parsed, ReferenceKind
from bootstrap_assets.sources.commonaccord.prose_library import Library

_PATH = "object.md"
_ENOUGH = 2  # key lines that make a file a prose object
_KEY_LINE = re.compile(r"^[\w.\-/!#%&$@*+]{1,120}=", re.MULTILINE)
_INCLUDE_LINE = re.compile(r"^[\w.\-/]*=\[[^\]\n]+\]\s*$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{([^{}\s][^{}]{0,200})\}")
_VALUE = 300  # characters


def is_prose(text: str) -> bool:
    """Whether a Markdown file is a prose object: it includes others, or most of its lines set keys."""
    if _INCLUDE_LINE.search(text):
        return True
    keys = len(_KEY_LINE.findall(text))
    lines = sum(bool(line.strip()) for line in text.split("\n"))
    return keys >= _ENOUGH and keys * 2 > lines


class Prose:
    """Files of `Key=Value` lines, read by the parser of the CommonAccord source."""

    name = "prose"

    def read(self, source: bytes) -> Parsed:
        """Keys, placeholders and includes of one file."""
        library = Library([_PATH], lambda _: source.decode("utf-8", "replace"))
        file, text = library.file(_PATH), library.text(_PATH)
        draft = Draft(self.name)
        waiting = list(file.includes)
        for number, line in enumerate(text.split("\n"), start=1):
            key, equals, value = line.partition("=")
            if not equals:
                continue
            if waiting and line.startswith(f"{waiting[0].prefix}=[{waiting[0].target}]"):
                include = waiting.pop(0)
                draft.bring(Import(include.target, "*", include.prefix, number, 0))
            elif file.values.get(key.rstrip()) == value.lstrip():
                self._define(draft, key.rstrip(), value.strip(), number)
        return draft.finish(source.count(b"\n") + (not source.endswith(b"\n") and source != b""))

    def _define(self, draft: Draft, key: str, value: str, line: int) -> None:
        end = line + 1  # positions are lines here: a key is open for the line that it stands on
        draft.leave(line)
        draft.define(key, Kind.KEY, f"{key}={value}"[:_VALUE], "", (line, line), end=end)
        for match in _PLACEHOLDER.finditer(value):
            draft.mention(match[1], ReferenceKind.USE, (line, len(key) + 1 + match.start()))
        draft.leave(end)
