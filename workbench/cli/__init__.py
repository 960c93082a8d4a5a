"""The command line: one file per noun, each command parses, calls one function and renders.

`workbench <noun> <verb>` ends with 0 if all is well, 1 if a gate said no, 2 if you have to put something right, 3 if
somebody has to decide first; with 2 standard error says in one line what. Results go to standard output, as text or
with --json as JSON; progress goes to standard error.

Why commands import inside themselves: the help answers at once, though the rooms behind it take seconds to load.
"""
