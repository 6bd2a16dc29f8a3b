"""A stress of the promises: random faults around a ledger that keeps no ids apart: only the client prevents doubles.

`python -m tests.stress --seeds 200` runs it by hand; a few seeds run with the other tests.
"""
