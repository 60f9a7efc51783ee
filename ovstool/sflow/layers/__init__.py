"""The layers of a sampled packet (pure)."""
