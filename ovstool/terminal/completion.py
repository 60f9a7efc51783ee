"""The completion script for bash, made from the parsers."""

from collections.abc import Collection
from typing import Any

_SCRIPT = """\
# bash completion for ovstool; made by 'ovstool complete', not to be edited
_ovstool() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} noun='' verb='' word index
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${{COMP_WORDS[index]}}
        case $word in
            {with_value}) ((index++)) ;;
            -*) ;;
            *) if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then verb=$word; fi ;;
        esac
    done
    case $previous in
{values}
    esac
    local words=''
    case "$noun $verb" in
{commands}
    esac
    [[ -n $words ]] || case "$noun" in
{nouns}
        *) words="{all_nouns} {common}" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _ovstool ovstool
"""


def bash(app: Any, names: Collection[str], nouns: Collection[str]) -> str:
    """The script for the commands of these names, which ``app`` finds; ``nouns`` are their first words."""
    commands, verbs, values = [], [], {}
    for name in sorted(names, key=lambda name: " " not in name):  # "stats record" before "stats" with anything after it
        options = [other.split()[1] for other in names if other.startswith(f"{name} ")]
        command_class, _, _ = app.command_manager.find_command(name.split())
        for action in command_class(app, None, name).get_parser(f"ovstool {name}")._actions:
            options += action.option_strings
            if action.choices and action.option_strings:
                values["|".join(action.option_strings)] = " ".join(map(str, action.choices))
        if " " in name:
            commands.append(f'        "{name}") words="{" ".join(options)}" ;;')
        else:
            commands.append(f'        "{name} "*) words="{" ".join(options)}" ;;')
    for noun in nouns:
        words = " ".join(name.split()[1] for name in names if name.startswith(f"{noun} "))
        if words and noun not in names:
            verbs.append(f'        {noun}) words="{words}" ;;')
    with_value = sorted(option for action in app.parser._actions if action.nargs is None for option in action.option_strings)
    common = [option for action in app.parser._actions for option in action.option_strings]
    return _SCRIPT.format(
        values="\n".join(
            f'        {options}) mapfile -t COMPREPLY < <(compgen -W "{words}" -- "$current"); return ;;'
            for options, words in sorted(values.items())
        ),
        commands="\n".join(commands),
        nouns="\n".join(verbs),
        with_value="|".join(with_value),
        all_nouns=" ".join(nouns),
        common=" ".join(common),
    )
