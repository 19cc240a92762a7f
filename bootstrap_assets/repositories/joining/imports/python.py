"""Python: modules by their dotted names, packages, `from … import *`, `self` and `super()`."""

from __future__ import annotations

import builtins
import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bootstrap_assets.repositories.joining.imports.base import Imports, home_class, super_of
from bootstrap_assets.repositories.joining.values import Value, instance, package
from bootstrap_assets.repositories.symbols import Import, Parsed

if TYPE_CHECKING:
    from bootstrap_assets.repositories.joining.resolver import Resolver

_PLAIN = (str, bytes, bytearray, list, dict, set, tuple, int, float, io.BytesIO, io.TextIOWrapper, BaseException)
_MAKERS = ("__new__", "__init_subclass__", "__class_getitem__")


class PythonImports(Imports):
    """Python's way from a name to a module."""

    reads_all = False
    members_are_seen = True
    builtins = frozenset(dir(builtins))
    common_members = frozenset(name for kind in _PLAIN for name in dir(kind))

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._modules: dict[str, list[str]] = defaultdict(list)
        self._folders: set[str] = set()
        self._names: dict[str, str] = {}
        for path in sorted(files):
            self._add(path)

    def _add(self, path: str) -> None:
        """A file is a module by its place below the outermost folder that is no package."""
        parts = list(PurePosixPath(path).with_suffix("").parts)
        start = len(parts) - 1
        while start and "/".join((*parts[:start], "__init__.py")) in self.files:
            start -= 1
        names = parts[start:-1] if parts[-1] == "__init__" else parts[start:]
        if not names:
            names, start = [PurePosixPath(path).parent.name], start
        self._names[path] = ".".join(names)
        self._modules[".".join(names)].append(path)
        for cut in range(start):  # namespace packages, and modules that are imported by a longer name
            longer = ".".join((*parts[cut:start], *names))
            self._modules[longer].append(path)
            self._folders.update(longer.rsplit(".", count)[0] for count in range(1, longer.count(".") + 1))

    def module(self, path: str, name: str) -> Value | None:
        """The file or folder that a dotted name means in a file; the nearest where several have it."""
        result = self._modules.get(name)
        if result:
            return Value("file", max(result, key=lambda one: _shared(one, path)))
        return Value("namespace", path, name=name) if name in self._folders else None

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """The module, or what is taken of it."""
        name = self._absolute(path, row.module)
        if name is None:
            return []
        if not row.name:  # `import a.b` gives the name `a`, `import a.b as c` the module itself
            name = name if row.alias != row.module.partition(".")[0] else row.alias
            return [self.module(path, name) or package(row.module.partition(".")[0])]
        module = self.module(path, name)
        if module is None:
            return [] if row.module.startswith(".") else [package(row.module.partition(".")[0])]
        return self.member(resolver, module, row.name) or ([Value("unknown")] if row.name == "*" else [])

    def _absolute(self, path: str, module: str) -> str | None:
        """The full name of a module that is written relative to a file."""
        level = len(module) - len(module.lstrip("."))
        if not level:
            return module
        own = self._names[path].split(".")
        above = level - (path.endswith("__init__.py"))
        base = own[: len(own) - above] if above else own
        rest = module[level:]
        return ".".join([*base, rest] if rest else base) or None

    def member(self, resolver: Resolver, value: Value, name: str) -> list[Value]:
        """What a module has under a name: its own, what it takes of others, a module below it."""
        if value.kind == "namespace":
            below = self.module(value.path, f"{value.name}.{name}")
            return [below] if below else []
        result = resolver.local(value.path, 0, name)
        if result and result[0] != value:
            return result
        below = self.module(value.path, f"{self._names[value.path]}.{name}") if self._is_package(value) else None
        return [below] if below else self._starred(resolver, value.path, name, (value.path,))

    def _is_package(self, value: Value) -> bool:
        return value.path.endswith("__init__.py")

    def _starred(self, resolver: Resolver, path: str, name: str, visited: tuple[str, ...]) -> list[Value]:
        for row in resolver.tables[path].stars:
            module = self.module(path, self._absolute(path, row.module) or "")
            if module is None or module.kind != "file" or module.path in visited:
                continue
            result = resolver.local(module.path, 0, name) if not name.startswith("_") else []
            result = result or self._starred(resolver, module.path, name, (*visited, module.path))
            if result:
                return result
        return []

    def beyond(self, resolver: Resolver, path: str, name: str) -> list[Value]:
        """What came by a star, then what Python itself has."""
        return self._starred(resolver, path, name, (path,)) or super().beyond(resolver, path, name)

    def own(self, resolver: Resolver, path: str, scope: int, name: str) -> list[Value] | None:
        """`super()` and the type `Self`; `__class__`."""
        if name == "super":
            return super_of(resolver, path, scope)
        if name in ("Self", "__class__"):
            home = home_class(resolver, path, scope)
            return [home] if home else None
        return None

    def first(self, resolver: Resolver, path: str, scope: int) -> list[Value]:
        """`self` is a value of the class, `cls` the class itself."""
        home = home_class(resolver, path, scope)
        table = resolver.tables[path]
        number = table.scope(scope).symbol
        if home is None or number < 0 or table.scope(scope).kind != "method":
            return []
        method = table.symbol(number)
        if "staticmethod" in method.marks:
            return []
        is_class = "classmethod" in method.marks or method.name in _MAKERS
        return [home if is_class else instance(home.path, home.number)]


def _shared(one: str, other: str) -> tuple[int, int]:
    """How much of the way two paths share; of several alike the one with fewer folders."""
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    count = 0
    for left, right in pairs:
        if left != right:
            break
        count += 1
    return count, -one.count("/")
