"""The programming languages whose symbols are known: file endings, grammar, and tree-sitter queries of what defines a name.

One query captures `@def` with its `@name` (and `@scope`, where the name's owner isn't around it), or an `@owner` whose name (`@around`)
only qualifies others; the other query captures the ranges that need care in a token stream: `@comment`, `@string`, `@block`. A grammar is
imported when the first file of its language is parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Query

VERSION = 2
"""Raise it when a query, the way to hash tokens or the file of kept digests changes: those are then computed anew."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language: the module of its grammar, the function that gives it, and its two queries.

    `optional_semicolons`: whether formatters add and remove them at the ends of statements.
    """

    module: str
    definitions: str
    ranges: str
    function: str = "language"
    optional_semicolons: bool = False


@dataclass(frozen=True, slots=True)
class LoadedGrammar:
    """A grammar ready to parse."""

    language: Language
    definitions: Query
    ranges: Query
    optional_semicolons: bool


_PYTHON = Grammar(
    "tree_sitter_python",
    """
    (function_definition name: (identifier) @name) @def
    (class_definition name: (identifier) @name) @def
    (decorated_definition definition: (function_definition name: (identifier) @name)) @def
    (decorated_definition definition: (class_definition name: (identifier) @name)) @def
    (module (expression_statement (assignment left: (identifier) @name) @def))
    (class_definition body: (block (expression_statement (assignment left: (identifier) @name) @def)))
    """,
    "(comment) @comment (expression_statement (string) @comment) (string) @string (block) @block",
)
_JAVASCRIPT_DEFINITIONS = """
    (function_declaration name: (identifier) @name) @def
    (generator_function_declaration name: (identifier) @name) @def
    (class_declaration name: (_) @name) @def
    (method_definition name: (_) @name) @def
    (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (class)]) @def
    (program (lexical_declaration (variable_declarator name: (identifier) @name) @def))
    (program (variable_declaration (variable_declarator name: (identifier) @name) @def))
    (program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @def)))
"""
_JAVASCRIPT = Grammar(
    "tree_sitter_javascript",
    _JAVASCRIPT_DEFINITIONS + "(field_definition property: (property_identifier) @name) @def",
    "(comment) @comment (string) @string (template_string) @string (jsx_text) @string",
    optional_semicolons=True,
)
_TYPESCRIPT_DEFINITIONS = (
    _JAVASCRIPT_DEFINITIONS
    + """
    (abstract_class_declaration name: (_) @name) @def
    (interface_declaration name: (_) @name) @def
    (type_alias_declaration name: (_) @name) @def
    (enum_declaration name: (_) @name) @def
    (internal_module name: (_) @name) @def
    (function_signature name: (_) @name) @def
    (abstract_method_signature name: (_) @name) @def
    (public_field_definition name: (_) @name) @def
"""
)
_TYPESCRIPT_RANGES = "(comment) @comment (string) @string (template_string) @string"
_TYPESCRIPT = Grammar(
    "tree_sitter_typescript", _TYPESCRIPT_DEFINITIONS, _TYPESCRIPT_RANGES, "language_typescript", optional_semicolons=True
)
_TSX = Grammar(
    "tree_sitter_typescript",
    _TYPESCRIPT_DEFINITIONS,
    _TYPESCRIPT_RANGES + "(jsx_text) @string",
    "language_tsx",
    optional_semicolons=True,
)
_GO = Grammar(
    "tree_sitter_go",
    """
    (function_declaration name: (identifier) @name) @def
    (method_declaration receiver: (parameter_list (parameter_declaration type: [
        (type_identifier) @scope
        (pointer_type (type_identifier) @scope)
        (generic_type type: (type_identifier) @scope)
        (pointer_type (generic_type type: (type_identifier) @scope))])) name: (field_identifier) @name) @def
    (type_spec name: (type_identifier) @name) @def
    (type_alias name: (type_identifier) @name) @def
    (source_file (const_declaration (const_spec name: (identifier) @name) @def))
    (source_file (var_declaration (var_spec name: (identifier) @name) @def))
    """,
    "(comment) @comment (interpreted_string_literal) @string (raw_string_literal) @string",
)
_RUST = Grammar(
    "tree_sitter_rust",
    """
    (function_item name: (identifier) @name) @def
    (function_signature_item name: (identifier) @name) @def
    (struct_item name: (type_identifier) @name) @def
    (enum_item name: (type_identifier) @name) @def
    (union_item name: (type_identifier) @name) @def
    (trait_item name: (type_identifier) @name) @def
    (type_item name: (type_identifier) @name) @def
    (const_item name: (identifier) @name) @def
    (static_item name: (identifier) @name) @def
    (macro_definition name: (identifier) @name) @def
    (impl_item type: [(type_identifier) @around (generic_type type: (type_identifier) @around)]) @owner
    """,
    "(line_comment) @comment (block_comment) @comment (string_literal) @string (raw_string_literal) @string",
)
_JAVA = Grammar(
    "tree_sitter_java",
    """
    (class_declaration name: (identifier) @name) @def
    (interface_declaration name: (identifier) @name) @def
    (enum_declaration name: (identifier) @name) @def
    (record_declaration name: (identifier) @name) @def
    (annotation_type_declaration name: (identifier) @name) @def
    (method_declaration name: (identifier) @name) @def
    (constructor_declaration name: (identifier) @name) @def
    (field_declaration declarator: (variable_declarator name: (identifier) @name)) @def
    """,
    "(line_comment) @comment (block_comment) @comment (string_literal) @string",
)
_C_DEFINITIONS = """
    (function_definition declarator: (function_declarator declarator: (_) @name)) @def
    (function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name))) @def
    (function_definition declarator: (pointer_declarator (pointer_declarator declarator: (function_declarator declarator: (_) @name)))) @def
    (struct_specifier name: (_) @name body: (_)) @def
    (union_specifier name: (_) @name body: (_)) @def
    (enum_specifier name: (_) @name body: (_)) @def
    (type_definition declarator: (type_identifier) @name) @def
    (preproc_def name: (identifier) @name) @def
    (preproc_function_def name: (identifier) @name) @def
"""
_C_RANGES = "(comment) @comment (string_literal) @string"
_C = Grammar("tree_sitter_c", _C_DEFINITIONS, _C_RANGES)
_CPP = Grammar(
    "tree_sitter_cpp",
    _C_DEFINITIONS
    + """
    (function_definition declarator: (reference_declarator (function_declarator declarator: (_) @name))) @def
    (class_specifier name: (_) @name body: (_)) @def
    (alias_declaration name: (_) @name) @def
    (concept_definition name: (_) @name) @def
    (namespace_definition name: (_) @around) @owner
    """,
    _C_RANGES + "(raw_string_literal) @string",
)
_RUBY = Grammar(
    "tree_sitter_ruby",
    """
    (method name: (_) @name) @def
    (singleton_method name: (_) @name) @def
    (class name: (_) @name) @def
    (module name: (_) @name) @def
    (assignment left: (constant) @name) @def
    """,
    "(comment) @comment (string) @string (heredoc_body) @string",
)
BY_ENDING: Mapping[str, Grammar] = {
    **dict.fromkeys((".py", ".pyi"), _PYTHON),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _JAVASCRIPT),
    **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT),
    ".tsx": _TSX,
    ".go": _GO,
    ".rs": _RUST,
    ".java": _JAVA,
    ".c": _C,
    **dict.fromkeys((".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"), _CPP),  # a header may be either's: C++'s grammar reads C too
    **dict.fromkeys((".rb", ".rake"), _RUBY),
}


def grammar_of(path: str) -> Grammar | None:
    """Return the grammar of a file by its ending; None: no symbols are known in it."""
    return BY_ENDING.get(ending(path))


def ending(path: str) -> str:
    """Return what a file's name ends with, from its last dot on; empty without one. As `PurePath.suffix`, in a tenth of its time."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].casefold() if dot > 0 else ""


@cache
def versions() -> str:
    """Return the version of this module and of each grammar's package, on which digests depend. A package that isn't installed has none."""
    packages = ["tree_sitter", *dict.fromkeys(each.module for each in BY_ENDING.values())]
    return " ".join([str(VERSION), *map(_installed, packages)])


def _installed(package: str) -> str:
    try:
        return f"{package}={version(package)}"
    except PackageNotFoundError:
        return f"{package}=none"


@cache
def load(grammar: Grammar) -> LoadedGrammar:
    """Import a grammar and compile its queries. ModuleNotFoundError where its package isn't installed."""
    from tree_sitter import Language, Query

    language = Language(getattr(import_module(grammar.module), grammar.function)())
    return LoadedGrammar(language, Query(language, grammar.definitions), Query(language, grammar.ranges), grammar.optional_semicolons)
