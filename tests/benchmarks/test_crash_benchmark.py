"""The proof on a small optimization, and that it would see a repeated call."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import crash as benchmark

FINE = benchmark.Leg(
    name="knows keys", knows_keys=True, wanted=3, kills=3, calls=dict.fromkeys(benchmark.KINDS, 5), repeated=0,
    in_flight=2, most_in_flight=2, twice=0, same_winner=True, same_outcome=True, winner="abc",
)  # fmt: skip


def test_a_killed_optimization_repeats_nothing_and_ends_the_same(tmp_path: Path) -> None:
    """Real processes, real kills; a process of its own, since this one's threads can't be forked."""
    arguments = ["-m", "benchmarks.crash", "--quick", "--kills", "2", "--json", str(tmp_path / "figures.json")]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, timeout=300, check=False)
    figures = json.loads((tmp_path / "figures.json").read_text())

    assert 0 == done.returncode, done.stdout.decode() + done.stderr.decode()
    assert [(2, 0), (2, 0)] == [(leg["kills"], leg["repeated"]) for leg in figures["legs"]]


@pytest.mark.parametrize(
    ("change", "met"),
    [
        ({}, True),
        ({"repeated": 1}, False),
        ({"same_winner": False}, False),
        ({"same_outcome": False}, False),
        ({"kills": 2}, False),
        ({"most_in_flight": 3}, False),
        ({"twice": 1}, False),
        ({"twice": 2, "knows_keys": False}, True),
        ({"twice": 3, "knows_keys": False}, False),
        ({"calls": {"lm": 5}}, False),
    ],
)
def test_what_counts(change: dict[str, object], met: bool) -> None:
    """What was in flight may be carried out twice by a service that knows no keys; nothing else."""
    assert met == FINE.model_copy(update=change).met


def test_a_repeated_call_is_seen(tmp_path: Path) -> None:
    """One that was kept at the last look and is carried out again; what is not kept was in flight."""
    with sqlite3.connect(tmp_path / "calls.db") as db:
        db.execute("CREATE TABLE answers (key TEXT)")
        db.execute("INSERT INTO answers VALUES ('a')")
    watch = benchmark._Watch(tmp_path, tmp_path)
    (tmp_path / "did").write_text("lm a\ntool b\n")
    flying = watch.look()
    (tmp_path / "did").write_text("lm a\ntool b\ntool b\nlm a\n")
    watch.look()

    assert (1, 1) == (flying, watch.repeated)
