"""The gate in front of a package: the same rule when it is written, loaded and served."""

from workbench.core import GateNotPassed, Verdict, short
from workbench.packaging.parts import Override


def passes(verdict: Verdict) -> bool:
    """True if the verdict is a pass on at least one rule, and each of its rules passed.

    Silence is not a pass, and neither is a status that its own findings contradict.
    """
    return verdict.passed and bool(verdict.findings) and all(finding.status == "PASS" for finding in verdict.findings)


def require_pass(package: str, verdict: Verdict, override: Override | None, *, agent_digest: str) -> None:
    """Let nothing through but an agent with its own passing verdict, or with a person's override.

    Raises: GateNotPassed. An override does not lift a verdict on another agent.
    """
    if verdict.agent_digest != agent_digest:
        raise GateNotPassed(
            f"package {package!r}: its verdict is on agent {short(verdict.agent_digest)}, it holds agent "
            f"{short(agent_digest)}; evaluate and check this agent"
        )
    if not passes(verdict) and override is None:
        failed = next((f"; {f.rule}: {f.reason}" for f in verdict.findings if f.status != "PASS"), "")
        raise GateNotPassed(
            f"package {package!r}: its verdict is {verdict.status}{failed}; improve the agent, or override it "
            "with who decides and why"
        )
