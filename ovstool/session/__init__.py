"""What ``ovstool shell`` is made of: lines that are typed or come from a script, and what is done with each."""
