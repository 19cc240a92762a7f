"""C and C++: one query for what they share, and one for what C++ adds."""

from collections.abc import Iterator

import tree_sitter_c
import tree_sitter_cpp
from tree_sitter import Node

from bootstrap_assets.repositories.languages.captures import TreeLanguage
from bootstrap_assets.repositories.languages.chains import ChainRules, child, text
from bootstrap_assets.repositories.languages.events import Captures
from bootstrap_assets.repositories.symbols import Binding, Import, Kind

_FUNCTION = "(function_declarator declarator: (_) @name parameters: (_) @parameters)"
_DEFINED = f"[{_FUNCTION} (pointer_declarator declarator: {_FUNCTION}) (pointer_declarator declarator: " \
    f"(pointer_declarator declarator: {_FUNCTION}))]"  # fmt: skip

_QUERY = f"""
(preproc_include path: (_) @import)
(preproc_def name: (_) @name) @definition.macro
(preproc_function_def name: (_) @name) @definition.macro
(function_definition type: (_) @returns declarator: {_DEFINED} body: (_) @body) @definition.function
(declaration type: (_) @returns declarator: {_DEFINED}) @definition.function
(struct_specifier name: (_) @name body: (_) @body) @definition.struct
(union_specifier name: (_) @name body: (_) @body) @definition.struct
(type_definition type: (struct_specifier !name body: (_) @body) declarator: (type_identifier) @name)
  @definition.struct
(type_definition type: (_) @returns declarator: (type_identifier) @name) @definition.type
(enum_specifier name: (_) @name body: (_) @body) @definition.enum
(enumerator name: (_) @name) @definition.constant
(field_declaration type: (_) @returns declarator: [(field_identifier) @name
  (pointer_declarator declarator: (field_identifier) @name) (array_declarator declarator: (field_identifier)
  @name)])
  @definition.field
(translation_unit (declaration type: (_) @returns declarator: [(identifier) @name
  (init_declarator declarator: (identifier) @name) (pointer_declarator declarator: (identifier) @name)
  (init_declarator declarator: (pointer_declarator declarator: (identifier) @name))]) @definition.variable)
(compound_statement (declaration type: (_) @type declarator: [(identifier) (pointer_declarator) (array_declarator)]
  @target) @bind)
(compound_statement (declaration type: (_) @type declarator: (init_declarator declarator: (_) @target
  value: (_) @value)) @bind)
(for_statement initializer: (declaration type: (_) @type declarator: (_) @target) @bind)
(return_statement (_) @returned)
(call_expression function: (_) @reference.call)
(parameter_declaration type: (_) @types)
(declaration type: (_) @types)
(field_declaration type: (_) @types)
(argument_list (identifier) @reference.use)
"""

_REFERENCE = f"(reference_declarator {_FUNCTION})"
_CPP = f"""
(function_definition type: (_) @returns declarator: {_REFERENCE} body: (_) @body) @definition.function
(function_definition !type declarator: {_FUNCTION} body: (_) @body) @definition.function
(field_declaration type: (_) @returns declarator: {_DEFINED}) @definition.method
(field_declaration type: (_) @returns declarator: {_REFERENCE}) @definition.method
(class_specifier name: (_) @name body: (_) @body) @definition.class
(namespace_definition name: (_) @name) @scope.namespace
(base_class_clause [(type_identifier) (qualified_identifier) (template_type)] @reference.inheritance)
(alias_declaration name: (_) @name type: (_) @returns) @definition.type
(lambda_expression) @scope.lambda
(for_range_loop type: (_) @type declarator: (_) @target right: (_) @element) @bind
(new_expression type: (_) @reference.call)
(type_parameter_declaration (type_identifier) @target) @bind
"""

_POINTERS = frozenset("unique_ptr shared_ptr weak_ptr optional".split())
_MANY = frozenset("vector list set deque array span unordered_set initializer_list".split())


class C(TreeLanguage):
    """C."""

    name = "c"
    query = _QUERY
    rules = ChainRules(
        members={"field_expression": ("argument", "field"), "qualified_identifier": ("scope", "name")},
        calls={"call_expression": "function", "new_expression": "type", "compound_literal_expression": "type"},
        elements={"subscript_expression": "argument"},
        wraps=frozenset(
            "parenthesized_expression pointer_expression template_type template_function type_descriptor "
            "dependent_name template_method".split()
        ),
        leaves=frozenset(
            "identifier type_identifier field_identifier namespace_identifier this operator_name "
            "destructor_name".split()
        ),
        literals={
            "string_literal": "str",
            "number_literal": "int",
            "null": "none",
            "true": "bool",
            "false": "bool",
        },
        choices={"conditional_expression": (1, 2)},
    )

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_c.language()

    def kind(self, kind: Kind, name: str, inside: str) -> Kind:
        """A function in a class is a method."""
        return Kind.METHOD if kind is Kind.FUNCTION and inside == "class" else kind

    def defined_name(self, node: Node | None) -> str:
        """The last part of a qualified name."""
        while node is not None and node.type == "qualified_identifier":
            node = node.child_by_field_name("name")
        return text(node) if node is not None and node.type != "parenthesized_declarator" else ""

    def owner(self, captures: Captures) -> str:
        """Of `A::f` the class `A`."""
        name = captures["name"][0] if captures.get("name") else None
        if name is None or name.type != "qualified_identifier":
            return ""
        return text(name).replace(" ", "").rpartition("::")[0].partition("<")[0].replace("::", ".")

    def chain(self, node: Node | None) -> str:
        """A qualified name nests to the right, so it is read as a whole."""
        if node is not None and node.type == "qualified_identifier":
            parts: list[str] = []
            one: Node | None = node
            while one is not None and one.type == "qualified_identifier":
                parts.append(text(one.child_by_field_name("scope")).partition("<")[0])
                one = one.child_by_field_name("name")
            return ".".join([part for part in parts if part] + [text(one).partition("<")[0]])
        return super().chain(node)

    def leaf(self, node: Node) -> str | None:
        """A cast is a value of its type; a qualified name is read as a whole."""
        if node.type == "qualified_identifier":
            return self.chain(node)
        if node.type == "cast_expression":
            return f"<:{self.type_chain(node.child_by_field_name('type'))}>"
        return None

    def targets(self, node: Node) -> Iterator[tuple[str, bool]]:
        """The name within a declarator."""
        one: Node | None = node
        while one is not None and one.type not in ("identifier", "field_identifier"):
            one = one.child_by_field_name("declarator") or (child(one) if one.type in _DECLARATORS else None)
        if one is not None:
            yield text(one), True

    def parameters(self, node: Node) -> Iterator[Binding]:
        """Each parameter with its type."""
        for one in node.named_children:
            declarator = one.child_by_field_name("declarator")
            kind = self.type_chain(one.child_by_field_name("type"))
            for name, _ in self.targets(declarator) if declarator is not None else ():
                yield Binding(0, name, "type" if kind else "parameter", kind)

    def imports(self, node: Node) -> Iterator[Import]:
        """`#include "a.h"` and `<a.h>`, marks included: they say where it is looked for."""
        yield Import(text(node), "*", "", node.start_point[0] + 1, node.start_point[1])

    def type_chain(self, node: Node | None) -> str:
        """Without pointers and arguments."""
        for _ in range(8):
            if node is None or node.type in ("type_identifier", "qualified_identifier"):
                break
            if node.type in ("struct_specifier", "union_specifier", "enum_specifier", "class_specifier"):
                node = node.child_by_field_name("name")
            elif node.type == "template_type":
                name, arguments = text(child(node)), node.child_by_field_name("arguments")
                if name in _MANY:
                    return "*" + self.type_chain(child(arguments)).lstrip("*")
                node = child(arguments) if name in _POINTERS else child(node)
            elif node.type == "type_descriptor":
                node = node.child_by_field_name("type")
            else:
                return f"<{text(node)}>" if node.type in ("primitive_type", "sized_type_specifier") else ""
        return self.chain(node) if node is not None else ""

    def visibility(self, name: str, node: Node) -> str:
        """`static` keeps a function in its file."""
        return "private" if "static" in self.marks(node) else "public"

    def marks(self, node: Node) -> tuple[str, ...]:
        """`static`, `virtual`, `inline`."""
        kinds = ("storage_class_specifier", "virtual", "type_qualifier")
        return tuple(text(one) for one in node.children if one.type in kinds)


_DECLARATORS = frozenset({"reference_declarator", "parenthesized_declarator", "pointer_declarator"})


class Cpp(C):
    """C++."""

    name = "cpp"
    query = _QUERY + _CPP

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_cpp.language()

    def visibility(self, name: str, node: Node) -> str:
        """By the last `public:`, `private:` or `protected:` above."""
        at = node.prev_sibling
        while at is not None and at.type != "access_specifier":
            at = at.prev_sibling
        if at is not None:
            return text(at).rstrip(":")
        around = node.parent.parent if node.parent is not None else None
        return (
            "private"
            if around is not None and around.type == "class_specifier"
            else super().visibility(name, node)
        )
