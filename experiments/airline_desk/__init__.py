"""An airline's desk to act in: customers book, change and cancel flights, and money waits for a person.

Open it with `Airline(folder / "airline.json")`, put its `tools` behind a `Gate` with `policies/`, and call them for a
customer in the role "desk". `records.py` says what there is and what a call names, `airline.py` holds the tools and
their rules, `policies/` says who may do what, and `vectors.jsonl` tests that. What tau2-bench's tasks ask for, and what
somebody tries who may not have it, is in tests/experiments/test_airline_desk_world.py.
"""
