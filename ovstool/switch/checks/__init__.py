"""What is configured held against what is in effect: rules, one for each way to go wrong, over evidence that is gathered once."""
