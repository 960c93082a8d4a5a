"""From one line of configuration to a model: checked before anything is paid, and the same for any provider."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.agents import blamed
from workbench.core import Budget, BudgetExceeded, ConfigError, LMError, Meter
from workbench.lms import CallStore, LMSpec, Price, check, connect, identity, scope, scripted_lm, totals

KEY = "sk-SENTINEL-4711"


class Provider(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: says back what it was asked, and remembers who asked how."""

    asked: list[tuple[str, str, dict[str, object]]]
    status = 200

    def do_POST(self) -> None:
        """Answer one request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        reply: dict[str, object] = {
            "id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{
                "index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": f"{body['messages'][-1]['content']}!"},
            }],
            "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
        }  # fmt: skip
        if self.status != 200:
            reply = {"error": {"message": "no such model", "type": "invalid_request_error", "code": "404"}}
        data = json.dumps(reply).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[tuple[str, type[Provider]]]:
    """The address of a provider on loopback, and what it was asked."""
    kind = type("ThisProvider", (Provider,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", kind
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_compatible_server_is_connected_by_its_address(
    provider: tuple[str, type[Provider]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes to the server and nowhere else; tokens are the server's own count; the price is unknown."""
    url, kind = provider
    monkeypatch.setenv("TEST_KEY", KEY)
    spec = LMSpec(model="openai/test", base_url=url, key_env="TEST_KEY", max_tokens=9)
    store = CallStore(tmp_path / "calls.db")
    lm = connect(spec, store=store)
    with scope(run="r"):
        answers = [lm("where"), lm("where")]
    path, authorization, body = kind.asked[0]
    store.close()
    raw = b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))

    assert [["where!"], ["where!"]] == answers
    assert 1 == len(kind.asked)
    assert ("/v1/chat/completions", f"Bearer {KEY}") == (path, authorization)
    assert ("test", 0.0) == (body["model"], body["temperature"])
    assert 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert b"where!" in raw
    assert b"SENTINEL" not in raw
    spent = totals(CallStore(tmp_path / "calls.db").frame("r"))
    assert (1, 15, None) == (spent.calls, spent.tokens, spent.usd)


def test_a_price_that_a_person_wrote_down_is_used(
    provider: tuple[str, type[Provider]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """US dollars for a million tokens; a budget in dollars then works, and without a price it refuses."""
    monkeypatch.setenv("TEST_KEY", KEY)
    unpriced = LMSpec(model="openai/test", base_url=provider[0], key_env="TEST_KEY", max_tokens=10)
    priced = unpriced.model_copy(update={"price": Price(prompt_usd=2.0, completion_usd=8.0, date="2026-01-01")})
    store, meter = CallStore(tmp_path / "calls.db"), Meter(Budget(usd=1.0))
    connect(priced, store=store, meter=meter)("one")
    with pytest.raises(Exception, match="price of this model is unknown") as refused:
        connect(unpriced, store=store, meter=Meter(Budget(usd=1.0)))("two")

    assert isinstance(blamed(refused.value), BudgetExceeded)
    assert pytest.approx((11 * 2.0 + 4 * 8.0) / 1e6) == totals(store.frame()).usd == meter.spent.usd
    assert 1 == len(provider[1].asked)


def test_a_provider_that_refuses_is_an_error_and_is_not_paid(
    provider: tuple[str, type[Provider]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown model that only the server knows of: asked once, no row, no key in the message."""
    url, kind = provider
    kind.status = 404
    monkeypatch.setenv("TEST_KEY", KEY)
    store = CallStore(tmp_path / "calls.db")
    with pytest.raises(Exception, match="no such model") as raised:
        connect(LMSpec(model="openai/none", base_url=url, key_env="TEST_KEY"), store=store)("x")
    ours = blamed(raised.value)

    assert isinstance(ours, LMError)
    assert "no such model" in str(ours)
    assert KEY not in str(ours)
    assert (1, 0) == (len(kind.asked), store.frame().height)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (LMSpec(model="embeded"), "lm 'embeded': is neither .*did you mean \"embedded\""),
        (LMSpec(model="openai/"), "neither embedded nor provider/model"),
        (LMSpec(model="nosuch/model"), "lm 'nosuch/model': .*known spellings are"),
        (LMSpec(model="openai/gpt-4o-mini"), "OPENAI_API_KEY"),
        (LMSpec(model="anthropic/claude-sonnet-4-5"), "ANTHROPIC_API_KEY"),
        (LMSpec(model="openai/test", key_env="MY_KEY"), "environment variable 'MY_KEY' is empty"),
        (LMSpec(model="openai/gpt-5", key_env="SET_KEY"), "temperature=1.0"),
    ],
)
def test_what_can_t_be_connected_is_found_before_the_first_call(
    spec: LMSpec, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line: a misspelt model, an unknown provider, a key that is missing, a setting the model refuses."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MY_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SET_KEY", KEY)
    for attempt in (check, connect):
        with pytest.raises(ConfigError, match=says) as refused:
            attempt(spec)
        assert KEY not in str(refused.value)
        assert "\n" not in str(refused.value)


def test_what_can_be_connected_passes_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is offline: an address where nobody listens passes."""
    monkeypatch.setenv("SET_KEY", KEY)
    check(LMSpec())
    check(LMSpec(model="openai/any", base_url="http://127.0.0.1:1/v1", key_env="SET_KEY"))
    check(LMSpec(model="anthropic/claude-sonnet-4-5", key_env="SET_KEY"))
    check(LMSpec(model="openai/gpt-5", key_env="SET_KEY", temperature=1.0, max_tokens=16000))


def test_an_identity_says_who_answers_and_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model and address change it, the key doesn't: one tenant's answer is never another address's."""
    spec = LMSpec(model="openai/test", base_url="http://a", key_env="TEST_KEY")
    monkeypatch.setenv("TEST_KEY", "one")
    first = identity(spec)
    monkeypatch.setenv("TEST_KEY", "two")

    assert first == identity(spec) == identity(spec.model_copy(update={"key_env": "OTHER", "max_tokens": 7}))
    others = [
        spec.model_copy(update=change) for change in ({"base_url": "http://b"}, {"base_url": None}, {"model": "x/test"})
    ]
    assert 5 == len({first, identity(LMSpec()), *(identity(other) for other in others)})


def test_what_is_redacted_reaches_neither_the_model_nor_the_call_store(tmp_path: Path) -> None:
    """A key and an address in the question, and what the model makes of them; unredacted it is another model."""
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return f"write to bo@example.org about {prompt}"

    spec = LMSpec(model="scripted", redacted=True)
    store = CallStore(tmp_path / "calls.db")
    lm = scripted_lm(answer, spec=spec, store=store)
    said = [lm(f"use {KEY}-0123456789 for jo@example.org") for _ in range(2)]
    store.close()
    raw = b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))

    assert ["use [secret] for [e-mail]"] == asked
    assert [["write to [e-mail] about use [secret] for [e-mail]"]] * 2 == said
    assert (False, False, False) == (b"SENTINEL" in raw, b"jo@example" in raw, b"bo@example" in raw)
    assert identity(spec) != identity(LMSpec(model="scripted"))


@pytest.mark.parametrize("address", [f"https://jo:{KEY}@host/v1", f"https://host/v1?api_key={KEY}-0123456789"])
def test_an_address_that_holds_a_secret_is_refused(address: str) -> None:
    """It would be stored, logged and shipped; the refusal does not show it."""
    for data in (
        {"model": "openai/a", "base_url": address},
        {"fallback": [{"model": "openai/a", "base_url": address}]},
    ):
        with pytest.raises(ValueError, match="name it in key_env") as refused:
            LMSpec.model_validate(data)
        assert "SENTINEL" not in str(refused.value)
