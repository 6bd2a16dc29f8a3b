"""`gameball sandbox`: the options and the program of `python -m gameball.sandbox`."""

from typing import Annotated

from cyclopts import Parameter

from gameball.sandbox.__main__ import Options, serve

DEFAULTS = Options()


def sandbox(options: Annotated[Options, Parameter(name="*", negative=())] = DEFAULTS) -> int:
    """Serve a local stand-in for Gameball's loyalty API v3.0, until Ctrl-C or SIGTERM."""
    return serve(options)
