"""TypeScript and JavaScript, with and without JSX: one query for all, for JavaScript is read by TSX's grammar."""

from collections.abc import Iterator

import tree_sitter_typescript
from tree_sitter import Node

from bootstrap_assets.repositories.languages.captures import TreeLanguage
from bootstrap_assets.repositories.languages.chains import ChainRules, child, text
from bootstrap_assets.repositories.languages.events import Captures
from bootstrap_assets.repositories.languages.javascript_query import JSX, QUERY
from bootstrap_assets.repositories.symbols import Binding, Import, Kind

_LISTS = frozenset({"Array", "ReadonlyArray", "Set", "Iterable", "IterableIterator", "Iterator", "Generator"})
_INNER = frozenset({"Promise", "Readonly", "Partial", "Required", "NonNullable", "Awaited"})
_WRAPPED = frozenset(
    "type_annotation parenthesized_type readonly_type optional_type opting_type_annotation "
    "omitting_type_annotation flow_maybe_type".split()
)
_NOTHING = frozenset({"null", "undefined", "void"})
_EXPORTS = ("module.exports", "exports")


class TypeScript(TreeLanguage):
    """TypeScript."""

    name = "typescript"
    query = QUERY
    has_member_variables = True
    rules = ChainRules(
        members={"member_expression": ("object", "property"), "nested_type_identifier": ("module", "name")},
        calls={"call_expression": "function", "new_expression": "constructor"},
        elements={"subscript_expression": "object"},
        wraps=frozenset(
            "parenthesized_expression await_expression non_null_expression satisfies_expression "
            "spread_element".split()
        ),
        leaves=frozenset(
            "identifier type_identifier this super property_identifier shorthand_property_identifier "
            "private_property_identifier".split()
        ),
        literals={
            "string": "str",
            "template_string": "str",
            "number": "number",
            "array": "list",
            "object": "object",
            "null": "none",
            "undefined": "none",
            "regex": "RegExp",
            "true": "bool",
            "false": "bool",
        },
        choices={"ternary_expression": (1, 2)},
    )

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_typescript.language_typescript()

    def leaf(self, node: Node) -> str | None:
        """`x as Foo` is a value of the type `Foo`."""
        if node.type not in ("as_expression", "type_assertion"):
            return None
        place = 1 if node.type == "as_expression" else 0
        kind = self.type_chain(child(node, place))
        return f"<:{kind}>" if kind and "<" not in kind and kind != "const" else None

    def targets(self, node: Node) -> Iterator[tuple[str, bool]]:
        """Names and members; those of a pattern get parts."""
        if node.type in ("identifier", "member_expression"):
            yield self.chain(node), True
            return
        waiting = [node]
        while waiting:
            one = waiting.pop(0)
            if one.type in ("identifier", "shorthand_property_identifier_pattern", "member_expression"):
                yield self.chain(one) if one.type == "member_expression" else text(one), False
            elif one.type == "pair_pattern":
                waiting.append(one.child_by_field_name("value") or one)
            elif one.type in ("object_assignment_pattern", "assignment_pattern"):
                waiting += [part for part in (child(one),) if part is not None]
            elif one.type in ("object_pattern", "array_pattern", "rest_pattern"):
                waiting += one.named_children

    def is_variable(self, captures: Captures) -> bool:
        """`const x = require("y")` is an import."""
        value = captures["value"][0] if captures.get("value") else None
        return value is None or not (text(value).startswith("require(") and value.type == "call_expression")

    def parameters(self, node: Node) -> Iterator[Binding]:
        """Each parameter with its type; one with a modifier is a member too."""
        if node.type == "identifier":
            yield Binding(0, text(node), "parameter")
            return
        for one in node.named_children:
            pattern = one.child_by_field_name("pattern") or (one if one.type == "identifier" else None)
            if pattern is None:
                continue
            kind = one.child_by_field_name("type")
            chain = self.type_chain(kind) if kind is not None else ""
            value = one.child_by_field_name("value")
            for name, is_whole in self.targets(pattern):
                how = "type" if chain and is_whole else "parameter"
                if how == "parameter" and is_whole and value is not None:
                    how, chain = "value", self.chain(value)
                yield Binding(0, name, how, chain if how != "parameter" else "")
                if is_whole and any(
                    part.type == "accessibility_modifier" or text(part) == "readonly" for part in one.children
                ):
                    yield Binding(0, f"this.{name}", how, chain)

    def imports(self, node: Node) -> Iterator[Import]:
        """Imports, exports from elsewhere, `require` and `import()`."""
        at = (node.start_point[0] + 1, node.start_point[1])
        if node.type == "string":
            yield Import(text(node)[1:-1], "", "", *at)
        elif node.type == "variable_declarator":
            value = node.child_by_field_name("value")
            arguments = value.child_by_field_name("arguments") if value is not None else None
            yield from self._required(node, text(child(arguments))[1:-1], at)
        elif (source := self._source(node)) is not None:
            prefix = "export:" if node.type == "export_statement" else ""
            names = list(self._names(node, prefix))
            for name, alias, place in names:
                yield Import(source, name, alias, *place)
            if not names:
                yield Import(source, "*" if prefix else "", "export:*" if prefix else "", *at)

    def _source(self, node: Node) -> str | None:
        require = next((one for one in node.named_children if one.type == "import_require_clause"), node)
        source = require.child_by_field_name("source")
        return text(source)[1:-1] if source is not None else None

    def _required(self, node: Node, module: str, at: tuple[int, int]) -> Iterator[Import]:
        pattern = node.child_by_field_name("name")
        if pattern is None or pattern.type != "object_pattern":
            yield Import(module, "", text(pattern), *at)
            return
        for one in pattern.named_children:
            key = one.child_by_field_name("key") or one
            yield Import(module, text(key), text(one.child_by_field_name("value") or one), *at)

    def _names(self, node: Node, prefix: str) -> Iterator[tuple[str, str, tuple[int, int]]]:
        waiting = list(node.named_children)
        while waiting:
            one = waiting.pop(0)
            at = (one.start_point[0] + 1, one.start_point[1])
            if one.type in ("import_specifier", "export_specifier"):
                name = text(one.child_by_field_name("name"))
                yield name, prefix + (text(one.child_by_field_name("alias")) or name), at
            elif one.type in ("namespace_import", "namespace_export", "import_require_clause"):
                yield "", prefix + text(child(one)), at
            elif one.type == "identifier" and node.type == "import_statement":
                yield "default", text(one), at
            elif one.type in ("import_clause", "named_imports", "export_clause"):
                waiting += one.named_children

    def exports(self, node: Node) -> Iterator[Binding]:
        """`export { a as b }`, `export default`, `module.exports = { … }`, `exports.a = b`."""
        if node.type == "assignment_expression":
            yield from self._assigned_exports(node)
            return
        if node.child_by_field_name("source") is not None:
            return
        declaration = node.child_by_field_name("declaration") or node.child_by_field_name("value")
        if declaration is not None and any(one.type == "default" for one in node.children):
            own = declaration.child_by_field_name("name")
            yield Binding(0, "default", "value", text(own) if own is not None else self.chain(declaration))
        for name, alias, _ in self._names(node, ""):
            yield Binding(0, alias, "value", name)

    def _assigned_exports(self, node: Node) -> Iterator[Binding]:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        chain = self.chain(left)
        if right is None or not chain.startswith(_EXPORTS):
            return
        if chain in _EXPORTS:
            yield Binding(0, "default", "value", self.chain(right))
            for one in right.named_children if right.type == "object" else ():
                key = one.child_by_field_name("key") or one
                value = one.child_by_field_name("value") or one
                if one.type in ("pair", "shorthand_property_identifier"):
                    yield Binding(0, text(key), "value", self.chain(value))
        else:
            yield Binding(0, chain.rpartition(".")[2], "value", self.chain(right))

    def docstring(self, node: Node, captures: Captures) -> str:
        """The comment above a definition, or above the statement that it stands in."""
        outer = node
        while outer.parent is not None and outer.parent.type in (
            "export_statement",
            "lexical_declaration",
            "variable_declaration",
            "expression_statement",
        ):
            outer = outer.parent
        return super().docstring(outer, captures)

    def visibility(self, name: str, node: Node) -> str:
        """`exported`, or by the modifiers of a member."""
        modifier = next((text(one) for one in node.children if one.type == "accessibility_modifier"), "")
        if modifier or name.startswith("#"):
            return modifier or "private"
        outer = node.parent
        while outer is not None and outer.type in ("lexical_declaration", "variable_declaration"):
            outer = outer.parent
        if outer is not None and outer.type == "export_statement":
            return "exported"
        return "public" if outer is not None and outer.type in _BODIES else "private"

    def marks(self, node: Node) -> tuple[str, ...]:
        """`get`, `static`, `async`, `abstract`."""
        return tuple(
            one.type for one in node.children if one.type in ("get", "set", "static", "async", "abstract")
        )

    def kind(self, kind: Kind, name: str, inside: str) -> Kind:
        """A method of an object literal that has no name is a function."""
        return Kind.FUNCTION if kind is Kind.METHOD and inside not in ("class", "object") else kind

    def type_chain(self, node: Node | None) -> str:
        """The class that a type comes down to: of `Foo | null` and `Promise<Foo>`, `Foo`; of `Foo[]`, `*Foo`."""
        for _ in range(8):
            if node is None or node.type in ("type_identifier", "nested_type_identifier", "identifier"):
                break
            if node.type == "array_type":
                return "*" + self.type_chain(child(node)).lstrip("*")
            if node.type == "generic_type":
                name, arguments = text(child(node)), child(node, 1)
                if name in _LISTS:
                    return "*" + self.type_chain(child(arguments)).lstrip("*")
                node = child(arguments) if name in _INNER else child(node)
            elif node.type == "union_type":
                parts = [one for one in node.named_children if text(one) not in _NOTHING]
                node = parts[0] if len(parts) == 1 else None
            elif node.type in _WRAPPED:
                node = child(node)
            elif node.type == "this_type":
                return "this"
            else:
                return f"<{text(node)}>" if node.type == "predefined_type" else "<?>"
        return self.chain(node) if node is not None else ""

    def defined_name(self, node: Node | None) -> str:
        """A name without the quotes that a property's may have; none for a computed one."""
        if node is None or node.type == "computed_property_name":
            return ""
        return text(node).strip("\"'")


class Tsx(TypeScript):
    """TypeScript with JSX; JavaScript is read by it as well."""

    query = QUERY + JSX

    def __init__(self, name: str = "tsx") -> None:
        self.name = name

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_typescript.language_tsx()


_BODIES = frozenset({"class_body", "interface_body", "object_type", "object", "enum_body"})
