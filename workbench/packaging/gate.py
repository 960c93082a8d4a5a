"""The gate in front of a package: the same rule when it is written, loaded and served."""

from workbench.core import Finding, GateNotPassed, Verdict, short
from workbench.packaging.parts import Override


def passes(verdict: Verdict) -> bool:
    """True if the verdict is a pass on at least one rule, and each of its rules passed or is waived.

    Silence is not a pass, and neither is a status that its own findings contradict. A waiver counted if it had not
    expired on the day the gate decided; what was released then is not recalled when it ends.
    """
    return verdict.passed and bool(verdict.findings) and all(_holds(finding, verdict) for finding in verdict.findings)


def _holds(finding: Finding, verdict: Verdict) -> bool:
    waiver = finding.waiver
    if waiver is None:
        return finding.holds
    return verdict.today is not None and waiver.expires >= verdict.today and waiver.rule == finding.rule


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
        failed = next((f"; {f.rule}: {f.reason}" for f in verdict.findings if not _holds(f, verdict)), "")
        raise GateNotPassed(
            f"package {package!r}: its verdict is {verdict.words}{failed}; improve the agent, or override it "
            "with who decides and why"
        )
