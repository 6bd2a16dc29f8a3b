"""How long everything takes: the client's own waits, scaled down, and the delays of the server that fit into them."""

from typing import Final

from gameball import Retries, Timeouts
from gameball.core.waits import Waits

WAITS: Final = Waits(first_lookup=0.02, between_lookups=0.6, concurrent=0.02, first_poll=0.05)
"""As in earnest (0.5, 2 and 0.25 seconds), only shorter."""
TIMEOUTS: Final = Timeouts(connect=1.0, attempt=0.25, total=8.0)
RETRIES: Final = Retries(attempts=4, backoff=0.05, cap=0.2)

LATEST_EFFECT: Final = 0.2
"""Seconds, at most, from the end of an exchange until its effect."""
LONGEST_LAG: Final = 0.2
"""Seconds, at most, from an effect until the list shows it."""
BATCH_SECONDS: Final = 0.15
"""How long a batch runs; its rows take effect one after the other within it."""
MARGIN: Final = WAITS.between_lookups - LATEST_EFFECT - LONGEST_LAG
"""What is left until absence is believed. Were there nothing left, no client could be right: it sees only the list."""
LOOKUP_TIME: Final = LATEST_EFFECT + BATCH_SECONDS + LONGEST_LAG + MARGIN
"""Seconds over which the rows of a batch whose start got no answer are looked up: in earnest ten minutes at most."""
GRACE: Final = 1.0
"""Seconds that a call may last beyond its total."""
