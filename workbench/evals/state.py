"""Is the world as it should be? A final state against the expected one."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from workbench.core import ExpectedState

State = dict[str, JsonValue]


def unreached(expected: ExpectedState, state: State) -> str:
    """Why a state is not the expected one, in words; empty if it is.

    By keys, every named key must be there with its value, inside objects as well; what is not named may be anything.
    Lists are compared whole and in order. Numbers are equal by value; true is no number.

    >>> expected = ExpectedState(world="calls", state={"calls": {"ride.book": [{"place": "airport"}]}})
    >>> unreached(expected, {"calls": {"ride.book": [{"place": "airport"}], "mail.send": []}})
    ''
    >>> unreached(expected, {"calls": {"ride.book": []}})
    "state 'calls.ride.book': is [] instead of [{'place': 'airport'}]"
    """
    return next(_differences("", expected.state, state, exact=expected.match == "exact"), "")


def _differences(path: str, wanted: JsonValue, found: JsonValue, *, exact: bool) -> Iterator[str]:
    if not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        if not equal(wanted, found):
            yield f"state {path!r}: is {found!r} instead of {wanted!r}"
        return
    for key, value in wanted.items():
        inner = f"{path}.{key}" if path else key
        if key not in found:
            yield f"state {inner!r}: is missing"
        else:
            yield from _differences(inner, value, found[key], exact=exact)
    if exact:
        for key in sorted(found.keys() - wanted.keys()):
            yield f"state {f'{path}.{key}' if path else key!r}: should not be there"


def equal(wanted: JsonValue, found: JsonValue) -> bool:
    """Whether two JSON values are the same; 1 equals 1.0, and neither equals true.

    >>> equal({"n": [1, True]}, {"n": [1.0, True]}), equal([1], [True])
    (True, False)
    """
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(equal, wanted, found))
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(equal(value, found[key]) for key, value in wanted.items())
    return wanted == found
