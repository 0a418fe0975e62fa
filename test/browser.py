"""Pages in headless Chromium."""

from __future__ import annotations

from typing import Any

LOOKS = {
    "light": {"viewport": {"width": 1200, "height": 900}},
    "dark phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "reduced_motion": "reduce",
    },
}


def watched_tab(context: Any, *own: str) -> tuple[Any, list[str]]:
    """A tab, and what goes wrong in it: errors, and requests that do not begin with one of ``own``."""
    tab = context.new_page()
    tab.set_default_timeout(300_000)
    wrong: list[str] = []
    tab.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda r: None if r.url.startswith(own) else wrong.append(r.url))
    return tab, wrong
