"""The headers that were sampled, as a capture that is being written: whole after each of them, whatever comes."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from ovstool.recording.files import os_errors
from ovstool.sflow import capture, flow_records
from ovstool.sflow.datagram import Counter
from ovstool.sflow.xdr import Malformed
from ovstool.switch.sflow.heard import Heard, NameOfPort


class SampledHeaders:
    """A pcapng file with the headers of packets; threads of several hosts may share it. What is in the file stays until it is ``opened``."""

    def __init__(self, path: str):
        self._path = path
        self._file: BinaryIO | None = None
        self._writer: capture.Writer | None = None
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    def opened(self) -> Callable[[Heard, NameOfPort], None]:
        """Begin the file anew, unless another thread has; returns what adds to it. Raises NotFound, UsageError, Refused."""
        with self._lock, os_errors(self._path):
            if self._writer is None:
                self._file = open(self._path, "wb", buffering=0)  # what is written at once is in the file at once, or not at all
                self._writer = capture.Writer(self._file)
        return partial(self._add, self._writer)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _add(self, writer: capture.Writer, heard: Heard, name_of_port: NameOfPort) -> None:
        """Write the header of each sampled or dropped packet, on an interface named after agent and input port.

        Raises Refused when the disk is full.
        """
        with self._lock, os_errors(self._path):
            for arrival, datagram in heard:
                for sample in datagram.samples:
                    if isinstance(sample, Counter):
                        continue
                    for record in sample.records:
                        if record.tag == flow_records.HEADER:
                            with suppress(Malformed):  # which the sample's row tells
                                header = flow_records.sampled_header(record.body)
                                port = name_of_port(datagram.agent, sample.input.if_index)
                                writer.write(arrival.time, header, f"{datagram.agent} {port}")
