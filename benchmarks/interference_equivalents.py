"""Mutants that no input can tell from the engine, each with the reason."""

from collections.abc import Mapping

_DOUBLES = "all_labels = tuple(dict.fromkeys(labels)) if not isinstance(labels, tuple) else labels"
_SHORT = "a shortcut is left out: the join of one label is built anew and is that label"
_ONCE = "doubles are taken out of a tuple as well: a join is idempotent, so they change nothing"
_WALK = "a shortcut is left out: where no label stands below, the walk finds the nearest one for each part"
EQUIVALENT: Mapping[str, str] = {
    "labels.join: if len(all_labels) == 1: | condition -> False": _SHORT,
    "labels.join: return all_labels[0] | drop statement": _SHORT,
    f"labels.join: {_DOUBLES} | condition -> True": _ONCE,
    f"labels.join: {_DOUBLES} | labels -> {{}} #2": f"{_ONCE} (no dict is a tuple)",
    'labels.label_of: if not any(name.startswith(f"{path}/") for name in labels): | condition -> False': _WALK,
    "labels.label_of: return own | drop statement": _WALK,
    "labels.label_of: if not any(name.startswith(f\"{path}/\") for name in labels): | '/' -> ''": (
        "the shortcut is taken less often, for a label at the path itself or beside it; the walk says the same"
    ),
    (
        "labels.stray_paths: return tuple(sorted(path for path in labels if path and not _stands(value, path)))"
        " | drop operand 0"
    ): 'the pointer "" names the whole value, which always stands, so asking for it changes nothing',
    "flow.concern: return None | drop statement": "a function that ends returns None",
    (
        'gate.Gate.preview: return passage.decision.model_copy(update={"judgement": "denied", "reason": reason})'
        " | drop entry 0"
    ): "whoever stops a call has written the denial before, or nobody has decided yet, and then it says denied",
    'policy.Policy.decide: if "approved" in self._said: | condition -> True': (
        "where no policy speaks of approvals, the second question is the first one again and is denied again"
    ),
    'policy._SAID: "approved": lambda _tool, _call, _flow: False, | False -> True': (
        "it is never called: the context answers that word itself; the entry says that the word exists"
    ),
}
