"""What else writes or clears a bridge's sFlow, so that what is set up now may not last."""

from collections.abc import Iterator, Mapping

from ovstool.errors import quote_some
from ovstool.switch.sflow.host_answers import HostAnswers


def warnings(marks: Mapping[str, Mapping[str, str]], answers: HostAnswers) -> Iterator[str]:
    """What to say of these bridges; ``marks`` are the external_ids of an sFlow row that each had, and that was replaced."""
    if answers.hsflowd:
        yield (
            "hsflowd runs here with 'ovs' in /etc/hsflowd.conf: it sets the sFlow of all bridges as that file says, looks after it each "
            "minute, and clears it when it ends; set collectors and sampling there, or remove 'ovs'"
        )
    for bridge in marks:
        if bridge in answers.reloaded:
            then = "and sets what ovs_extra says" if answers.reloaded[bridge] else "as no ovs_extra sets it"
            how = "--as-ovs prints the words for ovs_extra"
            yield f"{bridge}: ifreload clears the sFlow of a bridge in /etc/network/interfaces, {then}; {how}"
    for bridge, ids in marks.items():
        if ids:
            listed = quote_some([f"{key}={value}" for key, value in ids.items()])
            yield f"{bridge}: its sFlow has the external_ids {listed}; whoever set these may set the rest again"
