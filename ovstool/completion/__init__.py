"""What Tab offers in a shell: its line is read, what may come is found, and what only a switch knows is asked for."""
