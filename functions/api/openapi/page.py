"""The reference as one page of HTML: no scripts, nothing from other hosts, every text escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from openapi.walkthrough import STEPS, TOKEN

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: light-dark(#0b5cad, #7ab8ff) }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
a { color: var(--link) }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
h3 { margin: 1.5rem 0 .25rem }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { background: var(--soft); padding: .75rem; overflow: auto }
nav ul { columns: 2; padding-left: 1rem }
details { border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0; padding: 0 .75rem }
summary { padding: .5rem 0; cursor: pointer }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700 }
.quiet { opacity: .75 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--line) }
td { overflow-wrap: anywhere }
th { white-space: nowrap }
:target { outline: 2px solid var(--link); outline-offset: 4px }
""".strip()

_LIMITS = {
    "format": "format {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "pattern {}",
    "default": "default {}",
    "const": "always {}",
}


def page(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document of ours."""
    info, components = document["info"], document["components"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>",
        f"<p>{_text(info['summary'])}.</p>",
        f"<p>{_text(info['description'])}</p>",
        '<p>The same as <a href="openapi.json">OpenAPI 3.1</a>.</p>',
        "<nav><ul>",
        '<li><a href="#first-steps">First steps</a></li>',
        *(f'<li><a href="#{_id(tag["name"])}">{escape(tag["name"])}</a></li>' for tag in document["tags"]),
        '<li><a href="#signing-in">Signing in</a></li>',
        '<li><a href="#problems">Problems</a></li>',
        '<li><a href="#schemas">Schemas</a></li>',
        "</ul></nav>",
        '<h2 id="signing-in">Signing in</h2>',
        "<ul>",
        *(f"<li>{_text(scheme['description'])}</li>" for scheme in components["securitySchemes"].values()),
        "</ul>",
        *_first_steps(),
    ]
    for tag in document["tags"]:
        parts.append(f'<h2 id="{_id(tag["name"])}">{escape(tag["name"])}</h2>')
        parts += [_operation(document, *one) for one in operations if tag["name"] in one[2]["tags"]]
    parts += [
        '<h2 id="problems">Problems</h2>',
        "<p>A refusal is <code>application/problem+json</code>. Its <code>type</code> never changes, whatever the "
        "host; its <code>detail</code> says what happened this time.</p>",
        *map(_problem, document["x-problems"]),
        '<h2 id="schemas">Schemas</h2>',
        *(_schema(name, schema) for name, schema in components["schemas"].items()),
    ]
    title = f"<title>{escape(info['title'])} API</title>\n<style>{_STYLE}</style>"
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{title}\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _first_steps() -> list[str]:
    parts = [
        '<h2 id="first-steps">First steps</h2>',
        "<p>Set <code>API</code> to the address of this page without <code>/docs</code>, and get a token, which is "
        "good for minutes:</p>",
        "<ul>",
        *(f"<li>{_text(who)}: <pre>{escape(command)}</pre></li>" for who, command in TOKEN),
        "</ul>",
    ]
    for title, about, commands in STEPS:
        parts += [f"<h3>{escape(title)}</h3>", f"<p>{_text(about)}</p>", f"<pre>{escape(commands.strip())}</pre>"]
    return parts


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    about = "".join(f"<p>{_text(paragraph)}</p>" for paragraph in operation["description"].split("\n\n"))
    parts = [
        f'<details id="{_id(operation["operationId"])}">',
        f'<summary><code><span class="method">{method}</span>{escape(path)}</code> '
        f'<span class="quiet">{escape(operation["summary"])}</span></summary>',
        about,
    ]
    if parameters := operation.get("parameters"):
        rows = [
            (
                f"<code>{escape(one['name'])}</code>",
                escape(one["in"]),
                _kind(one["schema"]),
                _text(one.get("description", "")),
            )
            for one in parameters
        ]
        parts.append(_table(("Parameter", "In", "Value", "Meaning"), rows))
    if body := operation.get("requestBody"):
        name = _name_of(body["content"]["application/json"]["schema"])
        parts.append(f"<p>Body: {_link(name)}{'' if body['required'] else ' (may be left out)'}</p>")
        for example in document["components"]["schemas"][name].get("examples", []):
            parts.append(f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>")
    rows = []
    for status, response in operation["responses"].items():
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        content = [_kind(media["schema"]) for media in response.get("content", {}).values()]
        headers = ", ".join(f"<code>{escape(name)}</code>" for name in response.get("headers", {}))
        rows.append((f"<code>{status}</code>", _text(response["description"]), "".join(content), headers))
    parts += [_table(("Status", "Meaning", "Content", "Headers"), rows), "</details>"]
    return "\n".join(parts)


def _problem(problem: dict[str, Any]) -> str:
    return (
        f'<section id="problem-{_id(problem["code"])}">\n<h3>{escape(problem["title"])}</h3>\n'
        f"<p><code>{escape(problem['type'])}</code>, status {problem['status']}</p>\n"
        f"<p>{_text(problem['meaning'])}</p>\n</section>"
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    parts = [f'<details id="schema-{_id(name)}">', f"<summary><code>{escape(name)}</code></summary>"]
    if "description" in schema:
        parts.append(f"<p>{_text(schema['description'])}</p>")
    parts += _members(schema) or [f"<p>{_kind(schema)}</p>"]
    for example in schema.get("examples", []):
        parts.append(f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>")
    return "\n".join([*parts, "</details>"])


def _members(schema: dict[str, Any]) -> list[str]:
    if "anyOf" in schema:
        return [part for choice in schema["anyOf"] for part in _members(choice)]
    rows = []
    for name, member in schema.get("properties", {}).items():
        needed = ' <span class="quiet">required</span>' if name in schema.get("required", []) else ""
        rows.append((f"<code>{escape(name)}</code>{needed}", _kind(member), _text(member.get("description", ""))))
    return [_table(("Member", "Value", "Meaning"), rows)] if rows else []


def _kind(schema: dict[str, Any]) -> str:
    """What a value may be, in one cell."""
    if "$ref" in schema:
        return _link(_name_of(schema))
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    said = " or ".join(escape(kind) for kind in kinds)
    if "items" in schema:
        said = said.replace("array", f"array of {_kind(schema['items'])}")
    if "enum" in schema:
        words = ", ".join(f"<code>{escape(json.dumps(each))}</code>" for each in schema["enum"] if each is not None)
        said += f": {words}"
    limits = [
        form.format(f"<code>{escape(json.dumps(schema[name], ensure_ascii=False))}</code>")
        for name, form in _LIMITS.items()
        if name in schema
    ]
    inner = "".join(_members(schema))
    return said + "".join(f"<br>{limit}" for limit in limits) + inner


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["<table>", "<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def _link(name: str) -> str:
    return f'<a href="#schema-{_id(name)}">{escape(name)}</a>'


def _name_of(schema: dict[str, Any]) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _id(text: str) -> str:
    return re.sub("[^A-Za-z0-9-]+", "-", text)


def _text(markdown: str) -> str:
    """Text with `code` in it."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(markdown, quote=False))
