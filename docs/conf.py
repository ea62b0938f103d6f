"""Sphinx: `make docs` builds the pages into docs/_build."""

project = "chest-cancer"
author = "The chest-cancer authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "chest-cancer"
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_copyright = False
