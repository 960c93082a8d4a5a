"""Pieces of a page: its frame, tables, plots, and numbers as a person reads them."""

import base64
import html
from collections.abc import Iterable, Sequence

from workbench.core import Line

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #111827; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.2rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #e5e7eb; vertical-align: top }
table { display: block; overflow-x: auto } td { overflow-wrap: anywhere; min-width: 12rem }
td.n { min-width: 0 } td.n { font-variant-numeric: tabular-nums; white-space: nowrap } img { max-width: 100% }
.PASS { color: #047857 } .FAIL { color: #b91c1c } .INCONCLUSIVE, .UNMEASURED { color: #b45309 } small { color: #6b7280 }
details { border-bottom: 1px solid #e5e7eb; padding: .5rem 0 } summary { cursor: pointer }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: 13px/1.45 ui-monospace, monospace }
.error { color: #b91c1c } details table { margin: .6rem 0 }
"""


def document(title: str, body: Iterable[str]) -> str:
    """A whole page that needs nothing beside it; ends with a line break."""
    head = f'<meta charset="utf-8"><title>{text(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"


def section(title: str, content: str) -> str:
    """Content under its title; nothing where there is no content."""
    return f"<h2>{text(title)}</h2>{content}" if content else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their heads; nothing where there is no row."""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    top = "".join(f"<th>{text(name)}</th>" for name in head)
    return f"<table><tr>{top}</tr>{body}</table>" if body else ""


def image(name: str, data: bytes) -> str:
    """A PNG inside the page; its name is what a reader without images gets."""
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return f'<p><img alt="{text(name.removesuffix(".png"))}" src="{source}"></p>'


def text(text: str) -> str:
    """Text that a browser shows as it is.

    >>> text("a < b")
    'a &lt; b'
    """
    return html.escape(text)


def number(value: float | None) -> str:
    """A number for a person: three decimals below ten, thousands separated above a hundred.

    >>> number(0.123456), number(1234.5), number(None)
    ('0.123', '1,234', 'unknown')
    """
    if value is None:
        return "unknown"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def measure(line: Line | None) -> str:
    """A line's estimate with unit and interval."""
    if line is None or line.estimate is None:
        return "unmeasured"
    unit = "" if line.unit == "1" else f" {line.unit}"
    return f"{number(line.estimate)}{unit}{bounds(line.low, line.high)}"


def bounds(low: float | None, high: float | None) -> str:
    """An interval in brackets after a space; nothing where there is none."""
    return "" if low is None or high is None else f" [{number(low)}, {number(high)}]"


def coverage(line: Line) -> str:
    """How many cases are scored, of how many, and their share.

    >>> coverage(Line(name="m", kind="score", unit="1", estimate=0.5, cases=95, unscored=5, clusters=9))
    '95 of 100 (95 %)'
    """
    total = line.cases + line.unscored
    return f"{line.cases} of {total} ({100 * line.coverage:.3g} %)" if total else "applies to none"


def _cell(content: str) -> str:
    kind = " class=n" if len(content) <= 32 else ""  # numbers stay on one line, sentences wrap
    return f"<td{kind}>{text(content)}</td>"
