"""ovstool: a command-line toolkit for Open vSwitch."""
