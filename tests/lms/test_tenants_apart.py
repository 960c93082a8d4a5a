"""Answers that are kept for a tenant are nobody else's, and can be erased without touching others'."""

from pathlib import Path

from asking import ask, engine

from workbench.lms import CallStore, External, journaled, scope


def test_an_equal_question_of_another_tenant_is_asked_anew(tmp_path: Path) -> None:
    """With or without sampling, for models and for externals that are pure; within a tenant it is asked once."""
    store = CallStore(tmp_path / "calls.db")
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return f"answer {len(asked)}"

    accounted = engine(answer, store)
    look = journaled(store, External(kind="tool", name="look", pure=True))(answer)
    said = []
    for tenant in ("", "acme", "globex", "acme", ""):
        with scope(tenant=tenant):
            said.append([accounted.complete(ask("x", 0.0)).message.text, look("y")])

    assert said[0] == said[4]
    assert said[1] == said[3]
    assert 6 == len(asked) == len({text for pair in said for text in pair})


def test_erasing_a_tenant_leaves_the_others_and_no_byte(tmp_path: Path) -> None:
    """The erased one is asked anew; its ledger rows stay, for they hold no answer."""
    store = CallStore(tmp_path / "calls.db")
    accounted = engine(lambda prompt: f"the secret of {prompt}", store)
    for tenant in ("acme", "globex"):
        with scope(tenant=tenant):
            accounted.complete(ask(f"{tenant} itself"))
    erased = store.erase("acme")
    raw = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("calls.db*")) if path.is_file())
    with scope(tenant="globex"):
        accounted.complete(ask("globex itself"))

    assert (1, 0) == (erased, store.erase("nobody"))
    assert (False, True) == (b"acme itself" in raw, b"globex itself" in raw)
    assert [False, False, True] == store.frame()["cached"].to_list()
