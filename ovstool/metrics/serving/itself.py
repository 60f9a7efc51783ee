"""Metrics of the process that serves, as every exporter has them: process_* and python_*.

They are those of prometheus_client (extra ``metrics``), and left out where it is not installed. The metrics of switches do not go through it:
for the 140,000 samples of 10,000 ports it takes 2 seconds, and ``exposition`` 0.1 (bench/metrics.py).
"""

from collections.abc import Callable

from ovstool.metrics.exposition import END, OPENMETRICS


def reader() -> Callable[[str], str]:
    """What returns them as text in one of ``exposition.FORMS``, whole families without an end; an empty text if they cannot be had."""
    try:
        from prometheus_client import REGISTRY, exposition
        from prometheus_client.openmetrics import exposition as openmetrics
    except ImportError:
        return lambda form: ""

    def read(form: str) -> str:
        writer = openmetrics if form == OPENMETRICS else exposition
        return writer.generate_latest(REGISTRY).decode().removesuffix(END)

    return read
