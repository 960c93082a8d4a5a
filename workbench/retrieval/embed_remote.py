"""Embeddings of any provider with an OpenAI-compatible address.

The only file of this room that opens a connection. Source of the request's and the answer's form: OpenAI API
reference, Create embeddings, which vLLM, Ollama, LiteLLM and others follow.
"""

import json
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import urlsplit

import numpy as np
from pydantic import Field, ValidationError

from workbench.core import Meter, Record, RetrievalError, Spend
from workbench.retrieval.embed import REMEMBERED, Account, EmbedCall, EmbedSpec
from workbench.retrieval.index import Vectors
from workbench.retrieval.memory import Memory
from workbench.safety import is_protected

_LETTERS_PER_TOKEN = 4
"""Source: OpenAI's rule of thumb for English. The provider's own tokenizer is not here."""
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Answers that may be better the next time."""
_LONGEST_WAIT_SECONDS = 30.0


class _Row(Record, extra="ignore"):
    index: int
    embedding: tuple[float, ...]


class _Usage(Record, extra="ignore"):
    total_tokens: int = Field(ge=0)


class _Answer(Record, extra="ignore"):
    data: tuple[_Row, ...]
    usage: _Usage | None = None


class OtherDimensions(RetrievalError):
    """A model answered with another number of dimensions than its spec has."""

    def __init__(self, where: str, *, found: int, expected: int) -> None:
        super().__init__(f"{where}: has {found} dimensions, expected {expected}; write dimensions: {found}")
        self.found = found


class _Refused(urllib.request.HTTPRedirectHandler):
    """No redirect is followed: the key would go with it to an address that nobody configured."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class RemoteEmbedder:
    """A provider's model. Safe under threads.

    Every answered call is given to `account` and, where there is one, its dollars are held to the budget of `meter`:
    reserved before it is made, at one token for each byte, which no tokenizer exceeds. Calls, tokens and seconds of a
    budget are those of language models.
    """

    def __init__(self, spec: EmbedSpec, *, account: Account, meter: Meter | None = None) -> None:
        """Nothing is sent yet.

        Raises: RetrievalError if the address or the key is missing, or the key would travel unprotected.
        """
        address = urlsplit(spec.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise RetrievalError(f"{_name(spec)}: is no address; write https://host/v1")
        if spec.key_env is not None and not is_protected(address.scheme, address.hostname):
            raise RetrievalError(f"{_name(spec)}: would get the key unprotected; use https")
        if spec.key_env is not None and not os.environ.get(spec.key_env):
            raise RetrievalError(f"{_name(spec)}: environment variable {spec.key_env!r} is empty; put the key there")
        self.spec = spec
        self.digest = spec.identity
        self.dimensions = spec.dimensions
        self._account = account
        self._meter = meter
        self._opener = urllib.request.build_opener(_Refused)
        self._queries = Memory[Vectors](REMEMBERED)

    def embed(self, texts: Sequence[str], *, most_tokens: int = 256) -> Vectors:
        """See `Embedding.embed`; a token counts as four letters.

        Raises: also BudgetExceeded, before the call that would exceed it.
        """
        return self._embed([self.spec.document_prefix + text[: most_tokens * _LETTERS_PER_TOKEN] for text in texts])

    def embed_query(self, query: str) -> Vectors:
        """See `Embedding.embed_query`."""
        return self._queries.recall(query, lambda: self._embed([self.spec.query_prefix + query])[0])

    def _embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), self.spec.batch):
            batch = list(texts[start : start + self.spec.batch])
            rows[start : start + len(batch)] = self._paid(batch)
        return rows

    def _paid(self, texts: list[str]) -> Vectors:
        """One call within the budget, taken down."""
        bound = sum(len(text.encode()) + 2 for text in texts)
        if self._meter is None:
            return self._called(texts, bound)[0]
        with self._meter.reserve(Spend(usd=self._usd(bound))) as spent:
            rows, call = self._called(texts, bound)
            spent.append(Spend(usd=call.usd))
        return rows

    def _called(self, texts: list[str], bound: int) -> tuple[Vectors, EmbedCall]:
        started = time.monotonic()
        answer, attempts = self._answered(texts)
        tokens = bound if answer.usage is None else answer.usage.total_tokens
        call = EmbedCall(
            model=self.spec.model,
            identity=self.digest,
            texts=len(texts),
            tokens=tokens,
            usd=self._usd(tokens),
            seconds=time.monotonic() - started,
            attempts=attempts,
        )
        # It was paid for, whatever it is worth.
        self._account(call)
        return self._rows(answer, len(texts)), call

    def _answered(self, texts: list[str]) -> tuple[_Answer, int]:
        """The first answer that is one, and how many calls it took."""
        for attempt in range(1, self.spec.attempts + 1):
            last = attempt == self.spec.attempts
            try:
                with self._opener.open(self._request(texts), timeout=self.spec.timeout_seconds) as response:
                    return _Answer.model_validate_json(response.read()), attempt
            except ValidationError as cause:
                raise RetrievalError(f"{_name(self.spec)}: answered what is no embedding: {_first(cause)}") from cause
            except urllib.error.HTTPError as cause:
                with cause:
                    if last or cause.code not in _PASSING:
                        raise RetrievalError(f"{_name(self.spec)}: {self._advice(cause.code)}") from cause
                    wait = _wait(cause.headers.get("Retry-After"), attempt)
            except (OSError, HTTPException) as cause:
                if last:
                    raise RetrievalError(
                        f"{_name(self.spec)}: gave no answer: {cause}; is the address right?"
                    ) from cause
                wait = _wait(None, attempt)
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _request(self, texts: list[str]) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        if self.spec.key_env is not None:
            headers["Authorization"] = f"Bearer {os.environ.get(self.spec.key_env, '')}"
        # Some servers refuse an empty text, which has no meaning to lose.
        body = json.dumps({"model": self.spec.model, "input": [text or " " for text in texts]}).encode()
        url = f"{self.spec.base_url.rstrip('/')}/embeddings"
        return urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - checked to be http or https

    def _rows(self, answer: _Answer, expected: int) -> Vectors:
        """The rows in the order of the texts, made one long."""
        rows = sorted(answer.data, key=lambda row: row.index)
        if [row.index for row in rows] != list(range(expected)):
            raise RetrievalError(f"{_name(self.spec)}: answered {len(rows)} rows for {expected} texts, or misnumbered")
        if odd := next((len(row.embedding) for row in rows if len(row.embedding) != self.dimensions), None):
            raise OtherDimensions(_name(self.spec), found=odd, expected=self.dimensions)
        found = np.array([row.embedding for row in rows], dtype=np.float64).reshape(expected, self.dimensions)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise RetrievalError(f"{_name(self.spec)}: answered a row that points nowhere; is this an embedding model?")
        unit: Vectors = (found / lengths).astype(np.float32)
        return unit

    def _usd(self, tokens: int) -> float | None:
        price = self.spec.usd_per_million_tokens
        return None if price is None else tokens * price / 1e6

    def _advice(self, code: int) -> str:
        if code in (401, 403):
            return (
                f"refused the key ({code}); put a valid one in {self.spec.key_env or 'a variable that key_env names'!r}"
            )
        if 300 <= code < 400:
            return f"points to another address ({code}), which is not followed; write that address"
        return f"answered {code}; {'try again later' if code in _PASSING else 'is the model spelled as it has it?'}"


def _name(spec: EmbedSpec) -> str:
    return f"embedding model {spec.model!r} ({spec.base_url})"


def _first(cause: ValidationError) -> str:
    error = cause.errors()[0]
    return f"{'.'.join(map(str, error['loc'])) or 'answer'}: {error['msg']}"


def _wait(told: str | None, attempt: int) -> float:
    """Seconds until the next attempt: as the provider says, else doubled each time from a half.

    >>> [_wait(None, 1), _wait(None, 3), _wait("2", 1), _wait("9999", 1), _wait("soon", 1)]
    [0.5, 2.0, 2.0, 30.0, 0.5]
    """
    try:
        seconds = float(told or "nan")
    except ValueError:
        seconds = math.nan
    return min(seconds if seconds >= 0 else 0.5 * 2 ** (attempt - 1), _LONGEST_WAIT_SECONDS)
