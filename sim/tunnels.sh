#!/usr/bin/env bash
# What tunnels cost that nobody uses: a template of 10,000 in a running server against one of 2, as JSON.
#
#   sim/tunnels.sh [TUNNELS]
#
# SERVER: the binary (target/release/sekisho). Root, for a network namespace of its own. Fails above 1 kB a tunnel, 2 s for
# `check` and 1 s for `show config`.
set -euo pipefail
cd "$(dirname "$0")/.."
server=$(realpath "${SERVER:-target/release/sekisho}")
tunnels=${1:-10000}

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
for count in 2 "$tunnels"; do
    cat >"$room/$count.conf" <<END
ip lan1 address 192.168.100.1/24
pp select anonymous
 pp bind tunnel1-tunnel$count
 pp auth request mschap-v2
 pp auth username vpnuser vpn-Passw0rd
 ppp ipcp ipaddress on
 ppp ipcp msext on
 ip pp remote address pool 10.64.0.1-10.64.$((count / 256 + 1)).254
 pp enable anonymous
tunnel select 1
 tunnel template 2-$count
 tunnel encapsulation l2tp
 ipsec tunnel 1
  ipsec sa policy 1 1 esp aes-cbc sha-hmac
  ipsec ike keepalive use 1 off
  ipsec ike nat-traversal 1 on
  ipsec ike pre-shared-key 1 text sim-psk
  ipsec ike remote address 1 any
 l2tp tunnel disconnect time off
 l2tp keepalive use on
 tunnel enable 1
ipsec auto refresh on
ipsec transport 1 1 udp 1701
ipsec transport template 1 2-$count
dns notice order msext none
l2tp service on
END
done
chmod 600 "$room"/*.conf

export server tunnels room
unshare --net bash -c '
set -euo pipefail
pid=
declare -a resident after
trap "[ -z \"\$pid\" ] || kill \$pid" EXIT
ip link set lo up
ip link add lan0 type veth peer name host0
ip link set host0 up
ip address add 192.168.100.1/24 dev lan0
ip link set lan0 up
milliseconds() { local from=${EPOCHREALTIME/./}; "$@" >"$room/said" 2>&1 || { cat "$room/said" >&2; exit 1; }; echo $(((${EPOCHREALTIME/./} - from) / 1000)); }
for count in 2 "$tunnels"; do
    "$server" run --config "$room/$count.conf" >"$room/$count.log" 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        ! "$server" show environment >/dev/null 2>&1 || break
        kill -0 $pid 2>/dev/null || { cat "$room/$count.log" >&2; exit 1; }
        sleep 0.1
    done
    sleep 6
    show=$(milliseconds "$server" show config)
    resident[$count]=$(awk "/VmRSS/ { print \$2 * 1024 }" /proc/$pid/status)
    # Somebody changes something ten times: everything is computed anew, and nothing may be left behind.
    for second in 301 302 303 304 305 306 307 308 309 310; do
        change=$(milliseconds "$server" exec "login timer $second")
    done
    sleep 7
    after[$count]=$(awk "/VmRSS/ { print \$2 * 1024 }" /proc/$pid/status)
    kill $pid
    wait $pid || true
    pid=
done
check=$(milliseconds "$server" check --config "$room/$tunnels.conf")
each=$(((resident[tunnels] - resident[2]) / tunnels))
changed=$(((after[tunnels] - after[2]) / tunnels))
echo "{\"tunnels\": $tunnels, \"octets_a_tunnel\": $each, \"after_ten_changes\": $changed, \"check_ms\": $check, \"show_config_ms\": $show, \"change_ms\": $change}"
[ "$each" -lt 1000 ] && [ "$check" -lt 2000 ] && [ "$show" -lt 1000 ]
'
