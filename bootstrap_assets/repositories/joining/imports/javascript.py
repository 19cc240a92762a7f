"""TypeScript and JavaScript: modules by relative path, by the packages of the repository, by tsconfig's paths."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bootstrap_assets.repositories.joining.imports.base import Imports, super_of, this_of
from bootstrap_assets.repositories.joining.imports.javascript_names import COMMON, GLOBALS
from bootstrap_assets.repositories.joining.values import Value, package
from bootstrap_assets.repositories.lenient_json import read_json
from bootstrap_assets.repositories.symbols import Import, Parsed

if TYPE_CHECKING:
    from bootstrap_assets.repositories.joining.resolver import Resolver

_ENDINGS = (".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
_COMPILED = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}


class JavaScriptImports(Imports):
    """The way from a module's specifier to a file, as bundlers and TypeScript go it."""

    builtins = GLOBALS
    common_members = COMMON

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._packages = dict(self._named_packages())
        self._aliases = sorted(self._configured(), key=lambda row: -len(row[1]))

    def _named_packages(self) -> Iterator[tuple[str, str]]:
        for path, content in self.others.items():
            if posixpath.basename(path) == "package.json":
                name = read_json(content).get("name")
                if isinstance(name, str):
                    yield name, posixpath.dirname(path)

    def _configured(self) -> Iterator[tuple[str, str, str]]:
        """Rows of (folder in which it counts, beginning of a specifier, folder that it stands for)."""
        for path, content in self.others.items():
            name = posixpath.basename(path)
            if not (name.startswith(("tsconfig", "jsconfig")) and name.endswith(".json")):
                continue
            options = read_json(content).get("compilerOptions")
            options = options if isinstance(options, dict) else {}
            folder, base = posixpath.dirname(path), options.get("baseUrl")
            root = posixpath.normpath(posixpath.join(folder, base)) if isinstance(base, str) else folder
            paths = options.get("paths")
            for alias, places in paths.items() if isinstance(paths, dict) else ():
                for place in places if isinstance(places, list) else ():
                    yield folder, alias.rstrip("*"), posixpath.join(root, str(place).rstrip("*"))
            if isinstance(base, str):
                yield folder, "", root + "/"

    def module(self, path: str, name: str) -> Value | None:
        """The file that a specifier means in a file; None for a package from elsewhere."""
        if name.startswith("."):
            result = self._file(posixpath.join(posixpath.dirname(path), name))
            return Value("file", result) if result else None
        for place in self._places(path, name):
            result = self._file(place)
            if result:
                return Value("file", result)
        return None

    def _places(self, path: str, name: str) -> Iterator[str]:
        for folder, alias, place in self._aliases:
            if name.startswith(alias) and (not folder or path.startswith(folder + "/")):
                yield posixpath.join(place, name[len(alias) :]) if alias != name else place
        own = package_of(name)
        if own in self._packages:
            root, rest = self._packages[own], name[len(own) + 1 :]
            yield from (posixpath.join(root, part, rest) for part in ("src", "", "lib", "dist"))

    def _file(self, place: str) -> str | None:
        path = posixpath.normpath(place).lstrip("/")
        stem, ending = posixpath.splitext(path)
        candidates = [path, *(path + one for one in _ENDINGS), *(stem + one for one in _COMPILED.get(ending, ()))]
        candidates += [posixpath.join(path, "index" + one) for one in _ENDINGS]
        return next((one for one in map(posixpath.normpath, candidates) if one in self.files), None)

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """The module, or what is taken of it."""
        module = self.module(path, row.module)
        if module is None:
            return [] if row.module.startswith(".") else [package(package_of(row.module))]
        if not row.name:
            return [module]
        return self.member(resolver, module, row.name) or ([module] if row.name == "default" else [])

    def member(self, resolver: Resolver, value: Value, name: str) -> list[Value]:
        """What a module exports under a name: said so, of its own, passed on from others."""
        return self._exported(resolver, value.path, name, set()) if value.kind == "file" else []

    def _exported(self, resolver: Resolver, path: str, name: str, visited: set[str]) -> list[Value]:
        visited.add(path)
        table, label = resolver.tables[path], f"export:{name}"
        for row in table.imports.get((0, label), ()):
            return self.find(resolver, path, row)
        for binding in table.bindings.get((0, label), ()):
            result = resolver.evaluate(path, 0, binding.chain, settled=False)
            if result:
                return result
        own = resolver.local(path, 0, name)
        if own:
            return own
        for row in table.stars:
            module = self.module(path, row.module)
            if module is not None and module.path not in visited:
                result = self._exported(resolver, module.path, name, visited)
                if result:
                    return result
        return []

    def own(self, resolver: Resolver, path: str, scope: int, name: str) -> list[Value] | None:
        """`this` and `super`; a `function` inside a method has a `this` of its own."""
        if name not in ("this", "super"):
            return None
        table, at = resolver.tables[path], scope
        while at >= 0 and table.scope(at).kind not in ("class", "object", "method"):
            if table.scope(at).kind in ("lambda", "function"):
                return []
            at = table.scope(at).parent
        return this_of(resolver, path, scope) if name == "this" else super_of(resolver, path, scope)


def package_of(specifier: str) -> str:
    """The package that a specifier begins with: `@scope/name` or `name`."""
    parts = specifier.removeprefix("node:").split("/")
    return "/".join(parts[:2]) if specifier.startswith("@") else parts[0]
