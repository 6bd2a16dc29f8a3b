"""Many rows in one run: planned, sent, kept in a journal, resumed, reported."""
