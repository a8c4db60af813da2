"""Settings of the documentation site, which `sphinx-build docs docs/_build/html` makes."""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator
from typer.cli import get_docs_for_click
from typer.main import get_command

from scalingbayes.cli import app as command_line

project = "scalingbayes"
author = "The scalingbayes maintainers"
copyright = "The scalingbayes maintainers"
release = importlib.metadata.version(project)

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
nitpicky = True
nitpick_ignore_regex = [("py:class", r"(?!scalingbayes\.\w+$).*")]  # types that have no page here
templates_path = ["_templates"]

# Pages in Markdown, and notebooks as they are stored.
myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True

# Reference, from docstrings. Types are read in the signatures; their private parts stay out.
default_role = "literal"
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_default_options = {"exclude-members": "__init__, __new__"}

html_theme = "pydata_sphinx_theme"
html_title = "scalingbayes"
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"gallery": [], "start": []}  # they have no pages below them
html_static_path = ["_static"]
html_css_files = ["site.css"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line as MathML, which browsers draw without a script."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own as MathML."""
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def write_shell_reference(app: Sphinx) -> None:
    """Write the page of the commands and their options, from their help."""
    command = get_command(command_line)
    page = get_docs_for_click(
        obj=command, ctx=typer.Context(command), name=project, title="Commands"
    )
    Path(app.srcdir, "reference", "shell.md").write_text(page, "utf-8")


def leave_out_domains(*parts: Any) -> tuple[str | None, str | None]:
    """Write the type of an argument without its domain, which its description states."""
    signature, returns = parts[-2:]
    declared = r"~?(?:typing\.)?Annotated\[(.+?), ~?[\w.]*\b(?:Domain|Between)\(.*?\)\]"
    return signature and re.sub(declared, r"\1", signature), returns


def setup(app: Sphinx) -> None:
    """Add the writer of formulas, and the page that is made from the command line's help."""
    app.connect("autodoc-process-signature", leave_out_domains)
    app.connect("builder-inited", write_shell_reference)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
