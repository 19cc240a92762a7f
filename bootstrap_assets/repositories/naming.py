"""In which language a file is written: by its name, then by what it begins with."""

import re
from collections.abc import Callable

ENDINGS = {
    "py": "python", "pyi": "python", "pyw": "python",
    "ts": "typescript", "mts": "typescript", "cts": "typescript", "tsx": "tsx",
    "js": "javascript", "mjs": "javascript", "cjs": "javascript", "jsx": "javascript", "es6": "javascript",
    "go": "go", "java": "java", "rs": "rust",
    "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp", "cxx": "cpp", "hpp": "cpp", "hh": "cpp", "hxx": "cpp",
    "ipp": "cpp",
    "md": "markdown", "markdown": "markdown", "mdx": "markdown",
    "sql": "sql", "ddl": "sql",
    "txt": "text", "rst": "text", "adoc": "text", "tex": "text", "org": "text",
    "json": "data", "yaml": "data", "yml": "data", "toml": "data", "xml": "data", "ini": "data", "cfg": "data",
    "html": "markup", "htm": "markup", "css": "markup", "scss": "markup", "vue": "markup", "svelte": "markup",
    "sh": "script", "bash": "script", "zsh": "script", "ps1": "script", "rb": "script", "pl": "script",
    "php": "script", "lua": "script", "kt": "script", "scala": "script", "swift": "script", "cs": "script",
}  # fmt: skip
"""Languages by ending, in lower case. What is not parsed (`text` and after it) becomes passages."""

NAMES = {
    "readme": "text", "license": "text", "licence": "text", "copying": "text", "notice": "text", "authors": "text",
    "changelog": "text", "makefile": "script", "dockerfile": "script", "gnumakefile": "script", "go.mod": "data",
    "rakefile": "script", "gemfile": "script", "jenkinsfile": "script", "pipfile": "data",
}  # fmt: skip
"""Files that have no ending, in lower case."""

PARSED = frozenset("python typescript tsx javascript go java rust c cpp markdown sql prose".split())
"""Languages that symbols are read from."""

_PROGRAMS = (("python", "python"), ("node", "javascript"), ("deno", "typescript"), ("bun", "typescript"))
_CPP = re.compile(
    rb"^[ \t]*(class\s+\w+|namespace\b|template\s*<|using\s+\w+|public:|private:)|std::|\bconstexpr\b", re.M
)
_BEGINNING = 64 * 1024  # bytes


def language_of(path: str, content: bytes, is_prose: Callable[[str], bool]) -> str:
    """The language of a file; empty where it is none that anybody reads. `is_prose` tells CommonAccord's
    objects."""
    name = path.rpartition("/")[2].lower()
    language = NAMES.get(name) or ENDINGS.get(name.rpartition(".")[2] if "." in name else "", "")
    head = content[:_BEGINNING]
    if not language and head.startswith(b"#!"):
        language = _of_program(head.partition(b"\n")[0])
    if name.endswith(".h") and _CPP.search(head):
        return "cpp"
    may_be_prose = language == "markdown" or (not language and "." not in name)
    if may_be_prose and is_prose(head.decode("utf-8", "replace")):
        return "prose"
    if name.endswith(".ts") and b"<!DOCTYPE TS" in head[:200]:
        return "data"  # Qt's translations
    return language


def _of_program(line: bytes) -> str:
    words = line.decode("ascii", "replace")
    return next((language for program, language in _PROGRAMS if program in words), "script")
