# fish completion for ovstool; made by 'ovstool complete fish', not to be edited
function __ovstool_complete
    # fish tells nothing of what is behind the cursor
    set -l before (commandline -cp | string collect)
    set -l program (string match -r '^\S+' -- "$before" | string replace -r '^~/' "$HOME/")
    command -q -- "$program"; or set program ovstool
    set -l answer ($program complete --line fish "$before" "" 2>/dev/null </dev/null)
    if string match -q 'files *' -- $answer[1]
        set -l head (string sub -s 7 -- $answer[1])
        set -l typed (string sub -s (math 1 + (string length -- "$head")) -- (commandline -ct))
        for path in (__fish_complete_path "$typed")
            printf '%s%s\n' "$head" $path
        end
    else
        printf '%s\n' $answer[2..-1]
    end
end
complete -c ovstool -f -a '(__ovstool_complete)'
