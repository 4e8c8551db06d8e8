#!/usr/bin/env bash
# Puts a crowd of simulated clients on a server, in a network namespace of its own, and prints figures as JSON.
#
#   sim/load.sh [--clients N] [OPTION...]     options of `load`, see `cargo run -p sim --bin load -- --help`
#
# SERVER: the binary (target/release/sekisho); LOAD: the load client (target/release/load). Root; no traffic leaves.
set -euo pipefail
cd "$(dirname "$0")/.."
server=$(realpath "${SERVER:-target/release/sekisho}")
load=$(realpath "${LOAD:-target/release/load}")
clients=1000
before=
for word in "$@"; do
    [ "$before" != --clients ] || clients=$word
    before=$word
done

# A template is for two at least.
tunnels=$((clients > 2 ? clients : 2))

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cat >"$room/load.conf" <<END
ip lan1 address 192.168.100.1/24
pp select anonymous
 pp bind tunnel1-tunnel$tunnels
 pp auth request mschap-v2
 pp auth username vpnuser vpn-Passw0rd
 ppp ipcp ipaddress on
 ppp ipcp msext on
 ppp ccp type none
 ip pp remote address pool 10.64.0.1-10.64.$((clients / 256 + 1)).254
 ip pp mtu 1400
 pp enable anonymous
tunnel select 1
 tunnel template 2-$tunnels
 tunnel encapsulation l2tp
 ipsec tunnel 1
  ipsec sa policy 1 1 esp aes-cbc sha-hmac
  ipsec ike keepalive use 1 off
  ipsec ike nat-traversal 1 on
  ipsec ike pre-shared-key 1 text sim-psk
  ipsec ike remote address 1 any
 l2tp tunnel auth off
 l2tp tunnel disconnect time off
 l2tp keepalive use on
 ip tunnel tcp mss limit auto
 tunnel enable 1
ipsec transport 1 1 udp 1701
ipsec transport template 1 2-$tunnels
dns server 192.168.100.10
dns notice order msext server
l2tp service on
END
chmod 600 "$room/load.conf"

# Everything below happens in two namespaces that end with it: this one for the clients and the host behind the server,
# a second one for the server.
export server load room
exec unshare --net bash -c '
set -euo pipefail
ulimit -n "$(ulimit -Hn)"
unshare --net sleep 86400 &
holder=$!
pid=
trap "kill \$pid $holder 2>/dev/null; wait 2>/dev/null; rm -rf $room" EXIT
until [ "$(readlink /proc/$holder/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
inside() { nsenter --net=/proc/$holder/ns/net "$@"; }
ip link set lo up
ip link add wan1 type veth peer name wan0 netns $holder
ip link add lan1 type veth peer name lan0 netns $holder
ip address add 198.18.0.2/24 dev wan1
ip address add 192.168.100.10/24 dev lan1
ip link set wan1 up
ip link set lan1 up
ip route add local 198.19.0.0/16 dev lo
# Addresses of nobody: what is sent to them is counted and goes no further.
nft "table ip flood { counter answers { }
    chain in { type filter hook prerouting priority -300; ip daddr 198.20.0.0/16 counter name answers drop; }; }"
ip route add 10.64.0.0/16 via 192.168.100.1
inside ip link set lo up
inside ip address add 198.18.0.1/24 dev wan0
inside ip address add 192.168.100.1/24 dev lan0
inside ip link set wan0 up
inside ip link set lan0 up
inside ip route add 198.19.0.0/16 via 198.18.0.2
inside ip route add 198.20.0.0/16 via 198.18.0.2
inside sysctl -qw net.ipv4.ip_forward=1
# For the bare loop of --share, with the queue that the server gives its own device.
inside ip tuntap add dev bare0 mode tun vnet_hdr
inside ip link set bare0 up txqueuelen 1000
inside ip route add 10.65.0.0/16 dev bare0
ip route add 10.65.0.0/16 via 192.168.100.1
# For --bursts, a host behind the server that hands over super-packets.
ip tuntap add dev feed0 mode tun vnet_hdr
ip link set feed0 up
ip address add 10.96.0.1/24 dev feed0
sysctl -qw net.ipv4.ip_forward=1
inside ip route add 10.96.0.0/24 via 192.168.100.10
# It counts packets on the wire, so that the kernel has to split what is sent in one piece.
case " $* " in *" --bursts "*) inside ethtool -K wan0 tx-udp-segmentation off ;; esac
export SEKISHO_RUN_DIR=$room/run
# For --share, server and bare loop have the last processor and the clients the others: which of them the kernel puts where
# made half as much again of either.
held= others= last=$(($(nproc) - 1))
case " $* " in *" --share "*) [ $last -lt 1 ] || { held="taskset -c $last" others="taskset -c 0-$((last - 1))"; } ;; esac
nsenter --net=/proc/$holder/ns/net $held "$server" run --config "$room/load.conf" 2>"$room/log" &
pid=$!
for _ in $(seq 300); do
    if grep -q "serves L2TP/IPsec" "$room/log"; then break; fi
    kill -0 $pid 2>/dev/null || { cat "$room/log" >&2; exit 1; }
    sleep 0.1
done
if ! $others "$load" --server-pid $pid --server-binary "$server" --echo 192.168.100.10:7007 "$@"; then
    echo "the server log ends:" >&2
    tail -n 20 "$room/log" >&2
    exit 1
fi
' load "$@"
