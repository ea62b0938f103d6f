"""Sphinx: `make docs` builds the pages into docs/_build."""

project = "chest-cancer"
author = "The chest-cancer authors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "chest-cancer"
myst_heading_anchors = 3
