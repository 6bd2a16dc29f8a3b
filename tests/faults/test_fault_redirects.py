"""No request ever reaches a redirect's target: it would carry the keys, and turn a POST into a GET."""

import pytest

from gameball import OutcomeUnknownError, UnexpectedAnswerError
from gameball.sandbox import faults
from tests.support.calls import KEYED
from tests.support.server import Server
from tests.support.till import Till, operation

pytestmark = pytest.mark.many_cases

STATUSES = (300, 301, 302, 303, 304, 305, 306, 307, 308, 399)
KINDS = ("cashback", "redeem", "refund", "manual", "hold", "create_coupon", "reverse_hold", "list", "for_order")
FORMS = {
    "absolute": "http://127.0.0.1:{port}/stolen",
    "without a scheme": "//127.0.0.1:{port}/stolen",
    "another name": "http://localhost:{port}/stolen",
    "with a user": "http://user:password@127.0.0.1:{port}/stolen",
    "another scheme": "https://127.0.0.1:{port}/stolen",
    "spoilt": "http://127.0.0.1:{port}:1/",
}


@pytest.mark.parametrize("status", STATUSES)
async def test_no_status_makes_any_call_follow(till: Till, another_server: Server, status: int) -> None:
    await till.open()
    for kind in KINDS:
        till.arm(kind, faults.Redirect(f"http://127.0.0.1:{another_server.port}/stolen", status))
        with pytest.raises((UnexpectedAnswerError, OutcomeUnknownError)) as raised:
            await till.client.send(operation(kind))

        known = kind in (*KEYED, "list", "for_order")  # a write is looked up, and is not there
        assert (raised.value.outcome, raised.value.attempts) == ("not_applied" if known else "unknown", 1)
        assert kind == "list" or len(till.sent(kind)) == 1
    assert another_server.received == []


@pytest.mark.parametrize("form", FORMS)
async def test_no_location_makes_a_call_follow(till: Till, another_server: Server, form: str) -> None:
    await till.open()
    for kind in ("cashback", "list"):
        till.arm(kind, faults.Redirect(FORMS[form].format(port=another_server.port)))
        with pytest.raises(UnexpectedAnswerError):
            await till.client.send(operation(kind))

    assert another_server.received == []


async def test_a_redirect_into_the_same_host_is_not_followed_either(till: Till) -> None:
    await till.open()
    till.arm("cashback", faults.Redirect("/api/v3.0/integrations/transaction/list"))
    with pytest.raises(UnexpectedAnswerError):
        await till.client.send(operation("cashback"))

    assert len(till.sent("list")) == 2, "of the look-ups alone"


async def test_a_redirect_after_a_lost_try_is_not_followed_and_leaves_the_outcome_unknown(
    till: Till, another_server: Server, keyed: str
) -> None:
    await till.open()
    till.arm(keyed, faults.Reset())
    till.arm(keyed, faults.Redirect(f"http://127.0.0.1:{another_server.port}/stolen"))
    with pytest.raises((UnexpectedAnswerError, OutcomeUnknownError)) as raised:
        await till.client.send(operation(keyed))

    assert (raised.value.outcome, raised.value.transaction_id) == ("unknown", "t1")
    assert another_server.received == []


@pytest.mark.parametrize("status", STATUSES)
async def test_a_redirect_of_the_list_is_not_followed_and_nothing_is_resent_on_it(
    till: Till, another_server: Server, status: int
) -> None:
    await till.open()
    till.arm("cashback", faults.Reset(), effect="after")
    till.arm("list", faults.Redirect(f"http://127.0.0.1:{another_server.port}/stolen", status))
    delivered = await till.client.deliver(operation("cashback"))

    assert (delivered.settled_by, delivered.lookups) == ("lookup", 2)
    assert (len(till.sent("cashback")), len(till.rows())) == (1, 1)
    assert another_server.received == []


@pytest.mark.parametrize("header", ["Refresh", "Content-Location", "Link", "Alt-Svc"])
async def test_no_other_header_leads_anywhere(till: Till, another_server: Server, header: str) -> None:
    await till.open()
    value = f"0; url=http://127.0.0.1:{another_server.port}/stolen"
    till.arm("cashback", faults.Status(503, headers={header: value}))
    await till.client.send(operation("cashback"))

    assert another_server.received == []
