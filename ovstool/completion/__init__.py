"""Tab completion: read the shell's line, find the candidates, and query the switch for names that only it has."""
