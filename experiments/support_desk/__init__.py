"""A support desk: an agent that looks up, proposes a plan, acts within its permissions and asks before it gives money.

Open it for `open_desk(folder, lm).resolve(request, email, ticket=…)`, or run `python -m experiments.support_desk`.
`shop.py` is the world and `records.py` what it has, `policies/` says who may do what, `vectors.jsonl` tests that,
`desk.py` puts the agent together.
"""
