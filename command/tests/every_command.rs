//! Every command of the router's language (yamaha.md §3.1 to §3.11), each with a line that is right and one that is wrong,
//! written by hand from the specification.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use command::{Fault, Language, Level, PpRef, Problem, Scope, Severity, help, parse, parse_request};

/// Where a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Global,
    Pp,
    Tunnel,
}
use At::{Global, Pp, Tunnel};

/// Where, a right line, a wrong line, and what the routers say of the wrong one.
const LINES: &[(At, &str, &str, Fault)] = &[
    // §3.1
    (Global, "l2tp service on", "l2tp service maybe", Fault::IllegalKeyword),
    (Global, "l2tp service on l2tpv3 l2tp", "l2tp service on l2tp l2tp l2tp", Fault::ParameterCount),
    (Tunnel, "l2tp tunnel auth on himitsu", "l2tp tunnel auth himitsu", Fault::IllegalKeyword),
    (
        Tunnel,
        "l2tp tunnel auth on 12345678901234567890123456789012",
        "l2tp tunnel auth on 123456789012345678901234567890123",
        Fault::OutOfRange,
    ),
    (Tunnel, "l2tp tunnel disconnect time 21474836", "l2tp tunnel disconnect time 21474837", Fault::OutOfRange),
    (Tunnel, "l2tp tunnel disconnect time off", "l2tp tunnel disconnect time 0", Fault::OutOfRange),
    (Tunnel, "l2tp keepalive use on 600 50", "l2tp keepalive use on 600 51", Fault::OutOfRange),
    (Tunnel, "l2tp keepalive use off", "l2tp keepalive use on 0", Fault::OutOfRange),
    (Tunnel, "l2tp keepalive log on", "l2tp keepalive log 1", Fault::IllegalKeyword),
    (Tunnel, "l2tp syslog on", "l2tp syslog", Fault::ParameterCount),
    (Tunnel, "l2tp hostname gate", "l2tp hostname a-name-that-has-more-than-32-letters", Fault::OutOfRange),
    (Tunnel, "l2tp always-on off", "l2tp always-on never", Fault::IllegalKeyword),
    (Tunnel, "l2tp local router-id 192.0.2.1", "l2tp local router-id 192.0.2", Fault::BadAddress),
    (Tunnel, "l2tp remote router-id 192.0.2.1", "l2tp remote router-id 192.0.2.256", Fault::BadAddress),
    (Tunnel, "l2tp remote end-id text", "l2tp remote end-id", Fault::ParameterCount),
    // §3.2
    (Global, "tunnel select 10000", "tunnel select 10001", Fault::OutOfRange),
    (Global, "tunnel select none", "tunnel select template", Fault::IllegalKeyword),
    (Global, "tunnel enable 1 3-5 7- -2 all", "tunnel enable 5-3", Fault::OutOfRange),
    (Global, "tunnel disable 1", "tunnel disable anonymous", Fault::IllegalKeyword),
    (Tunnel, "tunnel encapsulation l2tp", "tunnel encapsulation l2pt", Fault::IllegalKeyword),
    (Tunnel, "tunnel encapsulation hb46pp", "tunnel encapsulation", Fault::ParameterCount),
    (
        Tunnel,
        "tunnel endpoint address 192.168.100.1 203.0.113.1",
        "tunnel endpoint address 192.168.100.1 203.0.113",
        Fault::BadAddress,
    ),
    (Tunnel, "tunnel endpoint address 203.0.113.1", "tunnel endpoint address", Fault::ParameterCount),
    (Tunnel, "tunnel endpoint name a.example.jp fqdn", "tunnel endpoint name", Fault::ParameterCount),
    (Tunnel, "tunnel template 8 10-20", "tunnel template 20-10", Fault::OutOfRange),
    (Tunnel, "tunnel template 2-10000", "tunnel template 2-10001", Fault::OutOfRange),
    (Tunnel, "ip tunnel tcp mss limit 536", "ip tunnel tcp mss limit 535", Fault::OutOfRange),
    (Tunnel, "ip tunnel tcp mss limit auto", "ip tunnel tcp mss limit never", Fault::IllegalKeyword),
    (Tunnel, "ip tunnel mtu 1280", "ip tunnel mtu 63", Fault::OutOfRange),
    (Tunnel, "ip tunnel secure filter in 1 2 dynamic 3", "ip tunnel secure filter in one", Fault::NotAnInteger),
    (Tunnel, "ip tunnel address 10.0.0.1/24", "ip tunnel address 10.0.0.1/33", Fault::BadAddress),
    (Tunnel, "ip tunnel remote address 10.0.0.1", "ip tunnel remote address here", Fault::BadAddress),
    (Tunnel, "ip tunnel nat descriptor 1", "ip tunnel nat descripter 1", Fault::InvalidCommand),
    (Tunnel, "description tunnel \"to the office\"", "description tunnel to the office", Fault::ParameterCount),
    (Pp, "description pp callers", "description pp", Fault::ParameterCount),
    // §3.3
    (Global, "ipsec use off", "ipsec use maybe", Fault::IllegalKeyword),
    (Global, "ipsec auto refresh on", "ipsec auto refresh 0 on", Fault::OutOfRange),
    (Global, "ipsec auto refresh 3 off", "ipsec auto refresh", Fault::ParameterCount),
    (Tunnel, "ipsec tunnel 101", "ipsec tunnel 0", Fault::OutOfRange),
    (Global, "ipsec sa policy 101 1 esp aes-cbc sha-hmac", "ipsec sa policy 101 1 esp aes sha", Fault::IllegalKeyword),
    (
        Global,
        "ipsec sa policy 101 1 esp aes256-cbc sha256-hmac anti-replay-check=off",
        "ipsec sa policy 101 1 esp aes256-cbc anti-replay-check=no",
        Fault::IllegalKeyword,
    ),
    (
        Global,
        "ipsec sa policy 2 1 ah md5-hmac local-id=10.0.0.0/8 remote-id=10.1.0.0/16",
        "ipsec sa policy 2 1 ah aes-cbc",
        Fault::IllegalKeyword,
    ),
    (Global, "ipsec ike pre-shared-key 1 text himitsu", "ipsec ike pre-shared-key 1 himitsu", Fault::IllegalKeyword),
    (Global, "ipsec ike pre-shared-key 1 0x00ff", "ipsec ike pre-shared-key 1 0x00f", Fault::IllegalKeyword),
    (Global, "ipsec ike remote address 1 any", "ipsec ike remote address 1 300.1.1.1", Fault::BadAddress),
    (Global, "ipsec ike remote address 1 203.0.113.1", "ipsec ike remote address any", Fault::NotAnInteger),
    (Global, "ipsec ike local address 1 192.168.100.1", "ipsec ike local address 1", Fault::ParameterCount),
    (Global, "ipsec ike local address 1 vrrp lan1 1", "ipsec ike local address 1 here", Fault::BadAddress),
    (
        Global,
        "ipsec ike local address 1 ipv6 prefix 2001:db8::1 on lan1",
        "ipsec ike local address",
        Fault::ParameterCount,
    ),
    (Global, "ipsec ike local address 1 ipcp pp 1", "ipsec ike local address 10001 10.0.0.1", Fault::OutOfRange),
    (Global, "ipsec ike local id 1 10.0.0.0/24", "ipsec ike local id 1 net", Fault::BadAddress),
    (Global, "ipsec ike remote id 1 10.0.0.1", "ipsec ike remote id 1", Fault::ParameterCount),
    (Global, "ipsec ike local name 1 office key-id", "ipsec ike local name 1 office name", Fault::IllegalKeyword),
    (Global, "ipsec ike remote name 1 pc fqdn", "ipsec ike remote name pc", Fault::NotAnInteger),
    (Global, "ipsec ike encryption 1 aes256-cbc", "ipsec ike encryption 1 blowfish", Fault::IllegalKeyword),
    (Global, "ipsec ike hash 1 sha512", "ipsec ike hash 1 sha1024", Fault::IllegalKeyword),
    (Global, "ipsec ike group 1 modp2048 modp1024", "ipsec ike group 1 modp4096", Fault::IllegalKeyword),
    (Global, "ipsec ike negotiate-strictly 1 on", "ipsec ike negotiate-strictly on", Fault::NotAnInteger),
    (Global, "ipsec ike pfs 1 on", "ipsec ike pfs 1 yes", Fault::IllegalKeyword),
    (
        Global,
        "ipsec ike nat-traversal 1 on keepalive=100000 force=on type=2",
        "ipsec ike nat-traversal 1 on keepalive=29",
        Fault::OutOfRange,
    ),
    (Global, "ipsec ike nat-traversal 1 on keepalive=off", "ipsec ike nat-traversal 1 on type=3", Fault::OutOfRange),
    (Global, "ipsec ike keepalive use 1 off", "ipsec ike keepalive use 1", Fault::ParameterCount),
    (
        Global,
        "ipsec ike keepalive use 1 auto heartbeat 10 6 0",
        "ipsec ike keepalive use 1 auto heartbeat 10 51",
        Fault::OutOfRange,
    ),
    (
        Global,
        "ipsec ike keepalive use 1 on heartbeat down=disconnect send-only-new-sa=on",
        "ipsec ike keepalive use 1 on down=forget",
        Fault::IllegalKeyword,
    ),
    (
        Global,
        "ipsec ike keepalive use 1 on icmp-echo 10.0.0.1 length=64 10 6",
        "ipsec ike keepalive use 1 on icmp-echo",
        Fault::ParameterCount,
    ),
    (Global, "ipsec ike keepalive use 1 on dpd 600 50", "ipsec ike keepalive use 1 on dpd 601", Fault::OutOfRange),
    (Global, "ipsec ike keepalive use 1 on rfc4306", "ipsec ike keepalive use 1 on rfc3706", Fault::IllegalKeyword),
    (Global, "ipsec ike keepalive log 1 off", "ipsec ike keepalive log 1", Fault::ParameterCount),
    (
        Global,
        "ipsec ike duration ipsec-sa 1 28800 2000000 rekey 75%",
        "ipsec ike duration ipsec-sa 1 299",
        Fault::OutOfRange,
    ),
    (
        Global,
        "ipsec ike duration isakmp-sa 1 691200 rekey off",
        "ipsec ike duration isakmp-sa 1 691200 rekey 60%",
        Fault::OutOfRange,
    ),
    (
        Global,
        "ipsec ike duration child-sa 1 300 off forced-reduction=30",
        "ipsec ike duration other-sa 1 300",
        Fault::IllegalKeyword,
    ),
    (Global, "ipsec ike retry 50 100 5", "ipsec ike retry 50 101", Fault::OutOfRange),
    (Global, "ipsec ike log 1 message-info payload-info key-info", "ipsec ike log 1 all-info", Fault::IllegalKeyword),
    (Global, "ipsec ike log key-info", "ipsec ike log", Fault::ParameterCount),
    (Global, "ipsec ike payload type 1 3 2", "ipsec ike payload type 1 4", Fault::OutOfRange),
    (Global, "ipsec ike backward-compatibility 1 2", "ipsec ike backward-compatibility 1 3", Fault::OutOfRange),
    (Global, "ipsec ike send info 1 off", "ipsec ike send info 1 none", Fault::IllegalKeyword),
    (Global, "ipsec ike esp-encapsulation 1 on", "ipsec ike esp-encapsulation 1", Fault::ParameterCount),
    (Global, "ipsec ike restrict-dangling-sa 1 auto", "ipsec ike restrict-dangling-sa 1 on", Fault::IllegalKeyword),
    (Global, "ipsec ike always-on 1 on", "ipsec ike always-on on", Fault::NotAnInteger),
    (Global, "ipsec ike queue length 200", "ipsec ike queue length 19", Fault::OutOfRange),
    (Global, "ipsec ike version 1 1", "ipsec ike version 1 3", Fault::OutOfRange),
    (Global, "ipsec log illegal-spi on", "ipsec log illegal-spi some", Fault::IllegalKeyword),
    (Tunnel, "ipsec ipcomp type deflate", "ipsec ipcomp type zip", Fault::IllegalKeyword),
    (Global, "ipsec transport 1 101 udp 1701", "ipsec transport 1", Fault::ParameterCount),
    (Global, "ipsec transport 2147483647 1 udp 1701 *", "ipsec transport 2147483648 1 udp 1701", Fault::OutOfRange),
    (Global, "ipsec transport template 1 2 10-12", "ipsec transport template 1", Fault::ParameterCount),
    // §3.4
    (Global, "pp select anonymous", "pp select anon1", Fault::IllegalKeyword),
    (Global, "pp select 150", "pp select 151", Fault::OutOfRange),
    (Global, "pp enable anonymous 1 2-3", "pp enable nobody", Fault::IllegalKeyword),
    (Global, "pp disable all", "pp disable 0", Fault::OutOfRange),
    (Pp, "pp bind tunnel1-tunnel20", "pp bind 1-20", Fault::IllegalKeyword),
    (Pp, "pp bind tunnel1 tunnel2", "pp bind tunnel0", Fault::OutOfRange),
    (Pp, "pp auth request chap-pap arrive-only", "pp auth request eap", Fault::IllegalKeyword),
    (Pp, "pp auth accept pap chap mschap mschap-v2", "pp auth accept", Fault::ParameterCount),
    (Pp, "pp auth username user1 pass1 192.168.100.10", "pp auth username user1", Fault::ParameterCount),
    (
        Pp,
        "pp auth username user1 pass1 03-1234-5678/Tokyo clid 0312345678 mscbcp 192.168.100.10",
        "pp auth username user1 pass1 clod",
        Fault::BadAddress,
    ),
    (Pp, "pp auth username * pass1", "pp auth username user1 pass1 192.168.100", Fault::BadAddress),
    (
        Pp,
        "pp auth username user1 pass1 myname me mine",
        "pp auth username user1 pass1 myname me",
        Fault::ParameterCount,
    ),
    (
        Pp,
        "pp auth username user1 pass1 2001:db8:1:2::/64",
        "pp auth username user1 pass1 2001:db8:1:2::/48",
        Fault::BadAddress,
    ),
    (Pp, "pp auth myname me mine", "pp auth myname me", Fault::ParameterCount),
    (Pp, "pp auth multi connect prohibit on", "pp auth multi connect prohibit", Fault::ParameterCount),
    (Pp, "pp always-on on 60", "pp always-on sometimes", Fault::IllegalKeyword),
    (Pp, "pp keepalive use lcp-echo", "pp keepalive use dpd", Fault::IllegalKeyword),
    (Pp, "pp keepalive use off", "pp keepalive use", Fault::ParameterCount),
    (Pp, "pp keepalive use icmp-echo 192.168.100.10 length=64", "pp keepalive use icmp-echo", Fault::ParameterCount),
    (
        Pp,
        "pp keepalive use lcp-echo icmp-echo 192.168.100.10 upwait=5000 downwait=5000 disconnect=10 192.168.100.11",
        "pp keepalive use lcp-echo icmp-echo 192.168.100.10 length=1501",
        Fault::IllegalKeyword,
    ),
    (
        Pp,
        "pp keepalive interval 30 retry-interval=1 count=6 time=10",
        "pp keepalive interval 30 count=2",
        Fault::OutOfRange,
    ),
    (Pp, "pp keepalive log on", "pp keepalive log maybe", Fault::IllegalKeyword),
    (Pp, "pp name callers", "pp name", Fault::ParameterCount),
    // §3.5
    (Pp, "ppp lcp mru on 1792", "ppp lcp mru on 1793", Fault::OutOfRange),
    (Pp, "ppp lcp magicnumber off", "ppp lcp magicnumber 0", Fault::IllegalKeyword),
    (Pp, "ppp lcp acfc on", "ppp lcp acfc", Fault::ParameterCount),
    (Pp, "ppp lcp pfc on", "ppp lcp pfc none", Fault::IllegalKeyword),
    (Pp, "ppp lcp accm on", "ppp lcp accm any", Fault::IllegalKeyword),
    (Pp, "ppp lcp restart 20", "ppp lcp restart 19", Fault::OutOfRange),
    (Pp, "ppp lcp maxterminate 10", "ppp lcp maxterminate 11", Fault::OutOfRange),
    (Pp, "ppp lcp maxconfigure 1", "ppp lcp maxconfigure 0", Fault::OutOfRange),
    (Pp, "ppp lcp maxfailure 10", "ppp lcp maxfailure ten", Fault::NotAnInteger),
    (Pp, "ppp lcp silent on", "ppp lcp silent yes", Fault::IllegalKeyword),
    (Pp, "ppp pap restart 10000", "ppp pap restart 10001", Fault::OutOfRange),
    (Pp, "ppp pap maxauthreq 1", "ppp pap maxauthreq 11", Fault::OutOfRange),
    (Pp, "ppp chap restart 3000", "ppp chap restart 3s", Fault::NotAnInteger),
    (Pp, "ppp chap maxchallenge 10", "ppp chap maxchallenge 0", Fault::OutOfRange),
    (Pp, "ppp ipcp vjc off", "ppp ipcp vjc maybe", Fault::IllegalKeyword),
    (Pp, "ppp ipcp ipaddress on", "ppp ipcp ipadress on", Fault::InvalidCommand),
    (Pp, "ppp ipcp restart 3000", "ppp ipcp restart 1", Fault::OutOfRange),
    (Pp, "ppp ipcp maxterminate 2", "ppp ipcp maxterminate 11", Fault::OutOfRange),
    (Pp, "ppp ipcp maxconfigure 10", "ppp ipcp maxconfigure 11", Fault::OutOfRange),
    (Pp, "ppp ipcp maxfailure 10", "ppp ipcp maxfailure 11", Fault::OutOfRange),
    (Pp, "ppp ipcp msext on", "ppp ipcp msext 1", Fault::IllegalKeyword),
    (Pp, "ppp ipcp remote address check off", "ppp ipcp remote address check", Fault::ParameterCount),
    (Pp, "ppp ccp type mppe-any", "ppp ccp type mppe-56", Fault::IllegalKeyword),
    (Pp, "ppp ccp restart 3000", "ppp ccp restart 10", Fault::OutOfRange),
    (Pp, "ppp ccp maxterminate 2", "ppp ccp maxterminate 0", Fault::OutOfRange),
    (Pp, "ppp ccp maxconfigure 10", "ppp ccp maxconfigure 0", Fault::OutOfRange),
    (Pp, "ppp ccp maxfailure 10", "ppp ccp maxfailure 0", Fault::OutOfRange),
    (Pp, "ppp ccp no-encryption reject", "ppp ccp no-encryption refuse", Fault::IllegalKeyword),
    (Pp, "ppp ipv6cp use off", "ppp ipv6cp use 6", Fault::IllegalKeyword),
    (Pp, "ppp mscbcp restart 1000", "ppp mscbcp restart 10001", Fault::OutOfRange),
    (Pp, "ppp mscbcp maxretry 30", "ppp mscbcp maxretry 31", Fault::OutOfRange),
    (Pp, "ppp mp use off", "ppp mp use all", Fault::IllegalKeyword),
    (Pp, "ppp bacp restart 3000", "ppp bacb restart 3000", Fault::InvalidCommand),
    (Pp, "ppp bap restart 1000", "ppp bab restart 1000", Fault::InvalidCommand),
    // §3.6
    (Pp, "ip pp address 192.168.100.1/24", "ip pp address 192.168.100", Fault::BadAddress),
    (
        Pp,
        "ip pp remote address 192.168.100.10",
        "ip pp remote address 192.168.100.10-192.168.100.20",
        Fault::BadAddress,
    ),
    (Pp, "ip pp remote address dhcp", "ip pp remote address bootp", Fault::BadAddress),
    (Pp, "ip pp remote address dhcpc lan1", "ip pp remote address dhcpc eth0", Fault::IllegalKeyword),
    (
        Pp,
        "ip pp remote address pool 10.0.100.0-10.0.100.50",
        "ip pp remote address pool 10.0.100.50-10.0.100.0",
        Fault::OutOfRange,
    ),
    (Pp, "ip pp remote address pool 10.0.0.1 10.0.0.3", "ip pp remote address pool", Fault::ParameterCount),
    (Pp, "ip pp remote address pool dhcp", "ip pp remote address pool dhcp 10.0.0.1", Fault::ParameterCount),
    (Pp, "ip pp remote address pool dhcpc lan2", "ip pp remote address pool dhcpd", Fault::BadAddress),
    (Pp, "ip pp mtu 1258", "ip pp mtu 1501", Fault::OutOfRange),
    (Pp, "ip pp tcp mss limit 1460", "ip pp tcp mss limit 1461", Fault::OutOfRange),
    (Pp, "ip pp secure filter in 1 dynamic 2", "ip pp secure filter inward 1", Fault::IllegalKeyword),
    (Pp, "ip pp secure filter out", "ip pp secure filter out 0", Fault::NotAnInteger),
    (Pp, "ip pp nat descriptor 1", "ip pp nat 1", Fault::InvalidCommand),
    (Pp, "ip pp intrusion detection in on", "ip pp intrusion detection both on", Fault::IllegalKeyword),
    (
        Global,
        "dns server 8.8.8.8 8.8.4.4 edns=on",
        "dns server 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 5.5.5.5",
        Fault::ParameterCount,
    ),
    (Global, "dns server pp 1", "dns server pp", Fault::ParameterCount),
    (Global, "dns server dhcp lan2", "dns server dhcp wan", Fault::IllegalKeyword),
    (Global, "dns notice order msext me server", "dns notice order msext you", Fault::IllegalKeyword),
    (Global, "dns notice order dhcp none", "dns notice order bootp none", Fault::IllegalKeyword),
    (Global, "dns service off", "dns service on", Fault::IllegalKeyword),
    (Global, "dns private address spoof on", "dns private address spoof", Fault::ParameterCount),
    (Global, "wins server 10.0.0.5 10.0.0.6", "wins server 10.0.0.5 10.0.0.6 10.0.0.7", Fault::ParameterCount),
    // §3.7
    (Global, "pptp service on", "pptp service yes", Fault::IllegalKeyword),
    (Pp, "pptp service type server", "pptp service type both", Fault::IllegalKeyword),
    (Global, "pptp hostname gate", "pptp hostname", Fault::ParameterCount),
    (Global, "pptp vendorname maker", "pptp vendorname", Fault::ParameterCount),
    (Global, "pptp window size 128", "pptp window size 129", Fault::OutOfRange),
    (Tunnel, "pptp syslog on", "pptp syslog all", Fault::IllegalKeyword),
    (Tunnel, "pptp tunnel disconnect time off", "pptp tunnel disconnect time 0", Fault::OutOfRange),
    (Tunnel, "pptp keepalive use off", "pptp keepalive use maybe", Fault::IllegalKeyword),
    (Tunnel, "pptp keepalive log on", "pptp keepalive log", Fault::ParameterCount),
    (Global, "pptp call-id mode random", "pptp call-id random", Fault::InvalidCommand),
    (Tunnel, "pptp keepalive interval 30 6", "pptp keepalive interval 30 2", Fault::OutOfRange),
    // §3.8
    (
        Global,
        "ip lan1 address 192.168.100.1/24 broadcast 192.168.100.255",
        "ip lan1 address 192.168.100.1",
        Fault::BadAddress,
    ),
    (
        Global,
        "ip bridge1 address 192.168.100.1/255.255.255.0",
        "ip eth0 address 192.168.100.1/24",
        Fault::InvalidCommand,
    ),
    (Global, "ip lan2/1 address dhcp", "ip lan1 address dhpc", Fault::BadAddress),
    (Global, "ip lan1 proxyarp on", "ip lan1 proxyarp yes", Fault::IllegalKeyword),
    (Global, "ip lan1 proxyarp vrrp 1", "ip lan1 proxyarp vrrp 256", Fault::OutOfRange),
    (
        Global,
        "ip route default gateway pp 1 filter 1 gateway 10.0.0.1 weight 2 metric 3",
        "ip route defalt gateway pp 1",
        Fault::BadAddress,
    ),
    (
        Global,
        "ip route 10.0.0.0/8 gateway pp anonymous name=user1",
        "ip route 10.0.0.0/99 gateway pp 1",
        Fault::BadAddress,
    ),
    (
        Global,
        "ip filter 1 pass 192.168.100.0/24 * tcp * www,https,1024-2048",
        "ip filter 1 allow * * * * *",
        Fault::IllegalKeyword,
    ),
    (
        Global,
        "ip filter 2 reject-nolog 10.*.*.1,10.0.0.5-10.0.0.9 * established",
        "ip filter 2 reject 10.0.0.9-10.0.0.5 *",
        Fault::BadAddress,
    ),
    (
        Global,
        "ip filter 21474836 restrict-log * * icmp-error,icmp-info",
        "ip filter 21474837 pass *",
        Fault::OutOfRange,
    ),
    (Global, "ip filter 3 pass * * tcpflag=0x0002/0x0017", "ip filter 3 pass * * tcpflag=2/17", Fault::IllegalKeyword),
    (Global, "ip filter 4 pass * 192.168.1.1 esp * *", "ip filter 4 pass * * gre 5 *", Fault::IllegalKeyword),
    (Global, "ip filter 5 pass * * 47", "ip filter 5 pass * * 256", Fault::IllegalKeyword),
    (Global, "ip filter 6 pass * * udp 500", "ip filter 6 pass * * udp 65536", Fault::IllegalKeyword),
    (Global, "ip filter 7 pass *", "ip filter 7 pass", Fault::ParameterCount),
    (Global, "ip filter dynamic 1 * * ftp syslog=off timeout=60", "ip filter dynamic 1 * * fpt", Fault::IllegalKeyword),
    (
        Global,
        "ip filter dynamic 2 * 10.0.0.1 filter 1 2 in 3 out 4",
        "ip filter dynamic 2 * 10.0.0.1 filter",
        Fault::ParameterCount,
    ),
    (Global, "ip filter set work in 1 2 dynamic 3 out 4", "ip filter set work 1 2", Fault::IllegalKeyword),
    (Global, "ip filter source-route on", "ip filter source-route drop", Fault::IllegalKeyword),
    (Global, "ip filter directed-broadcast off", "ip filter direct-broadcast off", Fault::NotAnInteger),
    (Global, "ip lan1 secure filter in 1 2", "ip lan1 secure filter into 1", Fault::IllegalKeyword),
    (Global, "ip lan1 tcp mss limit auto", "ip lan1 tcp mss limit 100", Fault::OutOfRange),
    (Global, "ip lan2 nat descriptor 1", "ip lan2 nat 1", Fault::InvalidCommand),
    (Global, "nat descriptor type 1 masquerade hairpin=on", "nat descriptor type 1 snat", Fault::IllegalKeyword),
    (Global, "nat descriptor address outer 1 ipcp", "nat descriptor address outer 1", Fault::ParameterCount),
    (
        Global,
        "nat descriptor address inner 1 192.168.1.1-192.168.1.9",
        "nat descriptor address inner 0 auto",
        Fault::OutOfRange,
    ),
    (
        Global,
        "nat descriptor masquerade static 1 2 192.168.1.1 gre",
        "nat descriptor masquerade static 1 2 here esp",
        Fault::BadAddress,
    ),
    (
        Global,
        "nat descriptor masquerade static 1 3 192.168.1.1 tcp 8080=80",
        "nat descriptor masquerade static 1 3",
        Fault::ParameterCount,
    ),
    (Global, "nat descriptor timer 1 900", "nat descriptor timer x 900", Fault::NotAnInteger),
    // §3.9
    (Global, "radius auth on", "radius auth always", Fault::IllegalKeyword),
    (Global, "radius account off", "radius account", Fault::ParameterCount),
    (Global, "radius server 10.0.0.1 10.0.0.2", "radius server 10.0.0.1 10.0.0.2 10.0.0.3", Fault::ParameterCount),
    (Global, "radius auth server 10.0.0.1", "radius auth server one", Fault::BadAddress),
    (Global, "radius account server 10.0.0.1", "radius account server", Fault::ParameterCount),
    (Global, "radius auth port 1812", "radius auth port 0", Fault::OutOfRange),
    (Global, "radius account port 1813", "radius account port 65536", Fault::OutOfRange),
    (Global, "radius secret himitsu", "radius secret", Fault::ParameterCount),
    (Global, "radius retry 4 3000", "radius retry 11 3000", Fault::OutOfRange),
    (Global, "login radius use off", "login radius use sometimes", Fault::IllegalKeyword),
    (Global, "administrator radius auth only", "administrator radius auth never", Fault::IllegalKeyword),
    // §3.10
    (Global, "login password", "login password himitsu", Fault::ParameterCount),
    (Global, "login password encrypted v1:abc", "login pasword", Fault::InvalidCommand),
    (Global, "administrator password", "administrator password himitsu", Fault::ParameterCount),
    (Global, "administrator password encrypted v1:abc", "administrator password open v1:abc", Fault::ParameterCount),
    (
        Global,
        "user attribute bob administrator=on connection=serial,telnet login-timer=600",
        "user atribute bob",
        Fault::InvalidCommand,
    ),
    (Global, "login user bob himitsu", "login user", Fault::ParameterCount),
    (Global, "login user bob encrypted $1$abc", "login usr bob", Fault::InvalidCommand),
    (Global, "security class 1 on", "security class 4 on", Fault::OutOfRange),
    (Global, "login timer 120", "login timer 119", Fault::OutOfRange),
    (Global, "login timer clear", "login timer never", Fault::IllegalKeyword),
    (Global, "console character ja.utf8", "console character utf8", Fault::IllegalKeyword),
    (Global, "console columns 200", "console columns 79", Fault::OutOfRange),
    (Global, "console lines infinity", "console lines 9", Fault::OutOfRange),
    (Global, "console prompt \"[TEST-RTX] \"", "console prompt two words", Fault::ParameterCount),
    (Global, "console info on", "console info", Fault::ParameterCount),
    (Global, "description lan1 office", "description lan1", Fault::ParameterCount),
    (Global, "syslog host 192.0.2.1 log.example.jp", "syslog host 192.0.2.300", Fault::BadAddress),
    (Global, "syslog format type rfc5424", "syslog format type rfc5425", Fault::IllegalKeyword),
    (Global, "syslog format hostname text gate", "syslog format hostname gate", Fault::InvalidCommand),
    (Global, "syslog facility local7", "syslog facility local8", Fault::IllegalKeyword),
    (Global, "syslog facility 23", "syslog facility 24", Fault::OutOfRange),
    (Global, "syslog notice on", "syslog notice all", Fault::IllegalKeyword),
    (Global, "syslog info off", "syslog info", Fault::ParameterCount),
    (Global, "syslog debug on", "syslog debugging on", Fault::InvalidCommand),
    (Global, "syslog local address 192.0.2.1", "syslog local address lan1", Fault::BadAddress),
    (Global, "syslog srcport 514", "syslog srcport 0", Fault::OutOfRange),
    (Global, "syslog execute command on", "syslog execute command log", Fault::IllegalKeyword),
    (Global, "telnetd service on", "telnetd service started", Fault::IllegalKeyword),
    (Global, "telnetd listen 23", "telnetd listen 65536", Fault::OutOfRange),
    (Global, "telnetd host lan", "telnetd host", Fault::ParameterCount),
    (Global, "telnetd session 8", "telnetd session 9", Fault::OutOfRange),
    (Global, "sshd service off", "sshd service 22", Fault::IllegalKeyword),
    (Global, "sshd listen 22", "sshd listen ssh", Fault::NotAnInteger),
    (Global, "sshd host any", "sshd host", Fault::ParameterCount),
    (Global, "sshd host key generate", "sshd hots key generate", Fault::InvalidCommand),
    (Global, "sshd session 8", "sshd session 0", Fault::OutOfRange),
    (Global, "httpd service on", "httpd service lan", Fault::IllegalKeyword),
    (Global, "httpd host lan", "httpd host", Fault::ParameterCount),
    (Global, "ip routing on", "ip routing yes", Fault::IllegalKeyword),
    (Global, "ip routing process fast", "ip routing process slow", Fault::IllegalKeyword),
    (Global, "dhcp service server", "dhcp service client", Fault::IllegalKeyword),
    (
        Global,
        "dhcp scope 1 192.168.100.2-192.168.100.191/24 except 192.168.100.5 gateway 192.168.100.1 expire 72:00",
        "dhcp scope 0 192.168.100.2-192.168.100.191/24",
        Fault::OutOfRange,
    ),
];

/// What is asked for and done at once (§3.3, §3.10, §3.11): a line that is right, one that is wrong, and what is said of it.
const REQUESTS: &[(&str, &str, Fault)] = &[
    ("ipsec refresh sa", "ipsec refresh sa 1", Fault::ParameterCount),
    ("ipsec sa delete 3", "ipsec sa delete three", Fault::IllegalKeyword),
    ("ipsec sa delete all", "ipsec sa delete", Fault::ParameterCount),
    ("administrator", "administrator X", Fault::ParameterCount),
    ("quit", "quit now", Fault::IllegalKeyword),
    ("quit save", "quit save save", Fault::ParameterCount),
    ("exit", "exit 1", Fault::IllegalKeyword),
    ("exit save", "exit save 0", Fault::ParameterCount),
    ("save", "saved", Fault::InvalidCommand),
    ("save 0 before the change", "saev 0", Fault::InvalidCommand),
    ("restart", "restrat", Fault::InvalidCommand),
    ("restart 0", "re 0", Fault::InvalidCommand),
    ("cold start", "cold", Fault::ParameterCount),
    ("copy config 0 1", "copy 0 1", Fault::InvalidCommand),
    ("delete config 1", "delete", Fault::ParameterCount),
    ("connect 1", "conect 1", Fault::InvalidCommand),
    ("connect pp 1", "connection pp 1", Fault::InvalidCommand),
    ("connect tunnel 1", "co tunnel 1", Fault::InvalidCommand),
    ("disconnect 1", "disconnect 151", Fault::OutOfRange),
    ("disconnect all", "disconnect", Fault::ParameterCount),
    ("disconnect anonymous", "disconnect anonymous 1", Fault::ParameterCount),
    ("disconnect anonymous1", "disconnect anonymous0", Fault::OutOfRange),
    ("disconnect pp 1", "disconnect pp", Fault::ParameterCount),
    ("disconnect tunnel 1", "disconnect tunnel 10001", Fault::OutOfRange),
    ("disconnect user taro", "disconnect user", Fault::ParameterCount),
    ("disconnect user taro/telnet 1", "disconnect user taro/telnet first", Fault::NotAnInteger),
    ("show status l2tp", "show status l2tpv3", Fault::InvalidCommand),
    ("show status l2tp tunnel 1", "show status l2tp tunnel", Fault::ParameterCount),
    ("show status pptp", "show status pptp 1", Fault::ParameterCount),
    ("show status pp", "show status pp 151", Fault::OutOfRange),
    ("show status pp 1", "show status pp one", Fault::IllegalKeyword),
    ("show status pp anonymous", "show status pp anonymous 1", Fault::ParameterCount),
    ("show status tunnel", "show status tunnel 0", Fault::OutOfRange),
    ("show status tunnel 1", "show status tunnel one", Fault::IllegalKeyword),
    ("show status tunnel up", "show status tunnel upp", Fault::IllegalKeyword),
    ("show status tunnel down", "show status tunnel down 1", Fault::ParameterCount),
    ("show status tunnel name=office", "show status tunnel label=office", Fault::IllegalKeyword),
    ("show status user", "show status users", Fault::InvalidCommand),
    ("show status user history", "show status user history 1", Fault::ParameterCount),
    ("show ipsec sa", "show ipsec sas", Fault::InvalidCommand),
    ("show ipsec sa 1", "show ipsec sa one", Fault::NotAnInteger),
    ("show ipsec sa gateway", "show ipsec sa gateway detail detail", Fault::ParameterCount),
    ("show ipsec sa gateway 1 detail", "show ipsec sa gateway 1 whole", Fault::IllegalKeyword),
    ("show log", "show log now", Fault::IllegalKeyword),
    ("show log saved reverse", "show log reverse saved", Fault::ParameterCount),
    ("less log", "less log now", Fault::IllegalKeyword),
    ("clear log", "clear log all", Fault::IllegalKeyword),
    ("clear log saved", "clear logs", Fault::InvalidCommand),
    ("show arp", "show arpp", Fault::InvalidCommand),
    ("show arp lan1", "show arp lan1 lan2", Fault::ParameterCount),
    ("clear arp", "clear arp lan1", Fault::ParameterCount),
    ("show ip route", "show ip routes", Fault::InvalidCommand),
    ("show ip route 192.168.100.10", "show ip route 192.168.100", Fault::BadAddress),
    ("show ip route detail", "show ip route detail 1", Fault::ParameterCount),
    ("show ip route summary", "show ip route short", Fault::BadAddress),
    ("show account", "show accounts", Fault::InvalidCommand),
    ("show account pp", "show account pp one", Fault::IllegalKeyword),
    ("show account pp anonymous", "show account pp 0", Fault::OutOfRange),
    ("show account tunnel", "show account tunnel one", Fault::NotAnInteger),
    ("show account tunnel 1", "show account tunnel 0", Fault::OutOfRange),
    ("clear account", "clear acount", Fault::InvalidCommand),
    ("clear account pp 1", "clear account pp 151", Fault::OutOfRange),
    ("show pp connect time", "show pp connect", Fault::ParameterCount),
    ("show pp connect time anonymous", "show pp connect time everybody", Fault::IllegalKeyword),
    ("show config", "show config now", Fault::NotAnInteger),
    ("show config 0", "show config 5", Fault::OutOfRange),
    ("show config pp", "show config pp one", Fault::IllegalKeyword),
    ("show config pp 1-3", "show config pp 3-1", Fault::OutOfRange),
    ("show config pp anonymous", "show config pp anonymous 1", Fault::ParameterCount),
    ("show config tunnel", "show config tunnel 0", Fault::OutOfRange),
    ("show config tunnel 1-20 expand", "show config tunnel 1-20 whole", Fault::IllegalKeyword),
    ("show config list", "show config lists", Fault::NotAnInteger),
    ("less config", "less configs", Fault::InvalidCommand),
    ("less config pp 1", "less config pp 0", Fault::OutOfRange),
    ("less config tunnel 1 expand", "less config tunnel one", Fault::NotAnInteger),
    ("show environment", "show enviroment", Fault::InvalidCommand),
    ("show environment detail", "show environment whole", Fault::IllegalKeyword),
    ("show techinfo", "show techinfo 1", Fault::ParameterCount),
    ("show command", "show comand", Fault::InvalidCommand),
    ("show command history", "show command history all", Fault::NotAnInteger),
    ("show command history 10", "show command history 0", Fault::OutOfRange),
    ("help", "help me", Fault::ParameterCount),
    ("ping 192.168.100.2", "pign 192.168.100.2", Fault::InvalidCommand),
    ("ping -s 100 -c 3 -sa 192.168.100.1 -w 1 192.168.100.2", "pong -c 1", Fault::InvalidCommand),
];

/// The commands that §3 of the specification names, section by section, by their words alone.
const COMMANDS: &[(&str, &str)] = &[
    (
        "3.1",
        "l2tp service/l2tp tunnel auth/l2tp tunnel disconnect time/l2tp keepalive use/l2tp keepalive log/l2tp syslog/\
         l2tp hostname/l2tp always-on/l2tp local router-id/l2tp remote router-id/l2tp remote end-id",
    ),
    (
        "3.2",
        "tunnel select/tunnel enable/tunnel disable/tunnel encapsulation/tunnel endpoint address/tunnel endpoint name/\
         tunnel template/ip tunnel tcp mss limit/ip tunnel mtu/ip tunnel secure filter/ip tunnel address/\
         ip tunnel remote address/ip tunnel nat descriptor/description tunnel/description pp",
    ),
    (
        "3.3",
        "ipsec use/ipsec auto refresh/ipsec tunnel/ipsec sa policy/ipsec ike pre-shared-key/ipsec ike remote address/\
         ipsec ike local address/ipsec ike local id/ipsec ike remote id/ipsec ike local name/ipsec ike remote name/\
         ipsec ike encryption/ipsec ike hash/ipsec ike group/ipsec ike negotiate-strictly/ipsec ike pfs/\
         ipsec ike nat-traversal/ipsec ike keepalive use/ipsec ike keepalive log/ipsec ike duration/ipsec ike retry/\
         ipsec ike log/ipsec ike payload type/ipsec ike backward-compatibility/ipsec ike send info/\
         ipsec ike esp-encapsulation/ipsec ike restrict-dangling-sa/ipsec ike always-on/ipsec ike queue length/\
         ipsec ike version/ipsec log illegal-spi/ipsec ipcomp type/ipsec transport/ipsec transport template/\
         ipsec refresh sa/ipsec sa delete",
    ),
    (
        "3.4",
        "pp select/pp enable/pp disable/pp bind/pp auth request/pp auth accept/pp auth username/pp auth myname/\
         pp auth multi connect prohibit/pp always-on/pp keepalive use/pp keepalive interval/pp keepalive log/pp name",
    ),
    (
        "3.5",
        "ppp lcp mru/ppp lcp magicnumber/ppp lcp acfc/ppp lcp pfc/ppp lcp accm/ppp lcp restart/ppp lcp maxterminate/\
         ppp lcp maxconfigure/ppp lcp maxfailure/ppp lcp silent/ppp pap restart/ppp pap maxauthreq/ppp chap restart/\
         ppp chap maxchallenge/ppp ipcp vjc/ppp ipcp ipaddress/ppp ipcp restart/ppp ipcp maxterminate/\
         ppp ipcp maxconfigure/ppp ipcp maxfailure/ppp ipcp msext/ppp ipcp remote address check/\
         ppp ipv6cp use/ppp mscbcp restart/ppp mscbcp maxretry/ppp mp use/ppp bacp/ppp bap",
    ),
    (
        "3.6",
        "ip pp address/ip pp remote address/ip pp remote address pool/ip pp mtu/ip pp tcp mss limit/ip pp secure filter/\
         ip pp nat descriptor/ip pp intrusion detection/dns server/dns server pp/dns server dhcp/dns notice order/\
         dns service/dns private address spoof/wins server",
    ),
    ("3.7", "pptp service/pptp service type/pptp hostname/pptp vendorname/pptp window size/pptp syslog"),
    ("3.7", "pptp tunnel disconnect time/pptp keepalive use/pptp keepalive log/pptp keepalive interval"),
    ("3.7", "pptp call-id mode"),
    ("3.5", "ppp ccp type/ppp ccp restart/ppp ccp maxterminate/ppp ccp maxconfigure/ppp ccp maxfailure"),
    ("3.5", "ppp ccp no-encryption"),
    ("3.11", "show status pptp"),
    (
        "3.8",
        "ip LAN address/ip LAN proxyarp/ip route/ip filter/ip LAN secure filter/ip LAN tcp mss limit/\
         ip LAN nat descriptor/ip filter dynamic/ip filter set/ip filter source-route/ip filter directed-broadcast/\
         nat descriptor type/nat descriptor address outer/nat descriptor address inner/\
         nat descriptor masquerade static/nat descriptor timer",
    ),
    (
        "3.9",
        "radius auth/radius account/radius server/radius auth server/radius account server/radius auth port/\
         radius account port/radius secret/radius retry/login radius use/administrator radius auth",
    ),
    (
        "3.10",
        "login password/administrator password/login user/user attribute/disconnect user/security class/login timer/\
         console character/console columns/console lines/console prompt/console info/description/syslog host/\
         syslog format type/syslog format hostname text/syslog facility/syslog notice/syslog info/syslog debug/\
         syslog local address/syslog srcport/syslog execute command/telnetd service/telnetd listen/telnetd host/\
         telnetd session/sshd service/sshd listen/sshd host/sshd host key generate/sshd session/httpd service/\
         httpd host/ip routing/ip routing process/administrator/quit/exit/save/restart/cold start/copy config/\
         delete config/dhcp service/dhcp scope",
    ),
    (
        "3.11",
        "connect/disconnect/disconnect pp/disconnect tunnel/show status l2tp/show status l2tp tunnel/\
         show status pp/show status tunnel/show ipsec sa/show ipsec sa gateway/show log/less log/clear log/show arp/\
         clear arp/show ip route/show account/show account pp/show account tunnel/clear account/clear account pp/\
         show pp connect time/show config/show config pp/show config tunnel/show config list/less config/\
         show environment/show techinfo/show status user/show status user history/show command/\
         show command history/help/ping",
    ),
];

fn select(at: At) -> &'static str {
    match at {
        Global => "",
        Pp => "pp select anonymous\n",
        Tunnel => "tunnel select 7\n",
    }
}

/// The errors of a line itself, not of what is missing around it.
fn errors(at: At, line: &str) -> Vec<Problem> {
    let (_, problems) = parse(&format!("{}{line}\n", select(at)));
    // What does not go together is told without the routers' words.
    let in_the_routers_words = |problem: &Problem| {
        Fault::ALL.iter().any(|fault| problem.message.english.starts_with(fault.words(Language::English)))
    };
    problems.into_iter().filter(|p| p.severity == Severity::Error && in_the_routers_words(p)).collect()
}

#[test]
fn every_line_of_the_specification_is_taken_and_a_wrong_value_is_told_in_the_routers_words() {
    let mut wrong = Vec::new();
    for (at, right, bad, fault) in LINES {
        let told = errors(*at, right);
        if !told.is_empty() {
            wrong.push(format!("{right}: {told:?}"));
        }
        let told = errors(*at, bad);
        let [problem] = told.as_slice() else {
            wrong.push(format!("{bad}: {told:?}"));
            continue;
        };
        for language in [Language::English, Language::Japanese] {
            let text = problem.message.of(language);
            if !text.starts_with(fault.words(language)) || text.len() < fault.words(language).len() + 4 {
                wrong.push(format!("{bad}: {text}"));
            }
        }
        if problem.line != select(*at).lines().count() + 1 || problem.column == 0 || problem.word.is_empty() {
            wrong.push(format!("{bad}: told at {}:{} {}", problem.line, problem.column, problem.word));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_was_taken_is_printed_and_read_again_as_the_same() {
    for (at, right, ..) in LINES {
        let (config, _) = parse(&format!("{}{right}\n", select(*at)));
        let shown = config.show();
        assert!(parse(&shown).0 == config, "{right}\n{shown}");
    }
}

#[test]
fn a_line_of_a_scope_asks_for_its_selection() {
    for (at, right, ..) in LINES {
        let fault = match at {
            Global => continue,
            Pp => Fault::SelectPp,
            Tunnel => Fault::SelectTunnel,
        };
        let told = errors(Global, right);
        assert_eq!(told.len(), 1, "{right}");
        assert!(told[0].message.japanese.starts_with(fault.words(Language::Japanese)), "{right}: {}", told[0].message);
    }
}

/// The words of every row of the table, out of the manual, which is printed from it.
fn rows() -> Vec<String> {
    let manual = command::manual();
    let usages = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    usages.map(str::to_owned).collect()
}

#[test]
fn every_command_that_the_specification_names_has_a_row_and_lines_that_try_it() {
    let rows = rows();
    let words = |line: &str| {
        let line = line.replace("ip lan1 ", "ip LAN ").replace("ip lan2 ", "ip LAN ");
        line.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let begins = |line: &str, command: &str| words(line).starts_with(&words(command));
    let tried: Vec<&str> =
        LINES.iter().map(|(_, right, ..)| *right).chain(REQUESTS.iter().map(|(right, ..)| *right)).collect();
    let mut missing = Vec::new();
    for (section, commands) in COMMANDS {
        for command in commands.split('/') {
            if !rows.iter().any(|row| row == command || row.starts_with(&format!("{command} "))) {
                missing.push(format!("§{section}: no row is {command}"));
            }
            if !tried.iter().any(|line| begins(line, command)) {
                missing.push(format!("§{section}: no line tries {command}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_request_is_taken_and_a_wrong_one_is_told_in_the_routers_words() {
    let mut wrong = Vec::new();
    for (right, bad, fault) in REQUESTS {
        if let Err(problem) = parse_request(right) {
            wrong.push(format!("{right}: {problem}"));
        }
        match parse_request(bad) {
            Ok(request) => wrong.push(format!("{bad}: taken as {request:?}")),
            Err(problem) => {
                for language in [Language::English, Language::Japanese] {
                    let text = problem.message.of(language);
                    if problem.severity != Severity::Error || !text.starts_with(fault.words(language)) {
                        wrong.push(format!("{bad}: {text}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_and_request_explains_itself_at_the_console() {
    let scope = |at: &At| match at {
        Global => Scope::Global,
        Pp => Scope::Pp(PpRef::Anonymous),
        Tunnel => Scope::Tunnel(7),
    };
    let first = |line: &str| line.split(' ').take(1).collect::<String>();
    let lines = LINES.iter().map(|(at, right, ..)| (scope(at), first(right)));
    for (scope, line) in lines.chain(REQUESTS.iter().map(|(line, ..)| (Scope::Global, first(line)))) {
        for language in [Language::English, Language::Japanese] {
            let told = help(&format!("{line} "), scope, Level::Administrator, language);
            assert!(!told.is_empty(), "{line}");
        }
    }
    for command in COMMANDS.iter().flat_map(|(_, commands)| commands.split('/')) {
        let line = command.replace("LAN", "lan1");
        let scope = match line.split(' ').take(2).collect::<Vec<_>>().as_slice() {
            ["pp" | "ppp", ..] | ["ip" | "description", "pp"] => Scope::Pp(PpRef::Anonymous),
            ["pptp", "service"] if line.ends_with("type") => Scope::Pp(PpRef::Anonymous),
            ["tunnel", ..] | ["ip" | "description", "tunnel"] => Scope::Tunnel(7),
            ["pptp", "syslog" | "tunnel" | "keepalive"] => Scope::Tunnel(7),
            ["l2tp", ..] if line != "l2tp service" => Scope::Tunnel(7),
            ["ipsec", "tunnel" | "ipcomp"] => Scope::Tunnel(7),
            _ => Scope::Global,
        };
        let told = help(&format!("{line} "), scope, Level::Administrator, Language::Japanese);
        assert!(told.iter().any(|text| text.contains("説明: ")), "{line}: {told:?}");
    }
}
