"""Rust: modules are files and `mod` blocks of a crate. C and C++: what is included is there."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bootstrap_assets.repositories.joining.imports.base import Imports, home_class, this_of
from bootstrap_assets.repositories.joining.values import Value, package, symbol
from bootstrap_assets.repositories.manifests import packages_of
from bootstrap_assets.repositories.symbols import Import, Kind, Parsed

if TYPE_CHECKING:
    from bootstrap_assets.repositories.joining.resolver import Resolver

_STANDARD = {"std", "core", "alloc"}
_ROOTS = ("lib.rs", "main.rs", "mod.rs")


class RustImports(Imports):
    """Paths of modules to files."""

    builtins = frozenset(
        """Box Clone Copy Debug Default Drop Eq Err From FromIterator Hash Into Iterator None Ok Option Ord
        PartialEq
        PartialOrd Result Self Send Some String Sync ToString Vec assert assert_eq assert_ne bool char dbg
        debug_assert
        drop eprintln f32 f64 format i128 i16 i32 i64 i8 isize matches panic print println str todo u128 u16 u32
        u64
        u8 unimplemented unreachable usize vec write writeln""".split()
    )
    common_members = frozenset(
        """as_bytes as_mut as_ref as_str borrow chars clone cloned cmp collect contains default deref drop entry
        eq err
        expect extend filter filter_map find first flush fmt fold from get get_mut hash insert into into_iter
        is_empty
        is_err is_none is_ok is_some iter iter_mut join keys last len lock map map_err max min new next ok parse
        pop
        push push_str read remove send sort split take to_owned to_string trim unwrap unwrap_or unwrap_or_else
        values
        write zip""".split()
    )

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._crates = {
            _name_of(content, posixpath.basename(posixpath.dirname(path))): posixpath.join(
                posixpath.dirname(path), "src"
            )
            for path, content in others.items()
            if posixpath.basename(path) == "Cargo.toml"
        }
        needed = (
            packages_of("Cargo.toml", content) for path, content in others.items() if path.endswith("Cargo.toml")
        )
        self._outside_crates = {name.replace("-", "_") for names in needed for name in names} | _STANDARD

    def own(self, resolver: Resolver, path: str, scope: int, name: str) -> list[Value] | None:
        """`self`, `Self`, `crate`, `super`."""
        if name == "self":
            return this_of(resolver, path, scope) or [Value("file", path)]
        if name == "Self":
            home = home_class(resolver, path, scope)
            return [home] if home else []
        if name in ("crate", "super"):
            result = self._root(path) if name == "crate" else self._parent(path)
            return [Value("file", result)] if result else []
        return None

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """Walk the path from its first word."""
        words = [word for word in [*row.module.split("::"), row.name] if word and word != "*"]
        if not words:
            return []
        values = self._first(resolver, path, words[0])
        for word in words[1:]:
            values = [one for value in values for one in resolver.member(value, word)]
        return values

    def _first(self, resolver: Resolver, path: str, word: str) -> list[Value]:
        if word in ("self", "super", "crate"):
            return self.own(resolver, path, 0, word) or []
        crate = self._crates.get(word)
        root = (
            next((f"{crate}/{one}" for one in _ROOTS if f"{crate}/{one}" in self.files), None) if crate else None
        )
        if root:
            return [Value("file", root)]
        below = self._below(path, word)
        if below:
            return [below]
        own = [symbol(path, number) for number in resolver.tables[path].symbols.get((0, word), ())]
        return own or [package(word)]

    def member(self, resolver: Resolver, value: Value, name: str) -> list[Value]:
        """An item of a module, or the module below it."""
        if value.kind != "file":
            return []
        result = resolver.local(value.path, 0, name)
        below = self._below(value.path, name)
        if result or below:
            return result or [below] if below else result
        for row in resolver.tables[value.path].stars:
            for module in self.find(resolver, value.path, row):
                if module.kind == "file" and module.path != value.path:
                    result = result or resolver.local(module.path, 0, name)
        return result

    def beyond(self, resolver: Resolver, path: str, name: str) -> list[Value]:
        """What a star brings, a module below, a crate of the repository, Rust's own."""
        result = self.member(resolver, Value("file", path), name)
        if not result and name in self._crates:
            result = self._first(resolver, path, name)
        if not result and name in self._outside_crates:
            return [package(name)]
        return result or super().beyond(resolver, path, name)

    def _below(self, path: str, name: str) -> Value | None:
        folder, file = posixpath.split(path)
        base = folder if file in _ROOTS else path.removesuffix(".rs")
        places = (posixpath.join(base, f"{name}.rs"), posixpath.join(base, name, "mod.rs"))
        return next((Value("file", place) for place in places if place in self.files), None)

    def _root(self, path: str) -> str | None:
        folder = posixpath.dirname(path)
        while True:
            for name in _ROOTS[:2]:
                place = posixpath.join(folder, name)
                if place in self.files:
                    return place
            if not folder:
                return None
            folder = posixpath.dirname(folder)

    def _parent(self, path: str) -> str | None:
        folder, file = posixpath.split(path)
        base = posixpath.dirname(folder) if file in _ROOTS else folder
        places = [posixpath.join(base, one) for one in _ROOTS] + [f"{base}.rs"]
        return next((place for place in places if place in self.files), None)


class CImports(Imports):
    """What is included, and what the linker would find."""

    members_are_names = True
    common_members = frozenset(
        """begin end size push_back emplace_back c_str data empty front back find insert erase clear get reset at
        append substr length first second count str swap resize reserve lock unlock join load store""".split()
    )

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._definitions: dict[str, list[Value]] = defaultdict(list)
        self._spaces: set[str] = set()
        self._qualified: dict[str, Value] = {}
        for path, parsed in sorted(files.items()):
            self._by_name[posixpath.basename(path)].append(path)
            for number, one in enumerate(parsed.symbols):
                if parsed.scopes[one.scope].kind == "namespace":
                    self._qualified.setdefault(one.qualified_name, symbol(path, number))
                    parts = one.qualified_name.split(".")[:-1]
                    self._spaces.update(".".join(parts[: count + 1]) for count in range(len(parts)))
                is_linked = one.kind is Kind.FUNCTION and one.scope == 0 and one.visibility != "private"
                if is_linked and not path.endswith((".h", ".hpp", ".hh")):
                    self._definitions[one.name].append(symbol(path, number))

    def own(self, resolver: Resolver, path: str, scope: int, name: str) -> list[Value] | None:
        """`this`."""
        return this_of(resolver, path, scope) if name == "this" else None

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """The file that an include means: beside this one, below the root, or the only one that ends so."""
        result = self._included(path, row.module[1:-1])
        if result:
            return [Value("file", result)]
        return [package(row.module[1:-1].partition("/")[0])] if row.module.startswith("<") else []

    def _included(self, path: str, name: str) -> str | None:
        near = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if near in self.files or name in self.files:
            return near if near in self.files else name
        ends = [one for one in self._by_name.get(posixpath.basename(name), ()) if one.endswith("/" + name)]
        return ends[0] if len(ends) == 1 else None

    def beyond(self, resolver: Resolver, path: str, name: str) -> list[Value]:
        """A namespace, what the linker finds once, then what is declared in what is included."""
        if name in self._spaces:
            return [Value("namespace", path, name=name)]
        linked = self._definitions.get(name, ())
        if len(linked) == 1:
            return list(linked)
        visited, waiting = {path}, [path]
        while waiting:
            for row in resolver.tables[waiting.pop(0)].stars:
                result = self._included(path, row.module[1:-1])
                if result and result not in visited:
                    visited.add(result)
                    waiting.append(result)
                    values = resolver.local(result, 0, name)
                    if values:
                        return values
        return []

    def member(self, resolver: Resolver, value: Value, name: str) -> list[Value]:
        """What a namespace has, in whatever file."""
        if value.kind == "file":
            return resolver.local(value.path, 0, name)
        whole = f"{value.name}.{name}"
        if whole in self._spaces:
            return [Value("namespace", value.path, name=whole)]
        return [self._qualified[whole]] if whole in self._qualified else []


def _name_of(manifest: bytes, folder: str) -> str:
    """The name of a crate, as code writes it."""
    for line in manifest.decode("utf-8", "replace").split("\n"):
        name, equals, value = line.partition("=")
        if equals and name.strip() == "name":
            return value.strip().strip("\"'").replace("-", "_")
    return folder.replace("-", "_")
