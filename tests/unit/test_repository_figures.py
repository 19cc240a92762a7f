"""Python's own standard library: what is found in it is what `ast` and `symtable` find."""

import ast
from collections import Counter

import pytest

from benchmarks.code_symbols import (
    LIBRARY,
    assigned,
    assigned_by_symtable,
    defined,
    defined_by_ast,
    files_of,
    imported,
    imported_by_ast,
)
from bootstrap_assets.repositories.languages.python import Python

SAMPLE = [file for file in files_of(LIBRARY) if "test" not in str(file.relative_to(LIBRARY))][::3]
"""A third of the library: all of it is what the benchmark takes."""


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(defined, defined_by_ast), (imported, imported_by_ast), (assigned, assigned_by_symtable)],
    ids=["definitions", "imports", "variables"],
)
def test_nearly_all_of_the_standard_library_is_read_as_python_reads_it(ours: object, theirs: object) -> None:
    both = found = there = 0
    for file in SAMPLE:
        source = file.read_bytes()
        parsed = Python().read(source)
        one = Counter(ours(parsed, source) if ours is assigned else ours(parsed))  # type: ignore[operator]
        other = Counter(theirs(source if theirs is assigned_by_symtable else ast.parse(source)))  # type: ignore[operator]
        both, found, there = both + (one & other).total(), found + one.total(), there + other.total()
    assert there > 1000
    assert min(both / found, both / there) >= 0.99
