# bash completion for ovstool; made by 'ovstool complete bash', not to be edited
_ovstool() {
    local program=${1/#\~\//$HOME/} answer
    type -P -- "$program" >/dev/null || program=ovstool
    mapfile -t answer < <("$program" complete --line bash "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" \
        "$COMP_WORDBREAKS" 2>/dev/null </dev/null)
    COMPREPLY=("${answer[@]:1}")
    case ${answer[0]} in
        open) compopt -o nospace ;;
        files*) compopt -o default ;;
    esac
}
complete -F _ovstool ovstool
