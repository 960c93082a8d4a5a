"""What each parser makes of a file: the text, its headings, its title, and nothing that runs."""

import io
import zipfile

import docx
import pytest

from workbench.core import DataError
from workbench.datasets.parse import Columns, Input, Outcome, Parsed
from workbench.datasets.parse_office import page_of
from workbench.datasets.parsers import ParserName, parse_file, parser_of

PLAIN = Columns()


def parse(path: str, data: str | bytes, *, columns: Columns = PLAIN, most_bytes: int = 1 << 20) -> list[Outcome]:
    parser = parser_of(path, {})
    assert parser
    content = data.encode() if isinstance(data, str) else data
    return list(parse_file(Input(path, content, columns, most_bytes), parser))


def only(path: str, data: str | bytes) -> Parsed:
    (found,) = parse(path, data)
    assert isinstance(found, Parsed)
    return found


def make_pdf(*pages: str, title: str = "") -> bytes:
    """A PDF by hand, a line of text a page. Source of the form: ISO 32000-1, 7.5 and 9.4."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for place, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        fonts = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {fonts} /Contents {5 + 2 * place} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects.append(f"<< /Title ({title}) >>")
    body, offsets = "%PDF-1.4\n", []
    for number, written in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{written}\nendobj\n"
    entries = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R /Info {len(objects)} 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{entries}{trailer}".encode()


def make_docx() -> bytes:
    """A Word document with headings, a list and a table whose first row is merged."""
    document = docx.Document()
    document.add_heading("Leave", level=0)
    document.add_heading("Parents", level=2)
    document.add_paragraph("Twelve weeks.")
    document.add_paragraph("Ask early", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "Weeks"
    table.cell(1, 0).text, table.cell(1, 1).text = "paid", "8"
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def test_markdown_stays_as_it_is_written() -> None:
    """Without its front matter, which is metadata; a comment in code is no heading."""
    text = "```sh\n# no heading\n```\n\n## Set *it* up\n\ntext\n"
    found = only("a.md", f"---\ntags: [vpn, mac]\nyear: 2024\nday: 2024-05-01\nnested: {{a: 1}}\n---\n{text}")

    assert text == found.text
    assert "Set *it* up" == found.title
    assert {"tags": "vpn, mac", "year": 2024, "day": "2024-05-01"} == found.metadata


@pytest.mark.parametrize(
    ("text", "title"),
    [("---\ntitle: Given\n---\n# Heading\n", "Given"), ("no heading", "a.md"), ("Under\n=====\n", "Under")],
)
def test_markdown_has_a_title(text: str, title: str) -> None:
    """The front matter's, else the first heading, else the file's name."""
    assert title == only("deep/a.md", text).title


def test_front_matter_that_is_no_yaml_is_named_with_its_line() -> None:
    """And a rule between paragraphs is none."""
    with pytest.raises(DataError, match=r"line 4: front matter is not YAML: .*; correct it or remove the --- lines"):
        parse("a.md", "---\ntitle: x\ntags: [a\n---\ntext")
    assert "text\n\n---\n\nmore" == only("a.md", "text\n\n---\n\nmore").text


def test_a_page_is_its_text_with_headings_as_lines() -> None:
    """Nothing that is not read by people stays: scripts, styles, navigation, what is hidden."""
    page = (
        "<html><head><title>VPN &amp; you</title><style>p {}</style></head><body><nav>Home</nav>"
        "<h1>Set  up</h1><p>First <b>this</b>,\n then<br>that.</p><script>alert(1)</script><p hidden>ignore me</p>"
        "<ul><li>one</li> <li><p>two</p></li></ul><h2>More</h2><table><tr><th>a</th><th>b</th></tr>"
        "<tr><td>1</td><td>2</td></tr></table><pre>def f():\n    pass</pre></body></html>"
    )
    found = only("a.html", page)

    assert "VPN & you" == found.title
    assert (
        "# Set up\n\nFirst this, then\nthat.\n\n- one\n- two\n\n## More\n\na | b\n1 | 2\n\ndef f():\n    pass"
        == found.text
    )


def test_a_page_that_nests_without_end_is_refused() -> None:
    """Before it costs anything; one that is as deep as the deepest is read, and closed elements count no more."""
    assert "deep" == only("a.html", "<div>" * 2000 + "deep").text
    assert "x\n" * 3000 == only("a.html", "<div>x</div>" * 3000).text + "\n"
    with pytest.raises(DataError, match="nests deeper than 2000 elements; save the page as text"):
        parse("a.html", "<div>" * 1_000_000)


def test_a_page_says_in_which_encoding_it_is() -> None:
    """And UTF-8 if it says nothing."""
    page = '<meta charset="{}"><p>caf\xe9</p>'

    assert "caf\xe9" == only("a.html", page.format("iso-8859-1").encode("latin-1")).text
    assert "caf\xe9" == only("a.html", page.format("utf-8").encode()).text
    with pytest.raises(DataError, match="is not in the encoding it declares"):
        parse("a.html", page.format("klingon"))


def test_a_pdf_is_its_pages() -> None:
    """Parted so that a character's page can be told."""
    found = only("a.pdf", make_pdf("First page", "Second page", title="Report"))

    assert ("First page\fSecond page", "Report", {"pages": 2}) == (found.text, found.title, found.metadata)
    assert [1, 2] == [page_of(found.text, found.text.index(word)) for word in ("First", "Second")]


def test_a_pdf_of_pictures_has_no_text() -> None:
    """Not even page breaks: it is empty, and whoever reads the source says so."""
    found = only("scan.pdf", make_pdf("", ""))

    assert ("", "scan.pdf") == (found.text, found.title)


def test_a_word_document_keeps_its_order() -> None:
    """Headings, lists and tables where they stand; a merged cell once."""
    found = only("a.docx", make_docx())

    assert "# Leave\n\n## Parents\n\nTwelve weeks.\n\n- Ask early\n\nWeeks\npaid | 8" == found.text
    assert "Leave" == found.title


def test_a_word_document_that_unpacks_to_more_than_the_limit_is_refused() -> None:
    """Before anything is unpacked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * 5_000_000)
    with pytest.raises(DataError, match="is larger than 1 MB when unpacked; remove its pictures, or raise"):
        parse("bomb.docx", file.getvalue())


@pytest.mark.parametrize(("path", "says"), [("a.pdf", "can't be read as PDF"), ("a.docx", "can't be read as DOCX")])
def test_what_is_no_document_is_named(path: str, says: str) -> None:
    """With what to do."""
    with pytest.raises(DataError, match=f"{says}; open it and"):
        parse(path, "nothing of the kind")


def test_a_table_s_ids_stay_texts_and_its_numbers_become_numbers() -> None:
    """A line break in a field breaks no row."""
    columns = Columns(id="key", text=("body",), metadata=("year", "code", "share"))
    found = parse("a.csv", 'key,body,year,code,share\n007,"two\nlines",2020,01,0.5\n8,x,2021,02,1\n', columns=columns)

    assert [
        ("007", "two\nlines", {"year": 2020, "code": "01", "share": 0.5}),
        ("8", "x", {"year": 2021, "code": "02", "share": 1.0}),
    ] == [(one.row, one.text, one.metadata) for one in found if isinstance(one, Parsed)]


def test_a_table_without_a_declared_column_is_named() -> None:
    """With the nearest it has."""
    with pytest.raises(DataError, match="has no column 'text'; did you mean \"txt\""):
        parse("a.csv", "id,txt\n1,x\n")


def test_lines_that_no_digest_could_carry_are_left_out() -> None:
    """NaN, half a character, and what is no object."""
    rows = '{"text": "a", "x": NaN}\n{"text": "\\ud800"}\n["text"]\n{"text": "fine"}\n'
    found = parse("a.jsonl", rows)

    assert ["line 1", "line 2", "line 3", "1"] == [one.row for one in found]
    assert [False, False, False, True] == [isinstance(one, Parsed) for one in found]


def test_a_row_s_digest_is_its_own() -> None:
    """A change in one row changes nothing of another."""
    before = parse("a.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}')
    after = parse("a.jsonl", '{"id": 1, "text": "changed"}\n{"id": 2, "text": "b"}')

    assert before[0] != after[0]
    assert before[1] == after[1]


@pytest.mark.parametrize(("path", "parser"), [("a.PY", "code"), ("a.tsv.gz", "csv"), ("a.tar.gz", ""), ("LICENSE", "")])
def test_a_suffix_names_its_parser(path: str, parser: ParserName) -> None:
    """In any letters, packed or not; what is unknown has none."""
    assert parser == parser_of(path, {})
    assert "text" == parser_of("LICENSE.x", {".x": "text"})
