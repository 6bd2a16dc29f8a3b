"""Errors on their way through task queues and clusters: what carries them rebuilds them whole."""

import json
from typing import Any

import pytest

from gameball import APIError, DuplicateTransactionError, GameballError, OutcomeUnknownError, errors

TOLD: dict[str, Any] = {
    "operation": "transactions.cashback",
    "method": "POST",
    "path": "/integrations/transaction/cashback",
    "attempts": 2,
    "transaction_id": "order-1",
    "retry_after": 1.5,
    "request_id": "r-1",
}


def every_error() -> list[GameballError]:
    """One of each class, with an outcome that is not the class's own."""
    made: list[GameballError] = []
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, GameballError):
            error = kind("no")
            vars(error).update(TOLD, outcome="applied")
            if isinstance(error, APIError):
                error.status, error.code, error.from_api = 422, 305, False
            made.append(error)
    return made


def whole(error: object, original: GameballError) -> bool:
    return type(error) is type(original) and vars(error) == vars(original) and str(error) == str(original)


EACH = pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)


@EACH
@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml"])
def test_a_celery_result_backend_gives_the_error_back(error: GameballError, serializer: str) -> None:
    celery = pytest.importorskip("celery")
    if serializer == "yaml":
        pytest.importorskip("yaml")
    backend = celery.Celery("x", backend="cache+memory://").backend
    stored = backend.prepare_exception(error, serializer=serializer)
    if serializer == "json":
        stored = json.loads(json.dumps(stored))
    assert whole(backend.exception_to_python(stored), error)


@EACH
def test_rqs_serialiser_gives_the_error_back(error: GameballError) -> None:
    serializers = pytest.importorskip("rq.serializers")
    carrier = serializers.DefaultSerializer
    assert whole(carrier.loads(carrier.dumps(error)), error)


@EACH
def test_dask_gives_the_error_back(error: GameballError) -> None:
    protocol = pytest.importorskip("distributed.protocol")
    assert whole(protocol.deserialize(*protocol.serialize(error)), error)
    assert whole(protocol.pickle.loads(protocol.pickle.dumps(error)), error)


def test_an_unknown_outcome_does_not_come_back_as_not_applied() -> None:
    celery = pytest.importorskip("celery")
    backend = celery.Celery("x", backend="cache+memory://").backend
    for error in (OutcomeUnknownError("no answer"), DuplicateTransactionError("taken", status=422, outcome="unknown")):
        back = backend.exception_to_python(json.loads(json.dumps(backend.prepare_exception(error, serializer="json"))))
        assert back.outcome == "unknown"
