"""Go and Java: names of a package are seen by all of its files."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bootstrap_assets.repositories.joining.imports.base import Imports, super_of, this_of
from bootstrap_assets.repositories.joining.values import Value, package, symbol
from bootstrap_assets.repositories.symbols import Import, Parsed

if TYPE_CHECKING:
    from bootstrap_assets.repositories.joining.resolver import Resolver

_MODULE = re.compile(rb"^module\s+\"?([^\s\"]+)", re.MULTILINE)


class GoImports(Imports):
    """A package is a folder; its path begins with what go.mod calls the module."""

    builtins = frozenset(
        """append cap clear close complex copy delete imag len make max min new panic print println real recover
        any bool byte comparable complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string
        uint uint8 uint16 uint32 uint64 uintptr true false nil iota""".split()
    )
    common_members = frozenset(
        "String Error Close Read Write Len Less Swap Lock Unlock Add Done Wait Get Set Run Name Type Next".split()
    )

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._folders: dict[str, list[str]] = defaultdict(list)
        for path in sorted(files):
            self._folders[posixpath.dirname(path)].append(path)
        self._modules = sorted(self._declared(), key=lambda row: -len(row[0]))

    def _declared(self) -> Iterator[tuple[str, str]]:
        for path, content in self.others.items():
            result = _MODULE.search(content) if posixpath.basename(path) == "go.mod" else None
            if result:
                yield result[1].decode("utf-8", "replace"), posixpath.dirname(path)

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """The folder of a package, where it is one of the repository's modules."""
        for module, root in self._modules:
            if row.module == module or row.module.startswith(module + "/"):
                folder = posixpath.join(root, row.module[len(module) + 1 :]).rstrip("/")
                return [Value("namespace", name=folder)] if folder in self._folders else []
        return [package(_repository(row.module))]

    def beyond(self, resolver: Resolver, path: str, name: str) -> list[Value]:
        """What another file of the folder declares, then what came by a dot, then Go's own."""
        result = self._in_folder(resolver, posixpath.dirname(path), name, self.files[path].package)
        for row in resolver.tables[path].stars if not result else ():
            for value in self.find(resolver, path, Import(row.module, "", "", 0, 0)):
                result = result or self.member(resolver, value, name)
        return result or super().beyond(resolver, path, name)

    def member(self, resolver: Resolver, value: Value, name: str) -> list[Value]:
        """What a package exports."""
        return self._in_folder(resolver, value.name, name) if value.kind == "namespace" else []

    def _in_folder(self, resolver: Resolver, folder: str, name: str, own: str = "") -> list[Value]:
        for path in self._folders.get(folder, ()):
            if (0, name) in resolver.tables[path].symbols and (not own or self.files[path].package == own):
                return resolver.local(path, 0, name)
        return []


class JavaImports(Imports):
    """Classes by their full names; a class sees its package, its members and those that it inherits."""

    members_are_names = True
    builtins = frozenset(
        """Boolean Byte CharSequence Character Class ClassLoader Comparable Deprecated Double Enum Error Exception
        Float FunctionalInterface IllegalArgumentException IllegalStateException Integer Iterable Long Math
        NullPointerException Number Object Override Process Record Runnable Runtime RuntimeException SafeVarargs
        Short String StringBuffer StringBuilder SuppressWarnings System Thread ThreadLocal Throwable
        UnsupportedOperationException Void AutoCloseable ClassCastException IndexOutOfBoundsException
        InterruptedException NumberFormatException StackTraceElement AssertionError""".split()
    )
    common_members = frozenset(
        """add addAll append apply accept build clear close collect contains containsKey count debug entrySet
        equals
        error filter forEach format get getClass getKey getMessage getName getValue hasNext hashCode indexOf info
        isEmpty iterator join keySet length map matches name next of orElse parse print println put remove replace
        run size sort split start startsWith stop stream substring test toArray toList toString trim values valueOf
        warn write read flush set""".split()
    )

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._classes: dict[str, Value] = {}
        for path, parsed in sorted(files.items()):
            for number, one in enumerate(parsed.symbols):
                if one.scope == 0:
                    self._classes.setdefault(f"{parsed.package}.{one.name}".lstrip("."), symbol(path, number))

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """A class of the repository, or a member of one."""
        target = row.module if row.name in ("", "*") else f"{row.module}.{row.name}"
        result = self._by_name(resolver, target)
        if result or any(name.startswith(row.module + ".") for name in self._classes):
            return result
        return [package(".".join(row.module.split(".")[:3]))]

    def _by_name(self, resolver: Resolver, target: str) -> list[Value]:
        """A class by its full name; what comes after it are members."""
        parts = target.split(".")
        for cut in range(len(parts), 0, -1):
            value = self._classes.get(".".join(parts[:cut]))
            if value is not None:
                values = [value]
                for name in parts[cut:]:
                    values = [one for each in values for one in resolver.member(each, name)]
                return values
        return []

    def beyond(self, resolver: Resolver, path: str, name: str) -> list[Value]:
        """A class of the same package, of those that are imported as a whole, or of java.lang."""
        own = self._by_name(resolver, f"{self.files[path].package}.{name}".lstrip("."))
        for row in resolver.tables[path].stars if not own else ():
            own = own or self._by_name(resolver, f"{row.module}.{name}")
        return own or super().beyond(resolver, path, name)

    def own(self, resolver: Resolver, path: str, scope: int, name: str) -> list[Value] | None:
        """`this` and `super`."""
        if name == "this":
            return this_of(resolver, path, scope)
        return super_of(resolver, path, scope) if name == "super" else None


def _repository(path: str) -> str:
    """The part of an import path that names what has to be fetched."""
    parts = path.split("/")
    return "/".join(parts[:3]) if "." in parts[0] else parts[0]
