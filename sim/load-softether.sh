#!/usr/bin/env bash
# Puts the load client's crowd on SoftEther's server instead of this one, in a lab of `interop/`: what connects to both does
# not only share our own reading of the RFCs. SoftEther lends 51 addresses.
#
#   sim/load-softether.sh [OPTION...]     options of `load`; by default 20 clients, then 200 datagrams a second for 5 s
#
# LOAD: the load client (target/release/load). `interop/build-guest.sh` has been run before. Root; no traffic leaves.
set -euo pipefail
cd "$(dirname "$0")/.."
load=$(realpath "${LOAD:-target/release/load}")
lab=crowd
trap 'interop/peer-softether.sh stop --lab $lab; interop/lab.py down --lab $lab' EXIT
interop/peer-softether.sh start --lab $lab --psk sim-psk --login vpnuser vpn-Passw0rd >/dev/null
# The one that serves; another one watches it.
pid=
for each in $(ip netns pids ix-$lab-srv); do
    [ "$(cat /proc/$each/comm)" != vpnserver ] || pid=$each
done
clients=ix-$lab-wan
ip -n $clients link set lo up
ip -n $clients address add 198.18.0.9/24 dev br0
ip -n $clients route add local 198.19.0.0/16 dev lo
ip -n ix-$lab-srv route add 198.19.0.0/16 via 198.18.0.9
[ $# -gt 0 ] || set -- --clients 20 --flight 4 --traffic 200:20:5
ip netns exec $clients "$load" --server-pid "$pid" --far-echo 192.168.100.10:7007 "$@"
