"""The notebook of docs/how-to/jupyter.md in a real kernel, cell by cell."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gameball.sandbox import Sandbox
from tests.support.pages import HOW_TO, examples

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
for package in ("ipykernel", "pandas", "pyarrow"):
    pytest.importorskip(package)

CELLS = examples((HOW_TO / "jupyter.md").read_text(encoding="utf-8"))


class Notebook:
    """A kernel that has been started, and its cells so far."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.shown: list[str] = []
        """Every state of every display, in order."""
        self.notebook = nbformat.v4.new_notebook()
        self.client = nbclient.NotebookClient(
            self.notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}, timeout=60
        )
        self._environment = {
            **os.environ,
            "GAMEBALL_API_KEY": sandbox.api_key,
            "GAMEBALL_SECRET_KEY": sandbox.secret_key,
            "GAMEBALL_BASE_URL": sandbox.base_url,
            "IPYTHONDIR": str(folder),
            "PYTHONPATH": str(HOW_TO.parents[1]),
        }
        process_message = self.client.process_message

        def noting(message: dict[str, Any], *given: Any) -> Any:
            if message["msg_type"] in ("display_data", "update_display_data"):
                self.shown.append(message["content"]["data"]["text/html"])
            return process_message(message, *given)

        self.client.process_message = noting
        self.client.create_kernel_manager()
        self.client.start_new_kernel(env=self._environment)
        self.client.start_new_kernel_client()

    def run(self, code: str) -> list[Any]:
        """Run a cell, and give its outputs.

        Raises:
            CellExecutionError: The cell raised.
        """
        cell = nbformat.v4.new_code_cell(code)
        self.notebook.cells.append(cell)
        self.client.execute_cell(cell, len(self.notebook.cells) - 1)
        return list(cell.outputs)


@pytest.fixture
def notebook(tmp_path: Path, gameball_sandbox: Sandbox) -> Iterator[Notebook]:
    started = Notebook(tmp_path, gameball_sandbox)
    yield started
    started.client._cleanup_kernel()


def value(outputs: list[Any]) -> str:
    """What a cell printed, and its last value, as both stand below it."""
    texts = (
        f"{output.data['text/plain']}\n" if output.output_type == "execute_result" else output.text
        for output in outputs
        if output.output_type in ("execute_result", "stream")
    )
    return "".join(texts)


def test_the_cells_of_the_page_give_what_it_says_and_its_bar_moves(
    notebook: Notebook, gameball_sandbox: Sandbox
) -> None:
    for code, expected in CELLS:
        outputs = notebook.run(code)
        assert value(outputs) == expected, code
    ledger = gameball_sandbox.ledger
    assert sum(len(ledger.transactions(transaction_id=f"bulk-{number}")) for number in range(500)) == 500
    moves = [shown for shown in notebook.shown if " of 500: " in shown]
    assert len(set(moves)) > 2
    assert moves[-1].endswith("500 of 500: 2,000 points, 0 rejected")


RUN = """
orders = [
    CashbackRequest(player_unique_id=f"player-{number % 90}", transaction_id=f"CLIENT-{number}", amount=20)
    for number in range(300)
]
report = AWAIT CLIENT.bulk.run(orders, journal="CLIENT.db", concurrency=4)
report.applied, report.rejected, report.needs_review
"""


def test_a_run_that_is_interrupted_goes_on_when_its_cell_is_run_again(
    notebook: Notebook, gameball_sandbox: Sandbox
) -> None:
    notebook.run("from gameball import AsyncGameball, CashbackRequest, Gameball\nimport os")
    notebook.run("client, awaited = Gameball(), AsyncGameball()")
    kernel = int(value(notebook.run("os.getpid()")))
    for client, keyword in (("client", ""), ("awaited", "await")):
        cell = RUN.replace("CLIENT", client).replace("AWAIT ", f"{keyword} ".lstrip())
        interrupting = Thread(target=interrupt_in_the_midst, args=(kernel, gameball_sandbox, client))
        interrupting.start()
        with pytest.raises(nbclient.exceptions.CellExecutionError, match=r"KeyboardInterrupt|CancelledError"):
            notebook.run(cell)
        interrupting.join()
        assert value(notebook.run(cell)) == "(300, 0, 0)\n"
        for number in range(300):
            gameball_sandbox.ledger.assert_rewarded_once(f"{client}-{number}")


def interrupt_in_the_midst(kernel: int, sandbox: Sandbox, client: str) -> None:
    """What the square button does, once a few rows are there."""
    until = time.monotonic() + 30
    while not sandbox.ledger.transactions(transaction_id=f"{client}-20") and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(kernel, signal.SIGINT)
