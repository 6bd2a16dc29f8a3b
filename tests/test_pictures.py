"""The pictures of the docs: each is on a page, small, and needs nothing from elsewhere."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = sorted((DOCS / "images").iterdir())


def test_each_picture_is_on_a_page_and_has_a_description() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    shown = re.findall(r"\[[^\]]{10,}\]\(images/([^)]+)\)", pages)
    assert set(shown) == {picture.name for picture in PICTURES}


def test_each_picture_is_small() -> None:
    assert [picture.name for picture in PICTURES if picture.stat().st_size >= 200_000] == []


def test_a_drawn_picture_refers_to_nothing_elsewhere() -> None:
    drawn = [picture for picture in PICTURES if picture.suffix == ".svg"]
    assert drawn
    for picture in drawn:
        text = picture.read_text(encoding="utf-8")
        assert not re.search(r"""url\((?!#)|href|@font-face|@import|<script""", text), picture.name
