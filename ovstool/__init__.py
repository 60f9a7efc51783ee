"""ovstool: a command-line toolkit for Open vSwitch."""

__version__ = "0.6.0"  # here, for importlib.metadata takes a quarter of a short command's time to find it
