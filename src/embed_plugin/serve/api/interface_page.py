"""Renders the page at /docs from the OpenAPI description. The page loads nothing, from this or another host."""

from __future__ import annotations

from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: interface</title>
<link rel="icon" href="data:,">
<style>
body {{ max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; font: 16px/1.5 system-ui, sans-serif; }}
section {{ border-top: 1px solid #8888; }}
h2 {{ font: 600 1rem ui-monospace, monospace; }}
section p {{ white-space: pre-line; }}
</style>
<h1>{title} {version}</h1>
<p>For programs: <a href="openapi.json">openapi.json</a>. To try it: <a href="./">the status page</a>.</p>
<p>Where the service has keys, a request sends one: <code>Authorization: Bearer KEY</code> or
<code>X-API-Key: KEY</code>. The probes, this page and the status page need none. A field that is null has its
default.</p>
{operations}
</html>
"""


def interface_page(description: dict[str, Any]) -> str:
    """Render an OpenAPI description as HTML: each path with its parameters, the fields of its body, and responses."""
    operations = [
        _operation(f"{method.upper()} {path}", operation, description)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    about = description["info"]
    return _PAGE.format(
        title=escape(about["title"]), version=escape(about["version"]), operations="\n".join(operations)
    )


def _operation(name: str, operation: dict[str, Any], description: dict[str, Any]) -> str:
    fields = [(each["name"], each["schema"], each.get("description", "")) for each in operation.get("parameters", [])]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = description["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        fields += [(field, each, each.get("description", "")) for field, each in schema["properties"].items()]
    taken = [(field, " ".join(filter(None, (_kind(schema), about)))) for field, schema, about in fields]
    given = [(status, answer["description"]) for status, answer in operation["responses"].items()]
    parts = [f"<h2>{escape(name)}</h2>", f"<p>{escape(operation.get('description', ''))}</p>"]
    return f"<section>{''.join(parts)}{_list('Takes', taken)}{_list('Answers', given)}</section>"


def _kind(schema: dict[str, Any]) -> str:
    """Describe the type of a field, such as ``array of string`` or ``document | query, default document``."""
    if "anyOf" in schema:
        kinds = [_kind(each) for each in schema["anyOf"] if each != {"type": "null"}]
        kind = " | ".join(filter(None, kinds))
    elif "enum" in schema:
        kind = " | ".join(map(str, schema["enum"]))
    else:
        kind = str(schema.get("type", ""))
        kind += f" of {_kind(schema['items'])}" if "items" in schema else ""
    default = schema.get("default")
    return kind if default is None else f"{kind}, default {default}"


def _list(title: str, rows: list[tuple[str, str]]) -> str:
    items = "".join(f"<li><code>{escape(name)}</code> {escape(text)}</li>" for name, text in rows)
    return f"<details><summary>{title}</summary><ul>{items}</ul></details>" if rows else ""
