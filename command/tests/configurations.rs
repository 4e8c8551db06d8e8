//! Whole configurations: those of the router's documentation, of the acceptance runs and of the lab, as they were written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use command::{AuthRequest, Config, PpRef, Remote, Severity, parse};

const ALL: &[(&str, &str, usize)] = &[
    ("one_fixed_client", include_str!("configurations/one_fixed_client.conf"), 1),
    ("several_clients", include_str!("configurations/several_clients.conf"), 2),
    ("nat_traversal", include_str!("configurations/nat_traversal.conf"), 1),
    ("with_pptp", include_str!("configurations/with_pptp.conf"), 1),
    ("template", include_str!("configurations/template.conf"), 20),
    ("published", include_str!("configurations/published.conf"), 16),
    ("acceptance", include_str!("configurations/acceptance.conf"), 8),
    ("lab", include_str!("configurations/lab.conf"), 16),
    ("lab_secrets", include_str!("configurations/lab_secrets.conf"), 16),
    ("lab_everything", include_str!("configurations/lab_everything.conf"), 40),
];

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
        assert!(ready.iter().all(|tunnel| tunnel.transport), "{name}");
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
        assert_eq!(shown, text, "{name}");
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
        assert_eq!((tunnel.l2tp.disconnect_time_s, tunnel.l2tp.keepalive), (None, Some((10, 6))));
        assert!(tunnel.l2tp.syslog && tunnel.l2tp.keepalive_log && tunnel.l2tp.auth.is_none());
    }
}

#[test]
fn the_fixed_client_has_a_numbered_interface() {
    let config = config("one_fixed_client");
    let tunnel = &config.l2tp_tunnels()[0];
    assert_eq!(tunnel.pp, PpRef::Number(2));
    assert_eq!(tunnel.gateway.remote, Remote::Address([203, 0, 113, 1].into()));
    assert_eq!(tunnel.endpoint_remote, Some([203, 0, 113, 1].into()));
    assert_eq!(config.pps[&2].remote_address, Some([192, 168, 100, 10].into()));
    assert_eq!(config.pps[&2].auth_request, Some(AuthRequest::ChapPap));
}

#[test]
fn odd_characters_in_secrets_survive() {
    let config = config("lab_secrets");
    let names: Vec<_> = config.anonymous.users.iter().map(|u| (u.name.as_str(), u.password.as_str())).collect();
    assert_eq!(names, [("u2", "\"q\""), ("u3", ""), ("user one", "p#ss")]);
    let tunnel = &config.l2tp_tunnels()[15];
    assert_eq!(tunnel.gateway.key.as_slice(), b"x y#z|\\>");
    assert_eq!(tunnel.l2tp.auth.as_ref().map(|secret| secret.as_str()), Some("a'b\"c?d"));
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
    assert_eq!(config.l2tp_tunnels().len(), 10_000);
}
