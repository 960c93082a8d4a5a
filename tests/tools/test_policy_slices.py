"""Slices of policies: what is left out could not have applied."""

import json

import cedarpy
from hypothesis import given
from hypothesis import strategies as st

from workbench.safety import USER
from workbench.tools import Call, Caller, Facts, Policy, declare
from workbench.tools.flow import flow
from workbench.tools.policy import user_id


def pay(amount: int) -> str:
    """Pay somebody."""
    return f"paid {amount}"


def look(amount: int) -> str:
    """Look at an amount."""
    return f"{amount}"


PAY = declare(pay, Facts(effect="write", idempotency="key"))
LOOK = declare(look, Facts(effect="read"))
WHO = ("principal", 'principal in Role::"r1"', 'principal in Tenant::"t1"', 'principal == User::"jo@t1"',
       'principal is User in Tenant::"t2"')  # fmt: skip
DOES = ("action", 'action == Action::"pay"', 'action in Action::"read"', 'action in [Action::"pay", Action::"look"]')
WHERE = ("resource", 'resource == Tenant::"t1"', 'resource in Tenant::"t2"', "resource is Tenant")
HEADS = st.tuples(
    st.sampled_from(("permit", "forbid")), st.sampled_from(WHO), st.sampled_from(DOES), st.sampled_from(WHERE)
)
CALLERS = st.builds(
    Caller,
    tenant=st.sampled_from(("t1", "t2", "t3")),
    principal=st.sampled_from(("jo", "al")),
    roles=st.sampled_from(((), ("r1",), ("r2",), ("r1", "r2"))),
)


@given(st.lists(HEADS, min_size=1, max_size=8), st.lists(CALLERS, min_size=1, max_size=6))
def test_a_slice_decides_as_all_policies_do(heads: list[tuple[str, ...]], callers: list[Caller]) -> None:
    text = "\n".join(
        f'@id("p{place}") {effect}({who}, {does}, {where});' for place, (effect, who, does, where) in enumerate(heads)
    )
    policy = Policy(text, [PAY, LOOK])
    for caller in callers:
        for tool in (PAY, LOOK):
            call = Call(tool=tool.spec.name, arguments={"amount": 3}, labels={"": USER}, caller=caller)
            told = policy.decide(tool, call, flow(tool, call))
            allowed, deciding = _asked_of_all(text, call, tool.facts.effect)
            assert ((told.judgement == "allowed"), told.policies) == (allowed, deciding)


def _asked_of_all(text: str, call: Call, effect: str) -> tuple[bool, tuple[str, ...]]:
    """What Cedar says of all policies at once."""
    caller = call.caller
    groups = [{"type": "Role", "id": role} for role in caller.roles] + [{"type": "Tenant", "id": caller.tenant}]
    action = {"type": "Action", "id": call.tool}
    entities = [
        {"uid": {"type": "User", "id": user_id(caller)}, "attrs": {}, "parents": groups},
        {"uid": action, "attrs": {}, "parents": [{"type": "Action", "id": effect}]},
        *({"uid": group, "attrs": {}, "parents": []} for group in groups),
    ]
    answer = cedarpy.is_authorized(
        {
            "principal": {"type": "User", "id": user_id(caller)},
            "action": action,
            "resource": {"type": "Tenant", "id": caller.tenant},
            "context": {},
        },
        text,
        json.dumps(entities),
    )
    names = {
        key: one["annotations"]["id"]
        for key, one in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].items()
    }
    reasons = tuple(sorted(names[reason] for reason in answer.diagnostics.reasons))
    return answer.decision is cedarpy.Decision.Allow, reasons


def test_policies_of_other_tenants_are_left_out() -> None:
    many = "\n".join(
        f'@id("of {n}") permit(principal in Tenant::"t{n}", action, resource == Tenant::"t{n}");' for n in range(50)
    )
    policy = Policy(many, [PAY])
    for tenant, wanted in (("t7", ("of 7",)), ("t99", ())):
        caller = Caller(tenant=tenant, principal="jo")
        call = Call(tool="pay", arguments={"amount": 3}, labels={"": USER}, caller=caller)
        assert policy.decide(PAY, call, flow(PAY, call)).policies == wanted
    one, other = (policy._slices.of(PAY, Caller(tenant=name, principal="jo")) for name in ("t98", "t99"))
    assert one is other, "tenants of whom no policy speaks share a slice"
