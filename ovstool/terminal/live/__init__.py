"""Live views, which are updated in place on a terminal, and progress displays."""
