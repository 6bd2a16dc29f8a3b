"""How the site is built: `sphinx-build -W -n docs build/docs`."""

from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

from gameball import __version__
from gameball.cli import make_app

# What `--help` says, as the page on the command includes it.
COMMANDS = Path(__file__).parent / "reference" / "command.inc"
COMMANDS.write_text(make_app().generate_docs("markdown", heading_level=2), encoding="utf-8")

project = "gameball"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"gameball {version}"
html_extra_path = ["command-schema.json", "llms.txt", "sandbox-openapi.json"]
html_show_sphinx = html_show_copyright = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
sd_card_legacy_separators = False
lexers["csv"] = TextLexer()
copybutton_exclude = ".linenos, .gp, .go"

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_attr_annotations = True

# Names in signatures link to what is documented here; what is not (other packages, and private types) is plain text.
nitpick_ignore_regex = [
    ("py:.*", r"(?!gameball\b).*"),
    ("py:.*", r"gameball\.(client|core|bulk|models|resources|sandbox|settings|telemetry)\..*"),
]
