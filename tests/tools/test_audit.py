"""An audit log keeps what it was given or raises, shows whatever was done to it, and forgets a tenant when told to."""

import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from workbench.safety.labels import UNKNOWN, USER
from workbench.tools.audit_anchor import write_anchor
from workbench.tools.audit_chain import chained
from workbench.tools.audit_keys import AuditKeys
from workbench.tools.audit_log import ChainedLog
from workbench.tools.audit_reading import read, verify
from workbench.tools.call import AuditEntry
from workbench.tools.errors import ToolError
from workbench.tools.facts import Effect
from workbench.tools.state import State


def entry(
    number: int, *, tenant: str = "acme", effect: Effect = "write", at: str = "2026-11-23T10:00:00Z"
) -> AuditEntry:
    return AuditEntry(
        kind="intent",
        at=at,
        call_id=f"call-{number}",
        tenant=tenant,
        principal="ann",
        tool="refund",
        version="1",
        effect=effect,
        arguments_digest="0" * 64,
        arguments=f'{{"order": {number}}}',
        labels={"/order": USER, "/note": UNKNOWN},
        decision="allowed",
        policies=("refunds",),
        attempt=1,
    )


def fill(folder: Path, count: int, *, every: int = 4) -> ChainedLog:
    log = ChainedLog(folder, AuditKeys(folder / "keys"), anchor=folder / "anchor", every=every)
    for number in range(count):
        log.append(entry(number))
    return log


def kept(folder: Path) -> list[str]:
    return [line.entry.call_id for line in read(folder, AuditKeys(folder / "keys")) if line.entry is not None]


def test_what_was_appended_is_read_back_and_verifies(tmp_path: Path) -> None:
    """Across a restart, with every field, and with a checkpoint after every four lines."""

    fill(tmp_path, 6).close()
    fill(tmp_path, 5).close()

    lines = list(read(tmp_path, AuditKeys(tmp_path / "keys")))
    found = verify(
        tmp_path, public_key=AuditKeys(tmp_path / "keys").public.public_bytes_raw().hex(), anchor=tmp_path / "anchor"
    )

    assert [line.entry for line in lines] == [entry(number) for number in (*range(6), *range(5))]
    assert (found.records, found.signed, found.anchored, found.doubts) == (11, found.lines, found.lines, ())


def test_a_log_that_lost_its_end_is_not_opened_again(tmp_path: Path) -> None:
    """Cut at a checkpoint, gone as a whole, or shorter than when it was open: the anchor stays what it was."""

    fill(tmp_path, 11).close()
    path = tmp_path / "audit.log"
    lines = path.read_bytes().splitlines(keepends=True)
    anchored = (tmp_path / "anchor").read_bytes()

    for left in (lines[:6], []):
        path.write_bytes(b"".join(left))
        with pytest.raises(ToolError, match="anchor vouches for 15 lines"):
            fill(tmp_path, 1)
    path.unlink()
    log = ChainedLog(tmp_path, AuditKeys(tmp_path / "keys"))
    log.append(entry(1))
    log.close()
    with pytest.raises(ToolError, match="anchor vouches for 15 lines"):
        fill(tmp_path, 1)
    with pytest.raises(ToolError, match="vouches for 15 lines, the log has 3"):
        write_anchor(tmp_path / "anchor", 3, b"0" * 64)
    assert anchored == (tmp_path / "anchor").read_bytes()


def test_an_anchor_that_a_stopped_process_left_behind_is_no_alarm(tmp_path: Path) -> None:
    """Its line stands before the last checkpoint."""

    log = fill(tmp_path, 5)
    anchored = (tmp_path / "anchor").read_bytes()
    log.close()
    (tmp_path / "anchor").write_bytes(anchored)

    fill(tmp_path, 1).close()

    assert verify(tmp_path, anchor=tmp_path / "anchor").records == 6


@pytest.mark.parametrize("again", [True, False])
def test_a_log_that_was_moved_while_it_was_open_takes_nothing(tmp_path: Path, again: bool) -> None:
    """Nobody would look for entries in a file of another name."""

    log = fill(tmp_path, 2)
    (tmp_path / "audit.log").rename(tmp_path / "old.log")
    if again:
        (tmp_path / "audit.log").write_bytes((tmp_path / "old.log").read_bytes())
    before = (tmp_path / "old.log").read_bytes()

    with pytest.raises(ToolError, match="cut off or replaced"):
        log.append(entry(2))
    assert before == (tmp_path / "old.log").read_bytes()


def test_only_its_owner_reads_what_gates_remember(tmp_path: Path) -> None:
    """Arguments and results stand there as they are, also in what SQLite lays beside the file."""

    state = State(tmp_path / "gates" / "state.db")
    state.change("DELETE FROM actions", ())
    files = [path for path in (tmp_path / "gates").iterdir() if path.is_file()]

    assert {"state.db", "state.db-wal"} <= {path.name for path in files}
    assert [path.name for path in files if path.stat().st_mode & 0o077] == []
    assert (tmp_path / "gates").stat().st_mode & 0o077 == 0
    state.close()


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """Of the whole file, its first line, checkpoints and ends of lines included."""

    fill(tmp_path, 3).close()
    path = tmp_path / "audit.log"
    whole = path.read_bytes()

    missed = []
    for place in range(len(whole)):
        touched = bytearray(whole)
        touched[place] ^= 1 << (place % 8)
        path.write_bytes(touched)
        try:
            verify(tmp_path)
        except ToolError:
            continue
        missed.append(place)

    assert missed == []


@pytest.mark.parametrize("place", range(1, 14))
def test_a_line_that_is_gone_doubled_or_elsewhere_is_found(tmp_path: Path, place: int) -> None:
    """Wherever it stands, and the anchor knows if it was the last."""

    fill(tmp_path, 11).close()
    path = tmp_path / "audit.log"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 15

    for touched in (
        lines[:place] + lines[place + 1 :],
        lines[: place + 1] + lines[place:],
        [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]],
        lines[:place],
    ):
        path.write_bytes(b"".join(touched))
        with pytest.raises(ToolError, match=r"line \d+ is|anchor vouches"):
            verify(tmp_path, anchor=tmp_path / "anchor")


def test_a_log_that_is_rewritten_without_the_key_is_found_up_to_its_last_checkpoint(tmp_path: Path) -> None:
    """Whoever chains everything anew can't sign it; behind the last checkpoint they can, and it is said."""

    log = fill(tmp_path, 6)
    path = tmp_path / "audit.log"
    lines = path.read_bytes().splitlines()
    assert [line[:1] for line in lines] == [b"w", b"r", b"r", b"r", b"r", b"c", b"r", b"r"]

    def rechained(without: int) -> bytes:
        data, digits = b"", b"0" * 64
        for number, line in enumerate(lines):
            if number != without:
                data += chained(digits, line[:-65])
                digits = data[-65:-1]
        return data

    path.write_bytes(rechained(2))
    with pytest.raises(ToolError, match="signature is wrong"):
        verify(tmp_path)
    path.write_bytes(rechained(6))
    assert "lines after 6 are not signed yet" in " ".join(verify(tmp_path, anchor=tmp_path / "anchor").doubts)
    with pytest.raises(ToolError, match="cut off or replaced"):
        log.append(entry(9))


def test_a_log_with_another_key_is_refused(tmp_path: Path) -> None:
    """A log that was replaced as a whole shows only against a key that was kept elsewhere."""

    fill(tmp_path, 2).close()

    with pytest.raises(ToolError, match="another key"):
        verify(tmp_path, public_key=AuditKeys(tmp_path / "other").public.public_bytes_raw().hex())
    with pytest.raises(ToolError, match="another key"):
        ChainedLog(tmp_path, AuditKeys(tmp_path / "other"))


def test_erased_entries_are_gone_and_the_log_still_verifies(tmp_path: Path) -> None:
    """One tenant's, or one tenant's older months; the other's stay, and later entries have new keys."""

    log = fill(tmp_path, 2)
    log.append(entry(2, tenant="globex"))
    log.append(entry(3, at="2026-12-01T00:00:00Z"))

    assert log.erase("acme", before="2026-12") == 1
    assert log.erase("acme", before="2026-12") == 0
    log.append(entry(4))
    assert kept(tmp_path) == ["call-2", "call-3", "call-4"]
    assert log.erase("acme") == 2
    log.close()

    assert [line.state for line in read(tmp_path, AuditKeys(tmp_path / "keys"))] == ["erased"] * 2 + ["kept"] + [
        "erased"
    ] * 2
    assert verify(tmp_path, anchor=tmp_path / "anchor").records == 5
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"acme" not in left
    with pytest.raises(ToolError, match='write it as "2026-03-15"'):
        AuditKeys(tmp_path / "keys").of("acme", "2026-3")


def test_another_process_that_erases_is_noticed(tmp_path: Path) -> None:
    """A key that was used a moment ago is not used again."""

    first, second = fill(tmp_path, 1), ChainedLog(tmp_path, AuditKeys(tmp_path / "keys"))
    second.append(entry(1))
    first.erase("acme")
    second.append(entry(2))

    assert kept(tmp_path) == ["call-2"]


def test_a_full_disk_raises_and_leaves_no_trace(tmp_path: Path) -> None:
    """The entry counts as not written, and the next one fits once there is room."""

    log = fill(tmp_path, 2)
    before = (tmp_path / "audit.log").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))  # a short write
        with pytest.raises(ToolError, match="can't be written"):
            log.append(entry(2))
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), limits[1]))  # none at all
        with pytest.raises(ToolError, match=f"Errno {errno.EFBIG}"):
            log.append(entry(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert (tmp_path / "audit.log").read_bytes() == before
    log.append(entry(3))
    log.close()
    assert kept(tmp_path) == ["call-0", "call-1", "call-3"]
    assert verify(tmp_path).records == 3


def test_a_disk_that_loses_what_it_took_stops_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what can't be taken back waits for the disk; after one failure nothing is sure, so nothing is taken."""

    def fail(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    log = fill(tmp_path, 1)
    monkeypatch.setattr(os, "fdatasync", fail)

    log.append(entry(1, effect="write"))
    with pytest.raises(ToolError, match="did not reach the disk"):
        log.append(entry(2, effect="irreversible"))
    with pytest.raises(ToolError, match="did not reach the disk"):
        log.append(entry(3, effect="read"))


def test_what_a_killed_writer_left_is_put_aside(tmp_path: Path) -> None:
    """Half a line was never kept; it is kept beside the log, and the log goes on."""

    fill(tmp_path, 3).close()
    with (tmp_path / "audit.log").open("ab") as file:
        file.write(b"r 0123 half")

    fill(tmp_path, 1).close()

    assert (tmp_path / "audit.torn").read_bytes() == b"r 0123 half\n"
    assert verify(tmp_path, anchor=tmp_path / "anchor").records == 4


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    """Nothing is taken for the beginning of a log that is not one."""

    (tmp_path / "audit.log").write_bytes(b"precious")

    with pytest.raises(ToolError, match="its first line is not one"):
        fill(tmp_path, 1)
    assert (tmp_path / "audit.log").read_bytes() == b"precious"


def test_processes_append_to_one_log(tmp_path: Path) -> None:
    """Three at once: each entry once, the chain whole; a log that was inherited is refused."""

    log = fill(tmp_path, 1)
    children = []
    for child in range(3):
        if (process := os.fork()) == 0:
            try:
                with pytest.raises(ToolError, match="another process"):
                    log.append(entry(0))
                own = ChainedLog(tmp_path, AuditKeys(tmp_path / "keys"), anchor=tmp_path / "anchor", every=7)
                for number in range(50):
                    own.append(entry(number, tenant=f"tenant-{child}"))
                os._exit(0)
            finally:
                os._exit(1)
        children.append(process)

    assert [os.waitpid(process, 0)[1] for process in children] == [0, 0, 0]
    log.append(entry(1))
    log.close()
    expected = sorted([*["call-0", "call-1"], *[f"call-{number}" for number in range(50)] * 3])
    assert sorted(kept(tmp_path)) == expected
    assert verify(tmp_path, anchor=tmp_path / "anchor").records == 152


def test_an_entry_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Half a character can't be written, and nothing else is written in its place."""

    log = fill(tmp_path, 1)

    with pytest.raises(ToolError, match="is not JSON"):
        log.append(entry(1).model_copy(update={"output": "\ud800"}))
