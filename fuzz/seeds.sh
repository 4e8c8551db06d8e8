#!/usr/bin/env bash
# Makes fuzz/seeds out of the fixtures: small binary files, one folder a target.
set -euo pipefail
cd "$(dirname "$0")/.."

# put TARGET NAME HEX: writes one seed.
put() {
    mkdir -p "fuzz/seeds/$1"
    printf '%b' "$(sed 's/../\\x&/g' <<<"$3")" >"fuzz/seeds/$1/$2"
}

# ask NAME KIND ARGUMENT HEX [TARGET]: writes one input at the engine's door.
ask() {
    put "${5:-engine}" "$1" "$2$3$(printf '%04x' $((${#4} / 2)))$4"
}

for target in isakmp l2tp ppp esp_ip legacy legacy_door engine world; do
    rm -rf "fuzz/seeds/$target"
done
for file in fixtures/{windows,apple,android,linux}/*.hex; do
    client=$(basename "$(dirname "$file")")
    name=$(basename "$file" .hex)
    name=$client-${name%.constructed}
    hex=$(grep -v '^#' "$file" | tr -d ' \n')
    case "$name" in
    # Payloads without a header: the kind of the first stands in front.
    android-mm5-plain | linux-strongswan-qm1-ids) put isakmp "$name" "05$hex" ;;
    android-*-plain | linux-strongswan-qm2-plain) put isakmp "$name" "08$hex" ;;
    apple-mm5-notify) put isakmp "$name" "0b$hex" ;;
    *-qm1-body-*) put isakmp "$name" "01$hex" ;;
    # An SA alone: its next payload is made none.
    linux-strongswan-*-sa) put isakmp "$name" "0100${hex:2}" ;;
    *-mm[0-9]* | *-aggr* | android-qm[13] | android-initial-contact) put isakmp "$name" "$hex" ;;
    *sccrq* | *scccn* | *icrq* | *iccn* | *cdn* | *stopccn* | *hello* | *zlb* | *avp* | *data*) put l2tp "$name" "$hex" ;;
    apple-dhcpinform)
        put ppp "$name" "$hex"
        put esp_ip "$name" "0044${hex:8}"
        ;;
    *) put ppp "$name" "$hex" ;;
    esac
done

# What no client's fixture shows: payloads, packets and datagrams written by hand after their RFCs.
put isakmp delete "0c000000140000000103040002000001010000010200"
put isakmp fragment "84000000100001020148656c6c6f212121"
put ppp pap "ff03c023010100110573696d6f6e06736563726574"
put ppp pap-ack "c023020100090477656c6c"
put ppp compressed "2145000014000000004001"
put ppp mschapv2-response "c22302010039310102030405060708090a0b0c0d0e0f1000000000000000002122232425262728292a2b2c2d2e2f30313233343536373800626f62"
put esp_ip isakmp "00000000$(grep -v '^#' fixtures/windows/mm1.hex | tr -d ' \n')"
put esp_ip keepalive "ff"
put esp_ip esp "0000abcd0000000100112233445566778899aabb"
put esp_ip tcp-syn "05144500002c00000000400666ca0a0000010a0000020050005100000001000000006002010082820000020405b4"
put esp_ip tcp-syn-odd "05144500003000000000400666c60a0000010a00000200500051000000010000000070020100c12d000001020405b4010000"
put esp_ip options "002c4800002c000000004011000000000a0a0a0b070704000000000183030400$(printf '09%.0s' {1..40})"
put esp_ip tcp-syn-v6 "04c4600000000018064020010db800000000000000000000000120010db80000000000000000000000020050005100000001000000006002000100000000020405a0"
put esp_ip tcp-syn-v6-extended "04c46000000000200040200100000000000000000000000000012001000000000000000000000000000206000104000000000050005100000001000000006002000100000000020405a0"

# PPTP: the first octet chooses the decoder.
zeros() {
    printf '00%.0s' $(seq "$1")
}
start="009c00011a2b3c4d0001000001000000000000030000000300000001$(printf local | od -An -tx1 | tr -d ' ')$(zeros 59)"
start+="$(printf cananian | od -An -tx1 | tr -d ' ')$(zeros 56)"
call="00a800011a2b3c4d000700000000000100000960009896800000000300000003000300000000$(zeros 130)"
put legacy start "00$start"
put legacy start-and-call "00$start$call"
put legacy echo "00001000011a2b3c4d00050000000000070014000011a2b3c4d0006000000000007010000"
put legacy clear "00001000011a2b3c4d000c000000010000"
put legacy link-info "00001800011a2b3c4d000f000000010000ffffffffffffffff"
put legacy gre-data "013081880b0004000100000005000000090021c021"
put legacy gre-ack "012081880b0000000100000009"
put legacy option "02120601000040"
put legacy encrypted "0290010102030405"

# The engine's door: what clients send, each as one input with a pause behind it, and then all that an operator says.
for seed in fuzz/seeds/{isakmp,l2tp,ppp}/*; do
    hex=$(od -An -v -tx1 "$seed" | tr -d ' \n')
    name=$(basename "$seed")
    case "$seed" in
    # A message with its header; what comes third goes on with the exchange that was answered.
    */isakmp/*-mm1* | */isakmp/*-aggr1*) ask "$name" 00 00 "$hex" ;;
    */isakmp/*-mm3) ask "$name" 00 10 "$hex" ;;
    # AVPs behind a header of twelve octets.
    */l2tp/*) ask "$name" 02 00 "${hex:24}" ;;
    */ppp/*) ask "$name" 05 00 "$hex" ;;
    esac
done
# What a client asks inside the tunnel: an IP packet for the link.
ask dhcpinform 0b 00 "$(od -An -v -tx1 fuzz/seeds/ppp/apple-dhcpinform | tr -d ' \n' | cut -c9-)"
ask router-solicitation 0b 10 "6000000000083afffe800000000000000000000000000009ff02000000000000000000000000000285007d2e00000000"
ask neighbour-solicitation 0b 10 "6000000000183afffe800000000000000000000000000009ff0200000000000000000001ff00000187007d9b00000000fe800000000000000000000000000001"
ask ping 0b 10 "60000000000c3a40fe800000000000000000000000000009ff0200000000000000000000000000018000bd610001000261626364"
ask information-request 0b 10 "60000000002a1140fe800000000000000000000000000009ff02000000000000000000000001000202220223002aea470b0102030001000a0003000102020202020200060006001700180020000800020000"
ask solicit 0b 10 "6000000000301140fe800000000000000000000000000009ff020000000000000000000000010002022202230030f45b010102030001000a000300010202020202020019000c000000010000000000000000000600020017"
asked=
for argument in {0..15}; do
    asked+=$(printf '07%02x000006020000' "$argument")
done
put engine operator "$asked"
put engine day "$(printf '06%02x0000' {0..7} 7 7 7)"

# The door of PPTP: messages of a stranger, or of the client itself, and its frames and packets.
for seed in fuzz/seeds/legacy/* fuzz/seeds/ppp/*; do
    hex=$(od -An -v -tx1 "$seed" | tr -d ' \n')
    name=$(basename "$seed")
    case "$seed:$hex" in
    */legacy/start*) ask "$name" 00 01 "${hex:2}" legacy_door ;;
    */legacy/*:00*) ask "$name" 00 00 "${hex:2}" legacy_door ;;
    */legacy/gre-*) ask "$name" 04 00 "${hex:2}" legacy_door ;;
    */legacy/*) ;;
    */ppp/*) ask "$name" 02 00 "$hex" legacy_door ;;
    esac
done
ask ccp 02 00 "80fd0101000a120601000060" legacy_door
ask ccp-reset 02 00 "80fd0e050004" legacy_door
ask encrypted 02 00 "00fd9001$(printf '5a%.0s' {1..40})" legacy_door
asked=
for argument in {0..7}; do
    asked+=$(printf '07%02x000005020000' "$argument")
done
put legacy_door operator "$asked"
put legacy_door day "$(printf '05%02x0000' {0..7} 7 7)"

# Whole worlds: any octets choose one.
for seed in fuzz/seeds/isakmp/{android-mm1-l2tp-5.1,apple-mm1,windows-mm1,linux-strongswan-mm4}; do
    put world "$(basename "$seed")" "$(od -An -v -tx1 "$seed" | tr -d ' \n')"
done
