"""How long the SDK waits where no setting says so."""

from typing import Final

from attrs import frozen


@frozen(kw_only=True)
class Waits:
    """Seconds; one value for each client, so that nothing else has to be patched for a test not to wait.

    Attributes:
        first_lookup: After a try without an answer, until the transaction is looked up.
        between_lookups: Between two that found nothing, before that is believed: the first try may be at work.
        concurrent: Until another request for the same player is likely done.
        first_poll: Until a batch is read again; each further wait is twice as long.
        longest_poll: Between two readings of a batch, at most.
        no_progress: For which a batch may stay the same before waiting for it is given up.
        reversal: That reversing a hold may take while its block's error waits to come out.
        batch_start: That a batch may lie at the API before its first row is worked on.
        longest_search: For which rows of a batch in doubt are looked up, unless the caller says otherwise.
        first_pause: Of a bulk run, when the API fails or slows it down; each further one is twice as long.
        leaving: That what is in flight may take to end when a bulk run is left early.
    """

    first_lookup: float = 0.5
    between_lookups: float = 2.0
    concurrent: float = 0.25
    first_poll: float = 0.5
    longest_poll: float = 10.0
    no_progress: float = 600.0
    reversal: float = 10.0
    batch_start: float = 30.0
    longest_search: float = 600.0
    first_pause: float = 1.0
    leaving: float = 10.0


STANDARD: Final = Waits()
