"""`python -m tests.stress.through_proxies`: the promises through real proxies, run by hand.

Needs tinyproxy, squid, haproxy and nginx, as Debian packages them; what is not installed is left out. Each stands
between the clients and a ledger that keeps no ids apart, on this machine: first without faults, where every call must
give its value, then with them, where every outcome must be true.
"""

import argparse
import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gameball import AsyncGameball, Timeouts
from tests.stress.faults import Dice
from tests.stress.scenarios import CALLS, KEYS, Call, End, Result, _checked, _make, calls
from tests.stress.server import Server
from tests.stress.timing import RETRIES, TIMEOUTS, WAITS
from tests.support.waits import with_waits

AT_ONCE: Final = 10


@dataclass(frozen=True)
class Proxy:
    """A program between client and server; in its configuration and command, words in capitals are replaced."""

    name: str
    configuration: str
    command: Sequence[str]
    forward: bool
    """Whether the client is pointed to it by `proxy=`; else it stands in the API's place."""


TINYPROXY: Final = """
Port PORT
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
MaxClients 200
LogFile "DIRECTORY/log"
"""

SQUID: Final = """
http_port 127.0.0.1:PORT
http_access allow localhost
cache deny all
access_log none
cache_log DIRECTORY/log
pid_filename DIRECTORY/pid
coredump_dir DIRECTORY
pinger_enable off
shutdown_lifetime 0 seconds
"""

HAPROXY: Final = """
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend clients
  bind 127.0.0.1:PORT
  default_backend api
backend api
  http-reuse always
  server api 127.0.0.1:SERVER
"""

NGINX: Final = """
pid DIRECTORY/pid;
events {}
http {
  access_log off;
  client_body_temp_path DIRECTORY/bodies;
  proxy_temp_path DIRECTORY/proxied;
  fastcgi_temp_path DIRECTORY/fastcgi;
  uwsgi_temp_path DIRECTORY/uwsgi;
  scgi_temp_path DIRECTORY/scgi;
  upstream api {
    server 127.0.0.1:SERVER;
    keepalive 16;
  }
  server {
    listen 127.0.0.1:PORT;
    location / {
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
"""

PROXIES: Final = (
    Proxy("tinyproxy", TINYPROXY, ("tinyproxy", "-d", "-c", "CONFIGURATION"), forward=True),
    Proxy("squid", SQUID, ("squid", "-N", "-f", "CONFIGURATION"), forward=True),
    Proxy("haproxy", HAPROXY, ("haproxy", "-db", "-f", "CONFIGURATION"), forward=False),
    Proxy("nginx", NGINX, ("nginx", "-c", "CONFIGURATION", "-e", "DIRECTORY/log", "-g", "daemon off;"), forward=False),
)


@contextmanager
def running(proxy: Proxy, server: Server) -> Iterator[str]:
    """The proxy in front of a server, as long as it is needed; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)  # some of them give up root for a user of their own
        words = {
            "CONFIGURATION": f"{directory}/configuration",
            "DIRECTORY": directory,
            "PORT": str(port),
            "SERVER": server.base_url.rpartition(":")[2],
        }

        def filled(text: str) -> str:
            for word, value in words.items():
                text = text.replace(word, value)
            return text

        Path(directory, "configuration").write_text(filled(proxy.configuration))
        log = Path(directory, "output")
        with (
            log.open("wb") as output,
            subprocess.Popen([filled(part) for part in proxy.command], stdout=output, stderr=output) as process,
        ):
            try:
                _wait_for(port, process, log)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return


async def _run(made: Sequence[Call], address: str, proxy: str | None, timeouts: Timeouts) -> list[End]:
    places = asyncio.Semaphore(AT_ONCE)  # a call that waits for a connection would spend its time on nothing
    async with AsyncGameball(
        *KEYS, base_url=address, proxy=proxy, timeouts=timeouts, retries=RETRIES, connections=AT_ONCE
    ) as client:
        with_waits(client, WAITS)

        async def make(call: Call) -> End:
            async with places:
                return await _make(client, call)

        return await asyncio.gather(*map(make, made))


def run(proxy: Proxy, number: int, *, seed: int, faults: bool) -> Result:
    """So many calls through a proxy."""
    made = [replace(call, cancel_after=None) for call in calls(seed, number / CALLS)]
    with Server(Dice.of_seed(seed, most=0.3) if faults else Dice(seed)) as server, running(proxy, server) as address:
        base_url, proxy_url = (server.base_url, address) if proxy.forward else (address, None)
        # Without faults nothing has to time out, on however slow a machine.
        ends = asyncio.run(_run(made, base_url, proxy_url, TIMEOUTS if faults else Timeouts()))
        return _checked(proxy.name, seed, server, ends)


def main() -> int:
    """Run them all; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.through_proxies", description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="through each, without faults and again with them")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    broken = 0
    for proxy in PROXIES:
        if shutil.which(proxy.command[0]) is None:
            print(f"{proxy.name}: not installed")  # noqa: T201 - a command
            continue
        for faults in (False, True):
            result = run(proxy, options.calls, seed=options.seed, faults=faults)
            if not faults and result.outcomes["applied"] != options.calls:
                result.violations.append("without faults, a call gave no value")
            outcomes = ", ".join(f"{count} {outcome}" for outcome, count in result.outcomes.most_common())
            print(  # noqa: T201 - a command
                f"{proxy.name}, {'with' if faults else 'without'} faults: {outcomes}; {result.requests} requests, "
                f"{result.drawn.total()} faults, longest call {result.longest:.1f} s, {len(result.violations)} broken",
                *result.violations,
                sep="\n  ",
                flush=True,
            )
            broken += len(result.violations)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
