"""PDF and DOCX: the text of documents that were made to be printed. Nothing that they carry runs."""

import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from workbench.core import DataError, boundary
from workbench.datasets.parse import Input, Outcome, Parsed

if TYPE_CHECKING:
    import pypdf
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph

PAGE_BREAK = "\f"
"""Stands between the pages of a text, as pdftotext puts it."""
_MOST_PAGES = 10_000


def parse_pdf(given: Input) -> Iterator[Outcome]:
    """The text of a PDF, its pages parted by `PAGE_BREAK`; how many there are is the metadata field "pages".

    Raises: DataError if it is no PDF, is encrypted, or has more than 10,000 pages.
    """
    from pypdf import PdfReader  # noqa: PLC0415 - only PDFs need it

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of each oddity that it can read past
    with boundary(DataError, "can't be read as PDF; open it and print it into a new PDF"):
        reader = PdfReader(io.BytesIO(given.data))
        if reader.is_encrypted:
            raise DataError("is encrypted; save it without a password")
        if len(reader.pages) > _MOST_PAGES:
            raise DataError(f"has more than {_MOST_PAGES} pages; split it")
        pages = list(_pages(reader, given.most_bytes))
        named = (reader.metadata.title if reader.metadata else None) or ""
    yield Parsed(
        text=PAGE_BREAK.join(pages) if any(page.strip() for page in pages) else "",
        title=named.strip() or PurePosixPath(given.path).name,
        metadata={"pages": len(pages)},
    )


def page_of(text: str, offset: int) -> int:
    r"""The page on which a character of a parsed PDF stands, from 1.

    >>> page_of("one\ftwo", 2), page_of("one\ftwo", 4)
    (1, 2)
    """
    return text.count(PAGE_BREAK, 0, offset) + 1


def parse_docx(given: Input) -> Iterator[Outcome]:
    """The text of a Word document: headings as Markdown has them, lists, and tables with bars between cells.

    The title is the document's own, else its first heading, else the file's name. Macros, embedded objects, headers,
    footers and comments are not read.

    Raises: DataError if it is no such document, or is larger than the limit when unpacked.
    """
    from docx import Document  # noqa: PLC0415 - only Word documents need it
    from docx.table import Table  # noqa: PLC0415

    with boundary(DataError, "can't be read as DOCX; open it and save it again as .docx"):
        _refuse_bomb(given)
        document = Document(io.BytesIO(given.data))
        blocks = [
            _table(block) if isinstance(block, Table) else _paragraph(block) for block in document.iter_inner_content()
        ]
        named = document.core_properties.title.strip()
    heading = next((block.lstrip("# ") for block in blocks if block.startswith("#")), "")
    yield Parsed(
        text="\n\n".join(block for block in blocks if block.strip()),
        title=named or heading or PurePosixPath(given.path).name,
    )


def _pages(reader: "pypdf.PdfReader", most_bytes: int) -> Iterator[str]:
    size = 0
    for page in reader.pages:
        text = page.extract_text().replace(PAGE_BREAK, " ")
        size += len(text)
        if size > most_bytes:
            raise DataError(f"has more than {most_bytes / (1 << 20):g} MB of text; split it, or raise most_megabytes")
        # A glyph without a character comes out as half of one, which no file can hold.
        yield text.encode("utf-8", "replace").decode()


def _refuse_bomb(given: Input) -> None:
    """A member can't be longer than its entry says: what reads it stops there."""
    with zipfile.ZipFile(io.BytesIO(given.data)) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > given.most_bytes:
        raise DataError(
            f"is larger than {given.most_bytes / (1 << 20):g} MB when unpacked; remove its pictures, or raise "
            "most_megabytes"
        )


def _paragraph(paragraph: "Paragraph") -> str:
    style = (paragraph.style.name if paragraph.style else None) or ""
    text = paragraph.text.strip()
    if not text:
        return ""
    if style == "Title":
        return f"# {text}"
    if style.startswith("Heading ") and style[8:].isdigit():
        return f"{'#' * min(int(style[8:]), 6)} {text}"
    return f"- {text}" if style.startswith("List") else text


def _table(table: "Table") -> str:
    lines = []
    for row in table.rows:
        cells: list[_Cell] = []
        for cell in row.cells:  # a merged cell comes once for each column it covers
            if not cells or cells[-1]._tc is not cell._tc:
                cells.append(cell)
        lines.append(" | ".join(" ".join(cell.text.split()) for cell in cells))
    return "\n".join(lines)
