"""Files of records: whole or not at all, and an error says where."""

import os
import re
import stat
from pathlib import Path

import pytest

from workbench.core import (
    DataError,
    Document,
    ToolCall,
    ToolSpec,
    read_record,
    read_records,
    write_bytes,
    write_record,
    write_records,
)

DOCUMENTS = (Document(doc_id="a", text="one\u2028line"), Document(doc_id="b", text="zwei\nZeilen ä"))


def test_records_survive_the_disk(tmp_path: Path) -> None:
    """Also line breaks and separators inside a text; blank lines are nothing."""
    path = tmp_path / "deep" / "documents.jsonl"
    write_records(path, DOCUMENTS)
    with path.open("ab") as file:
        file.write(b"\n  \n")

    assert DOCUMENTS == read_records(path, Document)
    write_record(path, DOCUMENTS[1])
    assert DOCUMENTS[1] == read_record(path, Document)


def test_the_order_of_a_tool_s_arguments_survives_the_disk(tmp_path: Path) -> None:
    """A prompt shows arguments in their order: what is read must ask a model the same as what was written."""
    schema = {"properties": {"to": {"type": "string"}, "at": {"type": "string"}, "by": {"type": "string"}}}
    tool = ToolSpec.model_validate({"name": "ride", "parameters": schema})
    write_record(tmp_path / "one.json", tool)
    write_records(tmp_path / "many.jsonl", [tool])

    assert ["to", "at", "by"] == list(read_record(tmp_path / "one.json", ToolSpec).properties)
    assert ["to", "at", "by"] == list(read_records(tmp_path / "many.jsonl", ToolSpec)[0].properties)


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    """Written twice, read and written again: the same file."""
    write_records(tmp_path / "one", DOCUMENTS)
    write_records(tmp_path / "two", read_records(tmp_path / "one", Document))

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A value that can't be written, and a target that can't be replaced."""
    path = tmp_path / "calls.jsonl"
    write_records(path, DOCUMENTS)
    before = path.read_bytes()
    bad = ToolCall(tool_id="a", name="b", arguments={"x": float("nan")})
    half = ToolCall(tool_id="a", name="b", arguments={"x": "\ud83d"})
    for record in (bad, half):
        with pytest.raises(DataError, match="ToolCall: can't be written as JSON"):
            write_records(path, [DOCUMENTS[0], record])
        with pytest.raises(DataError, match="ToolCall: can't be written as JSON"):
            write_record(path, record)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="can't be written"):
        write_bytes(tmp_path / "folder", b"x")
    with pytest.raises(DataError, match="can't be written"):
        write_bytes(path / "below", b"x")

    assert before == path.read_bytes()
    assert ["calls.jsonl", "folder"] == sorted(os.listdir(tmp_path))


def test_a_disk_that_refuses_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own error while the bytes are made durable, and a person who interrupts there."""
    path = tmp_path / "file"
    write_bytes(path, b"old")
    for refusal, kind in (
        (OSError(28, "No space left on device"), DataError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def fsync(_handle: int, refusal: BaseException = refusal) -> None:
            raise refusal

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            with pytest.raises(kind):
                write_bytes(path, b"new")

    assert b"old" == path.read_bytes()
    assert ["file"] == os.listdir(tmp_path)


def test_a_file_has_the_rights_of_its_owner_s_files(tmp_path: Path) -> None:
    """Who serves a package need not be who made it: the umask decides, not a temporary file's privacy."""
    before = os.umask(0o022)
    try:
        write_bytes(tmp_path / "file", b"x")
    finally:
        os.umask(before)

    assert 0o644 == stat.S_IMODE((tmp_path / "file").stat().st_mode)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"doc_id": "c"', "Invalid JSON"),
        (b'{"doc_id": "c", "text": "x", "txet": "y"}', "txet"),
        (b'{"doc_id": "c", "text": 1}', "text"),
        (b'{"doc_id": "c", "text": "\xff"}', "Invalid JSON|utf-8|UTF"),
    ],
)
def test_a_read_error_names_file_and_line(tmp_path: Path, line: bytes, says: str) -> None:
    """The line is counted as an editor counts it, blank ones too."""
    path = tmp_path / "documents.jsonl"
    write_records(path, DOCUMENTS)
    path.write_bytes(path.read_bytes() + b"\n" + line + b"\n")

    with pytest.raises(DataError, match=re.escape(f"Document ({path}:4)")) as error:
        read_records(path, Document)
    assert re.search(says, str(error.value))
    (tmp_path / "one.json").write_bytes(line)
    with pytest.raises(DataError, match=re.escape(f"Document ({tmp_path / 'one.json'})")):
        read_record(tmp_path / "one.json", Document)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Missing, and a folder where a file should be."""
    for read in (read_record, read_records):
        with pytest.raises(DataError, match=r"none.json': is missing"):
            read(tmp_path / "none.json", Document)
        with pytest.raises(DataError, match="can't be read"):
            read(tmp_path, Document)
