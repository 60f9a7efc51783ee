"""What was changed, by whom, and how it is taken back."""
