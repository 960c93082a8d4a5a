"""Packaging: a winning agent with its verdict becomes a directory that ships.

    export_package(folder, parts)  ──▶  <name>-<version>.agentpkg/  ──▶  verify_package ──▶ load_package(...).answer
                                         and the same as one zip          self_test

One function to call on each side: `export_package` in the lab, `load_package` where it is served.

Why plain files and a manifest: whoever gets a package checks every byte before any of it is understood, and
nothing in it can run, since it holds text and arrays of numbers only. A part that an agent does not use is
absent. Why the verdict ships inside: what may be served is decided by the same rule when it is written,
loaded and served, and an override is a file that everybody sees. Why recorded cases: a package answers them
offline, without its language model, exactly as it did on the day it was made. Why the contract is here and
not in the server: it ships too, and the server shows what was shipped.
"""

from workbench.packaging.contract import (
    PROBLEMS,
    PackageView,
    Problem,
    RunRequest,
    RunResult,
    RunView,
    problem,
    to_result,
)
from workbench.packaging.export import export_package
from workbench.packaging.gate import passes, require_pass
from workbench.packaging.keys import missing_secrets, secret_names
from workbench.packaging.load import LoadedPackage, load_package, unpack_package, verify_package
from workbench.packaging.parts import (
    DataSource,
    Limits,
    LiveReference,
    Override,
    PackageInfo,
    PackageParts,
    Provenance,
    RecordedCase,
)
from workbench.packaging.selftest import TestLine, self_test

__all__ = [
    "PROBLEMS",
    "DataSource",
    "Limits",
    "LiveReference",
    "LoadedPackage",
    "Override",
    "PackageInfo",
    "PackageParts",
    "PackageView",
    "Problem",
    "Provenance",
    "RecordedCase",
    "RunRequest",
    "RunResult",
    "RunView",
    "TestLine",
    "export_package",
    "load_package",
    "missing_secrets",
    "passes",
    "problem",
    "require_pass",
    "secret_names",
    "self_test",
    "to_result",
    "unpack_package",
    "verify_package",
]
