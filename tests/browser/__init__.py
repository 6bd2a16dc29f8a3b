"""The console and the report page in a real browser: Debian's chromium, driven by Playwright (extra `browser`).

    AXE_CORE=node_modules/axe-core/axe.min.js .venv/bin/pytest tests/browser

It is no part of the usual run, which needs neither of them.
"""
