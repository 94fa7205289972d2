"""What a page would load or run, found without a browser."""

import re
from html.parser import HTMLParser

__all__ = ["Parsed", "addresses", "parse"]

# Attributes whose value is an address; and all that stand in <meta>, <link>, ….
ADDRESSES = {
    "action", "archive", "background", "cite", "classid", "codebase", "data",
    "formaction", "href", "icon", "longdesc", "manifest", "ping", "poster", "profile",
    "src", "srcdoc", "srcset", "usemap", "xlink:href", "xml:base", "xmlns",
    "xmlns:xlink",
}  # fmt: skip
LOADING = {
    "applet", "audio", "base", "embed", "frame", "iframe", "img", "link", "object",
    "portal", "source", "track", "video",
}  # fmt: skip
INSIDE = re.compile(r"#[\w-]+|data:image/(webp|png);base64,[A-Za-z0-9+/=]+")


class Parsed(HTMLParser):
    """A page taken apart: its tags, what it shows, its styles and scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.shown: list[str] = []
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple((name, value or "") for name, value in attrs)))
        if tag in {"style", "script"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        kind = self.open[-1] if self.open else ""
        {"style": self.styles, "script": self.scripts}.get(kind, self.shown).append(
            data
        )

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags and the names of their attributes, in order."""
        return [(tag, tuple(name for name, _ in attrs)) for tag, attrs in self.tags]


def parse(html: str) -> Parsed:
    parsed = Parsed()
    parsed.feed(html)
    parsed.close()
    return parsed


def addresses(html: str) -> list[str]:
    """Everything in a page that a browser would follow out of it."""
    parsed = parse(html)
    found = [f"<{tag}>" for tag, _ in parsed.tags if tag in LOADING]
    for tag, attrs in parsed.tags:
        for name, value in attrs:
            if name in ADDRESSES and not INSIDE.fullmatch(value):
                found.append(f"<{tag} {name}={value[:80]}>")
            if name.startswith("on"):
                found.append(f"<{tag} {name}>")
            if name == "style":
                found += _in_style(value)
    for style in parsed.styles:
        found += _in_style(style)
    for script in parsed.scripts:
        found += re.findall(
            r"https?:|//\w[\w.]*/|fetch|XMLHttp|WebSocket|import", script
        )
    return found


def _in_style(text: str) -> list[str]:
    calls = re.findall(r"url\([^)]*\)|@import[^;]*|image-set|https?:|//", text)
    return [call for call in calls if not re.fullmatch(r"url\(#[\w-]+\)", call)]
