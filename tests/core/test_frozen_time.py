"""A program that stops its own time, with freezegun or time-machine, before anything of the client was used."""

import json
from collections.abc import Callable

import pytest

from tests.support.programs import Program
from tests.support.server import Server

Start = Callable[[str, str], Program]

PLAIN = """
for name in ("first", "second"):
    cashback(client, name)
"""
AWAITED = """
async def main():
    async with AsyncGameball() as client:
        for name in ("first", "second"):
            await cashback(client, name)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("freezer", "calls"),
    [
        ("freezegun.freeze_time('2026-03-01')", PLAIN),
        ("freezegun.freeze_time('2026-03-01', real_asyncio=True)", AWAITED),
        ("time_machine.travel('2026-03-01', tick=False)", PLAIN),
    ],
    ids=["freezegun, plain", "freezegun, awaited", "time-machine, plain"],
)
def test_calls_are_stamped_and_sent_from_the_first_one_on(
    server: Server, start: Start, freezer: str, calls: str
) -> None:
    indented = calls.replace("\n", "\n    ")
    program = start(
        f"import freezegun, time_machine\nclient = Gameball()\nwith {freezer}:{indented}\n{calls}",
        server.base_url,
    )

    assert program.end() == (0, "", "")
    times = [json.loads(seen.body)["transactionTime"] for seen in server.requests]
    assert len(set(times)) == 4
    assert [time.startswith("2026-03-01T00:00:0") for time in times] == [True, True, False, False]


def test_plain_calls_wait_and_time_out_in_frozen_time(server: Server, start: Start) -> None:
    server.script(Server.answer({}, status=500), Server.answer({}), "hang")
    program = start(
        """
from freezegun import freeze_time
from gameball import Retries, TimedOutError
client = Gameball(timeouts=Timeouts(total=0.5), retries=Retries(backoff=0.01))
with freeze_time("2026-03-01"):
    client.transactions.reverse_hold("1")
    try:
        client.transactions.list()
    except TimedOutError as error:
        print(error.outcome)
""",
        server.base_url,
    )

    assert program.end() == (0, "not_applied", "")
    assert server.methods == ["DELETE", "DELETE", "GET"]
