"""Go."""

from collections.abc import Iterator

import tree_sitter_go
from tree_sitter import Node

from bootstrap_assets.repositories.languages.captures import TreeLanguage
from bootstrap_assets.repositories.languages.chains import ChainRules, child, text
from bootstrap_assets.repositories.symbols import Binding, Import

_QUERY = """
(package_clause (package_identifier) @package)
(import_spec) @import
(function_declaration name: (_) @name parameters: (_) @parameters result: (_)? @returns body: (_)? @body)
  @definition.function
(method_declaration receiver: (parameter_list (parameter_declaration type: (_) @owner)) @parameters name: (_) @name
  parameters: (_) @parameters result: (_)? @returns body: (_)? @body) @definition.method
(type_spec name: (_) @name type: (struct_type) @body) @definition.struct
(type_spec name: (_) @name type: (interface_type) @body) @definition.interface
(type_spec name: (_) @name type: [(type_identifier) (qualified_type) (generic_type) (pointer_type) (slice_type)
  (map_type) (function_type) (channel_type) (array_type)] @returns) @definition.class
(type_alias name: (_) @name type: (_) @returns) @definition.type
(method_elem name: (_) @name parameters: (_) @parameters result: (_)? @returns) @definition.method
(field_declaration name: (_) @name type: (_) @returns) @definition.field
(field_declaration !name type: (_) @reference.inheritance)
(type_elem [(type_identifier) (qualified_type)] @reference.inheritance)
(source_file (const_declaration (const_spec name: (_) @name type: (_)? @returns value: (_)? @value)
  @definition.constant))
(source_file (var_declaration (var_spec name: (_) @name type: (_)? @returns value: (_)? @value)
  @definition.variable))
(source_file (var_declaration (var_spec_list (var_spec name: (_) @name type: (_)? @returns value: (_)? @value)
  @definition.variable)))
(func_literal parameters: (_) @parameters) @scope.lambda
(short_var_declaration left: (_) @target right: (_) @value) @bind
(block (statement_list (var_declaration (var_spec name: (_) @target type: (_)? @type value: (_)? @value) @bind)))
(range_clause left: (_) @target right: (_) @element) @bind
(type_parameter_declaration name: (_) @target) @bind
(return_statement (_) @returned)
(call_expression function: (_) @reference.call)
(parameter_declaration type: (_) @types)
(field_declaration name: (_) type: (_) @types)
(composite_literal type: (_) @types)
(var_spec type: (_) @types)
(argument_list [(identifier) (selector_expression)] @reference.use)
"""


class Go(TreeLanguage):
    """Go: a method belongs to the type of its receiver."""

    name = "go"
    query = _QUERY
    rules = ChainRules(
        members={"selector_expression": ("operand", "field"), "qualified_type": ("package", "name")},
        calls={"call_expression": "function", "composite_literal": "type"},
        elements={"index_expression": "operand"},
        wraps=frozenset(
            "parenthesized_expression unary_expression expression_list pointer_type literal_element".split()
        ),
        leaves=frozenset("identifier type_identifier package_identifier field_identifier".split()),
        literals={
            "interpreted_string_literal": "str", "raw_string_literal": "str", "int_literal": "int",
            "float_literal": "float", "nil": "none", "true": "bool", "false": "bool", "func_literal": "func",
        },
    )  # fmt: skip

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_go.language()

    def targets(self, node: Node) -> Iterator[tuple[str, bool]]:
        """Of `a, err := f()` the first gets what the function is for."""
        parts = node.named_children if node.type == "expression_list" else [node]
        ranged = node.parent is not None and node.parent.type == "range_clause"
        for number, one in enumerate(parts):
            yield self.chain(one), number == (len(parts) - 1 if ranged and len(parts) > 1 else 0)

    def parameters(self, node: Node) -> Iterator[Binding]:
        """Each name of each parameter with its type."""
        for one in node.named_children if node.type == "parameter_list" else ():
            kind = self.type_chain(one.child_by_field_name("type"))
            for name in one.children_by_field_name("name"):
                many = "*" if one.type == "variadic_parameter_declaration" else ""
                yield Binding(0, text(name), "type" if kind else "parameter", many + kind if kind else "")

    def imports(self, node: Node) -> Iterator[Import]:
        """`import name "path"`."""
        path, name = text(node.child_by_field_name("path"))[1:-1], text(node.child_by_field_name("name"))
        at = (node.start_point[0] + 1, node.start_point[1])
        yield Import(path, "*" if name == "." else "", "" if name in (".", "_") else name or _last(path), *at)

    def type_chain(self, node: Node | None) -> str:
        """Without pointers; of `[]T`, `map[K]T` and channels many of `T`; of several results the first."""
        if node is None:
            return ""
        if node.type in ("pointer_type", "parenthesized_type"):
            return self.type_chain(child(node))
        if node.type == "parameter_list":
            first = child(node)
            return self.type_chain(first.child_by_field_name("type")) if first is not None else ""
        if node.type in ("slice_type", "array_type", "map_type", "channel_type"):
            inner = node.child_by_field_name("element") or node.child_by_field_name("value")
            return "*" + self.type_chain(inner).lstrip("*") if inner is not None else ""
        if node.type == "generic_type":
            return self.type_chain(node.child_by_field_name("type"))
        return self.chain(node) if node.type in ("type_identifier", "qualified_type") else "<?>"

    def visibility(self, name: str, node: Node) -> str:
        """By the first letter."""
        return "exported" if name[:1].isupper() else "private"


def _last(path: str) -> str:
    """The name that a package most likely has: the last part of its path that is no version."""
    parts = [part for part in path.split("/") if not (part[:1] == "v" and part[1:].isdigit())]
    return (parts or [path])[-1].removeprefix("go-").partition(".")[0]
