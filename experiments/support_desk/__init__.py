"""A support desk: an agent that looks up, proposes a plan, acts within its permissions and asks before it gives money.

Open it for `Shop(path).tools` behind a gate with the policies beside it.
"""
