"""OpenFlow: counters over a bridge's management socket, and the text of flows."""
