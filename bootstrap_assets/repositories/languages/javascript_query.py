"""What is captured of TypeScript and JavaScript."""

_FUNCTION = """(arrow_function parameters: (_)? @parameters parameter: (_)? @parameters return_type: (_)? @returns
    body: (_) @body)"""
_EXPRESSION = "(function_expression parameters: (_) @parameters return_type: (_)? @returns body: (_) @body)"
_GENERATOR = "(generator_function parameters: (_) @parameters return_type: (_)? @returns body: (_) @body)"
_ANY = f"[{_FUNCTION} {_EXPRESSION} {_GENERATOR}] @same"

QUERY = f"""
(function_declaration name: (_) @name parameters: (_) @parameters return_type: (_)? @returns body: (_) @body)
  @definition.function
(generator_function_declaration name: (_) @name parameters: (_) @parameters return_type: (_)? @returns
  body: (_) @body) @definition.function
(function_signature name: (_) @name parameters: (_) @parameters return_type: (_)? @returns) @definition.function
(class_declaration name: (_) @name body: (_) @body) @definition.class
(abstract_class_declaration name: (_) @name body: (_) @body) @definition.class
(variable_declarator name: (identifier) @name value: (class body: (_) @body)) @definition.class
(interface_declaration name: (_) @name body: (_) @body) @definition.interface
(enum_declaration name: (_) @name body: (_) @body) @definition.enum
(enum_body name: (property_identifier) @name @definition.field)
(enum_assignment name: (property_identifier) @name) @definition.field
(type_alias_declaration name: (_) @name value: (_) @returns) @definition.type
(type_alias_declaration name: (_) @name value: (object_type) @body) @definition.interface
(internal_module name: (identifier) @name body: (_) @body) @definition.module
(method_definition name: (_) @name parameters: (_) @parameters return_type: (_)? @returns body: (_) @body)
  @definition.method
(method_signature name: (_) @name parameters: (_) @parameters return_type: (_)? @returns) @definition.method
(abstract_method_signature name: (_) @name parameters: (_) @parameters return_type: (_)? @returns)
  @definition.method
(public_field_definition name: (_) @name value: {_ANY}) @definition.method
(pair key: (_) @name value: {_ANY}) @definition.method
(variable_declarator name: (identifier) @name value: {_ANY}) @definition.function
(variable_declarator name: (identifier) @name value: (object) @body) @definition.variable
(variable_declarator name: (identifier) @name value: (as_expression . (object) @body)) @definition.variable
(assignment_expression left: (member_expression object: (identifier) @_exports property: (_) @name)
  right: {_ANY} (#eq? @_exports "exports")) @definition.function
(assignment_expression left: (member_expression object: (member_expression object: (identifier) @owner
  property: (_) @_prototype) property: (_) @name) right: {_ANY} (#eq? @_prototype "prototype")) @definition.method
(public_field_definition name: (_) @name type: (_)? @returns value: (_)? @value) @definition.field
(property_signature name: (_) @name type: (_)? @returns) @definition.field
(arrow_function parameters: (_)? @parameters parameter: (_)? @parameters) @scope.arrow
(function_expression parameters: (_)? @parameters) @scope.lambda
(generator_function parameters: (_)? @parameters) @scope.lambda
(variable_declarator name: (_) @target type: (_)? @type value: (_)? @value) @bind
(assignment_expression left: (_) @target right: (_) @value) @bind
(for_in_statement left: (_) @target operator: "of" right: (_) @element) @bind
(catch_clause parameter: (_) @target) @bind
(type_parameter name: (_) @target) @bind
(return_statement (_) @returned)
(arrow_function body: (expression) @returned)
(class_heritage (extends_clause value: (_) @reference.inheritance))
(implements_clause [(type_identifier) (nested_type_identifier)] @reference.inheritance)
(implements_clause (generic_type . (_) @reference.inheritance))
(extends_type_clause [(type_identifier) (nested_type_identifier)] @reference.inheritance)
(extends_type_clause (generic_type . (_) @reference.inheritance))
(call_expression function: (_) @reference.call)
(new_expression constructor: (_) @reference.call)
(decorator [(identifier) (member_expression)] @reference.use)
(arguments [(identifier) (member_expression)] @reference.use)
[(type_annotation) (type_arguments) (constraint)] @types
(as_expression (type_identifier) @reference.use)
(import_statement) @import
(export_statement source: (_)) @import
(export_statement) @export
(assignment_expression left: (member_expression)) @export
(call_expression function: (import) arguments: (arguments . (string) @import))
(variable_declarator value: (call_expression function: (identifier) @_require
  arguments: (arguments . (string))) (#eq? @_require "require")) @import
"""

JSX = """
(jsx_opening_element name: [(identifier) (member_expression)] @reference.use)
(jsx_self_closing_element name: [(identifier) (member_expression)] @reference.use)
"""
"""The same of elements, which TSX alone has."""
