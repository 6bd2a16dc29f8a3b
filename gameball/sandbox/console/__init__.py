"""The console below `/_sandbox/`: what the control API gives, as pages for a browser.

Pages are rendered here, by Jinja2, and read well without script. With script they follow what happens, and their
buttons call the control API. Nothing comes from elsewhere.
"""

from gameball.sandbox.console.pages import CONSOLE_PATH, console_routes

__all__ = ["CONSOLE_PATH", "console_routes"]
