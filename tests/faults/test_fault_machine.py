"""Any calls, any faults, in any order: what the errors and values say is what the ledger holds."""

import asyncio
from typing import Any, ClassVar

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gameball import AsyncGameball, GameballError, Operation, Retries, Timeouts
from gameball.sandbox import Sandbox, faults
from tests.support.calls import ORDER, PLAYER
from tests.support.canaries import API_KEY, SECRET_KEY, Net
from tests.support.till import SHORT, effect_of, operation
from tests.support.waits import with_waits

KINDS = {
    "cashback": {"PaymentReward"},
    "redeem": {"Redemption"},
    "refund": {"Refund", "PartialRefund", "Cancel"},
    "manual": {"ManualAccumulation"},
}
EITHER: list[faults.Fault] = [
    faults.Reset(),
    faults.Close(),
    faults.CutBody(),
    faults.CutBody(with_length=False),
    faults.EmptyBody(),
    faults.Html(),
    faults.Html(502),
    faults.Garbage(),
    faults.Delay(0.1),
    faults.Status(500),
    faults.Status(408),
    faults.Status(422, {"code": 13, "message": "?"}),
]
NOT_DONE: list[faults.Fault] = [
    faults.TooManyRequests("0"),
    faults.TooManyRequests("60"),
    faults.Status(422, {"code": 2001, "message": "concurrent"}),
    faults.Status(422, {"code": 309, "message": "insufficient"}),
    faults.Status(422, {"code": 304, "message": "time taken"}),
    faults.Status(401, {"code": 1000, "message": "keys"}),
    faults.Redirect(),
]
STRIKES = st.one_of(
    st.tuples(
        st.sampled_from(EITHER), st.sampled_from(["before", "after", "later"]), st.sampled_from([0.005, 0.02, 0.06])
    ),
    st.tuples(st.sampled_from(NOT_DONE), st.just("before"), st.just(0.0)),
)
LIST_FAULTS: list[faults.Fault] = [
    *EITHER,
    faults.TooManyRequests("0"),
    faults.Status(200, {"transactions": [], "count": 0, "total": 0}),
]


class Machine(RuleBasedStateMachine):
    """A client, a ledger and random faults; the model is what every call has said."""

    outcomes: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.said: dict[str, list[str]] = {}
        self.values: dict[str, tuple[str, int]] = {}
        self.operations: dict[str, tuple[str, Operation[Any]]] = {}
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.sandbox = Sandbox(api_key=API_KEY, secret_key=SECRET_KEY)
        await self.sandbox.__aenter__()
        client = AsyncGameball(
            API_KEY,
            SECRET_KEY,
            base_url=self.sandbox.base_url,
            retries=Retries(attempts=3, backoff=0.002, cap=0.004),
            timeouts=Timeouts(connect=0.5, attempt=0.05, total=0.3),
        )
        self.client = with_waits(client, evolve(SHORT, first_lookup=0.004))
        await self.client.transactions.cashback(player_unique_id=PLAYER, transaction_id=ORDER, amount=1_000_000)

    @rule(
        kind=st.sampled_from(sorted(KINDS)),
        strikes=st.lists(STRIKES, max_size=4),
        unread=st.lists(st.sampled_from(LIST_FAULTS), max_size=4),
        patience=st.sampled_from([None, None, None, 0.0, 0.002, 0.005, 0.02, 0.06]),
    )
    def call(
        self, kind: str, strikes: list[tuple[Any, Any, float]], unread: list[faults.Fault], patience: float | None
    ) -> None:
        name = f"{kind}-{len(self.operations)}"
        self.operations[name] = (kind, operation(kind, name))
        for fault, effect, later in strikes:
            self.sandbox.faults.arm(f"transactions.{kind}", fault, transaction_id=name, effect=effect, later=later)
        for fault in unread:
            self.sandbox.faults.arm("transactions.list", fault, transaction_id=name)
        self._carry_out(name, patience)

    @rule(data=st.data())
    def call_again(self, data: st.DataObject) -> None:
        if self.operations:
            self._carry_out(data.draw(st.sampled_from(sorted(self.operations))))

    def _carry_out(self, name: str, patience: float | None = None) -> None:
        kind, call = self.operations[name]

        async def calling() -> None:
            try:
                async with asyncio.timeout(patience):
                    value = await self.client.send(call)
            except GameballError as error:
                self.said.setdefault(name, []).append(error.outcome)
            except TimeoutError:
                self.said.setdefault(name, []).append("unknown")
            else:
                effect = effect_of(kind, value, name)
                assert self.values.setdefault(name, effect) == effect, "a repetition gave another result"
                self.said.setdefault(name, []).append("applied")

        self.runner.run(calling())
        self.outcomes.update(self.said[name])

    @invariant()
    def the_ledger_is_as_was_said(self) -> None:
        for name, said in self.said.items():
            kind, _ = self.operations[name]
            rows = [row for row in self.sandbox.ledger.transactions(transaction_id=name) if row.type in KINDS[kind]]
            assert len(rows) == len(self.sandbox.ledger.transactions(transaction_id=name))
            assert len(rows) <= 1, f"{name}: {said}: rewarded twice"
            if "applied" in said:
                assert [(str(row.id), row.points) for row in rows] == [self.values[name]]
            elif set(said) == {"not_applied"}:
                assert rows == [], f"{name}: {said}, and yet it is there"

    def teardown(self) -> None:
        async def end() -> None:
            # What a server still had to do is done by now.
            await asyncio.sleep(0.08)
            self.the_ledger_is_as_was_said()
            await self.client.aclose()
            await self.sandbox.__aexit__(None, None, None)

        self.runner.run(end())
        self.runner.close()


@pytest.mark.thorough
def test_whatever_fails_the_ledger_is_as_was_said(net: Net) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=22,
            stateful_step_count=10,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert Machine.outcomes == {"applied", "not_applied", "unknown"}
    assert net.errors
