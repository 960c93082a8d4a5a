"""Records: frozen, closed, and named by their content, the same in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from workbench.core import (
    Case,
    ExpectedCall,
    ToolCall,
    ToolSpec,
    canonical_json,
    digest_bytes,
    digest_file,
    digest_json,
)

TOOL = ToolSpec(name="ride", parameters={"properties": {"to": {"type": "string"}}, "required": ["to"]})
DIGEST = """
from workbench.core import Case, ExpectedCall, ToolSpec
tool = ToolSpec(name="ride", parameters={"properties": {"to": {"type": "string"}}, "required": ["to"]})
expected = ExpectedCall(tool=tool, arguments={"to": ["Rome", "Roma"], "at": [""]})
print(Case(case_id="q", request="to Rome", expected=expected, cluster="ride", tags=("a", "b")).digest)
"""


def test_a_digest_is_the_same_under_every_hash_seed() -> None:
    """Two processes with other hash seeds, and this one, name the same case the same."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    expected = ExpectedCall(tool=TOOL, arguments={"to": ["Rome", "Roma"], "at": [""]})
    here = Case(case_id="q", request="to Rome", expected=expected, cluster="ride", tags=("a", "b")).digest

    assert {here} == digests


def test_a_copy_is_named_by_its_own_content() -> None:
    """The digest that the original has already computed is not carried along; an equal copy has an equal name."""
    first = TOOL.digest
    changed = TOOL.model_copy(update={"name": "train"})

    assert first != changed.digest
    assert ToolSpec(name="train", parameters=TOOL.parameters).digest == changed.digest
    assert first == TOOL.model_copy().digest == TOOL.model_copy(deep=True).digest == TOOL.digest


def test_a_digest_is_no_part_of_what_is_compared_or_written() -> None:
    """A record whose digest was asked for equals one whose digest was not, and writes the same."""
    asked, fresh = TOOL.model_copy(), TOOL.model_copy()

    assert asked.digest
    assert asked == fresh
    assert asked.model_dump() == fresh.model_dump()


def test_every_field_counts() -> None:
    """Any change of any field is another record."""
    plain = ToolCall(tool_id="a", name="b", arguments={"x": 1})
    others = [
        plain.model_copy(update=change) for change in ({"tool_id": "c"}, {"name": "c"}, {"arguments": {"x": "1"}})
    ]

    assert 4 == len({plain.digest, *(other.digest for other in others)})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [1, {"er": float("-inf")}]}])
def test_there_is_no_nan_in_canonical_json(value: object) -> None:
    """Whatever JSON has no word for is refused, also inside."""
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="JSON"):
        assert ToolCall(tool_id="a", name="b", arguments={"x": value}).digest


def test_canonical_json_is_one_form() -> None:
    """Order of keys and white space don't count; order in lists does."""
    assert canonical_json({"b": [1, 2], "a": None}) == canonical_json({"a": None, "b": [1, 2]})
    assert canonical_json([1, 2]) != canonical_json([2, 1])
    assert '{"ä":"ß"}'.encode() == canonical_json({"ä": "ß"})


def test_digests_are_sha_256(tmp_path: Path) -> None:
    """Golden value: FIPS 180-2, appendix B.1, the message "abc". A file larger than a block has its bytes' digest."""
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))

    assert abc == digest_bytes(b"abc")
    assert digest_bytes(b'"abc"') == digest_json("abc")
    assert digest_bytes(b"x" * ((1 << 20) + 1)) == digest_file(tmp_path / "large")


def test_a_record_is_frozen_and_closed() -> None:
    """Nothing is changed, nothing unknown is taken."""
    with pytest.raises(ValidationError, match="frozen"):
        TOOL.name = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="colour"):
        ToolSpec.model_validate({"name": "a", "colour": "red"})


def test_a_set_has_no_digest() -> None:
    """It would have another name under each hash seed."""
    with pytest.raises(TypeError):
        digest_json({"a"})  # type: ignore[arg-type]
