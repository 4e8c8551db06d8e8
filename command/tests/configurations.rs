//! Whole configurations: those of the router's documentation, of the acceptance runs and of the lab, as they were written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use command::{AuthRequest, Config, PpRef, Remote, Severity, parse};

const ALL: &[(&str, &str, usize)] = &[
    ("one_fixed_client", include_str!("../../examples/one_fixed_client.conf"), 1),
    ("several_clients", include_str!("../../examples/several_clients.conf"), 2),
    ("nat_traversal", include_str!("../../examples/nat_traversal.conf"), 1),
    ("with_pptp", include_str!("../../examples/with_pptp.conf"), 1),
    ("template", include_str!("../../examples/template.conf"), 20),
    ("published", include_str!("../../examples/published.conf"), 16),
    ("acceptance", include_str!("configurations/acceptance.conf"), 8),
    ("lab", include_str!("configurations/lab.conf"), 16),
    ("lab_secrets", include_str!("configurations/lab_secrets.conf"), 16),
    ("lab_everything", include_str!("configurations/lab_everything.conf"), 40),
];

/// Configurations as routers of many models and years print them, and the tunnels that they serve.
const ROUTERS: &[(&str, &str, &[u32])] = &[
    ("rtx1100_isdn", include_str!("configurations/router_rtx1100_isdn.conf"), &[]),
    ("rtx1200", include_str!("configurations/router_rtx1200.conf"), &[11, 12]),
    ("rtx1210_template", include_str!("configurations/router_rtx1210_template.conf"), &[30, 31, 32, 33]),
    ("rtx830", include_str!("configurations/router_rtx830.conf"), &[1, 2, 3, 4]),
    ("rtx5000", include_str!("configurations/router_rtx5000.conf"), &[1, 2, 3, 5]),
    ("vrx", include_str!("configurations/router_vrx.conf"), &[]),
    ("mixed", include_str!("configurations/router_mixed.conf"), &[]),
    ("rtx1200_everything", include_str!("configurations/router_rtx1200_everything.conf"), &[10]),
    ("rtx1220_everything", include_str!("configurations/router_rtx1220_everything.conf"), &[1, 2, 3, 4, 5]),
    ("commands", include_str!("configurations/router_commands.conf"), &[]),
    ("typed", include_str!("configurations/router_typed.conf"), &[1]),
    ("abbreviated", include_str!("configurations/router_abbreviated.conf"), &[1, 2]),
];

#[test]
fn every_line_that_routers_print_is_known() {
    let mut wrong = Vec::new();
    for (name, text, tunnels) in ROUTERS {
        let (config, problems) = parse(text);
        let errors = problems.iter().filter(|p| p.severity == Severity::Error);
        wrong.extend(errors.map(|p| format!("{name}:{p}")));
        let served: Vec<u32> = config.l2tp_tunnels().iter().map(|tunnel| tunnel.number).collect();
        if served != *tunnels {
            wrong.push(format!("{name}: serves {served:?}"));
        }
        assert!(parse(&config.show()).0 == config, "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn config(name: &str) -> Config {
    parse(ALL.iter().find(|(known, ..)| *known == name).expect("a known name").1).0
}

#[test]
fn every_configuration_is_taken_without_an_error_and_serves_its_tunnels() {
    for (name, text, tunnels) in ALL {
        let (config, problems) = parse(text);
        let errors: Vec<_> =
            problems.iter().filter(|p| p.severity == Severity::Error).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        let ready = config.l2tp_tunnels();
        assert_eq!(ready.len(), *tunnels, "{name}");
        assert!(ready.iter().all(|tunnel| tunnel.transport.is_some()), "{name}");
        assert!(ready.is_sorted_by_key(|tunnel| tunnel.number), "{name}");
    }
}

#[test]
fn what_is_shown_gives_an_equal_configuration() {
    for (name, text, _) in ALL {
        let (first, _) = parse(text);
        let shown = first.show();
        let (second, problems) = parse(&shown);
        assert!(problems.iter().all(|p| p.severity != Severity::Error), "{name}: {problems:?}");
        assert!(first == second, "{name}\n{shown}");
        assert_eq!(shown, second.show(), "{name}");
    }
}

/// The lines that the router prints before its blocks are ours to add; all others come out as they went in.
#[test]
fn a_configuration_in_the_routers_order_is_shown_as_it_was_written() {
    for name in ["one_fixed_client", "nat_traversal", "template", "published", "acceptance", "lab"] {
        let text = ALL.iter().find(|(known, ..)| *known == name).expect("a known name").1;
        let shown: String = config(name)
            .show()
            .lines()
            .filter(|line| !matches!(*line, "pp disable all" | "no tunnel enable all"))
            .map(|line| format!("{line}\n"))
            .collect();
        // Comments are not kept.
        let written: String =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert_eq!(shown, written, "{name}");
    }
}

#[test]
fn the_acceptance_file_means_what_it_says() {
    let config = config("acceptance");
    assert_eq!(config.lans["lan1"].address, Some(([192, 168, 100, 1].into(), 24)));
    assert!(config.lans["lan1"].proxyarp && config.l2tp_service && config.ipsec_use);
    assert_eq!(config.dns_servers, [std::net::Ipv4Addr::new(192, 168, 100, 10)]);
    assert_eq!(config.dns_notice_msext, [command::DnsSource::Server]);
    let pp = &config.anonymous;
    assert!(pp.enabled && pp.ipcp_ipaddress && pp.ipcp_msext);
    assert_eq!((pp.auth_request, pp.mtu, pp.bind.len()), (Some(AuthRequest::MsChapV2), 1400, 8));
    assert_eq!(
        pp.users.iter().map(|u| (u.name.as_str(), u.password.as_str())).collect::<Vec<_>>(),
        [("vpnuser", "vpn-Passw0rd")]
    );
    assert_eq!(pp.pool, [([192, 168, 100, 200].into(), [192, 168, 100, 250].into())]);
    for (at, tunnel) in config.l2tp_tunnels().iter().enumerate() {
        assert_eq!(tunnel.number as usize, at + 1);
        assert_eq!(
            (tunnel.gateway.id, tunnel.policy.id, tunnel.policy.gateway),
            (tunnel.number, tunnel.number, tunnel.number)
        );
        assert_eq!((tunnel.pp, &tunnel.gateway.remote), (PpRef::Anonymous, &Remote::Any));
        assert_eq!(tunnel.gateway.key.as_slice(), b"interop-psk");
        assert!(tunnel.gateway.nat_traversal && tunnel.policy.anti_replay);
        assert_eq!((tunnel.settings.l2tp.disconnect_time_s, tunnel.settings.l2tp.keepalive), (None, Some((10, 6))));
        assert!(
            tunnel.settings.l2tp.syslog && tunnel.settings.l2tp.keepalive_log && tunnel.settings.l2tp.auth.is_none()
        );
    }
}

#[test]
fn the_fixed_client_has_a_numbered_interface() {
    let config = config("one_fixed_client");
    let tunnel = &config.l2tp_tunnels()[0];
    assert_eq!(tunnel.pp, PpRef::Number(2));
    assert_eq!(tunnel.gateway.remote, Remote::Address([203, 0, 113, 1].into()));
    assert_eq!(tunnel.settings.endpoint_remote, Some([203, 0, 113, 1].into()));
    assert_eq!(config.pps[&2].remote_address, Some([192, 168, 100, 10].into()));
    assert_eq!(config.pps[&2].auth_request, Some(AuthRequest::ChapPap));
}

#[test]
fn odd_characters_in_secrets_survive() {
    let config = config("lab_secrets");
    let names: Vec<_> = config.anonymous.users.iter().map(|u| (u.name.as_str(), u.password.as_str())).collect();
    assert_eq!(names, [("u2", "\"q\""), ("u3", ""), ("user one", "p#ss")]);
    let problems = parse(include_str!("configurations/lab_secrets.conf")).1;
    let told: Vec<_> = problems.iter().map(ToString::to_string).filter(|told| told.contains("empty")).collect();
    assert_eq!(
        told,
        ["line 8, column 22: Warning: pp auth username: the password is empty, and nobody comes in without one; \
          write it behind the name"]
    );
    let tunnel = &config.l2tp_tunnels()[15];
    assert_eq!(tunnel.gateway.key.as_slice(), b"x y#z|\\>");
    assert_eq!(tunnel.settings.l2tp.auth.as_ref().map(|secret| secret.as_str()), Some("a'b\"c?d"));
}

#[test]
fn what_the_lab_says_of_algorithms_and_mru_is_read() {
    let config = config("lab_everything");
    assert_eq!(config.refused.iter().map(String::as_str).collect::<Vec<_>>(), ["des-cbc", "md5"]);
    assert_eq!(config.anonymous.lcp.mru, Some(1400));
}

#[test]
fn a_template_for_every_tunnel_there_can_be_is_expanded() {
    let text = include_str!("configurations/acceptance.conf")
        .replace("2-8", "2-10000")
        .replace("tunnel1-tunnel8", "tunnel1-tunnel10000")
        .replace("192.168.100.200-192.168.100.250", "10.0.0.0-10.0.255.255");
    let (config, problems) = parse(&text);
    assert!(problems.iter().all(|p| p.severity != Severity::Error), "{problems:?}");
    let copy = config.clone();
    let ready = copy.l2tp_tunnels();
    assert_eq!(ready.len(), 10_000);
    for tunnel in ready {
        let (settings, gateway) = (&config.tunnels[&tunnel.number], &config.gateways[&tunnel.gateway.id]);
        let shared = Arc::ptr_eq(&tunnel.settings, settings) && Arc::ptr_eq(&tunnel.gateway, gateway);
        assert!(shared, "tunnel {}: what ten thousand have is held once, however often it is copied", tunnel.number);
    }
}

/// What a router's operator copies out of a terminal or a backup: headers, CRLF, tabs, abbreviations, quotes, and commands that
/// are about something else.
#[test]
fn a_configuration_as_a_router_holds_it_serves_the_same_clients() {
    let text = "# RTX1210 Rev.14.01.38 (Thu Oct  8 11:14:46 2020)\r
# MAC Address : 00:a0:de:36:56:52, 00:a0:de:36:56:53\r
# Memory 256Mbytes, 3LAN, 1BRI\r
# main:  RTX1210 ver=00 serial=S4H000000 MAC-Address=00:a0:de:36:56:52\r
# Reporting Date: Jan 1 09:21:26 2021\r
login password *\r
administrator password *\r
login user admin *\r
user attribute admin connection=serial,telnet,ssh multi-session=on\r
console character ja.sjis\r
console prompt \"[本社] \"\r
ip route default gateway pp 1\r
ip lan1 address 192.168.100.1/24\r
ip lan1 proxyarp on\r
provider lan1 name LAN:\r
switch control use lan1 on terminal=on\r
pp disable all\r
pp select 1\r
 pp keepalive interval 30 retry-interval=30 count=12\r
 pp always-on on\r
 pppoe use lan2\r
 pppoe auto disconnect off\r
 pp auth accept pap chap\r
 pp auth myname isp@example.jp secret\r
 ip pp secure filter in 200003 200020 dynamic 200080\r
 ip pp nat descriptor 1000\r
PP SELECT anonymous\r
\tpp bind  tunnel1\ttunnel2\r
 pp auth request mschap-v2\r
 pp auth username \"user one\" 'pass \"word\"'\r
 pp auth username user2 p\\#ss\\ 2 192.168.100.30\r
 ppp ipcp ipaddress on\r
 ppp ipcp msext on\r
 ppp ccp type none\r
 ip pp remote address pool 192.168.100.10-192.168.100.20\r
 ip pp mtu 1258\r
 pp en anonymous\r
no tunnel enable all\r
tunnel select 1\r
 tunnel enc l2tp\r
 ipsec tunnel 1\r
  ipsec sa policy 1 1 esp aes-cbc sha-hmac\r
  ipsec ike keepalive use 1 off\r
  ipsec ike nat-traversal 1 on\r
  ipsec ike pre-shared-key 1 text \"key with blanks\"\r
  ipsec ike remote address 1 any\r
 l2tp tunnel disconnect time off\r
 tunnel enable 1\r
tunnel select 2\r
 tunnel encapsulation l2tp\r
 ipsec tunnel 2\r
  ipsec sa policy 2 2 esp aes-cbc sha-hmac\r
  ipsec ike pre-shared-key 2 text \"key with blanks\"\r
  ipsec ike remote address 2 any\r
 l2tp tunnel disconnect time off\r
 tunnel enable 2\r
ip filter 200003 reject 192.168.100.0/24 * * * *\r
ip filter 200020 pass * 192.168.100.1 udp * 500,4500\r
ip filter dynamic 200080 * * ftp\r
nat descriptor type 1000 masquerade\r
nat descriptor masquerade static 1000 1 192.168.100.1 udp 500\r
ipsec auto refresh on\r
ipsec transport 1 1 udp 1701\r
ipsec transport 2 2 udp 1701\r
syslog notice on\r
tftp host lan1\r
telnetd host lan\r
dhcp service server\r
dhcp server rfc2131 compliant except remain-silent\r
dhcp scope 1 192.168.100.100-192.168.100.191/24\r
dns server pp 1\r
dns private address spoof on\r
l2tp service on\r
httpd host lan\r
sntpd service on\r
schedule at 1 */* 03:00 * ntpdate ntp.example.jp\r
statistics traffic on\r
";
    let (config, problems) = parse(text);
    let errors: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Error).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(config.l2tp_tunnels().iter().map(|tunnel| tunnel.number).collect::<Vec<_>>(), [1, 2]);
    let users: Vec<_> = config.anonymous.users.iter().map(|u| (u.name.as_str(), u.password.as_str())).collect();
    assert_eq!(users, [("user one", "pass \"word\""), ("user2", "p#ss 2")]);
    assert_eq!(config.console.prompt.as_deref(), Some("[本社] "));
    assert_eq!(config.l2tp_tunnels()[0].gateway.key.as_slice(), b"key with blanks");
    // What has no effect is told by name, each command once.
    for words in ["ip route", "nat descriptor type", "pppoe use", "switch", "provider", "dns server pp", "statistics"] {
        let told: Vec<_> = problems.iter().filter(|p| p.word == words).collect();
        assert_eq!(told.len(), 1, "{words}: {told:?}");
        assert!(matches!(told[0].severity, Severity::Host | Severity::Foreign), "{words}");
    }
    assert!(parse(&config.show()).0 == config);
}

#[test]
fn every_complaint_is_made_in_both_languages() {
    for (name, text, _) in ALL {
        // Some lines left out make more to complain of.
        for gone in
            ["pp auth request", "ipsec transport", "pool", "pre-shared-key", "proxyarp", "l2tp service", "ipsec tunnel"]
        {
            let text: String =
                text.lines().filter(|line| !line.contains(gone)).map(|line| format!("{line}\n")).collect();
            for problem in parse(&text).1 {
                let told = [&problem.message.english, &problem.message.japanese];
                assert!(told[0].is_ascii() && !told[1].is_ascii(), "{name} without {gone}: {told:?}");
            }
        }
    }
}

#[test]
fn what_is_asked_of_callers_by_isdn_leaves_their_addresses_alone() {
    let text = ROUTERS.iter().find(|(name, ..)| *name == "commands").expect("a known name").1;
    let (config, problems) = parse(text);
    let user = config.pps[&1].users.first().expect("a user");
    assert_eq!((user.name.as_str(), user.address), ("a", Some([10, 0, 0, 9].into())));
    let told = problems.iter().any(|p| p.severity == Severity::Foreign && p.message.english.contains("by ISDN"));
    assert!(told, "{problems:?}");
    let (config, _) = parse("ip filter 4 pass * *.example.com tcp * https\n");
    assert!(config.filters[&4].pattern.has_name(), "known, and it fits no packet");
}
