"""The call store: what was paid survives a kill, holds no secret, and says what is wrong."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from workbench.core import LMError, Spend
from workbench.lms import CALLS, Answer, Call, CallStore, ScriptedEngine, Where, scope, scripted_lm, totals

LOOP = """
import sys, time
from pathlib import Path
from workbench.lms import CallStore, ScriptedEngine, scope, scripted_lm

def answer(prompt):
    with open({asked!r}, "a") as file:  # what a provider would have on its bill
        file.write(prompt + "\\n")
    time.sleep(0.01)
    return "answer to " + prompt

lm = scripted_lm(answer, store=CallStore(Path({store!r})))
with scope(run="search"):
    for number in range(60):
        lm(f"question {{number}}")
"""


def _call(key: str, *, cached: bool = False, usd: float | None = 0.5, run: str = "r") -> Call:
    return Call(
        key=key, where=Where(run=run), model="m", cached=cached, prompt_tokens=3, completion_tokens=2, usd=usd,
        milliseconds=4.0, started="2026-01-01T00:00:00.000+00:00",
    )  # fmt: skip


def _answer(text: str = "yes", usd: float | None = 0.5) -> Answer:
    return Answer({"text": text}, "r", prompt_tokens=3, completion_tokens=2, usd=usd, milliseconds=4.0)


def test_a_killed_loop_pays_for_the_rest_only(tmp_path: Path) -> None:
    """Kill -9 in the middle: the store opens, each answer has one paid row, and no kept question is asked again."""
    path, asked = tmp_path / "calls.db", tmp_path / "asked.txt"
    process = subprocess.Popen([sys.executable, "-c", LOOP.format(asked=str(asked), store=str(path))])
    began = time.monotonic()
    while not asked.exists() or len(asked.read_text().splitlines()) < 15:
        assert process.poll() is None
        assert time.monotonic() - began < 60
        time.sleep(0.003)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    store = CallStore(path)
    kept = store.frame()
    billed = asked.read_text().splitlines()
    rest = ScriptedEngine(lambda prompt: f"answer to {prompt}")
    lm = scripted_lm(rest, store=store)
    with scope(run="search"):
        answers = [lm(f"question {number}")[0] for number in range(60)]
    ledger = store.frame()
    paid = ledger.filter(~ledger["cached"])

    assert 14 <= kept.height < 60
    assert 0 == kept["cached"].sum()
    assert kept["key"].to_list() == list(store.answers(kept["key"].to_list()))
    assert len(billed) - kept.height in (0, 1)  # the one call that was under way can't be known
    assert 60 - kept.height == rest.calls
    assert (60, 60) == (paid.height, paid["key"].n_unique())
    assert 60 + kept.height == ledger.height
    assert [f"answer to question {number}" for number in range(60)] == answers


def test_the_ledger_is_a_table_in_the_order_calls_ended(tmp_path: Path) -> None:
    """Of the declared schema, also when empty; of one run or of all; an unknown price is null."""
    store = CallStore(tmp_path / "calls.db")
    empty = store.frame()
    store.record(_call("a"), _answer())
    store.record(_call("b", usd=None, run="s"), _answer(usd=None))
    store.record(_call("a", cached=True, run="s"))

    assert CALLS == empty.schema == store.frame().schema == store.frame("s").schema
    assert (["a", "b", "a"], [1, 2, 3]) == (store.frame()["key"].to_list(), store.frame()["seq"].to_list())
    assert [None, 0.5] == store.frame("s")["usd"].to_list()
    assert [_call("b", usd=None, run="s"), _call("a", cached=True, run="s")] == store.calls("s")
    assert 0 == store.frame("unknown").height


def test_totals_count_what_was_paid() -> None:
    """Cached calls cost nothing, also unpriced ones; one unpriced paid call makes the sum unknown; none is zero."""

    def sums(*calls: tuple[bool, float | None]) -> Spend:
        rows = [(1, "k", "", "", "", "", "m", cached, 3, 2, usd, 500.0, "now", "lm", "") for cached, usd in calls]
        return totals(pl.DataFrame(rows, schema=CALLS, orient="row"))

    assert Spend() == sums()
    assert Spend(calls=2, tokens=10, seconds=1.0, usd=0.75) == sums((False, 0.5), (False, 0.25), (True, None))
    assert Spend(calls=2, tokens=10, seconds=1.0, usd=None) == sums((False, 0.5), (False, None))


def test_a_kept_answer_is_never_replaced(tmp_path: Path) -> None:
    """Two processes that paid for one question: the first answer stays, both payments are on the bill."""
    one, other = CallStore(tmp_path / "calls.db"), CallStore(tmp_path / "calls.db")
    one.record(_call("a"), _answer("first"))
    other.record(_call("a"), _answer("second"))

    assert {"text": "first"} == _found(other, "a").response == _found(one, "a").response
    assert 2 == totals(one.frame()).calls
    assert None is one.find("b")
    assert {} == one.answers(["b"])


def _found(store: CallStore, key: str) -> Answer:
    answer = store.find(key)
    assert answer is not None
    return answer


def test_an_answer_and_its_row_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    """A ledger that refuses the row loses the answer too, and says so; afterwards the store works."""
    store = CallStore(tmp_path / "calls.db")
    with sqlite3.connect(tmp_path / "calls.db") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(LMError, match=r"call store '.*calls.db': can't be used.*disk full"):
        store.record(_call("a"), _answer())
    assert (None, 0) == (store.find("a"), store.frame().height)
    with sqlite3.connect(tmp_path / "calls.db") as other:
        other.execute("DROP TRIGGER full")
    store.record(_call("a"), _answer())

    assert 1 == store.frame().height


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    """Another format, a folder, and a store that was closed."""
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one " * 20)
    for path in (tmp_path / "text", tmp_path, tmp_path / "text" / "below"):
        with pytest.raises(LMError, match="can't be opened"):
            CallStore(path)
    closed = CallStore(tmp_path / "calls.db")
    closed.close()
    with pytest.raises(LMError, match="can't be used"):
        closed.find("a")


def test_a_store_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Its ledger had neither kinds nor budgets: all were calls of models, and none had a name."""
    with sqlite3.connect(tmp_path / "calls.db") as old:
        old.execute(
            "CREATE TABLE ledger (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, run TEXT NOT NULL,"
            " candidate TEXT NOT NULL, case_id TEXT NOT NULL, module TEXT NOT NULL, model TEXT NOT NULL,"
            " cached INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL,"
            " milliseconds REAL NOT NULL, started TEXT NOT NULL)"
        )
        old.execute("INSERT INTO ledger VALUES (NULL, 'k', 'r', '', '', '', 'm', 0, 3, 2, 0.5, 1.0, 'now')")
    for _opened in range(2):
        store = CallStore(tmp_path / "calls.db")
        store.record(_call("a"), _answer())

    assert ["lm"] * 3 == store.frame()["kind"].to_list()
    assert [""] * 3 == store.frame()["budget"].to_list()
    assert CALLS == store.frame().schema


def test_many_processes_open_a_new_store_at_once(tmp_path: Path) -> None:
    """None finds it locked."""
    code = "import sys, pathlib; from workbench.lms import CallStore; print('', flush=True); sys.stdin.read(1)\n"
    code += "for n in range(6): CallStore(pathlib.Path(sys.argv[1]) / f'{n}.db').close()"
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    children = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for child in children:
        assert child.stdout is not None
        child.stdout.read(1)  # it has imported what it needs
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"x")
        child.stdin.close()

    assert [0] * 4 == [child.wait() for child in children]


def test_many_connections_share_a_store(tmp_path: Path) -> None:
    """Two open stores of one file, as two processes have, with threads that write at once: nothing is lost."""
    stores = [CallStore(tmp_path / "calls.db") for _ in range(2)]

    def work(number: int) -> None:
        for turn in range(40):
            stores[number % 2].record(_call(f"{number} {turn}"), _answer())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [160, 160] == [store.frame()["key"].n_unique() for store in stores]


def test_no_secret_and_no_question_reaches_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider's key in the environment stands in no byte of the store's files; nor does what was asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-SENTINEL-4711")
    store = CallStore(tmp_path / "calls.db")
    lm = scripted_lm(lambda _prompt: "fine", store=store)
    with scope(run="r"):
        lm("a private question")
    raw = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    store.close()
    raw += b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())

    assert b"fine" in raw
    assert b"SENTINEL" not in raw
    assert b"private" not in raw
