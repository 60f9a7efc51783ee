"""The completion scripts, which make the shells call ``ovstool complete --line``; its output is inserted and never evaluated."""

BASH = """\
# bash completion for ovstool; made by 'ovstool complete bash', not to be edited
_ovstool() {
    local program=${1/#\\~\\//$HOME/} answer
    type -P -- "$program" >/dev/null || program=ovstool
    mapfile -t answer < <("$program" complete --line bash "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" \\
        "$COMP_WORDBREAKS" 2>/dev/null </dev/null)
    COMPREPLY=("${answer[@]:1}")
    case ${answer[0]} in
        open) compopt -o nospace ;;
        files*) compopt -o default ;;
    esac
}
complete -F _ovstool ovstool
"""

ZSH = """\
#compdef ovstool
# zsh completion for ovstool; made by 'ovstool complete zsh', not to be edited
_ovstool() {
    local program=${words[1]/#\\~\\//$HOME/} head
    local -a answer texts shown options
    (( $+commands[$program] )) || [[ -x $program && $program == */* ]] || program=ovstool
    answer=("${(@f)$("$program" complete --line zsh "${(j: :)words[1,CURRENT-1]} $QIPREFIX$IPREFIX$PREFIX" \\
        "$SUFFIX ${(j: :)words[CURRENT+1,-1]}" 2>/dev/null </dev/null)}")
    case $answer[1] in
        files*)
            head=${answer[1]#files }
            [[ -n $head ]] && compset -P "${(b)head}"
            _files
            return ;;
        open) options=(-S '') ;;
    esac
    shift answer
    texts=("${(@)answer%%$'\\t'*}")
    shown=("${(@)answer/$'\\t'/  -- }")
    [[ "$answer" == *$'\\t'* ]] && options+=(-l -d shown)
    (( $#texts )) && compadd "${(@)options}" -a -- texts
}
if [[ $funcstack[1] == _ovstool ]]; then
    _ovstool "$@"
else
    compdef _ovstool ovstool
fi
"""

FISH = """\
# fish completion for ovstool; made by 'ovstool complete fish', not to be edited
function __ovstool_complete
    # fish tells nothing of what is behind the cursor
    set -l before (commandline -cp | string collect)
    set -l program (string match -r '^\\S+' -- "$before" | string replace -r '^~/' "$HOME/")
    command -q -- "$program"; or set program ovstool
    set -l answer ($program complete --line fish "$before" "" 2>/dev/null </dev/null)
    if string match -q 'files *' -- $answer[1]
        set -l head (string sub -s 7 -- $answer[1])
        set -l typed (string sub -s (math 1 + (string length -- "$head")) -- (commandline -ct))
        for path in (__fish_complete_path "$typed")
            printf '%s%s\\n' "$head" $path
        end
    else
        printf '%s\\n' $answer[2..-1]
    end
end
complete -c ovstool -f -a '(__ovstool_complete)'
"""

BY_SHELL = {"bash": BASH, "zsh": ZSH, "fish": FISH}
