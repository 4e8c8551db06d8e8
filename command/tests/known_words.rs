//! Every screen and act that the router's manuals name is known here: shown, done, or answered with where it is to be had.

#![allow(clippy::panic, reason = "tests")]

use command::{Config, Level, Request, Scope, Typed, typed};

/// What is shown and done here: the lines of yamaha.md §3.10.
const HERE: &[&str] = &[
    "show status l2tp",
    "show status l2tp tunnel 1",
    "show status pptp",
    "show status pp",
    "show status pp 1",
    "show status pp anonymous",
    "show status tunnel",
    "show status tunnel 1",
    "show status tunnel up",
    "show status tunnel down",
    "show status tunnel name=office",
    "show ipsec sa",
    "show ipsec sa 1",
    "show ipsec sa gateway",
    "show ipsec sa gateway 1",
    "show ipsec sa gateway 1 detail",
    "ipsec sa delete all",
    "ipsec sa delete 3",
    "ipsec refresh sa",
    "show log",
    "show log reverse",
    "less log",
    "clear log",
    "show arp",
    "show arp lan1",
    "clear arp",
    "show ip route",
    "show ip route 10.0.0.1",
    "show ip route detail",
    "show ip route summary",
    "show account",
    "show account pp",
    "show account pp 1",
    "show account pp anonymous",
    "show account tunnel",
    "show account tunnel 1",
    "clear account",
    "clear account pp",
    "clear account pp 1",
    "show pp connect time",
    "show pp connect time 1",
    "show pp connect time anonymous",
    "show config",
    "show config pp",
    "show config pp 1",
    "show config pp 1-3",
    "show config pp anonymous",
    "show config tunnel",
    "show config tunnel 1",
    "show config tunnel 1-5",
    "show config tunnel 7 expand",
    "show config 0",
    "less config",
    "show config list",
    "show environment",
    "show environment detail",
    "show techinfo",
    "show status user",
    "show status user history",
    "show command",
    "show command history",
    "show command history 5",
    "show copyright",
    "help",
    "disconnect all",
    "disconnect anonymous",
    "disconnect anonymous1",
    "disconnect 1",
    "disconnect pp 1",
    "disconnect user taro",
    "disconnect user taro/console1",
    "disconnect user taro 1",
    "show history",
    "save",
    "quit",
    "connect 1",
    "administrator",
];

/// What other parts of a router show and do.
const ELSEWHERE: &[&str] = &[
    "show log saved",
    "show status lan1",
    "show status lan2/1",
    "show status bridge1",
    "show status dhcp",
    "show status dhcp summary",
    "show status dhcpc",
    "show status backup",
    "show status bgp neighbor",
    "show status ospf neighbor",
    "show status vrrp",
    "show status qos all lan2",
    "show status upnp",
    "show status ngn",
    "show status sip",
    "show status mobile signal-strength",
    "show status packet-buffer",
    "show status netvolante-dns pp",
    "show status external-memory",
    "show status heartbeat2",
    "show status switching-hub macaddress lan1",
    "show status ethernet filter lan1",
    "show status ip keepalive",
    "show status ipv6 dhcp",
    "show status license",
    "show status yno",
    "show status switch control lan1",
    "show nat descriptor address",
    "show nat descriptor address all detail",
    "show nat descriptor interface bind pp",
    "show nat descriptor masquerade port summary",
    "show ip connection",
    "show ip connection summary",
    "show ip intrusion detection",
    "show ip keepalive",
    "show ip policy filter",
    "show ip rip table",
    "show ip secure filter lan2",
    "show ipv6 address",
    "show ipv6 address lan1",
    "show ipv6 route",
    "show ipv6 neighbor cache",
    "show ipv6 connection",
    "show dns cache",
    "show bridge learning bridge1",
    "show file list /",
    "show exec list",
    "show boot list",
    "show sshd public key",
    "show lan-map",
    "clear nat descriptor dynamic 1",
    "clear dns cache",
    "clear ip dynamic routing",
    "clear ipv6 neighbor cache",
    "clear bridge learning",
    "clear counter lan1",
    "clear status lan1",
    "interface reset lan2",
    "ping 10.0.0.1",
    "ping6 2001:db8::1",
    "traceroute 10.0.0.1",
    "nslookup host.example",
    "telnet 10.0.0.1",
    "ssh 10.0.0.1",
    "date 2026/11/28",
    "time 12:00:00",
    "copy config 0 1",
    "delete config 1",
    "make directory /a",
    "restart",
    "cold start",
    "save 1",
    "disconnect tunnel 1",
    "disconnect user taro/telnet 1",
    "show config 1",
];

fn asked(line: &str) -> Request {
    match typed(&Config::default(), Scope::Global, Level::Administrator, line) {
        Ok(Typed::Ask(request)) => request,
        Ok(_) => panic!("{line} asks for nothing"),
        Err(problem) => panic!("{line}: {problem}"),
    }
}

#[test]
fn every_screen_and_act_of_the_specification_is_there() {
    for line in HERE {
        assert!(!matches!(asked(line), Request::Elsewhere(_)), "{line} is said to be elsewhere");
    }
}

#[test]
fn what_the_host_has_is_answered_with_where() {
    for line in ELSEWHERE {
        match asked(line) {
            Request::Elsewhere(how) => assert!(how.english.len() > 20 && !how.japanese.is_ascii(), "{line}: {how}"),
            Request::ShowLog { saved: true, .. } => {}
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn a_word_that_no_router_knows_stays_an_error() {
    for line in [
        "show stattus",
        "show status l2pt",
        "show nothing",
        "clear everything",
        "disconect all",
        "show status",
        "show ip nothing",
    ] {
        let known = typed(&Config::default(), Scope::Global, Level::Administrator, line);
        assert!(known.is_err(), "{line}");
    }
}
