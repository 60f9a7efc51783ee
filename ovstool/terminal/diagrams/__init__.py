"""Drawings of how bridges hang together: a tree of characters, and graphs for Graphviz, Mermaid and as SVG."""
