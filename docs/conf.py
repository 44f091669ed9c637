"""How Sphinx builds the documentation, in English and in Russian."""

from bulksend import __version__

project = "bulksend"
author = "The bulksend maintainers"
copyright = author  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["ru"]  # of the English half, whose folder holds the Russian one

myst_heading_anchors = 3
myst_links_external_new_tab = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
default_role = "py:obj"

html_theme = "furo"
html_title = f"bulksend {__version__}"
html_copy_source = False
