"""GET / and GET /errors: two small pages for people."""

from functools import cache
from pathlib import Path

from flask import Blueprint, Response
from markdown import markdown

from app.protocol.pages import STYLE

ERRORS = Path(__file__).parents[3] / "docs" / "errors.md"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=300",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="{style}">
</head>
<body>
<main class="wide">
{body}
</main>
</body>
</html>
"""
ROOT = """<h1>Perennial</h1>
<p>This is an OAuth 2.0 authorization server.</p>
<ul>
<li><a href="/.well-known/oauth-authorization-server">Server metadata</a> (RFC 8414)</li>
<li><a href="/.well-known/jwks.json">Public keys</a> (RFC 7517)</li>
<li><a href="/account/sessions">Your sessions</a>, if you have an account here</li>
<li><a href="/errors">Documentation: what each error means</a></li>
</ul>"""

blueprint = Blueprint("about", __name__)


@blueprint.get("/")
def root() -> Response:
    return _page("Perennial", ROOT)


@blueprint.get("/errors")
def errors() -> Response:
    """Each error code is the anchor of its section."""
    return _page("Errors", _errors())


@cache
def _errors() -> str:
    return markdown(ERRORS.read_text(encoding="utf-8"), extensions=["toc", "tables"])


def _page(title: str, body: str) -> Response:
    return Response(
        PAGE.format(title=title, style=STYLE, body=body),
        content_type="text/html; charset=utf-8",
        headers=HEADERS,
    )
