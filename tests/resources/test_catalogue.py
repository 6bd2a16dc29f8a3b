"""Every call of the catalogue: what goes out on a real socket, and that its sample answer is read, on both faces."""

import json

import pytest

from tests.support.calls import CALLS, SampleCall
from tests.support.mock_api import Ask
from tests.support.server import Server

SETTINGS = {"api_key": "an-api-key", "secret_key": "a-secret-key", "partner_token": "a-partner-token"}


@pytest.mark.parametrize("sample", CALLS.values(), ids=CALLS)
async def test_each_call_sends_its_own_request_and_reads_its_answer(
    call: Ask, server: Server, sample: SampleCall
) -> None:
    server.script(server.answer(sample.answer))
    value = await call(sample.name, *sample.identifier, settings=SETTINGS, base_url=server.base_url, **sample.arguments)

    method, path = sample.request
    assert server.only.line == f"{method} /api/v3.0{path} HTTP/1.1"
    sent = json.loads(server.only.body, object_hook=without_its_time) if server.only.body else None
    assert sent == sample.body
    operation = sample.operation()
    assert (operation.name, operation.method, operation.path) == (sample.operation_name, method, path)
    assert value is None or value


def without_its_time(value: dict[str, object]) -> dict[str, object]:
    value.pop("transactionTime", None)
    return value
