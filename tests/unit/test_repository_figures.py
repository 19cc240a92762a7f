"""Python's own standard library: what is found in it is what `ast` and `symtable` find."""

import pytest

from benchmarks.code_symbols import LIBRARY, figures, files_of

SAMPLE = [file for file in files_of(LIBRARY) if "test" not in str(file.relative_to(LIBRARY))][::12]
"""A twelfth of the library: all of it is what the benchmark takes."""

KINDS = ("definitions", "imports", "variables")


@pytest.fixture(scope="module")
def totals() -> dict[str, tuple[int, int, int]]:
    """Of each kind: how many are in both, how many we find, how many there are."""
    return figures(SAMPLE)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_nearly_all_of_the_standard_library_is_read_as_python_reads_it(
    kind: str, totals: dict[str, tuple[int, int, int]]
) -> None:
    both, ours, theirs = totals[kind]
    assert theirs > 300
    assert min(both / ours, both / theirs) >= 0.99
