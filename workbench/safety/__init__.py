"""Keep secrets and personal data out of whatever is logged or exported.

Call `Redactor(secrets=environment_secrets())` once where text leaves the process, then `redactor.text(...)`
or `redactor.json(...)` for each thing that leaves. `redact` and `redact_json` are the same for one value.

Why rules and checksums, not a model: the same text always gives the same text, a kilobyte costs well under
a millisecond, and what a rule does can be read. Names and addresses of people are out of its reach. Why the
values of the environment's keys as well: a provider's key need not look like one, and it may turn up
URL-quoted or in base64. What can't be redacted is dropped, never passed through.
"""

from workbench.safety.environment import encodings, environment_secrets
from workbench.safety.hidden import unveil
from workbench.safety.labels import (
    UNKNOWN,
    USER,
    Confidentiality,
    Integrity,
    Label,
    escape,
    join,
    label_of,
    level,
    stray_paths,
)
from workbench.safety.pseudonyms import Pseudonyms
from workbench.safety.recognisers import RECOGNISERS, Recogniser
from workbench.safety.redaction import DROPPED, Redactor, redact, redact_json
from workbench.safety.transport import is_protected

__all__ = [
    "DROPPED",
    "RECOGNISERS",
    "UNKNOWN",
    "USER",
    "Confidentiality",
    "Integrity",
    "Label",
    "Pseudonyms",
    "Recogniser",
    "Redactor",
    "encodings",
    "environment_secrets",
    "escape",
    "is_protected",
    "join",
    "label_of",
    "level",
    "redact",
    "redact_json",
    "stray_paths",
    "unveil",
]
