#!/usr/bin/env bash
# Make this machine a cluster of one node, for tests, and end it: slurm.sh check|start|stop
# It needs root and Debian's packages slurm-wlm and munge. Daemons, key, ports and files are its own,
# in $PLACE; only the config is where jobs look for it. Where there is one already, the machine
# belongs to a cluster and is left alone.
set -euo pipefail

PLACE=/run/bnnflow-slurm
CONFIG=/etc/slurm/slurm.conf
MARK="# Made by tests/slurm.sh of BNNflow, which removes it again."
DAEMONS=(slurmd slurmctld munged) # in the order in which they end

say() { echo "slurm.sh: $*" >&2; }

ours() { [[ -f $CONFIG && $(head -n 1 "$CONFIG") == "$MARK" ]]; }

check() {
    if ((EUID)); then
        say "needs root, because the daemons of Slurm do"
        return 1
    fi
    local program missing=()
    for program in "${DAEMONS[@]}" sbatch squeue; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    if ((${#missing[@]})); then
        say "no ${missing[*]} here; on Debian: apt-get install slurm-wlm munge"
        return 1
    fi
    if [[ -e $CONFIG ]] && ! ours; then
        say "$CONFIG exists, so this machine belongs to a cluster, which is left alone"
        return 1
    fi
}

# The process of a daemon, if it still is one.
process_of() {
    local process
    process=$(cat "$PLACE/$1.pid" 2>/dev/null) || return 1
    [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$process/cmdline") == *"$1 "* ]] && echo "$process"
}

wait_until() {
    local i
    for ((i = 0; i < 150; i++)); do
        "$@" && return
        sleep 0.2
    done
    return 1
}

is_idle() { [[ $(sinfo --noheader --format %T 2>/dev/null) == idle ]]; }
is_empty() { [[ -z $(squeue --noheader 2>/dev/null) ]]; }
has_ended() { ! process_of "$1" >/dev/null; }

write_config() {
    local node cores memory
    node=$(hostname -s)
    cores=$(nproc)
    memory=$(awk '/^MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
    # Memory is watched by its sum over processes, because a container may have no cgroups to give.
    # At least four jobs at once: those of tests sleep and start more than they compute.
    cat <<END
$MARK
ClusterName=bnnflow
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$PLACE/munge.socket
StateSaveLocation=$PLACE/state
SlurmdSpoolDir=$PLACE/spool
SlurmctldPidFile=$PLACE/slurmctld.pid
SlurmdPidFile=$PLACE/slurmd.pid
SlurmctldLogFile=$PLACE/slurmctld.log
SlurmdLogFile=$PLACE/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/filetxt
JobCompLoc=$PLACE/jobs.txt
KillWait=2
SlurmdParameters=config_overrides
NodeName=$node NodeAddr=127.0.0.1 CPUs=$((cores > 4 ? cores : 4)) RealMemory=$memory
PartitionName=bnnflow Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
}

start() {
    check
    if ours && process_of slurmctld >/dev/null && process_of slurmd >/dev/null && is_idle; then
        say "is running already"
        return
    fi
    stop
    trap 'say "could not start; its logs end so:"; tail -n 5 "$PLACE"/*.log >&2; stop' ERR
    mkdir -p "$PLACE"/{state,spool} "$(dirname "$CONFIG")"
    (umask 077 && head -c 1024 /dev/urandom >"$PLACE/munge.key")
    munged --force --key-file="$PLACE/munge.key" --socket="$PLACE/munge.socket" \
        --pid-file="$PLACE/munged.pid" --log-file="$PLACE/munged.log" \
        --seed-file="$PLACE/munged.seed"
    write_config >"$CONFIG"
    slurmctld
    slurmd
    wait_until is_idle
    trap - ERR
    say "is running: one node, partition bnnflow; files in $PLACE"
}

stop() {
    local daemon process
    if ours && process_of slurmctld >/dev/null; then
        scancel --user="$(id -un)" || true
        wait_until is_empty || say "jobs are left that do not end: $(squeue --noheader)"
    fi
    for daemon in "${DAEMONS[@]}"; do
        if process=$(process_of "$daemon"); then
            kill "$process"
            wait_until has_ended "$daemon" || kill -9 "$process"
        fi
    done
    if ours; then rm "$CONFIG"; fi
    rm -rf "$PLACE"
}

# A shell within a cluster's job has variables that lead to that cluster.
for name in $(compgen -e SLURM_); do unset "$name"; done

case "${1-}" in
check | start | stop) "$1" ;;
*)
    echo "usage: slurm.sh check|start|stop" >&2
    exit 2
    ;;
esac
