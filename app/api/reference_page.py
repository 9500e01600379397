"""Renders the OpenAPI description as one page: routes by subject, their parameters, bodies and replies, and every schema once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

TEMPLATES: Final = Path(__file__).parent / "templates"
METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
REFERENCE: Final = "#/components/schemas/"
BOUNDS: Final[Mapping[str, str]] = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "default": "default {}",
}
MAX_EXAMPLE_CHARS: Final = 4000

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShownField:
    """A parameter, or a property of a schema. `place`: where a parameter is sent."""

    name: str
    kind: Markup
    required: bool
    description: Markup
    bounds: str
    place: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class ShownContent:
    """A body of a request or a reply: its media type, its schema in words, its examples by their headings."""

    media_type: str
    kind: Markup
    examples: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ShownReply:
    status: str
    description: Markup
    contents: Sequence[ShownContent]


@dataclass(frozen=True, slots=True)
class ShownRoute:
    id: str
    method: str
    path: str
    summary: str
    description: Sequence[Markup]
    takes_key: bool
    fields: Sequence[ShownField]
    contents: Sequence[ShownContent]
    replies: Sequence[ShownReply]


@dataclass(frozen=True, slots=True)
class ShownSchema:
    name: str
    description: Sequence[Markup]
    kind: Markup
    fields: Sequence[ShownField]


def render_page(description: Json) -> str:
    """Render the page of an OpenAPI description."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    info = description["info"]
    return environment.get_template("reference.html").render(
        title=info["title"],
        version=info["version"],
        introduction=_paragraphs(info.get("description", "")),
        subjects=_subjects(description),
        schemas=[_schema(name, each) for name, each in sorted(description.get("components", {}).get("schemas", {}).items())],
    )


def _subjects(description: Json) -> Mapping[str, Sequence[ShownRoute]]:
    """Return the routes by their first tag, in the order in which tags appear."""
    found: dict[str, list[ShownRoute]] = {}
    for path, methods in description["paths"].items():
        for method in METHODS:
            if method in methods:
                found.setdefault(methods[method].get("tags", ["other"])[0], []).append(_route(path, method, methods[method]))
    return {name: sorted(routes, key=lambda each: each.path) for name, routes in sorted(found.items())}


def _route(path: str, method: str, told: Json) -> ShownRoute:
    return ShownRoute(
        id=re.sub(r"[^a-z0-9]+", "-", f"{method}{path}".lower()).strip("-"),
        method=method.upper(),
        path=path,
        summary=told.get("summary", ""),
        description=_paragraphs(told.get("description", "")),
        takes_key=bool(told.get("security")),
        fields=[_parameter(each) for each in told.get("parameters", ())],
        contents=_contents(told.get("requestBody", {})),
        replies=[ShownReply(status, _words(each.get("description", "")), _contents(each)) for status, each in told["responses"].items()],
    )


def _parameter(told: Json) -> ShownField:
    schema = told.get("schema", {})
    example = next(iter(schema.get("examples", ())), told.get("example", ""))
    words = _words(told.get("description", schema.get("description", "")))
    return ShownField(told["name"], _kind(schema), bool(told.get("required")), words, _bounds(schema), told["in"], str(example))


def _contents(told: Json) -> Sequence[ShownContent]:
    return [ShownContent(kind, _kind(each.get("schema", {})), _examples(each)) for kind, each in told.get("content", {}).items()]


def _examples(content: Json) -> Sequence[tuple[str, str]]:
    """Return a content's examples: its own, else those of its schema."""
    if "examples" in content:
        return [(each.get("summary", name), _text(each.get("value"))) for name, each in content["examples"].items()]
    given = [content["example"]] if "example" in content else content.get("schema", {}).get("examples", ())
    return [("Example", _text(each)) for each in given]


def _schema(name: str, told: Json) -> ShownSchema:
    required = set(told.get("required", ()))
    fields = [
        ShownField(each, _kind(schema), each in required, _words(schema.get("description", "")), _bounds(schema))
        for each, schema in told.get("properties", {}).items()
    ]
    return ShownSchema(name, _paragraphs(told.get("description", "")), Markup("") if fields else _kind(told), fields)


def _kind(schema: Json) -> Markup:
    """Describe a type in a few words; a schema with a name is a link to it."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return Markup('<a href="#schema-{}">{}</a>').format(name, name)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return Markup(" or ").join(dict.fromkeys(_kind(each) for each in schema[several]))
    if "const" in schema:
        return Markup("<code>{}</code>").format(_text(schema["const"]))
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(_text(each)) for each in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema.get("items", {})))
    if isinstance(within := schema.get("additionalProperties"), dict):
        return Markup("object of {}").format(_kind(within))
    found = schema.get("type", "any JSON")
    words = " or ".join(found) if isinstance(found, list) else str(found)
    return escape(f"{words} ({schema['format']})" if "format" in schema else words)


def _bounds(schema: Json) -> str:
    """Name the bounds and the default of a value, of the one member that isn't null too."""
    found = [words.format(_text(each[name])) for each in _members(schema) for name, words in BOUNDS.items() if each.get(name) is not None]
    return ", ".join(dict.fromkeys(found))


def _members(schema: Json) -> Iterator[Json]:
    yield schema
    yield from (each for each in schema.get("anyOf", ()) if isinstance(each, dict) and "$ref" not in each)


def _paragraphs(text: str) -> Sequence[Markup]:
    return [_words(each) for each in text.split("\n\n") if each.strip()]


def _words(text: str) -> Markup:
    """Mark what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(each) if number % 2 else escape(each) for number, each in enumerate(parts))


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict | list) else None)
    return text if len(text) <= MAX_EXAMPLE_CHARS else f"{text[:MAX_EXAMPLE_CHARS]}…"
