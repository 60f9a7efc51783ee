"""All that knows what a screen is: formats, live views, plots, completion, and what may reach a terminal."""
