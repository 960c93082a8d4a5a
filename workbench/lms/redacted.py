"""An engine that hands on no secret and no personal data, neither to the model nor from it into the call store."""

from dspy._vendor.lm15.serde import request_from_dict, request_to_dict, response_from_dict, response_to_dict
from dspy.lm15 import Request, Response
from pydantic import JsonValue

from workbench.core import LMError
from workbench.lms.accounted import Engine
from workbench.safety import DROPPED, Redactor

_WORDS = ("messages", "system", "tools")
"""What a request holds of what people wrote; the rest is settings."""
_SAID = ("message", "provider_data")


class RedactedEngine:
    """Redacts what is asked before it leaves and what is answered before it is kept. It fails closed."""

    def __init__(self, inner: Engine, redactor: Redactor) -> None:
        self._inner = inner
        self._redactor = redactor

    def complete(self, request: Request) -> Response:
        """Raises: LMError if a part can't be redacted, and nothing is asked then; whatever the engine raises."""
        asked = request_to_dict(request)
        asked |= {name: self._clean(asked[name]) for name in _WORDS if asked.get(name)}
        said = response_to_dict(self._inner.complete(request_from_dict(asked)))
        return response_from_dict(said | {name: self._clean(said[name]) for name in _SAID if said.get(name)})

    def _clean(self, words: JsonValue) -> JsonValue:
        cleaned = self._redactor.json(words)
        if cleaned == DROPPED:
            raise LMError("request: can't be redacted, so it is not sent; take out what is nested too deep or no JSON")
        return cleaned
