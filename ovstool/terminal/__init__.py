"""Everything about output: formats, live views, plots, and the escaping of text for a terminal."""
