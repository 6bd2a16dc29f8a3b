"""A local stand-in for Gameball's loyalty API v3.0.

    with Sandbox() as sandbox:
        client = Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url)

From a shell: `python -m gameball.sandbox`.
"""

from gameball.sandbox import faults
from gameball.sandbox.program import CouponRule, Program
from gameball.sandbox.sandbox import Sandbox

__all__ = ["CouponRule", "Program", "Sandbox", "faults"]
