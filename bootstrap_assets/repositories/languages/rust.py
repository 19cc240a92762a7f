"""Rust."""

from collections.abc import Iterator

import tree_sitter_rust
from tree_sitter import Node

from bootstrap_assets.repositories.languages.captures import TreeLanguage
from bootstrap_assets.repositories.languages.chains import ChainRules, child, text
from bootstrap_assets.repositories.symbols import Binding, Import

_QUERY = """
(use_declaration argument: (_) @import)
(mod_item name: (_) @name body: (_) @body) @definition.module
(function_item name: (_) @name parameters: (_) @parameters return_type: (_)? @returns body: (_) @body)
  @definition.function
(function_signature_item name: (_) @name parameters: (_) @parameters return_type: (_)? @returns)
  @definition.function
(struct_item name: (_) @name body: (_)? @body) @definition.struct
(union_item name: (_) @name body: (_) @body) @definition.struct
(enum_item name: (_) @name body: (_) @body) @definition.enum
(trait_item name: (_) @name body: (_) @body) @definition.trait
(impl_item type: (_) @owner) @scope.impl
(impl_item trait: (_) @reference.inheritance)
(trait_item bounds: (trait_bounds (_) @reference.inheritance))
(enum_variant name: (_) @name) @definition.field
(field_declaration name: (_) @name type: (_) @returns) @definition.field
(const_item name: (_) @name type: (_) @returns value: (_)? @value) @definition.constant
(static_item name: (_) @name type: (_) @returns value: (_)? @value) @definition.variable
(type_item name: (_) @name type: (_) @returns) @definition.type
(macro_definition name: (_) @name) @definition.macro
(closure_expression parameters: (_) @parameters) @scope.lambda
(let_declaration pattern: (_) @target type: (_)? @type value: (_)? @value) @bind
(for_expression pattern: (_) @target value: (_) @element) @bind
(let_condition pattern: (_) @target) @bind
(match_pattern (_) @target) @bind
(type_parameter name: (_) @target) @bind
(return_expression (_) @returned)
(function_item body: (block (_) @returned .))
(call_expression function: (_) @reference.call)
(macro_invocation macro: (_) @reference.call)
(struct_expression name: (_) @reference.use)
(attribute [(identifier) (scoped_identifier)] @reference.use)
(parameter type: (_) @types)
(function_item return_type: (_) @types)
(field_declaration type: (_) @types)
(let_declaration type: (_) @types)
"""

_MANY = frozenset("Vec HashSet BTreeSet VecDeque Iterator IntoIterator".split())
_INNER = frozenset("Box Rc Arc Option Result RefCell Cell Mutex RwLock Pin Ref RefMut Cow Weak".split())


class Rust(TreeLanguage):
    """Rust: functions of an `impl` are methods of its type."""

    name = "rust"
    query = _QUERY
    rules = ChainRules(
        members={
            "field_expression": ("value", "field"), "scoped_identifier": ("path", "name"),
            "scoped_type_identifier": ("path", "name"),
        },
        calls={"call_expression": "function", "struct_expression": "name"},
        elements={"index_expression": "value"},
        wraps=frozenset(
            "parenthesized_expression reference_expression try_expression await_expression unary_expression "
            "generic_type generic_function reference_type".split()
        ),
        leaves=frozenset("identifier type_identifier self super crate metavariable field_identifier".split()),
        literals={"string_literal": "str", "integer_literal": "int", "boolean_literal": "bool"},
    )  # fmt: skip

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_rust.language()

    def targets(self, node: Node) -> Iterator[tuple[str, bool]]:
        """Names of patterns; a single name gets the whole."""
        waiting, is_whole = [node], True
        while waiting:
            one = waiting.pop(0)
            if one.type == "identifier":
                yield text(one), is_whole
            elif one.type in ("mut_pattern", "ref_pattern", "reference_pattern"):
                waiting[:0] = one.named_children
            else:
                is_whole = False
                waiting += one.named_children

    def parameters(self, node: Node) -> Iterator[Binding]:
        """Each parameter with its type; `self` is known by itself."""
        for one in node.named_children:
            pattern = one.child_by_field_name("pattern") or (one if one.type == "identifier" else None)
            kind = self.type_chain(one.child_by_field_name("type"))
            if pattern is not None and one.type != "self_parameter":
                for name, is_whole in self.targets(pattern):
                    yield Binding(0, name, "type" if kind and is_whole else "parameter", kind if is_whole else "")

    def imports(self, node: Node) -> Iterator[Import]:
        """`use a::{b, c as d, e::*}`, each name by itself."""
        waiting = [(node, "")]
        while waiting:
            one, prefix = waiting.pop(0)
            at = (one.start_point[0] + 1, one.start_point[1])
            if one.type == "scoped_use_list":
                longer = _joined(prefix, text(one.child_by_field_name("path")))
                waiting += [(inner, longer) for inner in _list(one.child_by_field_name("list"))]
            elif one.type == "use_list":
                waiting += [(inner, prefix) for inner in one.named_children]
            elif one.type == "use_wildcard":
                yield Import(_joined(prefix, text(child(one))), "*", "", *at)
            else:
                path = one.child_by_field_name("path") if one.type == "use_as_clause" else one
                module, _, name = _joined(prefix, text(path)).rpartition("::")
                if name == "self":
                    module, _, name = module.rpartition("::")
                yield Import(module, name, text(one.child_by_field_name("alias")) or name, *at)

    def type_chain(self, node: Node | None) -> str:
        """Without references, boxes and arguments; of `Vec<T>` and slices many of `T`."""
        for _ in range(8):
            if node is None or node.type in ("type_identifier", "scoped_type_identifier"):
                break
            if node.type in ("array_type", "slice_type"):
                return "*" + self.type_chain(child(node)).lstrip("*")
            if node.type == "generic_type":
                name, arguments = text(child(node)).rpartition("::")[2], node.child_by_field_name("type_arguments")
                if name in _MANY:
                    return "*" + self.type_chain(child(arguments)).lstrip("*")
                node = child(arguments) if name in _INNER else child(node)
            elif node.type in ("reference_type", "pointer_type"):
                node = node.child_by_field_name("type")
            elif node.type in ("abstract_type", "dynamic_type"):
                node = node.child_by_field_name("trait")
            else:
                return f"<{text(node)}>" if node.type == "primitive_type" else "<?>"
        return self.chain(node) if node is not None else ""

    def visibility(self, name: str, node: Node) -> str:
        """`public` where it says `pub`."""
        return "public" if any(one.type == "visibility_modifier" for one in node.children) else "private"

    def marks(self, node: Node) -> tuple[str, ...]:
        """`async`, `unsafe`, `const`."""
        words = next((one for one in node.children if one.type == "function_modifiers"), None)
        return tuple(text(words).split()) if words is not None else ()


def _joined(prefix: str, path: str) -> str:
    return f"{prefix}::{path}" if prefix and path else prefix or path


def _list(node: Node | None) -> list[Node]:
    return node.named_children if node is not None else []
