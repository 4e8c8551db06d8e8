//! Lines about IPv6 inside the tunnel and about what DHCP tells: what they mean and what is said about slips.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use command::{DnsSource, Severity, parse};

const TEXT: &str = "ipv6 lan1 address 2001:db8:100::1/64\nip lan1 address 192.168.100.1/24\npp select anonymous\n \
    pp auth username ann secret 192.168.100.9 2001:db8:7:7::/64\n pp auth username bob secret 2001:db8:7:8::1/64\n \
    pp auth username cat secret\n ppp ipv6cp use on\n ipv6 pp remote prefix pool 2001:db8:200:1::/56\n\
    dns server 192.168.100.10 2001:db8:100::10\ndns notice order dhcp me server\ndns notice order dhcpv6 none\n\
    dns domain lan.test\n";

#[test]
fn ipv6_lines_become_values_and_are_shown_as_they_were_written() {
    let (config, problems) = parse(TEXT);
    assert!(problems.iter().all(|p| p.severity == Severity::Warning), "{problems:?}");
    let address = |text: &str| Some(text.parse().unwrap());
    assert_eq!(config.lans["lan1"].address6, Some((address("2001:db8:100::1").unwrap(), 64)));
    assert_eq!(config.lans["lan1"].address.unwrap().1, 24);
    let pp = &config.anonymous;
    assert_eq!(pp.prefix_pool, Some((address("2001:db8:200::").unwrap(), 56)), "what is behind the prefix is cleared");
    let prefixes: Vec<_> = pp.users.iter().map(|u| u.prefix).collect();
    assert_eq!(prefixes, [address("2001:db8:7:7::"), address("2001:db8:7:8::"), None]);
    assert!(pp.users[0].address.is_some() && pp.users[1].address.is_none());
    assert_eq!(config.dns_servers.len(), 1);
    assert_eq!(config.dns_servers6, [address("2001:db8:100::10").unwrap()]);
    assert_eq!(config.dns_notice_dhcp, Some(vec![DnsSource::Me, DnsSource::Server]));
    assert_eq!(config.dns_notice_dhcpv6, Some(vec![DnsSource::None]));
    assert_eq!(config.dns_domain.as_deref(), Some("lan.test"));
    let shown = config.show();
    assert!(shown.contains("pp auth username bob secret 2001:db8:7:8::1/64\n"), "{shown}");
    assert!(parse(&shown).0 == config, "{shown}");
}

#[test]
fn slips_in_ipv6_lines_are_told_with_what_is_right() {
    for (line, severity, words) in [
        ("ipv6 lan1 address 2001:db8::1", Severity::Error, "2001:db8:100::1/64"),
        ("ipv6 lan1 address 192.168.1.1/24", Severity::Error, "2001:db8:100::1/64"),
        ("ipv6 lan1 address auto", Severity::Host, "the host configures"),
        ("ipv6 lan1 address ra-prefix@lan2::1/64", Severity::Host, "the host configures"),
        ("pp select anonymous\n ipv6 pp remote prefix pool 2001:db8::/65", Severity::Error, "/56"),
        ("pp select anonymous\n ipv6 pp remote prefix pool 10.0.0.0/8", Severity::Error, "/64"),
        ("pp select anonymous\n pp auth username a b 2001:db8::/60", Severity::Error, "64 bits"),
    ] {
        let problems = parse(&format!("{line}\n")).1;
        let told = problems.iter().any(|p| p.severity == severity && p.message.english.contains(words));
        assert!(told, "{line}: {problems:?}");
    }
}
