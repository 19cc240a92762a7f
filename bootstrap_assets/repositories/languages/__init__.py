"""One reader per language: a pure function from a blob to what it says."""

from functools import cache
from typing import Protocol

from bootstrap_assets.repositories.symbols import Parsed

VERSION = 1
"""Raised with every change to what a reader says of the same blob: results that were kept are then made anew."""


class Reader(Protocol):
    """A language."""

    def read(self, source: bytes) -> Parsed:
        """Everything that a blob says."""


@cache
def reader_of(language: str) -> Reader | None:
    """The reader of a language; None for what is only passages. A grammar is loaded when it is first needed."""
    if language in ("python", "typescript", "tsx", "javascript"):
        return _dynamic(language)
    if language in ("go", "java", "rust", "c", "cpp"):
        return _static(language)
    return _other(language)


def _dynamic(language: str) -> Reader:
    if language == "python":
        from bootstrap_assets.repositories.languages.python import Python

        return Python()
    from bootstrap_assets.repositories.languages.javascript import Tsx, TypeScript

    return TypeScript() if language == "typescript" else Tsx(language)


def _static(language: str) -> Reader:
    if language == "go":
        from bootstrap_assets.repositories.languages.go import Go

        return Go()
    if language == "java":
        from bootstrap_assets.repositories.languages.java import Java

        return Java()
    if language == "rust":
        from bootstrap_assets.repositories.languages.rust import Rust

        return Rust()
    from bootstrap_assets.repositories.languages.c import C, Cpp

    return C() if language == "c" else Cpp()


def _other(language: str) -> Reader | None:
    from bootstrap_assets.repositories.languages.markdown import Markdown
    from bootstrap_assets.repositories.languages.prose import Prose
    from bootstrap_assets.repositories.languages.sql import Sql

    readers: dict[str, Reader] = {"markdown": Markdown(), "sql": Sql(), "prose": Prose()}
    return readers.get(language)
