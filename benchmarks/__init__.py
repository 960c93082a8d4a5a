"""Benchmarks: figures that the README states, measured anew by whoever doubts them.

Each module is a command that prints a table and exits 0 only if its target is met by what it just measured.
"""

import pipelines as pipelines  # its offline switches must be set before any other library is imported
