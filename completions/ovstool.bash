# bash completion for ovstool; made by 'ovstool complete', not to be edited
_ovstool() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} noun='' verb='' word index
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
            --ca-cert|--certificate|--db|--private-key|--timeout|-t) ((index++)) ;;
            -*) ;;
            *) if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then verb=$word; fi ;;
        esac
    done
    case $previous in
        --bond-mode) mapfile -t COMPREPLY < <(compgen -W "active-backup balance-slb balance-tcp" -- "$current"); return ;;
        --by) mapfile -t COMPREPLY < <(compgen -W "bytes packets" -- "$current"); return ;;
        --datapath) mapfile -t COMPREPLY < <(compgen -W "dummy netdev" -- "$current"); return ;;
        --fail-mode) mapfile -t COMPREPLY < <(compgen -W "standalone secure" -- "$current"); return ;;
        --lacp) mapfile -t COMPREPLY < <(compgen -W "active passive off" -- "$current"); return ;;
        --quote) mapfile -t COMPREPLY < <(compgen -W "all minimal none nonnumeric" -- "$current"); return ;;
        --source) mapfile -t COMPREPLY < <(compgen -W "auto openflow ovsdb" -- "$current"); return ;;
        --style) mapfile -t COMPREPLY < <(compgen -W "step line" -- "$current"); return ;;
        --type) mapfile -t COMPREPLY < <(compgen -W "linux-htb linux-hfsc linux-sfq linux-codel linux-fq_codel linux-netem linux-noop egress-policer trtcm-policer" -- "$current"); return ;;
    esac
    local words=''
    case "$noun $verb" in
        "bridge list") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "bridge show") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix" ;;
        "bridge add") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --datapath-type --fail-mode --protocols --controller --external-id --other-config" ;;
        "bridge set") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --datapath-type --fail-mode --protocols --controller --external-id --other-config --unset" ;;
        "bridge del") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --if-exists" ;;
        "port list") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "port show") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix" ;;
        "port add") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --bond --type --tag --trunk --peer --remote-ip --key --option --external-id --bond-mode --lacp" ;;
        "port set") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --type --tag --trunk --peer --remote-ip --key --option --external-id --bond-mode --lacp --unset" ;;
        "port del") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --if-exists" ;;
        "stats record") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help --bridge --source --interval --count --for" ;;
        "stats plot") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -o --output --style --packets" ;;
        "flow list") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --table --names --no-names --parsed" ;;
        "flow add") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --file" ;;
        "flow del") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --strict" ;;
        "flow replace") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --file" ;;
        "flow diff") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --file" ;;
        "flow trace") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix" ;;
        "flow top") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --table --interval --by --limit" ;;
        "police set") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --rate --burst --packet-rate --packet-burst" ;;
        "police clear") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "police list") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "qos set") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --type --max-rate --queue --merge --other-config" ;;
        "qos clear") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "qos list") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "qos show") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix" ;;
        "qos gc") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "sflow enable") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --collector --agent --sampling --polling --header --force" ;;
        "sflow disable") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "sflow list") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending" ;;
        "sandbox start") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --dir --datapath" ;;
        "sandbox stop") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --dir" ;;
        "sandbox run") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help --dir --datapath" ;;
        "sandbox shell") words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help --dir --datapath" ;;
        "show "*) words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix" ;;
        "stats "*) words="record plot --db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help -f --format -c --column --noindent --max-width --fit-width --print-empty --quote --prefix --sort-column --sort-ascending --sort-descending --bridge --source --long --queues --rate --bursts --interval --for --count --watch" ;;
        "shell "*) words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help" ;;
        "complete "*) words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help" ;;
        "help "*) words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help" ;;
        "version "*) words="--db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help" ;;
    esac
    [[ -n $words ]] || case "$noun" in
        bridge) words="list show add set del" ;;
        port) words="list show add set del" ;;
        flow) words="list add del replace diff trace top" ;;
        police) words="set clear list" ;;
        qos) words="set clear list show gc" ;;
        sflow) words="enable disable list" ;;
        sandbox) words="start stop run shell" ;;
        *) words="show bridge port stats flow police qos sflow sandbox shell complete help version --version --db --private-key --certificate --ca-cert -t --timeout --no-wait -n --dry-run -v --verbose -q --quiet --debug -h --help" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _ovstool ovstool
