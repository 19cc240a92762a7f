"""Java."""

from collections.abc import Iterator

import tree_sitter_java
from tree_sitter import Node

from bootstrap_assets.repositories.languages.captures import TreeLanguage
from bootstrap_assets.repositories.languages.chains import ChainRules, child, text
from bootstrap_assets.repositories.languages.events import Captures, comments_above
from bootstrap_assets.repositories.symbols import Binding, Import

_QUERY = """
(package_declaration [(identifier) (scoped_identifier)] @package)
(import_declaration) @import
(class_declaration name: (_) @name body: (_) @body) @definition.class
(record_declaration name: (_) @name parameters: (_) @parameters body: (_) @body) @definition.class
(interface_declaration name: (_) @name body: (_) @body) @definition.interface
(annotation_type_declaration name: (_) @name body: (_) @body) @definition.interface
(enum_declaration name: (_) @name body: (_) @body) @definition.enum
(enum_constant name: (_) @name) @definition.constant
(method_declaration type: (_) @returns name: (_) @name parameters: (_) @parameters body: (_)? @body)
  @definition.method
(constructor_declaration name: (_) @name parameters: (_) @parameters body: (_) @body) @definition.method
(field_declaration type: (_) @returns declarator: (variable_declarator name: (_) @name value: (_)? @value))
  @definition.field
(constant_declaration type: (_) @returns declarator: (variable_declarator name: (_) @name value: (_)? @value))
  @definition.constant
(lambda_expression parameters: (_) @parameters) @scope.lambda
(object_creation_expression (class_body)) @scope.lambda
(local_variable_declaration type: (_) @type declarator: (variable_declarator name: (_) @target value: (_)? @value))
  @bind
(enhanced_for_statement type: (_) @type name: (_) @target value: (_) @element) @bind
(resource type: (_) @type name: (_) @target value: (_) @value) @bind
(catch_formal_parameter (catch_type . (_) @type) name: (_) @target) @bind
(type_parameter (type_identifier) @target) @bind
(return_statement (_) @returned)
(superclass (_) @reference.inheritance)
(super_interfaces (type_list [(type_identifier) (scoped_type_identifier)] @reference.inheritance))
(super_interfaces (type_list (generic_type . (_) @reference.inheritance)))
(extends_interfaces (type_list [(type_identifier) (scoped_type_identifier)] @reference.inheritance))
(extends_interfaces (type_list (generic_type . (_) @reference.inheritance)))
(method_invocation) @reference.call
(object_creation_expression type: (_) @reference.call)
(explicit_constructor_invocation constructor: (_) @reference.call)
(marker_annotation name: (_) @reference.use)
(annotation name: (_) @reference.use)
(field_declaration type: (_) @types)
(formal_parameter type: (_) @types)
(local_variable_declaration type: (_) @types)
(method_declaration type: (_) @types)
(class_literal (_) @types)
(cast_expression type: (_) @types)
"""

_MANY = frozenset("List Set Collection Iterable Iterator Queue Deque Stream ArrayList LinkedList HashSet".split())
_INNER = frozenset({"Optional", "CompletableFuture", "Future", "Supplier"})


class Java(TreeLanguage):
    """Java."""

    name = "java"
    query = _QUERY
    rules = ChainRules(
        members={
            "field_access": ("object", "field"), "scoped_identifier": ("scope", "name"),
        },
        calls={"object_creation_expression": "type"},
        invocations={"method_invocation": ("object", "name")},
        elements={"array_access": "array"},
        wraps=frozenset({"parenthesized_expression", "generic_type"}),
        leaves=frozenset({"identifier", "type_identifier", "this", "super"}),
        literals={
            "string_literal": "str", "decimal_integer_literal": "int", "null_literal": "none", "true": "bool",
            "false": "bool", "character_literal": "char", "lambda_expression": "func",
        },
        choices={"ternary_expression": (1, 2)},
    )  # fmt: skip

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_java.language()

    def leaf(self, node: Node) -> str | None:
        """`(Foo) x` is a value of the type `Foo`; a type in another is written as a whole."""
        if node.type == "scoped_type_identifier":
            return text(node)
        if node.type == "cast_expression":
            return f"<:{self.type_chain(node.child_by_field_name('type'))}>"
        return None

    def parameters(self, node: Node) -> Iterator[Binding]:
        """Each parameter with its type."""
        if node.type == "identifier":
            yield Binding(0, text(node), "parameter")
        for one in node.named_children:
            name = one.child_by_field_name("name") or (one if one.type == "identifier" else None)
            kind = self.type_chain(one.child_by_field_name("type"))
            if name is not None:
                yield Binding(0, text(name), "type" if kind else "parameter", kind)

    def imports(self, node: Node) -> Iterator[Import]:
        """`import a.b.C`, `import static a.b.C.d`, `import a.b.*`."""
        name = next((one for one in node.named_children if one.type in ("scoped_identifier", "identifier")), None)
        path, at = text(name), (node.start_point[0] + 1, node.start_point[1])
        if any(one.type == "asterisk" for one in node.children):
            yield Import(path, "*", "", *at)
        else:
            module, _, last = path.rpartition(".")
            yield Import(module, last, last, *at)

    def type_chain(self, node: Node | None) -> str:
        """Without arguments; of `List<T>` and `T[]` many of `T`."""
        if node is None or text(node) == "var":
            return ""
        if node.type == "array_type":
            return "*" + self.type_chain(node.child_by_field_name("element")).lstrip("*")
        if node.type == "generic_type":
            name, arguments = text(child(node)).rpartition(".")[2], child(node, 1)
            if name in _MANY:
                return "*" + self.type_chain(child(arguments)).lstrip("*")
            return self.type_chain(child(arguments) if name in _INNER else child(node))
        if node.type in ("integral_type", "floating_point_type", "boolean_type", "void_type"):
            return f"<{text(node)}>"
        return self.chain(node)

    def docstring(self, node: Node, captures: Captures) -> str:
        """The comment above."""
        return comments_above(node)

    def visibility(self, name: str, node: Node) -> str:
        """By the modifiers."""
        words = self.marks(node)
        return next((one for one in ("public", "protected", "private") if one in words), "package")

    def marks(self, node: Node) -> tuple[str, ...]:
        """Modifiers and annotations."""
        modifiers = next((one for one in node.children if one.type == "modifiers"), None)
        return tuple(text(one).partition("(")[0] for one in modifiers.children) if modifiers else ()
