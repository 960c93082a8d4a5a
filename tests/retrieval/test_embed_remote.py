"""A provider's embeddings come as rows of length 1, in order, paid within the budget, and taken down call by call."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypedDict

import numpy as np
import pytest

from workbench.core import Budget, BudgetExceeded, Meter, RetrievalError
from workbench.retrieval.embed import EmbedCall, Embedding, EmbedSpec
from workbench.retrieval.embed_remote import RemoteEmbedder


class Asked(TypedDict):
    model: str
    input: list[str]


class Provider:
    """A server that embeds a text as (its length, 1, 0), the last text first; before that it answers `failures`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.keys: list[str | None] = []
        self.failures: list[int] = []
        self.answer: Callable[[list[str]], object] = self._embedded
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                provider.keys.append(self.headers["Authorization"])
                body: Asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code = provider.failures.pop(0) if provider.failures else 200
                provider.asked.append(body)
                data = json.dumps(provider.answer(body["input"])).encode() if code == 200 else b"{}"
                self.send_response(code)
                if code in (302, 429):
                    self.send_header("Location" if code == 302 else "Retry-After", "/other" if code == 302 else "0")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    @staticmethod
    def _embedded(texts: list[str]) -> object:
        rows = [{"index": place, "embedding": [float(len(text)), 1.0, 0.0]} for place, text in enumerate(texts)]
        return {"object": "list", "data": rows[::-1], "usage": {"prompt_tokens": 7, "total_tokens": 7}}


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on this machine."""
    one = Provider()
    thread = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


def spec_of(provider: Provider, **changes: object) -> EmbedSpec:
    """A model of three dimensions at the provider, two texts a call."""
    plain = {"model": "m", "base_url": provider.url, "dimensions": 3, "batch": 2, "usd_per_million_tokens": 2.0}
    return EmbedSpec.model_validate(plain | changes)


def forget(call: EmbedCall) -> None:
    """An account that nobody reads."""


def test_rows_come_in_order_and_every_call_is_taken_down(provider: Provider) -> None:
    """Three texts are two calls; a budget counts their dollars, since calls and tokens are those of
    language models."""
    calls: list[EmbedCall] = []
    meter = Meter(Budget(usd=1.0))
    embedding: Embedding = RemoteEmbedder(spec_of(provider), account=calls.append, meter=meter)
    rows = embedding.embed(["a", "four", ""])

    expected = np.array([[1, 1, 0], [4, 1, 0], [1, 1, 0]]) / np.sqrt([[2], [17], [2]])
    np.testing.assert_allclose(expected, rows, rtol=1e-6)
    assert [["a", "four"], [" "]] == [one["input"] for one in provider.asked]
    assert [(2, 7, 1.4e-05, 1), (1, 7, 1.4e-05, 1)] == [(one.texts, one.tokens, one.usd, one.attempts) for one in calls]
    assert (0, 0, 2.8e-05) == (meter.spent.calls, meter.spent.tokens, meter.spent.usd)
    assert {embedding.digest} == {one.identity for one in calls}


def test_a_budget_stops_the_call_before_it_is_made(provider: Provider) -> None:
    """A letter may be a token, so forty letters do not fit into the price of forty tokens with their frame."""
    embedder = RemoteEmbedder(spec_of(provider), account=forget, meter=Meter(Budget(usd=8e-5)))

    with pytest.raises(BudgetExceeded):
        embedder.embed(["x" * 40])
    assert [] == provider.asked


def test_a_query_has_its_prefix_and_is_asked_once(provider: Provider) -> None:
    """Documents and queries get what the model was trained with; a long document is cut at four letters a token."""
    embedder = RemoteEmbedder(spec_of(provider, query_prefix="q: ", document_prefix="d: "), account=forget)
    first = embedder.embed_query("x")

    assert first is embedder.embed_query("x")
    embedder.embed(["y" * 100], most_tokens=8)
    assert [["q: x"], ["d: " + "y" * 32]] == [one["input"] for one in provider.asked]


def test_what_may_pass_is_tried_again_and_nothing_else(provider: Provider) -> None:
    """Two busy answers cost two more attempts; a refused key and a redirect end it at once."""
    calls: list[EmbedCall] = []
    embedder = RemoteEmbedder(spec_of(provider), account=calls.append)
    provider.failures = [429, 429]
    embedder.embed(["a"])

    assert [3] == [one.attempts for one in calls]
    for code, expected in ((401, r"refused the key \(401\)"), (302, r"another address \(302\)"), (404, "answered 404")):
        provider.failures = [code]
        with pytest.raises(RetrievalError, match=f"embedding model 'm'.*{expected}"):
            embedder.embed(["a"])
    assert 3 + 3 == len(provider.asked)
    provider.failures = [429] * 3
    with pytest.raises(RetrievalError, match="answered 429; try again later"):
        embedder.embed(["a"])
    assert 1 == len(calls)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"data": [{"index": 0, "embedding": [1, 2]}]}, "has 2 dimensions, expected 3"),
        ({"data": []}, "0 rows for 1 texts"),
        ({"data": [{"index": 1, "embedding": [1, 2, 3]}]}, "misnumbered"),
        ({"data": [{"index": 0, "embedding": [0, 0, 0]}]}, "points nowhere"),
        ({"data": [{"index": 0, "embedding": [float("nan"), 0, 1]}]}, "points nowhere"),
        ({"error": "no"}, "no embedding: data: Field required"),
    ],
)
def test_an_answer_that_is_no_embedding_is_refused(provider: Provider, answer: object, expected: str) -> None:
    """Nothing of it reaches an index."""
    provider.answer = lambda _: answer

    with pytest.raises(RetrievalError, match=expected):
        RemoteEmbedder(spec_of(provider), account=forget).embed(["a"])


def test_the_key_is_taken_from_the_environment_and_travels_protected(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent to this machine or to https, else refused; absent from the digest and the spec."""
    monkeypatch.setenv("EMBED_KEY", "s3cret")
    embedder = RemoteEmbedder(spec_of(provider, key_env="EMBED_KEY"), account=forget)
    embedder.embed(["a"])

    assert ["Bearer s3cret"] == provider.keys
    assert "s3cret" not in embedder.spec.model_dump_json()
    assert RemoteEmbedder(spec_of(provider), account=forget).digest == embedder.digest
    with pytest.raises(RetrievalError, match="unprotected; use https"):
        RemoteEmbedder(spec_of(provider, key_env="EMBED_KEY", base_url="http://models.test/v1"), account=forget)
    with pytest.raises(RetrievalError, match="'EMBED_NONE' is empty"):
        RemoteEmbedder(spec_of(provider, key_env="EMBED_NONE"), account=forget)
    with pytest.raises(RetrievalError, match="is no address"):
        RemoteEmbedder(spec_of(provider, base_url="models.test/v1"), account=forget)


def test_another_model_is_another_digest(provider: Provider) -> None:
    """Whatever changes vectors changes the name of every index made with them."""
    changes: list[dict[str, object]] = [{}, {"model": "n"}, {"revision": "2"}, {"query_prefix": "q"}, {"dimensions": 4}]
    digests = {RemoteEmbedder(spec_of(provider, **change), account=forget).digest for change in changes}

    assert len(changes) == len(digests)
