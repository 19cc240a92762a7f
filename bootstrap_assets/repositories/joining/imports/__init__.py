"""Where the imports of each language lead: one class per family of languages."""

from collections.abc import Mapping

from bootstrap_assets.repositories.joining.imports.base import Imports
from bootstrap_assets.repositories.joining.imports.compiled import CImports, RustImports
from bootstrap_assets.repositories.joining.imports.javascript import JavaScriptImports
from bootstrap_assets.repositories.joining.imports.linked import MarkdownImports, ProseImports, SqlImports
from bootstrap_assets.repositories.joining.imports.packaged import GoImports, JavaImports
from bootstrap_assets.repositories.joining.imports.python import PythonImports
from bootstrap_assets.repositories.symbols import Parsed

FAMILIES: dict[str, type[Imports]] = {
    "c": CImports,
    "go": GoImports,
    "java": JavaImports,
    "javascript": JavaScriptImports,
    "markdown": MarkdownImports,
    "prose": ProseImports,
    "python": PythonImports,
    "rust": RustImports,
    "sql": SqlImports,
}


def imports_of(language: str, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> Imports:
    """The imports of a family of languages over its files; `others` are manifests and settings, by path."""
    return FAMILIES.get(language, Imports)(files, others)
