//! The host's packet filter: whether it would stop the clients, and the one NAT table of our own.

mod iptables;
mod nft;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::setup::Failure;

/// The family of the program's own nftables table.
pub(crate) const TABLE_FAMILY: &str = "ip";
/// The name of the program's own nftables table.
pub(crate) const TABLE: &str = "sekisho";
/// How to get the program `nft`.
pub(crate) const INSTALL_NFT: &str = "install it with 'apt-get install nftables'";
/// How deep jumps from chain to chain are followed.
const MAX_JUMPS: usize = 16;

/// What a rule does with the packets it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    Jump(String),
    Goto(String),
    Return,
    /// Anything that decides nothing: a counter, a log line.
    Continue,
}

/// One condition of a rule, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    In(Vec<String>),
    Out(Vec<String>),
    Protocol(Vec<String>),
    Port(Vec<(u16, u16)>),
    Source(Vec<(Ipv4Addr, u8)>),
    Destination(Vec<(Ipv4Addr, u8)>),
    State(Vec<String>),
    /// A condition that cannot be judged from outside.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Match {
    negated: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    matches: Vec<Match>,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Input,
    Forward,
}

/// Who wrote a chain, and so which command changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Nft,
    Iptables,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Chain {
    tool: Tool,
    family: String,
    table: String,
    name: String,
    hook: Option<Hook>,
    drops: bool,
    rules: Vec<Rule>,
}

/// A packet to try on the rules.
#[derive(Debug, Clone)]
struct Probe<'a> {
    incoming: &'a str,
    outgoing: Option<&'a str>,
    protocol: &'static str,
    port: Option<u16>,
    source: Ipv4Addr,
    destination: Option<Ipv4Addr>,
    state: &'static str,
}

/// One thing that the host's packet filter would stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// What would be stopped and by what.
    pub(crate) what: String,
    /// The commands that let it pass.
    pub(crate) commands: Vec<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.commands.is_empty() {
            write!(f, "; let it pass with: {}", self.commands.join(" && "))?;
        }
        Ok(())
    }
}

/// Which traffic has to pass.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// The interface that clients come in by.
    pub(crate) outside: String,
    /// The address that they dial.
    pub(crate) address: Ipv4Addr,
    /// The interfaces that clients' packets leave by.
    pub(crate) inside: Vec<String>,
    /// The program's own TUN device.
    pub(crate) tun: String,
    /// One address of the clients' pool.
    pub(crate) client: Option<Ipv4Addr>,
}

/// Looks at the packet filter and tells what it would stop; empty when nothing is evidently in the way.
pub(crate) fn look(traffic: &Traffic) -> Vec<Warning> {
    let legacy = fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    let legacy_filter = legacy.lines().any(|table| table == "filter");
    let mut chains = run("nft", &["-j", "list", "ruleset"]).map(|text| nft::parse(&text)).unwrap_or_default();
    // `iptables` shows its own extensions in full, which `nft` cannot; it is asked only where its table is there
    // already,
    // because to ask its old form for a table makes that table.
    let written_by_iptables = |c: &Chain| c.family == "ip" && c.table == "filter";
    if legacy_filter || chains.iter().any(written_by_iptables) {
        match run("iptables", &["-S"]) {
            Some(text) => {
                chains.retain(|c| !written_by_iptables(c));
                chains.extend(iptables::parse(&text));
            }
            None if legacy_filter => {
                return vec![Warning {
                    what:
                        "this host has packet filter rules that cannot be read here; they must let UDP 500 and 4500, \
                           IP protocol 50 (ESP) and the forwarding of clients' packets pass"
                            .to_owned(),
                    commands: Vec::new(),
                }];
            }
            None => {}
        }
    }
    judge(&chains, traffic)
}

/// The output of a program, if it is there and ends well.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Tries the packets that matter on every base chain.
fn judge(chains: &[Chain], traffic: &Traffic) -> Vec<Warning> {
    // Somebody on the Internet (RFC 5737 §3).
    let anybody = Ipv4Addr::new(203, 0, 113, 77);
    let from_outside = Probe {
        incoming: &traffic.outside,
        outgoing: None,
        protocol: "udp",
        port: None,
        source: anybody,
        destination: Some(traffic.address),
        state: "new",
    };
    let mut warnings = Vec::new();
    for base in chains.iter().filter(|c| c.hook == Some(Hook::Input)) {
        let udp = [500, 4500].map(|port| Probe { port: Some(port), ..from_outside.clone() });
        let esp = Probe { protocol: "esp", ..from_outside.clone() };
        let stops_udp = udp.iter().any(|probe| !passes(chains, base, probe));
        let stops_esp = !passes(chains, base, &esp);
        if stops_udp || stops_esp {
            warnings.push(input_warning(chains, base, stops_udp, stops_esp));
        }
    }
    for base in chains.iter().filter(|c| c.hook == Some(Hook::Forward)) {
        let stopped = traffic.inside.iter().any(|inside| {
            let client = traffic.client.unwrap_or(Ipv4Addr::new(192, 168, 0, 77));
            let out = Probe {
                incoming: &traffic.tun,
                outgoing: Some(inside),
                protocol: "tcp",
                port: Some(443),
                source: client,
                destination: None,
                state: "new",
            };
            let back = Probe {
                incoming: inside,
                outgoing: Some(&traffic.tun),
                source: anybody,
                destination: traffic.client,
                state: "established",
                ..out.clone()
            };
            !passes(chains, base, &out) || !passes(chains, base, &back)
        });
        if stopped {
            warnings.push(forward_warning(chains, base, &traffic.tun));
        }
    }
    warnings
}

/// Whether a base chain lets a packet pass.
fn passes(chains: &[Chain], base: &Chain, probe: &Probe<'_>) -> bool {
    match walk(chains, base, probe, 0) {
        Some(passed) => passed,
        None => !base.drops,
    }
}

/// What a chain decides about a packet; `None` when it runs off its end.
///
/// A rule counts only when all its conditions evidently hold: an accept that might be meant for another packet is none.
fn walk(chains: &[Chain], chain: &Chain, probe: &Probe<'_>, depth: usize) -> Option<bool> {
    for rule in &chain.rules {
        if !rule.matches.iter().all(|condition| holds(condition, probe) == Some(true)) {
            continue;
        }
        let target = |name: &str| {
            let same = |c: &&Chain| c.name == name && c.table == chain.table && c.family == chain.family;
            chains.iter().find(same).filter(|_| depth < MAX_JUMPS)
        };
        match &rule.verdict {
            Verdict::Accept => return Some(true),
            Verdict::Drop => return Some(false),
            Verdict::Return => return None,
            Verdict::Continue => {}
            Verdict::Jump(name) => {
                if let Some(decided) = target(name).and_then(|next| walk(chains, next, probe, depth + 1)) {
                    return Some(decided);
                }
            }
            Verdict::Goto(name) => return target(name).and_then(|next| walk(chains, next, probe, depth + 1)),
        }
    }
    None
}

/// Whether a condition holds for a packet; `None` when that cannot be known.
fn holds(condition: &Match, probe: &Probe<'_>) -> Option<bool> {
    let inside = |nets: &[(Ipv4Addr, u8)], address: Ipv4Addr| {
        nets.iter().any(|(net, prefix)| crate::host::network(*net, *prefix) == crate::host::network(address, *prefix))
    };
    let held = match &condition.what {
        What::In(names) => names.iter().any(|name| same_name(name, probe.incoming)),
        What::Out(names) => probe.outgoing.is_some_and(|out| names.iter().any(|name| same_name(name, out))),
        What::Protocol(names) => names.iter().any(|name| same_protocol(name, probe.protocol)),
        What::Port(ranges) => {
            probe.port.is_some_and(|port| ranges.iter().any(|(low, high)| (*low..=*high).contains(&port)))
        }
        What::Source(nets) => inside(nets, probe.source),
        What::Destination(nets) => inside(nets, probe.destination?),
        What::State(states) => states.iter().any(|state| state.eq_ignore_ascii_case(probe.state)),
        What::Unknown => return None,
    };
    Some(held != condition.negated)
}

/// Whether an interface name is meant by a pattern (`eth*`, and `eth+` as iptables writes it).
fn same_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(['*', '+']) {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

fn same_protocol(written: &str, protocol: &str) -> bool {
    let number = match protocol {
        "udp" => "17",
        "esp" => "50",
        "tcp" => "6",
        _ => return false,
    };
    written == "all" || written == number || written.eq_ignore_ascii_case(protocol)
}

/// How a chain is named to the operator.
fn named(chain: &Chain) -> String {
    match chain.tool {
        Tool::Iptables => format!("iptables, chain {}", chain.name),
        Tool::Nft => format!("nftables, chain {} of table {} {}", chain.name, chain.family, chain.table),
    }
}

fn input_warning(chains: &[Chain], base: &Chain, udp: bool, esp: bool) -> Warning {
    let what = match (udp, esp) {
        (true, true) => "UDP 500 and 4500 and IP protocol 50 (ESP)",
        (true, false) => "UDP 500 and 4500",
        (false, _) => "IP protocol 50 (ESP), which clients without a NAT before them use",
    };
    let mut commands = Vec::new();
    if base.table == "firewalld" {
        let ports = if udp { " --add-port=500/udp --add-port=4500/udp" } else { "" };
        let protocol = if esp { " --add-protocol=esp" } else { "" };
        commands.push(format!("firewall-cmd{ports}{protocol}"));
    } else if uses_ufw(chains) {
        commands.extend(udp.then(|| "ufw allow 500,4500/udp".to_owned()));
        commands.extend(esp.then(|| "ufw allow from any proto esp".to_owned()));
    } else if base.tool == Tool::Iptables {
        let chain = &base.name;
        commands.extend(udp.then(|| format!("iptables -I {chain} -p udp -m multiport --dports 500,4500 -j ACCEPT")));
        commands.extend(esp.then(|| format!("iptables -I {chain} -p esp -j ACCEPT")));
    } else {
        let chain = format!("{} {} {}", base.family, base.table, base.name);
        commands.extend(udp.then(|| format!("nft insert rule {chain} udp dport '{{ 500, 4500 }}' accept")));
        commands.extend(esp.then(|| format!("nft insert rule {chain} meta l4proto esp accept")));
    }
    Warning { what: format!("the packet filter ({}) drops {what}", named(base)), commands }
}

fn forward_warning(chains: &[Chain], base: &Chain, tun: &str) -> Warning {
    let commands = if base.table == "firewalld" {
        vec![format!("firewall-cmd --zone=trusted --add-interface={tun}")]
    } else if uses_ufw(chains) {
        vec![format!("ufw route allow in on {tun}"), format!("ufw route allow out on {tun}")]
    } else if base.tool == Tool::Iptables || base.table == "filter" && base.name == "FORWARD" {
        let docker = chains.iter().any(|c| c.name == "DOCKER-USER" && c.table == base.table);
        let chain = if docker { "DOCKER-USER" } else { &base.name };
        vec![format!("iptables -I {chain} -i {tun} -j ACCEPT"), format!("iptables -I {chain} -o {tun} -j ACCEPT")]
    } else {
        let chain = format!("{} {} {}", base.family, base.table, base.name);
        vec![
            format!("nft insert rule {chain} iifname {tun} accept"),
            format!("nft insert rule {chain} oifname {tun} accept"),
        ]
    };
    Warning {
        what: format!("the packet filter ({}) drops what clients send to the network behind this host", named(base)),
        commands,
    }
}

fn uses_ufw(chains: &[Chain]) -> bool {
    chains.iter().any(|c| c.name.starts_with("ufw-"))
}

/// Whether the program `nft` is there.
pub(crate) fn has_nft() -> bool {
    run("nft", &["--version"]).is_some()
}

/// Whether any NAT rule translates what leaves from this network: our own table or somebody else's.
pub(crate) fn has_nat() -> Option<bool> {
    let text = run("nft", &["-j", "list", "ruleset"])?;
    Some(text.contains("\"masquerade\"") || text.contains("\"snat\"") || text.contains("MASQUERADE"))
}

/// The table that translates a network's addresses wherever they leave by another interface than `tun`, as nft reads
/// JSON.
fn masquerade_table(network: (Ipv4Addr, u8), tun: &str) -> String {
    let prefix = json!({"prefix": {"addr": network.0.to_string(), "len": network.1}});
    let source = json!({"payload": {"protocol": "ip", "field": "saddr"}});
    json!({"nftables": [
        {"add": {"table": {"family": TABLE_FAMILY, "name": TABLE}}},
        {"add": {"chain": {"family": TABLE_FAMILY, "table": TABLE, "name": "postrouting", "type": "nat",
                           "hook": "postrouting", "prio": 100, "policy": "accept"}}},
        {"add": {"rule": {"family": TABLE_FAMILY, "table": TABLE, "chain": "postrouting", "expr": [
            {"match": {"op": "==", "left": source, "right": prefix}},
            {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": tun}},
            {"masquerade": null},
        ]}}},
    ]})
    .to_string()
}

/// Adds the program's own NAT table.
pub(crate) fn add_masquerade(network: (Ipv4Addr, u8), tun: &str) -> Result<(), Failure> {
    let trouble = |e: &io::Error| match e.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(format!("the program 'nft', which lets clients into the network, is missing; {INSTALL_NFT}"))
        }
        _ => Failure::new(format!(
            "cannot translate the clients' addresses: {e}; the kernel needs nf_tables with masquerade (try 'modprobe \
             nft_masq')"
        )),
    };
    feed_nft(&masquerade_table(network, tun)).map_err(|e| trouble(&e))
}

/// Removes a table; one that is not there is fine.
pub(crate) fn remove_table(family: &str, name: &str) -> io::Result<()> {
    let there = run("nft", &["-j", "list", "tables"]).is_none_or(|text| {
        let Ok(list) = serde_json::from_str::<serde_json::Value>(&text) else {
            return true;
        };
        let tables = list["nftables"].as_array().cloned().unwrap_or_default();
        tables.iter().any(|t| t["table"]["family"] == *family && t["table"]["name"] == *name)
    });
    if !there {
        return Ok(());
    }
    feed_nft(&json!({"nftables": [{"delete": {"table": {"family": family, "name": name}}}]}).to_string())
}

/// Hands commands in JSON to nft.
fn feed_nft(commands: &str) -> io::Result<()> {
    let mut child = Command::new("nft")
        .args(["-j", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(commands.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft says '{}'", said.lines().next().unwrap_or("nothing").trim())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn traffic() -> Traffic {
        Traffic {
            outside: "eth0".to_owned(),
            address: Ipv4Addr::new(192, 0, 2, 2),
            inside: vec!["eth0".to_owned(), "eth1".to_owned()],
            tun: "sekisho0".to_owned(),
            client: Some(Ipv4Addr::new(192, 168, 187, 10)),
        }
    }

    fn iptables(text: &str) -> Vec<Warning> {
        judge(&iptables::parse(text), &traffic())
    }

    #[test]
    fn an_open_host_gives_no_warning() {
        assert_eq!(iptables("-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"), []);
        assert_eq!(judge(&[], &traffic()), []);
    }

    #[test]
    fn dockers_forward_policy_is_told_with_the_command_that_lets_clients_pass() {
        let text = "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N DOCKER\n-N DOCKER-USER\n-N DOCKER-FORWARD\n\
            -A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n-A DOCKER ! -i docker0 -o docker0 -j DROP\n\
            -A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
            -A DOCKER-FORWARD -i docker0 -j ACCEPT\n";
        let warnings = iptables(text);
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            warnings[0].to_string(),
            "the packet filter (iptables, chain FORWARD) drops what clients send to the network behind this host; \
             let it pass \
             with: iptables -I DOCKER-USER -i sekisho0 -j ACCEPT && iptables -I DOCKER-USER -o sekisho0 -j ACCEPT"
        );
        let cured = format!("{text}-A DOCKER-USER -o sekisho0 -j ACCEPT\n-A DOCKER-USER -i sekisho0 -j ACCEPT\n");
        assert_eq!(iptables(&cured), []);
    }

    #[test]
    fn a_closed_input_chain_is_told_until_the_ports_are_open() {
        let closed = "-P INPUT DROP\n-P FORWARD ACCEPT\n-A INPUT -i lo -j ACCEPT\n\
            -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j \
            ACCEPT\n\
            -A INPUT -s 10.0.0.0/8 -j ACCEPT\n";
        let warnings = iptables(closed);
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].commands.len(), 2);
        assert!(warnings[0].what.contains("UDP 500 and 4500 and IP protocol 50 (ESP)"), "{}", warnings[0]);
        let open = format!(
            "{closed}-A INPUT -p udp -m multiport --dports 500,4500 -m comment --comment \"l2tp -j DROP\" -j ACCEPT\n\
             -A INPUT -p esp -j ACCEPT\n"
        );
        assert_eq!(iptables(&open), []);
        let half = format!("{closed}-A INPUT -p udp -m udp --dport 500:4500 -j ACCEPT\n");
        assert!(iptables(&half)[0].what.contains("drops IP protocol 50"), "{}", iptables(&half)[0]);
    }

    #[test]
    fn a_rejecting_last_rule_counts_like_a_closed_policy() {
        let text = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
            -A INPUT -j REJECT --reject-with icmp-host-prohibited\n-A FORWARD -j REJECT --reject-with \
            icmp-host-prohibited\n";
        assert_eq!(iptables(text).len(), 2);
    }

    #[test]
    fn ufw_is_spoken_to_in_its_own_words() {
        let text = "-P INPUT DROP\n-P FORWARD DROP\n-N ufw-user-input\n-A INPUT -j ufw-user-input\n\
            -A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n";
        let commands: Vec<String> = iptables(text).into_iter().flat_map(|w| w.commands).collect();
        assert_eq!(
            commands,
            [
                "ufw allow 500,4500/udp",
                "ufw allow from any proto esp",
                "ufw route allow in on sekisho0",
                "ufw route allow out on sekisho0"
            ]
        );
    }

    #[test]
    fn nftables_rules_with_sets_ranges_and_verdict_maps_are_understood() {
        let rule = |chain: &str, expr: serde_json::Value| {
            json!({"rule": {"family": "inet", "table": "filter",
            "chain": chain, "expr": expr}})
        };
        let mut list = vec![
            json!({"metainfo": {"json_schema_version": 1}}),
            json!({"table": {"family": "inet", "name": "filter"}}),
            json!({"chain": {"family": "inet", "table": "filter", "name": "input", "hook": "input",
                "type": "filter", "prio": 0, "policy": "drop"}}),
            json!({"chain": {"family": "inet", "table": "filter", "name": "world"}}),
            json!({"set": {"family": "inet", "table": "filter", "name": "vpn", "type": "inet_service",
                "elem": [500, {"range": [4000, 5000]}]}}),
            rule(
                "input",
                json!([{"vmap": {"key": {"ct": {"key": "state"}},
                "data": {"set": [["established", {"accept": null}], ["invalid", {"drop": null}]]}}}]),
            ),
            rule(
                "input",
                json!([{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}]),
            ),
            rule(
                "input",
                json!([{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": {"set": ["eth0",
                    "eth7"]}}},
                {"counter": {"packets": 1, "bytes": 2}}, {"jump": {"target": "world"}}]),
            ),
        ];
        let closed = judge(&nft::parse(&json!({"nftables": list}).to_string()), &traffic());
        assert_eq!(
            closed[0].commands,
            [
                "nft insert rule inet filter input udp dport '{ 500, 4500 }' accept",
                "nft insert rule inet filter input meta l4proto esp accept"
            ]
        );
        list.push(rule(
            "world",
            json!([{"match": {"op": "==", "left": {"payload": {"protocol": "udp",
            "field": "dport"}}, "right": "@vpn"}}, {"accept": null}]),
        ));
        list.push(rule(
            "world",
            json!([{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}},
            "right": {"set": ["ah", "esp"]}}}, {"accept": null}]),
        ));
        assert_eq!(judge(&nft::parse(&json!({"nftables": list}).to_string()), &traffic()), []);
    }

    #[test]
    fn what_is_not_understood_lets_nothing_pass() {
        let text = json!({"nftables": [
            {"chain": {"family": "ip", "table": "t", "name": "in", "hook": "input", "type": "filter", "prio": 0,
                "policy": "drop"}},
            {"rule": {"family": "ip", "table": "t", "chain": "in", "expr": [{"xt": {"type": "match",
                "name": "policy"}}, {"accept": null}]}},
            {"rule": {"family": "ip", "table": "t", "chain": "in", "expr": "nonsense"}},
        ]});
        assert_eq!(judge(&nft::parse(&text.to_string()), &traffic()).len(), 1);
        assert_eq!(nft::parse("not json"), []);
    }

    #[test]
    fn chains_that_jump_in_a_circle_end() {
        let text = "-P INPUT DROP\n-N A\n-N B\n-A INPUT -j A\n-A A -j B\n-A B -j A\n";
        assert_eq!(iptables(text).len(), 1);
    }

    #[test]
    fn the_masquerade_table_names_the_pool_and_spares_the_tun_device() {
        let text = masquerade_table((Ipv4Addr::new(192, 168, 187, 0), 24), "sekisho0");
        assert!(text.contains(r#""addr":"192.168.187.0""#) && text.contains(r#""len":24"#), "{text}");
        assert!(text.contains(r#""op":"!=""#) && text.contains("masquerade"), "{text}");
    }
}
