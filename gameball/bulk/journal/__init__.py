"""The journal of a run: a durable queue in one sqlite file. What will be sent is written there before it leaves."""

from gameball.bulk.journal.contents import Account as Account, JournalReader as JournalReader
from gameball.bulk.journal.store import Journal as Journal
