"""The files of the live page: what the report's page has, and its own."""

from __future__ import annotations

from importlib.resources import files

from ..replay.html import asset, plotly_source


def page_files() -> dict[str, tuple[str, bytes]]:
    """Media type and content by path; all there is to get."""
    return {
        "/": ("text/html", _own("live.html")),
        "/style.css": ("text/css", asset("page.css").encode() + _own("live.css")),
        "/plotly.js": ("text/javascript", plotly_source().encode()),
        "/skeletons.js": ("text/javascript", asset("skeletons.js").encode()),
        "/live.js": ("text/javascript", _own("live.js")),
    }


def _own(name: str) -> bytes:
    return (files(__package__) / "page_files" / name).read_bytes()
