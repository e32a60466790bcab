#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion in bash: commands and options of xl-fast, options, domains and hosts of `xl migrate --fast`,
# and that the rest of xl is left to Xen's own completion. xl is a stand-in that lists domains.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

mkdir "$work/bin"
ln -s "$(realpath "$XL_FAST")" "$work/bin/xl-fast"
cat >"$work/bin/xl" <<'END_XL'
#!/bin/sh
[ "$*" = list ] || exit 1
cat <<'END_LIST'
Name                                        ID   Mem VCPUs	State	Time(s)
Domain-0                                     0  2048     2     r-----     111.9
web1                                         3   512     1     -b----       1.2
web2--migratedaway                           4   512     1     ---s--       1.2
my guest                                    12   512     1     ------       0.0
db                                          13   512     1     -b----   12345.6
dev's pc                                    14   512     1     -b----       1.0
münchen                                     15   512     1     -b----       1.0
END_LIST
END_XL
chmod +x "$work/bin/xl"
PATH=$work/bin:$PATH

# What bash has only while it completes, and what bash-completion would bring.
compopt() { :; }
# shellcheck disable=SC2317  # called by the completion
_known_hosts_real() { [[ $1 == -- ]] && mapfile -t COMPREPLY < <(compgen -W 'hosta hostb user@hostb' -- "$2"); }
# Xen's own completion, where the package puts it.
mkdir "$work/share"
cp xl-plugin/completion/xl-fast "$work/share/xl"
cat >"$work/share/xl.stock" <<'END_STOCK'
_xl() { COMPREPLY=("stock ${COMP_WORDS[*]}"); }
complete -F _xl xl xen
END_STOCK
# shellcheck source=xl-plugin/completion/xl-fast
. "$work/share/xl"

# What is offered for a line that is typed so far, one a line and sorted. bash splits words at = too.
offered() {
    local line=$1 function
    read -ra COMP_WORDS <<<"${line//=/ = }"
    [[ $line != *[' ='] ]] || [[ ${COMP_WORDS[-1]} == = ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \([^ ]*\) .*/\1/')
    "$function" "${COMP_WORDS[0]}" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
    printf '%s\n' "${COMPREPLY[@]}" | sort
}

completes() { # LINE WORD...: these are offered and no others
    local line=$1
    shift
    echo "+ $line"
    offered "$line" >"$work/out"
    printf '%s\n' "$@" | sort | diff - "$work/out" || fail "'$line' completes to other words"
}

offers() { # LINE WORD...: these are among what is offered
    local line=$1 word
    shift
    echo "+ $line"
    offered "$line" >"$work/out"
    for word; do
        grep -qxF -- "$word" "$work/out" || fail "'$line' is not completed to $word"
    done
}

guests=(db "dev\\'s\\ pc" "$(printf %q münchen)" 'my\ guest' web1 web2)
all=(-C -D -e -h -p -s --debug --fast --fast=auto --help)
ours=(--bandwidth --compress --deadline --dry-run --hand-over --json --lanes --max-downtime --measure --on-busy --quiet --report --throttle --verbose --verify --with-disks)

completes 'xl migrate ' "${guests[@]}"
completes 'xl migrate --fast ' "${guests[@]}"
completes 'xl migrate --fast web' web1 web2
completes 'xl migrate --fast my' 'my\ guest'
completes "xl migrate --fast dev\\'" "dev\\'s\\ pc"
completes "xl migrate --fast 'dev" "dev'\\''s pc"
completes 'xl migrate --fast "dev' "dev's pc"
completes 'xl migrate --fast mün' "$(printf %q münchen)"
[ "$(eval "printf %s $(printf %q münchen)")" = münchen ] || fail "no word of the shell's"
completes 'xl -v migrate --max-downtime 20 --fast --bandwidth=2G we' web1 web2
completes 'xl migrate --fast web1 ' hosta hostb user@hostb
completes 'xl migrate -s ssh web1 --fast hostb' hostb
completes 'xl migrate --fast web1 hosta ' ''
completes 'xl migrate -' "${all[@]}"
completes 'xl migrate --fast -' "${all[@]}" "${ours[@]}"
completes 'xl migrate --fast --report page.html web' web1 web2
completes 'xl migrate --fast=auto web1 --m' --max-downtime --measure
completes 'xl migrate --fast=' auto
completes 'xl migrate --fast=a' auto
completes 'xl migrate --fast --max-downtime ' ''
completes 'xl migrate --fast --compress ' auto lz4 none
completes 'xl migrate --fast --compress lz4 we' web1 web2
completes 'xl migrate --fast --on-busy ' abort go
completes 'xl migrate --fast --on-busy abort we' web1 web2
completes 'xl migrate --fast --hand-over ' auto early late
completes 'xl migrate --fast --hand-over late we' web1 web2
completes 'xl migrate --fast --measure ' ''
completes 'xl migrate --fast --dry-run --measure 5 we' web1 web2
# Each option of our own is one that is offered, and the other way round.
mapfile -t known < <("$XL_FAST" completion-data | sed -n 's/^option\tmigrate\t\(--[a-z-]*\).*/\1/p' | grep -vxE -- '--(help|version|debug)' | sort -u)
[ "${#known[@]}" -ge 4 ] || fail "migrate's options are not found"
diff <(printf '%s\n' "${known[@]}") <(printf '%s\n' --fast "${ours[@]}" | sort) || fail "xl-fast migrate --help has other options"

completes 'xl cre' 'stock xl cre'
completes 'xl list ' 'stock xl list '

completes 'xl-fast ' bench cancel clone config demo disks doctor evacuate history metrics migrate move-off probe recover report set status
completes 'xl-fast help re' recover report
completes 'xl-fast disks ' sync
completes 'xl-fast disks --d' --drop
completes 'xl-fast disks --json --d' --drop
completes 'xl-fast disks sync web' web1 web2
completes 'xl-fast disks sync --verify web1 host' hosta hostb
completes 'xl-fast pro' probe
completes 'xl-fast migrate web' web1 web2
completes 'xl-fast migrate --on-busy ' abort go
completes 'xl-fast migrate --max-downtime 20 web1 host' hosta hostb
offers 'xl-fast migrate --' --fast --max-downtime --verify --help
completes 'xl-fast set web' web1 web2
completes 'xl-fast set web1 ' bandwidth= max-downtime= now throttle=
completes 'xl-fast set web1 now th' throttle=
completes 'xl-fast set web1 throttle=' off on
completes 'xl-fast set web1 throttle=of' off
completes 'xl-fast set web1 bandwidth=1' ''
completes 'xl-fast probe -' --help --json --sysfs --version -h
completes 'xl-fast doctor -' --fix --help --json --multicast --version -h -s
completes 'xl-fast doctor --fix h' hosta hostb
completes 'xl-fast doctor hosta ' ''
completes 'xl-fast recover -' --help --dry-run --json --version --wait -h -n -s -w
completes 'xl-fast recover web' web1 web2
completes 'xl-fast evacuate -' --help --dry-run --json --keep --quiet --version --with-disks -h -k -n -s
completes 'xl-fast evacuate host' hosta hostb
completes 'xl-fast evacuate hosta hostb --keep web' web1 web2
completes 'xl-fast evacuate hosta -- --v' --verify
completes 'xl-fast status -' --help --json --version -h
completes 'xl-fast cancel -' --help --version --wait -h -w
completes 'xl-fast cancel -w 5 web' web1 web2
completes 'xl-fast cancel web1 ' ''
completes 'xl-fast history -' --help --json --version -h
completes 'xl-fast history --json web' web1 web2
completes 'xl-fast history web1 ' ''
completes 'xl-fast follow --p' --pid
completes 'xl-fast recover -w 5 web2 ' hosta hostb user@hostb
offers 'xl-fast demo --' --memory --fill --source-port --target-port --loss --reorder --corrupt --seed --json
completes 'xl-fast demo --fill ' compressible mixed random zero
completes 'xl-fast demo --fill=ra' random
completes 'xl-fast demo --memory ' ''
completes 'xl-fast demo ' ''
completes 'xl-fast evacuate --keep=web' web1 web2
completes 'xl-fast bench -' --help --version -h
completes 'xl-fast report CONTRIB' CONTRIBUTING.md
completes 'xl-fast demo --compress ' auto lz4 none
completes 'xl-fast demo --on-busy ' abort go
completes 'xl-fast bench ' disk link plot receive seal send
completes 'xl-fast bench seal --' --help --json --memory --seconds --threads --version
completes 'xl-fast bench send --' --fill --help --json --lanes --memory --passes --seconds --version
completes 'xl-fast bench disk --' --bandwidth --compress --help --json --lanes --overwrite --verify --version
completes 'xl-fast bench receive --fill ' compressible mixed random zero
completes 'xl-fast bench link --s' --seal --search --seconds --serve --sink --size --source-port --stats-period
completes 'xl-fast bench link --sink ' memory null
completes 'xl-fast bench link --runs 2 h' hosta hostb
completes 'xl-fast bench link hosta ' ''
completes 'xl-fast bench plot CONTRIB' CONTRIBUTING.md
completes 'xl-fast config --' --help --json --version
completes 'xl-fast config --json CONTRIB' CONTRIBUTING.md

# Without Xen's completion, and without bash-completion.
rm "$work/share/xl.stock"
unset -f _xl _known_hosts_real
# shellcheck source=xl-plugin/completion/xl-fast
. "$work/share/xl"
[ -e /usr/share/bash-completion/completions/xl ] || completes 'xl cre' ''
completes 'xl migrate --fast web' web1 web2
offered 'xl migrate --fast web1 h' >/dev/null
