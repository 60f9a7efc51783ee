"""What else writes or clears a bridge's sFlow: what is set up now may not last."""

from collections.abc import Iterator, Mapping

from ovstool.errors import quote_some
from ovstool.switch.sflow.host_answers import HostAnswers


def warnings(marks: Mapping[str, Mapping[str, str]], answers: HostAnswers) -> Iterator[str]:
    """What to say of these bridges; ``marks`` are the external_ids of the sFlow row that each has had."""
    if answers.hsflowd:
        yield (
            "hsflowd runs here with 'ovs' in /etc/hsflowd.conf: each minute it gives all bridges the collectors and the sampling of that file, "
            "and when it ends none; set them there, or take 'ovs' out"
        )
    for bridge in marks:
        if bridge in answers.reloaded:
            then = "and sets what its ovs_extra says" if answers.reloaded[bridge] else "unless an ovs_extra of it sets one"
            hint = f"'ovstool sflow enable --as-ovs' prints what ovs_extra takes"
            yield f"{bridge} is in /etc/network/interfaces: ifreload clears its sFlow, {then}; {hint}"
    for bridge, ids in marks.items():
        if ids:
            listed = quote_some([f"{key}={value}" for key, value in ids.items()])
            yield f"{bridge}: its sFlow had external_ids {listed}; who wrote these may write the rest again"
