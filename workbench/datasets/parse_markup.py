"""Markdown and HTML: the text with its headings, which say where a passage may begin."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import yaml
from pydantic import JsonValue

from workbench.core import DataError, boundary
from workbench.datasets.parse import Input, Outcome, Parsed, decode, plain_metadata, read_readers

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_FRONT = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_CHARSET = re.compile(rb"""(?i)<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([\w-]{2,40})""")
_DROPPED = "script, style, nav, noscript, template, iframe, object, embed, svg, canvas, button, select, [hidden]"
"""What no reader of the page sees as its text, or what is the same on every page."""
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt"),
        *("fieldset", "figcaption", "figure", "footer", "header", "hr", "li", "main", "ol", "p", "pre", "section"),
        *("summary", "table", "tbody", "tfoot", "thead", "tr", "ul"),
    )
)
_BREAK = "\v"  # where a line ends, however many blocks begin and end there
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_UNNESTED = frozenset(
    (
        *(
            "area",
            "base",
            "br",
            "col",
            "embed",
            "hr",
            "img",
            "input",
            "link",
            "meta",
            "param",
            "source",
            "track",
            "wbr",
        ),
        *("p", "li", "dt", "dd", "option", "tr", "td", "th", "tbody", "thead", "tfoot", "colgroup"),
    )
)
"""Tags that have no end, or whose end may be left out. Source: HTML Living Standard, 13.1.2."""
_DEEPEST = 2000  # open elements: a parser's time grows with their square, and no page for people has so many
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}


def parse_markdown(given: Input) -> Iterator[Outcome]:
    """Markdown as it is written, without its front matter, which becomes metadata.

    The title is the front matter's, else the first heading, else the file's name.

    Raises: DataError if the front matter is not YAML.
    """
    text = decode(given.data)
    fields: dict[str, JsonValue] = {}
    if front := _FRONT.match(text):
        fields = _front_matter(front[1] or "")
        text = text[front.end() :]
    title = fields.pop("title", None)
    readers = fields.pop(given.columns.readers, None) if given.columns.readers else None
    named = str(title).strip() if isinstance(title, str | int | float) else ""
    yield Parsed(
        text=text,
        title=named or _first_heading(text) or PurePosixPath(given.path).name,
        metadata=plain_metadata(fields),
        readers=read_readers(readers),
    )


def parse_html(given: Input) -> Iterator[Outcome]:
    """The text of a page: headings as Markdown has them, a line for each block, cells of a table with bars between.

    Scripts, styles, navigation, controls and what is hidden are dropped; nothing of the page runs, and nothing that it
    names is fetched. The title is the page's, else its first heading, else the file's name.

    Raises: DataError if it is in no known encoding, nests deeper than 2,000 elements, or can't be parsed.
    """
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - only pages need it

    html = _decode_html(given.data)
    _refuse_depth(html)
    with boundary(DataError, "can't be parsed as HTML; save the page again"):
        tree = LexborHTMLParser(html)
        named = tree.css_first("title")
        first = tree.css_first("h1, h2, h3")
        title, heading = (" ".join(node.text().split()) if node else "" for node in (named, first))
        for node in tree.css(_DROPPED):
            node.decompose()
        text = _lines("".join(_words(tree.body))) if tree.body else ""
    yield Parsed(text=text, title=title or heading or PurePosixPath(given.path).name)


def _front_matter(text: str) -> dict[str, JsonValue]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        line = mark.line + 2 if mark else 1
        says = getattr(cause, "problem", None) or cause
        raise DataError(f"line {line}: front matter is not YAML: {says}; correct it or remove the --- lines") from cause
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DataError("line 2: front matter is no list of fields; write each as 'name: value'")
    return {str(name): value.isoformat() if isinstance(value, date) else value for name, value in found.items()}


def _first_heading(text: str) -> str:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - only Markdown needs it

    with boundary(DataError, "can't be parsed as Markdown; name the parser text for its suffix"):
        # Blocks only, and no deeper than a page has them: what is inside a line says nothing of headings.
        tokens = MarkdownIt("commonmark", {"maxNesting": 20}).disable("inline").parse(text)
    inside = (after for token, after in pairwise(tokens) if token.type == "heading_open")
    return next((found for token in inside if (found := token.content.strip())), "")


def _decode_html(data: bytes) -> str:
    if (declared := _CHARSET.search(data[:2048])) and declared[1].lower() not in (b"utf-8", b"utf8"):
        try:
            return data.decode(declared[1].decode())
        except (LookupError, UnicodeDecodeError) as cause:
            raise DataError(f"is not in the encoding it declares: {cause}; save the page as UTF-8") from cause
    return decode(data)


def _refuse_depth(html: str) -> None:
    depth = 0
    for closes, name in _TAG.findall(html):
        if name.lower() not in _UNNESTED:
            depth = max(depth - 1, 0) if closes else depth + 1
            if depth > _DEEPEST:
                raise DataError(f"nests deeper than {_DEEPEST} elements; save the page as text")


def _words(body: "LexborNode") -> Iterator[str]:
    """The pieces of the text in their order. It goes along links, not by recursion: a page may nest as deep as it
    likes."""
    node: LexborNode | None = body
    kept = 0  # how many <pre> are around
    while node is not None:
        tag = node.tag or ""
        if tag == "-text":
            text = node.text_content or ""
            yield text.replace(_BREAK, " ") if kept else re.sub(r"\s+", " ", text)
        else:
            kept += tag == "pre"
            yield _before(tag)
        following = node.child
        while following is None and node is not None:
            tag = node.tag or ""
            kept -= tag == "pre"
            yield _after(tag)
            if node.mem_id == body.mem_id:
                return
            following = node.next
            node = node.parent if following is None else node
        node = following


def _before(tag: str) -> str:
    if tag in _HEADINGS:
        return f"\n\n{_HEADINGS[tag]} "
    if tag == "li":
        return f"{_BREAK}- "
    if tag in _BLOCKS:
        return _BREAK
    return "\n" if tag == "br" else ""


def _after(tag: str) -> str:
    if tag in _HEADINGS or tag in ("p", "table", "ul", "ol", "pre"):
        return "\n\n"
    if tag in ("td", "th"):
        return " | "
    return _BREAK if tag in _BLOCKS else ""


def _lines(text: str) -> str:
    text = re.sub(r" *(?:\v *)+", _BREAK, text)
    text = re.sub(r"((?:^|[\n\v])(?:-|#{1,6})) ?\v", r"\1 ", text)
    text = re.sub(r"\v?\n\v?", "\n", text).replace(_BREAK, "\n")
    lines = (line.rstrip().removesuffix(" |").rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
