"""A capture of sampled packet headers that is being written; the file is complete after each of them."""

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
    """A pcapng file of packet headers, which threads of several hosts may share. An existing file is kept until it is ``opened``."""

    def __init__(self, path: str):
        self._path = path
        self._file: BinaryIO | None = None
        self._writer: capture.Writer | None = None
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    def opened(self) -> Callable[[Heard, NameOfPort], None]:
        """Truncate the file, unless another thread has done so; returns the function that adds to it. Raises NotFound, UsageError, Refused."""
        with self._lock, os_errors(self._path):
            if self._writer is None:
                self._file = open(self._path, "wb", buffering=0)  # so that each write reaches the file as a whole or fails
                self._writer = capture.Writer(self._file)
        return partial(self._add, self._writer)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _add(self, writer: capture.Writer, heard: Heard, name_of_port: NameOfPort) -> None:
        """Write the header of each sampled or dropped packet, on an interface named after agent and input port.

        Raises Refused if the disk is full.
        """
        with self._lock, os_errors(self._path):
            for arrival, datagram in heard:
                for sample in datagram.samples:
                    if isinstance(sample, Counter):
                        continue
                    for record in sample.records:
                        if record.tag == flow_records.HEADER:
                            with suppress(Malformed):  # reported in the sample's row
                                header = flow_records.sampled_header(record.body)
                                port = name_of_port(datagram.agent, sample.input.if_index)
                                writer.write(arrival.time, header, f"{datagram.agent} {port}")
