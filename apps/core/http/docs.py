"""`/api/v1/docs`: the OpenAPI description as a page that reads well, made here, without any script.

The page shows what the schema says and nothing else: operations by subject, with their parameters,
members, examples and answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "post", "put", "patch", "delete")
DEPTH_MAX = 4
"""How deep members of members are shown; deeper ones are named only."""


@dataclass(frozen=True)
class Member:
    """One member of a JSON object: its name with dots, its type in words, what is known of it."""

    name: str
    kind: str
    required: bool
    note: str


@dataclass(frozen=True)
class Answer:
    """One answer of an operation."""

    status: str
    note: str
    members: list[Member]
    is_problem: bool


@dataclass(frozen=True)
class Operation:
    """One operation, ready to be shown."""

    anchor: str
    method: str
    path: str
    title: str
    parameters: list[dict[str, Any]]
    members: list[Member]
    examples: list[tuple[str, str]]
    answers: list[Answer]
    scopes: str


def docs(request: HttpRequest) -> HttpResponse:
    """Show the description of the API."""
    return render(request, "api_docs.html", _page())


@cache
def _page() -> dict[str, Any]:
    """Read the schema once; it changes only with the code."""
    generator: Any = SchemaGenerator  # it has no types
    schema = generator().get_schema(request=None, public=True)
    by_subject: dict[str, list[Operation]] = {}
    for path, item in schema["paths"].items():
        for method in METHODS:
            if method in item:
                found = item[method]
                subject = (found.get("tags") or ["other"])[0]
                by_subject.setdefault(subject, []).append(_operation(schema, path, method, found))
    return {"info": schema["info"], "subjects": sorted(by_subject.items())}


def _operation(schema: dict[str, Any], path: str, method: str, found: dict[str, Any]) -> Operation:
    body = _json_of(found.get("requestBody", {}))
    examples = [
        (str(name), json.dumps(example.get("value"), indent=2, ensure_ascii=False))
        for name, example in body.get("examples", {}).items()
    ]
    return Operation(
        anchor=found["operationId"],
        method=method.upper(),
        path=path,
        title=found.get("description") or found.get("summary") or found["operationId"].replace("_", " "),
        parameters=[_parameter(one) for one in found.get("parameters", [])],
        members=_members(schema, body.get("schema", {})),
        examples=examples,
        answers=[_answer(schema, status, one) for status, one in found.get("responses", {}).items()],
        scopes=", ".join(
            sorted({name for needs in found.get("security", []) for one in needs.values() for name in one})
        ),
    )


def _json_of(part: dict[str, Any]) -> dict[str, Any]:
    content = part.get("content", {})
    return dict(content.get("application/json") or next(iter(content.values()), {}))


def _parameter(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": found["name"],
        "place": found["in"],
        "required": found.get("required", False),
        "kind": _kind(found.get("schema", {})),
        "note": found.get("description", ""),
    }


def _answer(schema: dict[str, Any], status: str, found: dict[str, Any]) -> Answer:
    inner = _json_of(found).get("schema", {})
    is_problem = status.startswith(("4", "5"))
    members = [] if is_problem else _members(schema, inner)
    return Answer(status, found.get("description", ""), members, is_problem)


def _members(schema: dict[str, Any], node: dict[str, Any], prefix: str = "", depth: int = 0) -> list[Member]:
    """List the members of an object and of the objects in it, in the order of the schema."""
    node = _resolved(schema, node)
    if node.get("type") == "array":
        return _members(schema, node.get("items", {}), prefix + "[].", depth)
    for alternative in (*node.get("oneOf", []), *node.get("anyOf", [])):
        return _members(schema, alternative, prefix, depth)
    found: list[Member] = []
    for name, child in node.get("properties", {}).items():
        inner = _resolved(schema, child)
        required = name in node.get("required", [])
        found.append(Member(prefix + name, _kind(inner), required, _note(inner, child)))
        if depth < DEPTH_MAX and (inner.get("properties") or inner.get("type") == "array"):
            found += _members(
                schema, inner, prefix + name + ("" if inner.get("type") == "array" else "."), depth + 1
            )
    return found


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference to a component; a single `allOf` is the same with a description of its own."""
    while "$ref" in node or len(node.get("allOf", [])) == 1:
        target = node.get("$ref") or node["allOf"][0].get("$ref")
        if target is None:
            return dict(node["allOf"][0])
        node = schema["components"]["schemas"][target.rsplit("/", 1)[1]]
    return node


def _kind(node: dict[str, Any]) -> str:
    if node.get("enum"):
        return "one of " + ", ".join(str(value) for value in node["enum"] if value is not None)
    words = {"date-time": "moment (RFC 3339)", "date": "day (ISO 8601)", "uri": "address"}
    kind = words.get(node.get("format", ""), node.get("type", "anything"))
    limits = [f"{node[name]} {unit}" for name, unit in (("maxLength", "characters at most"),) if name in node]
    return ", ".join([kind, *limits, *(["or null"] if node.get("nullable") else [])])


def _note(inner: dict[str, Any], child: dict[str, Any]) -> str:
    return str(child.get("description") or inner.get("description") or "")
