"""Many rows in one run: planned, sent, journaled, resumed, reported."""
