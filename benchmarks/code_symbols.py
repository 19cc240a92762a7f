"""Python's own standard library: what the reader finds in it, against what `ast` and `symtable` find.

.venv/bin/python benchmarks/code_symbols.py [FOLDER]
"""

import ast
import os
import symtable
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from bootstrap_assets.repositories.languages.python import Python
from bootstrap_assets.repositories.symbols import Kind, Parsed

LIBRARY = Path(os.__file__).parent
VARIABLES = (Kind.VARIABLE, Kind.CONSTANT, Kind.FIELD)


def files_of(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*.py")) if "site-packages" not in file.parts]


def defined(parsed: Parsed) -> Counter:
    return Counter((one.qualified_name, one.line) for one in parsed.symbols if one.kind not in VARIABLES)


def defined_by_ast(tree: ast.AST) -> Counter:
    return Counter(_definitions(tree, ""))


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield prefix + child.name, child.lineno
            yield from _definitions(child, f"{prefix}{child.name}.")
        else:
            yield from _definitions(child, prefix)


def assigned(parsed: Parsed, source: bytes) -> set[str]:
    """The variables of modules and classes, without the names that are imported or defined as well."""
    others = set(_variables(symtable.symtable(source, "file", "exec"), "", False))
    return {one.qualified_name for one in parsed.symbols if one.kind in VARIABLES} - others


def assigned_by_symtable(source: bytes) -> set[str]:
    return set(_variables(symtable.symtable(source, "file", "exec"), "", True))


def _variables(table: symtable.SymbolTable, prefix: str, wanted: bool) -> Iterator[str]:
    """Names that are assigned to: only that (wanted), or imported or defined too; `_C__x` of a class is `__x`."""
    for one in table.get_symbols() if table.get_type() != "function" else ():
        is_variable = not one.is_imported() and not one.is_namespace()
        if one.is_assigned() and one.is_local() and is_variable == wanted:
            yield prefix + one.get_name().removeprefix(
                "_" + table.get_name().lstrip("_") if "__" in one.get_name() else ""
            )
    for child in table.get_children():
        yield from _variables(child, f"{prefix}{child.get_name()}.", wanted)


def imported(parsed: Parsed) -> Counter:
    return Counter((one.module, one.name, one.alias, one.line) for one in parsed.imports)


def imported_by_ast(tree: ast.AST) -> Counter:
    found: Counter = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.name, "", one.asname or one.name.partition(".")[0], one.lineno] += 1
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for one in node.names:
                alias = "" if one.name == "*" else one.asname or one.name
                found[module, one.name, alias, one.lineno] += 1
    return found


def agreement(ours: Counter, theirs: Counter) -> tuple[int, int, int]:
    """How many are in both, in ours, in theirs."""
    return (ours & theirs).total(), ours.total(), theirs.total()


def figures(files: Iterable[Path]) -> tuple[dict[str, tuple[int, int, int]], int, int, float]:
    """Of each kind (in both, ours, theirs); files, lines, and seconds of the processor that reading took."""
    totals = {"definitions": (0, 0, 0), "variables": (0, 0, 0), "imports": (0, 0, 0)}
    reader, seconds, lines, count = Python(), 0.0, 0, 0
    for file in files:
        source = file.read_bytes()
        try:
            tree = ast.parse(source)
            table = assigned_by_symtable(source)
        except (SyntaxError, ValueError):  # the library's tests hold broken files on purpose
            continue
        began = time.process_time()
        parsed = reader.read(source)
        seconds += time.process_time() - began
        lines, count = lines + parsed.lines, count + 1
        pairs = {
            "definitions": (defined(parsed), defined_by_ast(tree)),
            "variables": (Counter(assigned(parsed, source)), Counter(table)),
            "imports": (imported(parsed), imported_by_ast(tree)),
        }
        for name, pair in pairs.items():
            totals[name] = tuple(map(sum, zip(totals[name], agreement(*pair), strict=True)))
    return totals, count, lines, seconds


def main(folder: Path) -> None:
    totals, count, lines, seconds = figures(files_of(folder))
    print(f"{count:,} files, {lines:,} lines: {count / seconds:,.0f} files/s, {lines / seconds:,.0f} lines/s")
    for what, (both, ours, theirs) in totals.items():
        print(f"{what}: precision {both / ours:.4f}, recall {both / theirs:.4f} ({theirs:,})")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else LIBRARY)
