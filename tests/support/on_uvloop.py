"""A plugin by which awaited tests run on uvloop: `pytest -p tests.support.on_uvloop`."""

import asyncio
from importlib import import_module

import pytest


@pytest.fixture(scope="session")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = import_module("uvloop").EventLoopPolicy()
    return policy
