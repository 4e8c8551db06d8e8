//! `sekisho check`: what is wrong in a configuration file, and what on this machine is in the way.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use command::{Config, DnsSource, Problem, Severity};

use crate::firewall::{self, Traffic};
use crate::host::{default_route, holder, is_private, network, read_sysctl};
use crate::netlink::{Interface, Netlink, Route};
use crate::ports;
use crate::setup::{Failure, TUN_NAME};

/// How a finding on the host is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// As it should be.
    Good,
    /// The server runs, but something the operator should know.
    Note,
    /// The server does not start, or clients reach nothing.
    Problem,
}

/// One thing found on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) weight: Weight,
    pub(crate) text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { weight: Weight::Good, text: text.into() }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { weight: Weight::Note, text: text.into() }
    }

    fn problem(text: impl Into<String>) -> Self {
        Self { weight: Weight::Problem, text: text.into() }
    }
}

/// Reads a configuration file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let octets = fs::read(path).map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "; check the name, or use 'sekisho quickstart' to do without a file",
            std::io::ErrorKind::PermissionDenied => "; start this program as root, or make the file readable",
            _ => "",
        };
        Failure::new(format!("cannot read {}: {error}{remedy}", path.display()))
    })?;
    decode(octets).map_err(|line| {
        Failure::new(format!(
            "{}:{line}: this line is neither UTF-8 nor Shift_JIS text; save the file as UTF-8",
            path.display()
        ))
    })
}

/// The text of a file, which is UTF-8 or, as routers write it, Shift_JIS; else the first line that is neither.
fn decode(octets: Vec<u8>) -> Result<String, usize> {
    String::from_utf8(octets).or_else(|error| {
        let line = |good: usize| {
            let good = error.as_bytes().get(..good).unwrap_or_default();
            good.iter().filter(|octet| **octet == b'\n').count() + 1
        };
        encoding_rs::SHIFT_JIS
            .decode_without_bom_handling_and_without_replacement(error.as_bytes())
            .map(|text| text.into_owned())
            .ok_or_else(|| line(error.utf8_error().valid_up_to()))
    })
}

/// One line for each problem, as compilers print them: `FILE:LINE:COLUMN: KIND: …`.
pub(crate) fn describe(path: &Path, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let kind = match problem.severity {
            Severity::Error => "error",
            Severity::Host => "the host's business",
            Severity::Foreign => "not of this product",
            Severity::Later => "comes later",
            Severity::Warning => "warning",
        };
        let place = if problem.line == 0 {
            path.display().to_string()
        } else {
            format!("{}:{}:{}", path.display(), problem.line, problem.column)
        };
        let word = if problem.word.is_empty() || problem.message.english.contains(&problem.word) {
            String::new()
        } else {
            format!("'{}': ", problem.word)
        };
        let _ = writeln!(text, "{place}: {kind}: {word}{}", problem.message);
    }
    text
}

/// How many of the problems are errors.
pub(crate) fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.severity == Severity::Error).count()
}

/// Whether something on this host takes questions for names at one of its addresses.
pub(crate) fn has_resolver(address: Ipv4Addr) -> bool {
    UdpSocket::bind((address, 53)).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// Leaves this host out of the name servers that callers are told (`me` of `dns notice order`), if it answers at none of its
/// LAN addresses; the sentence tells.
pub(crate) fn leave_out_silent_resolver(config: &mut Config, answers: impl Fn(Ipv4Addr) -> bool) -> Option<String> {
    let own: Vec<Ipv4Addr> = config.lans.values().filter_map(|lan| lan.address.map(|(address, _)| address)).collect();
    let by_dhcp = config.dns_notice_dhcp.as_ref().is_some_and(|order| order.contains(&DnsSource::Me));
    let promised = by_dhcp || config.dns_notice_msext.contains(&DnsSource::Me);
    if !promised || own.is_empty() || own.iter().any(|address| answers(*address)) {
        return None;
    }
    config.dns_notice_msext.retain(|source| *source != DnsSource::Me);
    config.dns_notice_dhcp.iter_mut().for_each(|order| order.retain(|source| *source != DnsSource::Me));
    let first = own.first()?;
    Some(format!(
        "nothing answers questions for names at {first}, port 53, so callers are not told this host as a name server; start a \
         resolver there (unbound, dnsmasq), or write 'dns notice order msext server'"
    ))
}

/// Does `sekisho check`: prints everything, and fails if anything is wrong.
pub(crate) fn run(file: Option<&Path>, with_host: bool) -> Result<(), Failure> {
    let (mut wrong, mut told) = (false, String::new());
    let mut config = None;
    if let Some(path) = file {
        let text = read(path)?;
        let (parsed, problems) = command::parse(&text);
        told.push_str(&describe(path, &problems));
        let count = errors(&problems);
        wrong = count > 0;
        let verdict = match count {
            0 => format!("no errors; {}", summary(&parsed)),
            1 => "1 error".to_owned(),
            _ => format!("{count} errors"),
        };
        told.push_str(&format!("{}: {verdict}\n", path.display()));
        config = Some(parsed);
    }
    if with_host {
        for finding in look(config.as_ref())? {
            let sign = match finding.weight {
                Weight::Good => "ok",
                Weight::Note => "note",
                Weight::Problem => "problem",
            };
            told.push_str(&format!("{sign}: {}\n", finding.text));
            wrong |= finding.weight == Weight::Problem;
        }
    }
    crate::say(&told)?;
    if wrong { Err(Failure::silent()) } else { Ok(()) }
}

/// What a configuration amounts to, in a few words.
fn summary(config: &Config) -> String {
    let count = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let addresses: usize = config
        .anonymous
        .pool
        .iter()
        .map(|(first, last)| u32::from(*last).saturating_sub(u32::from(*first)) as usize + 1)
        .sum();
    format!(
        "{}, {}, {}",
        count(config.l2tp_tunnels().len(), "L2TP tunnel", "L2TP tunnels"),
        count(addresses, "address", "addresses"),
        count(config.anonymous.users.len(), "user", "users"),
    )
}

/// Looks at this machine.
fn look(config: Option<&Config>) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let mut judge = |result: Result<(), Failure>, good: &str| match result {
        Ok(()) => findings.push(Finding::good(good)),
        Err(failure) => findings.push(Finding::problem(failure.sentence)),
    };
    judge(ports::check_privileges(), "this process may set up a network");
    judge(ports::check_tun(), "TUN devices can be made");
    match ports::holder(ports::PORTS[0].0) {
        Some(holder) if holder.name == "sekisho" => {
            findings.push(Finding::good(format!("a Sekisho server is running (process {})", holder.pid)));
        }
        _ => judge(ports::check_ports(), "UDP ports 500, 4500 and 1701 are free"),
    }
    let trouble = |e: std::io::Error| Failure::new(format!("cannot ask the kernel for its addresses: {e}"));
    let mut netlink = Netlink::open().map_err(trouble)?;
    let interfaces = netlink.interfaces().map_err(trouble)?;
    let routes = netlink.routes().map_err(trouble)?;
    findings.extend(judge_network(config, &interfaces, &routes, &|path| read_sysctl(path).ok()));
    if let Some(traffic) = traffic(config, &interfaces, &routes) {
        let warnings = firewall::look(&traffic);
        if warnings.is_empty() {
            findings.push(Finding::good("no packet filter of this host is in the way"));
        }
        findings.extend(warnings.iter().map(|warning| Finding::problem(warning.to_string())));
    }
    findings.extend(config.and_then(|config| judge_nat(config, &interfaces, firewall::has_nat())));
    Ok(findings)
}

/// Which packets have to pass this host's packet filter.
pub(crate) fn traffic(config: Option<&Config>, interfaces: &[Interface], routes: &[Route]) -> Option<Traffic> {
    let outside = main_interface(interfaces, routes)?;
    let (address, _) = outside.addresses.first()?;
    let mut inside: Vec<String> = lans(config, interfaces).into_iter().map(|(_, i)| i.name.clone()).collect();
    if !inside.contains(&outside.name) {
        inside.push(outside.name.clone());
    }
    Some(Traffic {
        outside: outside.name.clone(),
        address: *address,
        inside,
        tun: TUN_NAME.to_owned(),
        client: config.and_then(|config| config.anonymous.pool.first()).map(|(first, _)| *first),
    })
}

/// The interface of the default route; without one the first that is up and has an address.
pub(crate) fn main_interface<'a>(interfaces: &'a [Interface], routes: &[Route]) -> Option<&'a Interface> {
    let usable = |i: &&Interface| i.up && !i.loopback && !i.addresses.is_empty() && i.name != TUN_NAME;
    default_route(routes)
        .and_then(|route| interfaces.iter().filter(usable).find(|i| i.index == route.interface))
        .or_else(|| interfaces.iter().find(usable))
}

/// The LANs of a configuration whose address this host has, with their interfaces.
fn lans<'a>(config: Option<&Config>, interfaces: &'a [Interface]) -> Vec<(String, &'a Interface)> {
    let configured = config.iter().flat_map(|config| &config.lans);
    configured.filter_map(|(name, lan)| Some((name.clone(), holder(interfaces, lan.address?.0)?))).collect()
}

/// The sentence for a LAN address that this host does not have.
pub(crate) fn missing_address(config: &Config, interfaces: &[Interface]) -> Option<String> {
    config.lans.iter().find_map(|(name, lan)| {
        let (address, prefix) = lan.address?;
        if holder(interfaces, address).is_some() {
            return None;
        }
        let own: Vec<String> = interfaces
            .iter()
            .filter(|i| !i.loopback)
            .flat_map(|i| i.addresses.iter().map(move |(own, prefix)| format!("{own}/{prefix} on {}", i.name)))
            .collect();
        let has = if own.is_empty() { "no address at all".to_owned() } else { own.join(", ") };
        Some(format!(
            "'ip {name} address {address}/{prefix}': this host does not have that address; it has {has}; correct the \
             line, or \
             add the address with 'ip address add {address}/{prefix} dev INTERFACE'"
        ))
    })
}

/// Judges addresses, forwarding and reverse-path filters.
fn judge_network(
    config: Option<&Config>,
    interfaces: &[Interface],
    routes: &[Route],
    sysctl: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(sentence) = config.and_then(|config| missing_address(config, interfaces)) {
        findings.push(Finding::problem(sentence));
    }
    for (name, interface) in lans(config, interfaces) {
        findings.push(Finding::good(format!("{name} is the interface {}", interface.name)));
    }
    let Some(main) = main_interface(interfaces, routes) else {
        findings.push(Finding::problem("this host has no IPv4 address; give one of its interfaces an address"));
        return findings;
    };
    let mut passed: Vec<&str> = lans(config, interfaces).iter().map(|(_, i)| i.name.as_str()).collect();
    if passed.is_empty() {
        passed.push(&main.name);
    }
    passed.dedup();
    findings.extend(passed.iter().filter_map(|name| forwarding_off(name, sysctl)).map(Finding::problem));
    for interface in interfaces.iter().filter(|i| i.up && !i.loopback && i.index != main.index) {
        let strict = |name: &str| sysctl(&format!("net/ipv4/conf/{name}/rp_filter")).is_some_and(|value| value == "1");
        let name = &interface.name;
        let public = interface.addresses.iter().any(|(address, _)| !is_private(*address));
        if public && (strict("all") || strict(name)) {
            findings.push(Finding::note(format!(
                "strict reverse-path filtering on {name} drops clients that dial an address there, since the default \
                 route \
                 leads elsewhere; loosen it with 'sysctl -w net.ipv4.conf.all.rp_filter=2 \
                 net.ipv4.conf.{name}.rp_filter=2'"
            )));
        }
    }
    if let Some((address, _)) = main.addresses.first().filter(|(address, _)| is_private(*address)) {
        findings.push(Finding::note(format!(
            "the address {address} is private: forward UDP 500 and UDP 4500 to it on the router before it, and set \
             AssumeUDPEncapsulationContextOnSendRule to 2 on Windows clients"
        )));
    }
    findings
}

/// The sentence for an interface that forwards nothing.
fn forwarding_off(name: &str, sysctl: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let off = sysctl(&format!("net/ipv4/conf/{name}/forwarding")).is_some_and(|value| value == "0");
    off.then(|| {
        format!(
            "forwarding is off on {name}, so clients reach nothing but this host; switch it on with 'sysctl -w \
             net.ipv4.ip_forward=1'"
        )
    })
}

/// Whether hosts can answer clients whose addresses are of no network of this host.
fn judge_nat(config: &Config, interfaces: &[Interface], nat: Option<bool>) -> Option<Finding> {
    let (first, _) = config.anonymous.pool.first()?;
    let own = |(address, prefix): &(Ipv4Addr, u8)| network(*address, *prefix) == network(*first, *prefix);
    match interfaces.iter().find(|i| i.addresses.iter().any(own)) {
        Some(interface) => {
            let answered = config
                .lans
                .values()
                .any(|lan| lan.proxyarp && lan.address.is_some_and(|(a, p)| network(a, p) == network(*first, p)));
            (!answered).then(|| {
                Finding::problem(format!(
                    "the pool ({first} …) is part of the network on {}, but nobody answers ARP for it; add 'ip lan1 \
                     proxyarp on'",
                    interface.name
                ))
            })
        }
        None if nat == Some(true) => None,
        None => Some(Finding::note(format!(
            "the pool ({first} …) is of no network of this host: hosts need a route to it through this host, or \
             translate it, \
             for example with 'nft add table ip vpn; nft add chain ip vpn post {{ type nat hook postrouting priority \
             100\\; }}; \
             nft add rule ip vpn post ip saddr {}/24 oifname != {TUN_NAME} masquerade'",
            network(*first, 24)
        ))),
    }
}

/// What `run` says before it serves: not errors, but clients would notice.
pub(crate) fn notices(config: &Config) -> Vec<String> {
    let Ok(mut netlink) = Netlink::open() else {
        return Vec::new();
    };
    let (Ok(interfaces), Ok(routes)) = (netlink.interfaces(), netlink.routes()) else {
        return Vec::new();
    };
    let mut names: Vec<&str> = lans(Some(config), &interfaces).iter().map(|(_, i)| i.name.as_str()).collect();
    names.dedup();
    let mut notices: Vec<String> =
        names.iter().filter_map(|name| forwarding_off(name, &|path| read_sysctl(path).ok())).collect();
    if let Some(traffic) = traffic(Some(config), &interfaces, &routes) {
        notices.extend(firewall::look(&traffic).iter().map(ToString::to_string));
    }
    notices
}

/// A file that others than its owner can read, with the keys and passwords in it.
pub(crate) fn readable_by_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        format!("{path} holds keys and passwords, and others can reach it (mode {mode:04o}); 'chmod 600 {path}'")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use command::Lan;

    fn interface(index: u32, name: &str, address: &str, prefix: u8) -> Interface {
        let addresses = vec![(address.parse().unwrap(), prefix)];
        Interface { index, name: name.to_owned(), up: true, loopback: name == "lo", mtu: 1500, addresses }
    }

    fn default_by(index: u32) -> Vec<Route> {
        vec![Route { destination: Ipv4Addr::UNSPECIFIED, prefix: 0, interface: index, gateway: None, metric: 0 }]
    }

    fn config(address: &str) -> Config {
        let mut config = Config::default();
        let lan = Lan { address: Some((address.parse().unwrap(), 24)), address6: None, proxyarp: true };
        config.lans.insert("lan1".to_owned(), lan);
        config.anonymous.pool = vec![("192.168.100.200".parse().unwrap(), "192.168.100.250".parse().unwrap())];
        config
    }

    fn host() -> Vec<Interface> {
        vec![
            interface(1, "lo", "127.0.0.1", 8),
            interface(2, "eth0", "203.0.113.5", 24),
            interface(3, "eth1", "192.168.100.1", 24),
        ]
    }

    #[test]
    fn this_host_is_left_out_of_the_name_servers_where_it_does_not_answer() {
        let text = "ip lan1 address 192.168.100.1/24\ndns server 192.168.100.10\ndns notice order dhcp me\n";
        let mut config = command::parse(text).0;
        assert_eq!(leave_out_silent_resolver(&mut config, |_| true), None);
        assert_eq!(config.dns_notice_msext, [DnsSource::Me, DnsSource::Server]);
        let told = leave_out_silent_resolver(&mut config, |_| false).unwrap();
        assert!(told.starts_with("nothing answers questions for names at 192.168.100.1"), "{told}");
        assert_eq!(config.dns_notice_msext, [DnsSource::Server]);
        assert_eq!(config.dns_notice_dhcp, Some(Vec::new()));
        assert_eq!(leave_out_silent_resolver(&mut config, |_| false), None);
    }

    #[test]
    fn a_file_may_be_shift_jis_as_routers_write_it() {
        // 表 is 0x95 0x5c in Shift_JIS: its second octet is a backslash in ASCII.
        let octets = [b"description pp \"".as_slice(), &[0x95, 0x5c], b"\"\r\n"].concat();
        assert_eq!(decode(octets), Ok("description pp \"表\"\r\n".to_owned()));
        assert_eq!(decode("説明".as_bytes().to_vec()), Ok("説明".to_owned()));
        assert_eq!(decode(b"a\nb \xff\xff\n".to_vec()), Err(2));
    }

    #[test]
    fn a_whole_file_of_a_router_in_shift_jis_is_taken_without_an_error() {
        let octets = include_bytes!("../../command/tests/configurations/router_nvr510_sjis.conf");
        let (config, problems) = command::parse(&decode(octets.to_vec()).unwrap());
        assert_eq!(errors(&problems), 0, "{}", describe(Path::new("nvr510"), &problems));
        assert_eq!(config.console.prompt.as_deref(), Some("[予備表] "));
        let tunnels = config.l2tp_tunnels();
        assert_eq!(tunnels[0].settings.l2tp.auth.as_ref().map(|secret| secret.as_str()), Some("秘密"));
    }

    #[test]
    fn a_problem_is_printed_with_its_place_and_word() {
        let problem = |line, word: &str, message: &str, severity| Problem {
            line,
            column: 9,
            word: word.to_owned(),
            message: command::Text::new(message, message),
            severity,
        };
        let problems = [
            problem(3, "lann1", "there is no such interface; right is lan1", Severity::Error),
            problem(4, "nat", "'nat' is not there yet", Severity::Later),
            problem(0, "", "the line 'l2tp service on' is missing", Severity::Warning),
        ];
        assert_eq!(
            describe(Path::new("a.conf"), &problems),
            "a.conf:3:9: error: 'lann1': there is no such interface; right is lan1\n\
             a.conf:4:9: comes later: 'nat' is not there yet\n\
             a.conf: warning: the line 'l2tp service on' is missing\n"
        );
        assert_eq!(errors(&problems), 1);
    }

    #[test]
    fn an_address_that_the_host_lacks_is_told_with_those_it_has() {
        let told = missing_address(&config("192.168.7.1"), &host()).unwrap();
        assert!(
            told.starts_with("'ip lan1 address 192.168.7.1/24': this host does not have that address; it has"),
            "{told}"
        );
        assert!(told.contains("203.0.113.5/24 on eth0, 192.168.100.1/24 on eth1; correct the line"), "{told}");
        assert_eq!(missing_address(&config("192.168.100.1"), &host()), None);
    }

    #[test]
    fn forwarding_and_strict_filters_are_looked_at_where_they_matter() {
        let off = |path: &str| path.ends_with("forwarding").then(|| "0".to_owned());
        let findings = judge_network(Some(&config("192.168.100.1")), &host(), &default_by(2), &off);
        let problems: Vec<_> = findings.iter().filter(|f| f.weight == Weight::Problem).collect();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].text.starts_with("forwarding is off on eth1"), "{}", problems[0].text);
        let strict = |path: &str| Some(if path.ends_with("all/rp_filter") { "1" } else { "2" }.to_owned());
        let findings = judge_network(Some(&config("192.168.100.1")), &host(), &default_by(3), &strict);
        assert!(findings.iter().any(|f| f.text.starts_with("strict reverse-path filtering on eth0")), "{findings:?}");
        let findings = judge_network(Some(&config("192.168.100.1")), &host(), &default_by(2), &strict);
        assert!(!findings.iter().any(|f| f.text.starts_with("strict")), "{findings:?}");
    }

    #[test]
    fn a_private_address_asks_for_forwarded_ports() {
        let findings = judge_network(None, &host(), &default_by(3), &|_| None);
        assert!(findings.iter().any(|f| f.weight == Weight::Note && f.text.contains("forward UDP 500 and UDP 4500")));
        let findings = judge_network(None, &host(), &default_by(2), &|_| None);
        assert_eq!(findings, []);
    }

    #[test]
    fn a_pool_needs_proxy_arp_inside_a_network_and_nat_or_routes_outside() {
        let mut config = config("192.168.100.1");
        assert_eq!(judge_nat(&config, &host(), Some(false)), None);
        config.lans.get_mut("lan1").unwrap().proxyarp = false;
        assert!(judge_nat(&config, &host(), Some(false)).unwrap().text.contains("add 'ip lan1 proxyarp on'"));
        config.anonymous.pool = vec![("10.9.0.10".parse().unwrap(), "10.9.0.20".parse().unwrap())];
        assert_eq!(judge_nat(&config, &host(), Some(true)), None);
        assert!(judge_nat(&config, &host(), Some(false)).unwrap().text.contains("ip saddr 10.9.0.0/24"));
    }
}
