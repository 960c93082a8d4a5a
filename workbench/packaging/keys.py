"""The secrets a package needs by name, and the check that none of their values is inside."""

import os
from collections.abc import Iterable, Mapping

from workbench.agents import AgentSpec
from workbench.core import PackageError
from workbench.lms import LMSpec
from workbench.safety import encodings, environment_secrets

_OWN_KEYS: Mapping[str, str] = {
    "anthropic": "ANTHROPIC_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "groq": "GROQ_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "xai": "XAI_API_KEY",
}
"""The variable each provider reads by itself. Source: the providers' public documentation."""

_SHORTEST = 8
"""Characters below which a value is a placeholder: it would be found in ordinary words."""


def secret_names(lm: LMSpec) -> tuple[str, ...]:
    """The environment variables that the keys of a language model and of its fallbacks are taken from, each once.

    >>> secret_names(LMSpec(model="openai/gpt-4o-mini")), secret_names(LMSpec())
    (('OPENAI_API_KEY',), ())
    """
    own = (one.key_env or _OWN_KEYS.get(one.model.partition("/")[0]) for one in lm.models)
    return tuple(dict.fromkeys(name for name in own if name is not None))


def needed_secrets(spec: AgentSpec) -> tuple[str, ...]:
    """The environment variables that an agent's models take their keys from: the language model's first, each once."""
    embedding = spec.index.embedding
    own = () if embedding is None or embedding.key_env is None else (embedding.key_env,)
    return tuple(dict.fromkeys((*secret_names(spec.lm), *own)))


def missing_secrets(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that the environment does not hold, in their order."""
    return tuple(name for name in names if not os.environ.get(name))


def refuse_secrets(package: str, files: Mapping[str, bytes], names: Iterable[str]) -> None:
    """Let no value of a secret that this process knows into a package, in whatever common encoding.

    Raises: PackageError naming the file, never the value.
    """
    values = {os.environ.get(name, "") for name in names} | set(environment_secrets())
    long = sorted(value for value in values if len(value) >= _SHORTEST)
    forms = [form.encode(errors="surrogatepass") for value in long for form in encodings(value)]
    for path, data in sorted(files.items()):
        if any(form in data for form in forms):
            raise PackageError(
                f"package {package!r}: file {path!r} would hold the value of a secret of this environment; take it out "
                "of the data, the program or the address of the language model"
            )
