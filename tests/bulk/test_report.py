"""Sums of plans and reports: exact, whatever decimal context the caller has set."""

from decimal import ROUND_UP, Context, Decimal, FloatOperation, Inexact, Rounded, localcontext
from pathlib import Path

import pytest

from gameball import AsyncGameball, CashbackReward, ManualRequest, RowResult, State
from gameball.bulk.report import BulkReport
from tests.support.bulk_api import Api, Response, pay, pays

CONTEXTS = pytest.mark.parametrize(
    "context",
    [
        Context(prec=2, traps=[]),
        Context(prec=4, traps=[Inexact]),
        Context(prec=4, traps=[Rounded, FloatOperation]),
        Context(prec=1, rounding=ROUND_UP, Emax=1, Emin=-1, capitals=0, traps=[]),
    ],
    ids=["low precision", "trap of inexact results", "trap of rounding", "one digit"],
)


def rewarded(points: Decimal | int) -> RowResult:
    value = CashbackReward(gameball_transaction_id="1", rewarded_points=points, player_unique_id="p")
    return RowResult(index=0, request=pay(0), state=State.APPLIED, value=value)


@CONTEXTS
async def test_a_plan_adds_amounts_exactly(caller: AsyncGameball, context: Context) -> None:
    amounts = ("12345.67", "0.01", "999999999999.99")
    rows = [pay(number, amount=Decimal(amount)) for number, amount in enumerate(amounts)]
    by_hand = ManualRequest(player_unique_id="p", transaction_id="m", username="u", reason="r", points=5)
    with localcontext(context):
        plan = await caller.bulk.plan([*rows, by_hand])

    assert plan.total_amount == Decimal("1000000012345.67")


@CONTEXTS
def test_a_report_adds_points_exactly(context: Context) -> None:
    report = BulkReport()
    with localcontext(context):
        for points in (123456, Decimal("7890.5"), Decimal("0.125"), -1):
            report.count([rewarded(points)])

    assert str(report.points) == "131345.625"


def test_points_stay_whole_as_long_as_all_are() -> None:
    report = BulkReport()
    for _ in range(3):
        report.count([rewarded(7)])

    assert (report.points, type(report.points)) == (21, int)


@CONTEXTS
async def test_a_journal_keeps_and_adds_points_exactly(
    api: Api, caller: AsyncGameball, tmp_path: Path, context: Context
) -> None:
    async def answer(identity: str) -> Response | None:
        points = {"t0": 12345.5, "t1": 0.0000001}.get(identity, 100001)
        return 200, {"playerUniqueId": f"p{identity[1:]}", "gameballTransactionId": identity, "rewardedPoints": points}

    api.answer = answer
    path = tmp_path / "j.db"
    with localcontext(context):
        report = await caller.bulk.run(pays(5), journal=path)
        resumed = await caller.bulk.resume(path)

    assert report.points == resumed.points == Decimal("312348.5000001")
