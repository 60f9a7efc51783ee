"""ovstool: a command-line toolkit for Open vSwitch."""

__version__ = "0.14.1"  # as in setup.cfg; importlib.metadata would take a quarter of a short command's time to find it
