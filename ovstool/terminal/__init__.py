"""All that knows what a screen is: formats, live views, plots, and what may reach a terminal."""
