//! The configuration that the tests of the binary start from.

/// A configuration for the simulated client's key, user and password, with lines added at its end.
pub(crate) fn configuration(extra: &str) -> String {
    format!(
        "\
ip lan1 address 192.168.100.1/24
ip lan1 proxyarp on
pp select anonymous
 pp bind tunnel1-tunnel8
 pp auth request mschap-v2
 pp auth username vpnuser vpn-Passw0rd
 pp auth username second Second-2
 ppp ipcp ipaddress on
 ppp ipcp msext on
 ppp ccp type none
 ip pp remote address pool 192.168.100.200-192.168.100.250
 ip pp mtu 1400
 pp enable anonymous
tunnel select 1
 tunnel template 2-8
 tunnel encapsulation l2tp
 ipsec tunnel 1
  ipsec sa policy 1 1 esp aes-cbc sha-hmac
  ipsec ike keepalive use 1 off
  ipsec ike local address 1 192.168.100.1
  ipsec ike nat-traversal 1 on
  ipsec ike pre-shared-key 1 text sim-psk
  ipsec ike remote address 1 any
 l2tp tunnel disconnect time off
 l2tp keepalive use on
 l2tp keepalive log on
 l2tp syslog on
 ip tunnel tcp mss limit auto
 tunnel enable 1
ipsec auto refresh on
ipsec transport 1 1 udp 1701
ipsec transport template 1 2-8
dns server 192.168.100.10
dns notice order msext server
{extra}
l2tp service on
"
    )
}
