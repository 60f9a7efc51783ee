"""Metrics of the process that serves, as every exporter has them: process_* and python_*.

They are those of prometheus_client (extra ``metrics``), and left out where it is not installed. The metrics of switches do not go through it:
for the 140,000 samples of 10,000 ports it takes 2 seconds, and ``exposition`` 0.1 (bench/metrics.py).
"""

from collections.abc import Callable

from ovstool.errors import one_line
from ovstool.metrics.exposition import END, OPENMETRICS

_SHOWN = 200  # characters of an error of its own


def reader(note: Callable[[str], object]) -> Callable[[str], str]:
    """What returns them as text in one of ``exposition.FORMS``, whole families without an end; an empty text if they cannot be had.

    That prometheus_client is installed but cannot be used is noted.
    """
    try:
        from prometheus_client import REGISTRY, exposition
        from prometheus_client.openmetrics import exposition as openmetrics
    except Exception as error:  # of any kind, as it is not ours
        if not (isinstance(error, ModuleNotFoundError) and error.name == "prometheus_client"):
            note(f"prometheus_client: {type(error).__name__}: {one_line(str(error))[:_SHOWN]}, so there are no metrics of this process")
        return lambda form: ""

    def read(form: str) -> str:
        writer = openmetrics if form == OPENMETRICS else exposition
        return writer.generate_latest(REGISTRY).decode().removesuffix(END)

    return read
