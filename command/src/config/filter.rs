//! Packet filters as typed values (`ip filter`, `ip filter dynamic`, `ip filter set`, `secure filter`).

use std::net::Ipv4Addr;

use crate::text::{Fault, Text};

/// How many members a list of addresses, protocols or ports may have.
const MOST: usize = 128;

/// A static filter (`ip filter`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Number.
    pub number: u32,
    /// What is done with what fits. `restrict` passes as well: a packet of a client is proof that its line is up.
    pub passes: bool,
    /// Whether a fit is told.
    pub logs: bool,
    /// What fits.
    pub pattern: Pattern,
}

/// What a packet must be like; an empty list fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// Source addresses.
    pub sources: Vec<Addresses>,
    /// Destination addresses.
    pub destinations: Vec<Addresses>,
    /// Protocols and kinds.
    pub kinds: Vec<PacketKind>,
    /// Source ports, first and last; the type where the protocol is ICMP.
    pub source_ports: Vec<(u16, u16)>,
    /// Destination ports, first and last; the code where the protocol is ICMP.
    pub destination_ports: Vec<(u16, u16)>,
}

impl Pattern {
    /// Whether it names a host by name, which is not looked up.
    pub fn has_name(&self) -> bool {
        self.sources.iter().chain(&self.destinations).any(|addresses| matches!(addresses, Addresses::Name(_)))
    }
}

/// Some addresses of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Those that equal the first in the bits of the second.
    Masked(Ipv4Addr, Ipv4Addr),
    /// From the first to the last.
    Range(Ipv4Addr, Ipv4Addr),
    /// A host by name; it fits nothing.
    Name(String),
}

/// A kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// Of this protocol.
    Protocol(u8),
    /// TCP whose flags equal a value in the bits of a mask, or do not.
    TcpFlags {
        /// The bits.
        value: u8,
        /// Which count.
        mask: u8,
        /// Whether they must be equal.
        equal: bool,
    },
    /// TCP that is not the first packet of a connection.
    Established,
    /// ICMP that tells of an error.
    IcmpError,
    /// ICMP that asks or answers.
    IcmpInformation,
}

/// A dynamic filter (`ip filter dynamic`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicFilter {
    /// Number.
    pub number: u32,
    /// Where the first packet comes from.
    pub sources: Vec<Addresses>,
    /// Where it goes to.
    pub destinations: Vec<Addresses>,
    /// What may begin a connection.
    pub trigger: Trigger,
    /// Seconds that a silent connection is remembered.
    pub timeout_s: Option<u32>,
}

/// What may begin a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An application by name: its protocols with the first and last port.
    Application(Application),
    /// Filters by number: what begins, what passes against it, what passes along with it.
    Filters {
        /// What begins a connection.
        filter: Vec<u32>,
        /// What passes in the other direction then.
        against: Vec<u32>,
        /// What passes in the same direction then.
        along: Vec<u32>,
    },
}

/// An application that dynamic filters know by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its name in the router's language.
    pub name: &'static str,
    /// Protocol and ports of its first packets.
    pub begins: &'static [(u8, u16, u16)],
    /// Protocol and ports of what else the caller opens to the same host.
    pub along: &'static [(u8, u16, u16)],
    /// Whether it is one question and one answer.
    pub brief: bool,
}

/// How long connections of dynamic filters are remembered, in seconds (`ip filter dynamic timer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterTimers {
    /// TCP whose first packet was not answered.
    pub tcp_syn_s: u32,
    /// TCP that has ended.
    pub tcp_fin_s: u32,
    /// TCP that is silent.
    pub tcp_idle_s: u32,
    /// UDP that is silent.
    pub udp_idle_s: u32,
    /// DNS.
    pub dns_s: u32,
}

impl Default for FilterTimers {
    fn default() -> Self {
        Self { tcp_syn_s: 30, tcp_fin_s: 5, tcp_idle_s: 3600, udp_idle_s: 30, dns_s: 5 }
    }
}

/// The filters of one direction of an interface, by number and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterList {
    /// Static ones.
    pub filters: Vec<u32>,
    /// Dynamic ones.
    pub dynamics: Vec<u32>,
}

/// The filters of both directions; none lets everything pass that way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecureFilter {
    /// For what comes from the client.
    pub incoming: Option<FilterList>,
    /// For what goes to the client.
    pub outgoing: Option<FilterList>,
    /// The set that is used instead (`secure filter name`).
    pub set: Option<String>,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;

/// Protocols by name.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("ipv6", 41),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ospf", 89),
];

/// The name of a protocol, where the routers have one.
pub fn protocol_name(number: u8) -> Option<&'static str> {
    PROTOCOLS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// Ports by name, as the routers write them.
const PORTS: &[(&str, u16)] = &[
    ("ftp", 21),
    ("ftpdata", 20),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("domain", 53),
    ("dns", 53),
    ("dhcps", 67),
    ("dhcpc", 68),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("www", 80),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ident", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("ms-rpc", 135),
    ("netbios_ns", 137),
    ("netbios_dgm", 138),
    ("netbios_ssn", 139),
    ("imap", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("bgp", 179),
    ("imap3", 220),
    ("ldap", 389),
    ("https", 443),
    ("ms-ds", 445),
    ("ike", 500),
    ("rlogin", 513),
    ("rwho", 513),
    ("rsh", 514),
    ("syslog", 514),
    ("printer", 515),
    ("rip", 520),
    ("ripng", 521),
    ("ms-sql", 1433),
    ("radius", 1812),
    ("l2tp", 1701),
    ("pptp", 1723),
    ("nfs", 2049),
    ("msblast", 4444),
    ("ipsec-nat-t", 4500),
    ("sip", 5060),
    ("discard", 9),
    ("echo", 7),
    ("daytime", 13),
    ("chargen", 19),
    ("ssh", 22),
    ("whois", 43),
];

const fn application(name: &'static str, begins: &'static [(u8, u16, u16)]) -> Application {
    Application { name, begins, along: &[], brief: false }
}

/// Applications of dynamic filters.
pub(crate) const APPLICATIONS: &[Application] = &[
    application("tcp", &[(TCP, 0, 65_535)]),
    application("udp", &[(UDP, 0, 65_535)]),
    application("ping", &[(ICMP, 0, 65_535)]),
    // The caller opens the connections for data itself (passive mode).
    Application { name: "ftp", begins: &[(TCP, 21, 21)], along: &[(TCP, 1024, 65_535)], brief: false },
    Application { name: "domain", begins: &[(UDP, 53, 53), (TCP, 53, 53)], along: &[], brief: true },
    Application { name: "dns", begins: &[(UDP, 53, 53), (TCP, 53, 53)], along: &[], brief: true },
    application("www", &[(TCP, 80, 80), (TCP, 443, 443)]),
    application("http", &[(TCP, 80, 80)]),
    application("https", &[(TCP, 443, 443)]),
    application("smtp", &[(TCP, 25, 25)]),
    application("submission", &[(TCP, 587, 587)]),
    application("pop3", &[(TCP, 110, 110)]),
    application("imap", &[(TCP, 143, 143)]),
    application("imap3", &[(TCP, 220, 220)]),
    application("telnet", &[(TCP, 23, 23)]),
    application("ssh", &[(TCP, 22, 22)]),
    application("nntp", &[(TCP, 119, 119)]),
    application("ntp", &[(UDP, 123, 123)]),
    application("ident", &[(TCP, 113, 113)]),
    application("gopher", &[(TCP, 70, 70)]),
    application("finger", &[(TCP, 79, 79)]),
    application("whois", &[(TCP, 43, 43)]),
    application("time", &[(TCP, 37, 37), (UDP, 37, 37)]),
    application("echo", &[(TCP, 7, 7), (UDP, 7, 7)]),
    application("discard", &[(TCP, 9, 9), (UDP, 9, 9)]),
    application("daytime", &[(TCP, 13, 13), (UDP, 13, 13)]),
    application("chargen", &[(TCP, 19, 19), (UDP, 19, 19)]),
    application("snmp", &[(UDP, 161, 161)]),
    application("syslog", &[(UDP, 514, 514)]),
    application("ldap", &[(TCP, 389, 389)]),
    application("ms-ds", &[(TCP, 445, 445), (UDP, 445, 445)]),
    application("ms-rpc", &[(TCP, 135, 135), (UDP, 135, 135)]),
    application("ms-sql", &[(TCP, 1433, 1433)]),
    application("netbios_ns", &[(UDP, 137, 137)]),
    application("netbios_dgm", &[(UDP, 138, 138)]),
    application("netbios_ssn", &[(TCP, 139, 139)]),
    application("sunrpc", &[(TCP, 111, 111), (UDP, 111, 111)]),
    application("nfs", &[(TCP, 2049, 2049), (UDP, 2049, 2049)]),
    application("rlogin", &[(TCP, 513, 513)]),
    application("printer", &[(TCP, 515, 515)]),
    application("bgp", &[(TCP, 179, 179)]),
    application("radius", &[(UDP, 1812, 1812)]),
    application("ike", &[(UDP, 500, 500)]),
    application("ipsec-nat-t", &[(UDP, 4500, 4500)]),
    application("l2tp", &[(UDP, 1701, 1701)]),
    application("pptp", &[(TCP, 1723, 1723)]),
    application("sip", &[(UDP, 5060, 5060), (TCP, 5060, 5060)]),
    application("netmeeting", &[(TCP, 1720, 1720)]),
];

/// A word of a filter that is wrong: which of those that were handed in, counted from 0, and why.
pub(crate) type Wrong = (usize, Text);

/// The words behind the action of `ip filter`: SRC, DST, PROTO, SPORT, DPORT.
pub(crate) fn pattern(words: &[String]) -> Result<Pattern, Wrong> {
    let [source, rest @ ..] = words else {
        return Err((
            0,
            Fault::ParameterCount.because(
                "the source address is missing; write * for any",
                "始点アドレスがありません。任意なら*と書いてください",
            ),
        ));
    };
    if let Some(extra) = words.get(5) {
        return Err((
            5,
            Fault::ParameterCount
                .because(format_args!("\"{extra}\" is too much"), format_args!("\"{extra}\"は余分です")),
        ));
    }
    let word = |at: usize| rest.get(at).map_or("*", String::as_str);
    let kinds = kinds(word(1)).map_err(|why| (2, why))?;
    let found = Pattern {
        sources: addresses(source).map_err(|why| (0, why))?,
        destinations: addresses(word(0)).map_err(|why| (1, why))?,
        source_ports: ports(word(2), 65_535).map_err(|why| (3, why))?,
        destination_ports: ports(word(3), 65_535).map_err(|why| (4, why))?,
        kinds,
    };
    let has_ports = found.source_ports.len() + found.destination_ports.len() > 0;
    let bears = |kind: &PacketKind| !matches!(kind, PacketKind::Protocol(number) if ![TCP, UDP, ICMP].contains(number));
    if has_ports && !found.kinds.is_empty() && !found.kinds.iter().any(bears) {
        let at = if found.source_ports.is_empty() { 4 } else { 3 };
        return Err((
            at,
            Fault::IllegalKeyword.because(
                "this protocol has no ports; write *",
                "このプロトコルにポートはありません。*と書いてください",
            ),
        ));
    }
    Ok(found)
}

fn members(word: &str) -> Result<Vec<&str>, Text> {
    let found: Vec<&str> = word.split(',').collect();
    if found.len() > MOST {
        return Err(Fault::OutOfRange
            .because(format_args!("a list has at most {MOST} members"), format_args!("リストは{MOST}個までです")));
    }
    Ok(found)
}

/// Addresses: `*`, `A.B.C.D` with `*` for parts, `/MASK`, `A-B`, a name, and lists of them.
pub(crate) fn addresses(word: &str) -> Result<Vec<Addresses>, Text> {
    let mut found = Vec::new();
    for member in members(word)? {
        if member == "*" {
            return Ok(Vec::new());
        }
        found.push(address(member)?);
    }
    Ok(found)
}

fn address(word: &str) -> Result<Addresses, Text> {
    let wrong = || {
        Fault::BadAddress.because(
            format_args!("\"{word}\" is not *, an address such as 192.168.100.0/24 or 192.168.*.*, or a range such as 10.0.0.1-10.0.0.9"),
            format_args!("\"{word}\"は*、192.168.100.0/24や192.168.*.*のようなアドレス、10.0.0.1-10.0.0.9のような範囲ではありません"),
        )
    };
    if let Some((plain, mask)) = word.split_once('/') {
        let plain: Ipv4Addr = plain.parse().map_err(|_| wrong())?;
        let mask = match (mask.parse::<u32>(), mask.parse::<Ipv4Addr>()) {
            (Ok(bits), _) if bits <= 32 => u32::MAX.checked_shl(32 - bits).unwrap_or(0),
            (Err(_), Ok(mask)) => mask.to_bits(),
            _ => return Err(wrong()),
        };
        return Ok(Addresses::Masked(Ipv4Addr::from_bits(plain.to_bits() & mask), Ipv4Addr::from_bits(mask)));
    }
    if let Some((first, last)) = word.split_once('-')
        && let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>())
    {
        return if first <= last { Ok(Addresses::Range(first, last)) } else { Err(wrong()) };
    }
    if let Ok(plain) = word.parse::<Ipv4Addr>() {
        return Ok(Addresses::Masked(plain, Ipv4Addr::BROADCAST));
    }
    let parts: Vec<&str> = word.split('.').collect();
    if parts.len() == 4 && parts.iter().all(|part| *part == "*" || part.parse::<u8>().is_ok()) {
        let octets = |of: fn(&str) -> u8| {
            let mut all = [0; 4];
            all.iter_mut().zip(&parts).for_each(|(octet, part)| *octet = of(part));
            Ipv4Addr::from(all)
        };
        return Ok(Addresses::Masked(
            octets(|part| part.parse().unwrap_or(0)),
            octets(|part| if part == "*" { 0 } else { 255 }),
        ));
    }
    let label =
        |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let named = word.len() <= 255
        && word.bytes().any(|b| b.is_ascii_alphabetic())
        && parts.len() > 1
        && parts.iter().skip(usize::from(word.starts_with("*."))).all(label);
    named.then(|| Addresses::Name(word.to_owned())).ok_or_else(wrong)
}

fn kinds(word: &str) -> Result<Vec<PacketKind>, Text> {
    let mut found = Vec::new();
    for member in members(word)? {
        let lower = member.to_ascii_lowercase();
        let flags = |value: u8, mask: u8| PacketKind::TcpFlags { value, mask, equal: true };
        let kind = match lower.as_str() {
            "*" => return Ok(Vec::new()),
            "tcpsyn" => flags(0x02, 0x02),
            "tcpfin" => flags(0x01, 0x01),
            "tcprst" => flags(0x04, 0x04),
            "established" => PacketKind::Established,
            "icmp-error" => PacketKind::IcmpError,
            "icmp-info" => PacketKind::IcmpInformation,
            other => match (protocol_of(other), tcp_flags(other)) {
                (Some(number), _) => PacketKind::Protocol(number),
                (None, Some(kind)) => kind,
                (None, None) => {
                    return Err(Fault::IllegalKeyword.because(
                        format_args!("\"{member}\" is not a protocol: a number 0..255, icmp, tcp, udp, gre, esp, ah, ipv6, icmp6, tcpsyn, tcpfin, tcprst, established, icmp-error, icmp-info, tcpflag=VALUE/MASK or *"),
                        format_args!("\"{member}\"はプロトコルではありません。0~255の番号、icmp・tcp・udp・gre・esp・ah・ipv6・icmp6・tcpsyn・tcpfin・tcprst・established・icmp-error・icmp-info・tcpflag=値/マスク・*のいずれかです"),
                    ));
                }
            },
        };
        found.push(kind);
    }
    Ok(found)
}

/// The number of a protocol, by name or as a number.
pub(crate) fn protocol_of(word: &str) -> Option<u8> {
    PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number).or_else(|| word.parse().ok())
}

/// `tcpflag=0x0002/0x0017`, or `tcpflag!=…`.
fn tcp_flags(word: &str) -> Option<PacketKind> {
    let (rest, equal) = match word.strip_prefix("tcpflag=") {
        Some(rest) => (rest, true),
        None => (word.strip_prefix("tcpflag!=")?, false),
    };
    let (value, mask) = rest.split_once('/')?;
    let number = |text: &str| -> Option<u8> { u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()?.try_into().ok() };
    Some(PacketKind::TcpFlags { value: number(value)?, mask: number(mask)?, equal })
}

/// Ports: `*`, numbers, names, ranges, and lists of them.
pub(crate) fn ports(word: &str, most: u16) -> Result<Vec<(u16, u16)>, Text> {
    let wrong = |member: &str| {
        Fault::IllegalKeyword.because(
            format_args!("\"{member}\" is not a port: a number 0..{most}, a name such as www, a range such as 1024-2048, or *"),
            format_args!("\"{member}\"はポートではありません。0~{most}の番号、wwwのような名前、1024-2048のような範囲、*のいずれかです"),
        )
    };
    let one = |text: &str| {
        let lower = text.to_ascii_lowercase();
        PORTS.iter().find(|(name, _)| *name == lower).map(|(_, port)| *port).or_else(|| text.parse().ok())
    };
    let mut found = Vec::new();
    for member in members(word)? {
        if member == "*" {
            return Ok(Vec::new());
        }
        if let Some(port) = one(member) {
            found.push((port, port));
            continue;
        }
        let range = match member.split_once('-') {
            Some((first, "")) => one(first).map(|first| (first, most)),
            Some(("", last)) => one(last).map(|last| (0, last)),
            Some((first, last)) => one(first).zip(one(last)),
            None => None,
        };
        match range {
            Some((first, last)) if first <= last => found.push((first, last)),
            _ => return Err(wrong(member)),
        }
    }
    Ok(found)
}

/// The words behind the number of `ip filter dynamic`: SRC DST APPLICATION or SRC DST filter F … [in F …] [out F …], then
/// `syslog=` and `timeout=`.
pub(crate) fn dynamic(number: u32, words: &[String]) -> Result<DynamicFilter, Wrong> {
    let missing = || {
        Fault::ParameterCount
            .because("source, destination and an application are needed", "始点・終点・アプリケーション名が必要です")
    };
    let [source, destination, what, rest @ ..] = words else { return Err((words.len(), missing())) };
    let sources = addresses(source).map_err(|why| (0, why))?;
    let destinations = addresses(destination).map_err(|why| (1, why))?;
    let mut timeout_s = None;
    let mut lists: [Vec<u32>; 3] = Default::default();
    let by_filters = what.eq_ignore_ascii_case("filter");
    let mut list = 0;
    for (at, word) in rest.iter().enumerate().map(|(at, word)| (at + 3, word.to_ascii_lowercase())) {
        let illegal = || {
            Fault::IllegalKeyword.because(
                format_args!("\"{word}\" cannot stand here; what can is syslog=on, syslog=off, timeout=SECONDS, and after filter: numbers, in, out"),
                format_args!("\"{word}\"は書けません。書けるのはsyslog=on・syslog=off・timeout=秒、filterの後では番号・in・outです"),
            )
        };
        match word.split_once('=') {
            Some(("syslog", "on" | "off")) => {}
            Some(("timeout", seconds)) => {
                timeout_s = Some(
                    seconds
                        .parse::<u32>()
                        .ok()
                        .filter(|s| (1..=21_474_836).contains(s))
                        .ok_or_else(|| (at, illegal()))?,
                )
            }
            Some(_) => return Err((at, illegal())),
            None if by_filters && word == "in" => list = 1,
            None if by_filters && word == "out" => list = 2,
            None if by_filters => {
                let filter = word.parse::<u32>().map_err(|_| (at, illegal()))?;
                lists.get_mut(list).into_iter().for_each(|list| list.push(filter));
            }
            None => return Err((at, illegal())),
        }
    }
    let [filter, against, along] = lists;
    let trigger = if by_filters {
        if filter.is_empty() {
            return Err((words.len(), missing()));
        }
        Trigger::Filters { filter, against, along }
    } else {
        let lower = what.to_ascii_lowercase();
        let found = APPLICATIONS.iter().find(|application| application.name == lower).ok_or_else(|| {
            let names: Vec<&str> = APPLICATIONS.iter().map(|application| application.name).collect();
            let (hint, jhint) = crate::value::hints(&lower, &names);
            (
                2,
                Fault::IllegalKeyword.because(
                    format_args!("\"{what}\" is no application that is followed; write its port with tcp or udp, or filter and numbers of ip filter{hint}"),
                    format_args!("\"{what}\"は扱えるアプリケーションではありません。tcp・udp、またはfilterとip filterの番号を書いてください{jhint}"),
                ),
            )
        })?;
        Trigger::Application(*found)
    };
    Ok(DynamicFilter { number, sources, destinations, trigger, timeout_s })
}

/// Numbers of filters, then `dynamic` and numbers of dynamic ones.
pub(crate) fn list(words: &[String]) -> Result<FilterList, Wrong> {
    let mut found = FilterList::default();
    let mut dynamic = false;
    for (at, word) in words.iter().enumerate() {
        if word.eq_ignore_ascii_case("dynamic") && !dynamic {
            dynamic = true;
            continue;
        }
        let number = word.parse::<u32>().ok().filter(|number| (1..=21_474_836).contains(number)).ok_or_else(|| {
            let why = Fault::NotAnInteger.because(
                format_args!("\"{word}\" is not the number of a filter (1..21474836) or the word dynamic"),
                format_args!("\"{word}\"はフィルター番号(1~21474836)でもdynamicでもありません"),
            );
            (at, why)
        })?;
        if dynamic { found.dynamics.push(number) } else { found.filters.push(number) }
    }
    Ok(found)
}

/// The words of `ip filter set` behind its name: `in F … [dynamic D …]` and `out F … [dynamic D …]`.
pub(crate) fn set(words: &[String]) -> Result<SecureFilter, Wrong> {
    let mut found = SecureFilter::default();
    let is_way = |word: &String| word.eq_ignore_ascii_case("in") || word.eq_ignore_ascii_case("out");
    let missing = || {
        Fault::IllegalKeyword
            .because("in or out must stand before the numbers of filters", "フィルター番号の前にinかoutが必要です")
    };
    if !words.first().is_some_and(is_way) {
        return Err((0, missing()));
    }
    let mut at = 0;
    while let Some(way) = words.get(at) {
        let rest = words.get(at + 1..).unwrap_or_default();
        let until = rest.iter().position(is_way).unwrap_or(rest.len());
        let list = list(rest.get(..until).unwrap_or_default()).map_err(|(wrong, why)| (at + 1 + wrong, why))?;
        if way.eq_ignore_ascii_case("in") {
            found.incoming = Some(list);
        } else {
            found.outgoing = Some(list);
        }
        at += 1 + until;
    }
    Ok(found)
}
