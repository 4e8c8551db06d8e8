//! Packet filters of the operator (`ip filter`, `ip filter dynamic`), as tables that a worker owns.
//!
//! Every IPv4 packet of a client's session is held against the lists of its PP interface and of its tunnel, in the order in
//! which they were written; the first rule that fits decides, and a packet that no rule fits is discarded (yamaha.md §3.8).
//! Connections that a dynamic filter has let begin, and fragments of packets that were let through, are remembered for each
//! client in tables of a fixed size. Nothing here allocates for a packet.

use super::sum::word_at;
use crate::time::Instant;
use core::net::Ipv4Addr;
use core::time::Duration;
use wire::ip::Ipv4;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Bits of the flags of TCP (RFC 9293 §3.1).
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
/// What must be there of a header so that ports, flags or type can be seen, in octets.
const TCP_SEEN: usize = 14;
const UDP_SEEN: usize = 4;
const ICMP_SEEN: usize = 2;
/// How many sets of how many connections are remembered for a client.
const SETS: usize = 64;
const WAYS: usize = 8;
/// How many fragmented packets are remembered for a client, and for how long (RFC 791 §3.2 asks for 15 seconds at least).
const FRAGMENTS: usize = 16;
const FRAGMENT_LIFE: Duration = Duration::from_secs(15);

/// Which way a packet goes, seen from this server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// Everything that the operator has said about filters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filters {
    /// The lists, which interfaces name by their place here.
    pub lists: Vec<List>,
    /// Lists of PP interfaces by number; 0 is the anonymous one.
    pub pps: Vec<(u32, Lists)>,
    /// Lists of tunnel interfaces by number.
    pub tunnels: Vec<(u32, Lists)>,
    /// Whether rejects are told at all (`syslog notice`).
    pub notices: bool,
    /// How long connections of dynamic filters are remembered.
    pub timers: Timers,
}

/// The lists of one interface: places in [`Filters::lists`]. Without one, everything passes that way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lists {
    /// For packets from the client.
    pub incoming: Option<usize>,
    /// For packets to the client.
    pub outgoing: Option<usize>,
}

/// What one direction of one interface is held to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List {
    /// Tried in order.
    pub rules: Vec<Rule>,
    /// What may begin a connection; also in order.
    pub dynamics: Vec<Dynamic>,
}

/// A static filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its number, for the log.
    pub number: u32,
    /// Whether what fits passes.
    pub passes: bool,
    /// Whether a fit is told.
    pub logs: bool,
    /// What fits.
    pub pattern: Pattern,
}

/// What a packet must be like; an empty list fits everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pattern {
    /// Source addresses.
    pub sources: Vec<Addresses>,
    /// Destination addresses.
    pub destinations: Vec<Addresses>,
    /// Protocols and kinds of packets.
    pub kinds: Vec<Kind>,
    /// Source ports, first and last; the type where the protocol is ICMP.
    pub source_ports: Vec<(u16, u16)>,
    /// Destination ports, first and last; the code where the protocol is ICMP.
    pub destination_ports: Vec<(u16, u16)>,
}

/// Some addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Addresses {
    /// Those that equal `value` in the bits of `mask`.
    Masked {
        /// The bits.
        value: u32,
        /// Which count.
        mask: u32,
    },
    /// From the first to the last.
    Range {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
}

/// A kind of packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Of this protocol.
    Protocol(u8),
    /// TCP whose flags equal `value` in the bits of `mask`, or do not.
    Flags {
        /// The bits.
        value: u8,
        /// Which count.
        mask: u8,
        /// Whether they must be equal.
        equal: bool,
    },
    /// TCP with ACK or RST: not the first packet of a connection.
    Established,
    /// ICMP that tells of an error.
    IcmpError,
    /// ICMP that asks or answers.
    IcmpInformation,
}

/// A dynamic filter: what may begin a connection, all of which passes then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dynamic {
    /// Its number.
    pub number: u32,
    /// Who may begin, and with what: source is where the first packet comes from.
    pub triggers: Vec<Pattern>,
    /// While a connection stands, what else passes between the two hosts in the direction of the first packet.
    pub along: Vec<Pattern>,
    /// And against it.
    pub against: Vec<Pattern>,
    /// How long a silent connection is remembered, where it differs from what the protocol has.
    pub idle: Option<Duration>,
    /// Whether it is one question and one answer, as in DNS.
    pub brief: bool,
}

/// How long connections are remembered (`ip filter dynamic timer`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// A TCP connection whose first packet was not answered.
    pub syn: Duration,
    /// One that has ended.
    pub fin: Duration,
    /// One that is silent.
    pub tcp: Duration,
    /// UDP and the rest.
    pub udp: Duration,
    /// DNS.
    pub dns: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            syn: Duration::from_secs(30),
            fin: Duration::from_secs(5),
            tcp: Duration::from_secs(3600),
            udp: Duration::from_secs(30),
            dns: Duration::from_secs(5),
        }
    }
}

/// A packet as a log line shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    /// The protocol.
    pub protocol: u8,
    /// From where.
    pub source: Ipv4Addr,
    /// To where.
    pub destination: Ipv4Addr,
    /// The ports, or type and code of ICMP; none of a later fragment.
    pub ports: Option<(u16, u16)>,
}

/// What a list says about a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Judgement {
    pub(super) passes: bool,
    /// The rule that decided; none where no rule fitted.
    pub(super) number: Option<u32>,
    /// Whether it is told.
    pub(super) logs: bool,
    pub(super) sight: Sight,
}

/// A packet as rules look at it.
struct View {
    sight: Sight,
    flags: u8,
    /// The ports' bits of [`Sight::ports`], or 0.
    ports: (u16, u16),
    seen: bool,
}

impl View {
    /// None for a first fragment, or a whole packet, that is too short to show what rules ask for.
    fn of(ip: &Ipv4<'_>) -> Option<Self> {
        let payload = ip.payload();
        let protocol = ip.protocol();
        let needed = match protocol {
            TCP => TCP_SEEN,
            UDP => UDP_SEEN,
            ICMP => ICMP_SEEN,
            _ => 0,
        };
        if payload.len() < needed {
            return None;
        }
        let octet = |at: usize| payload.get(at).copied().unwrap_or(0);
        let ports = match protocol {
            TCP | UDP => (word_at(payload, 0), word_at(payload, 2)),
            ICMP => (u16::from(octet(0)), u16::from(octet(1))),
            _ => (0, 0),
        };
        let seen = needed > 0;
        let sight =
            Sight { protocol, source: ip.source(), destination: ip.destination(), ports: seen.then_some(ports) };
        Some(Self { sight, flags: if protocol == TCP { octet(13) } else { 0 }, ports, seen })
    }
}

impl Addresses {
    fn has(self, address: u32) -> bool {
        match self {
            Self::Masked { value, mask } => address & mask == value & mask,
            Self::Range { first, last } => (first..=last).contains(&address),
        }
    }
}

impl Kind {
    fn fits(self, view: &View) -> bool {
        let tcp = view.sight.protocol == TCP;
        let icmp = view.sight.protocol == ICMP;
        match self {
            Self::Protocol(number) => view.sight.protocol == number,
            Self::Flags { value, mask, equal } => tcp && (view.flags & mask == value) == equal,
            Self::Established => tcp && view.flags & (ACK | RST) != 0,
            // RFC 792: destination unreachable, source quench, redirect, time exceeded, parameter problem.
            Self::IcmpError => icmp && matches!(view.ports.0, 3 | 4 | 5 | 11 | 12),
            Self::IcmpInformation => icmp && !matches!(view.ports.0, 3 | 4 | 5 | 11 | 12),
        }
    }
}

impl Pattern {
    fn fits(&self, view: &View) -> bool {
        self.addresses_fit(view) && self.kind_fits(view)
    }

    fn addresses_fit(&self, view: &View) -> bool {
        let any = |list: &[Addresses], address: Ipv4Addr| {
            list.is_empty() || list.iter().any(|addresses| addresses.has(address.to_bits()))
        };
        any(&self.sources, view.sight.source) && any(&self.destinations, view.sight.destination)
    }

    fn kind_fits(&self, view: &View) -> bool {
        let any = |list: &[(u16, u16)], port: u16| {
            list.is_empty() || (view.seen && list.iter().any(|(first, last)| (*first..=*last).contains(&port)))
        };
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.fits(view)))
            && any(&self.source_ports, view.ports.0)
            && any(&self.destination_ports, view.ports.1)
    }
}

impl Dynamic {
    /// A connection of TCP begins with SYN alone, a ping with a request.
    fn begins(&self, view: &View) -> bool {
        let first = match view.sight.protocol {
            TCP => view.flags & (SYN | ACK | RST | FIN) == SYN,
            ICMP => view.ports == (8, 0),
            _ => true,
        };
        first && self.triggers.iter().any(|pattern| pattern.fits(view))
    }
}

/// What tells a connection from all others of a client, whichever way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Key {
    remote: u32,
    inner_port: u16,
    outer_port: u16,
    protocol: u8,
    /// 0 for the PP interface, 1 for the tunnel.
    gate: u8,
}

impl Key {
    fn of(view: &View, way: Way, gate: u8) -> Self {
        let Sight { protocol, source, destination, .. } = view.sight;
        // Request and answer of a ping differ in their type, which is no part of what they have in common.
        let (from, to) = if protocol == ICMP { (0, 0) } else { view.ports };
        match way {
            Way::In => Self { remote: destination.to_bits(), inner_port: from, outer_port: to, protocol, gate },
            Way::Out => Self { remote: source.to_bits(), inner_port: to, outer_port: from, protocol, gate },
        }
    }

    /// The two hosts whatever they speak, for what passes beside a connection of a dynamic filter.
    fn between(self, number: u32) -> Self {
        let [_, _, high, low] = number.to_be_bytes();
        let inner_port = u16::from_be_bytes([high, low]);
        Self { inner_port, outer_port: (number >> 16) as u16, protocol: u8::MAX, ..self }
    }

    fn set(self) -> usize {
        let ports = u64::from(self.inner_port) << 16 | u64::from(self.outer_port);
        let all = u64::from(self.remote) << 32 | ports;
        let mixed = (all ^ u64::from(self.protocol) << 7 ^ u64::from(self.gate)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 58) as usize % SETS
    }
}

/// A connection that has begun.
#[derive(Clone, Copy, Default)]
struct Connection {
    key: Key,
    /// Free before this moment has come only if it is zero.
    until: Instant,
    /// Which way its first packet went.
    begun_in: bool,
    answered: bool,
    ended: bool,
    idle: Duration,
}

/// A packet whose first fragment has passed, by its source, destination, protocol and identification.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Fragmented {
    source: u32,
    destination: u32,
    identification: u16,
    protocol: u8,
}

/// What is remembered of one client's packets.
pub(super) struct Memory {
    connections: Box<[Connection]>,
    fragments: [(Fragmented, Instant); FRAGMENTS],
    next_fragment: usize,
}

impl Memory {
    fn new() -> Self {
        Self {
            connections: vec![Connection::default(); SETS * WAYS].into_boxed_slice(),
            fragments: [(Fragmented::default(), Instant::default()); FRAGMENTS],
            next_fragment: 0,
        }
    }

    fn set_of(&mut self, key: Key) -> &mut [Connection] {
        let at = key.set() * WAYS;
        self.connections.get_mut(at..at + WAYS).unwrap_or_default()
    }

    /// The living connection that a packet belongs to.
    fn find(&mut self, key: Key, now: Instant) -> Option<&mut Connection> {
        self.set_of(key).iter_mut().find(|connection| connection.key == key && connection.until > now)
    }

    /// Whether a packet belongs to a connection; it lives on then.
    fn follows(&mut self, key: Key, view: &View, way: Way, timers: &Timers, now: Instant) -> bool {
        let Some(connection) = self.find(key, now) else { return false };
        let against = connection.begun_in != (way == Way::In);
        // An answer to a ping is an answer; errors of ICMP belong to no ping.
        if view.sight.protocol == ICMP && !matches!((view.ports.0, against), (8, false) | (0, true)) {
            return false;
        }
        connection.answered |= against;
        connection.ended |= view.sight.protocol == TCP && view.flags & (FIN | RST) != 0;
        let life = match (view.sight.protocol, connection.answered, connection.ended) {
            (TCP, _, true) => timers.fin,
            (TCP, false, false) => timers.syn,
            (TCP, true, false) | (_, _, _) => connection.idle,
        };
        connection.until = now.after(life);
        true
    }

    /// Remembers a connection, in place of the one of its set that would be forgotten first.
    fn begin(&mut self, key: Key, way: Way, life: Duration, idle: Duration, now: Instant) {
        let set = self.set_of(key);
        let free = set
            .iter_mut()
            .min_by_key(|connection| if connection.key == key { Instant::default() } else { connection.until });
        if let Some(place) = free {
            let begun_in = way == Way::In;
            *place = Connection { key, until: now.after(life), begun_in, answered: false, ended: false, idle };
        }
    }

    fn has_fragment(&self, fragment: Fragmented, now: Instant) -> bool {
        self.fragments.iter().any(|(known, until)| *known == fragment && *until > now)
    }

    fn keep_fragment(&mut self, fragment: Fragmented, now: Instant) {
        if let Some(place) = self.fragments.get_mut(self.next_fragment) {
            *place = (fragment, now.after(FRAGMENT_LIFE));
        }
        self.next_fragment = (self.next_fragment + 1) % FRAGMENTS;
    }
}

/// The lists of one client's interfaces, found once, and what is remembered of its packets.
#[derive(Default)]
pub(super) struct Guard {
    /// PP interface and tunnel interface, as the engine named them.
    pub(super) interfaces: Option<(u32, u32)>,
    /// Places in [`Filters::lists`]: of the PP interface, then of the tunnel.
    lists: [Lists; 2],
    memory: Option<Box<Memory>>,
}

impl Guard {
    /// A guard for these interfaces, which has no lists yet.
    pub(super) fn of(interfaces: (u32, u32)) -> Self {
        Self { interfaces: Some(interfaces), ..Self::default() }
    }

    /// Finds the lists anew; what is remembered stays while there are any.
    pub(super) fn resolve(&mut self, filters: &Filters) {
        let of = |all: &[(u32, Lists)], wanted: u32| {
            all.iter().find(|(number, _)| *number == wanted).map(|(_, lists)| *lists).unwrap_or_default()
        };
        self.lists = match self.interfaces {
            Some((pp, tunnel)) => [of(&filters.pps, pp), of(&filters.tunnels, tunnel)],
            None => [Lists::default(); 2],
        };
        if self.lists == [Lists::default(); 2] {
            self.memory = None;
        } else if self.memory.is_none() {
            self.memory = Some(Box::new(Memory::new()));
        }
    }

    /// Whether packets that go this way are held against anything.
    pub(super) fn looks(&self, way: Way) -> bool {
        self.lists.iter().any(|lists| lists.of(way).is_some())
    }

    /// Holds an IPv4 packet against the lists.
    pub(super) fn judge(&mut self, filters: &Filters, ip: &Ipv4<'_>, way: Way, now: Instant) -> Judgement {
        let bare = Sight { protocol: ip.protocol(), source: ip.source(), destination: ip.destination(), ports: None };
        let refused = Judgement { passes: false, number: None, logs: true, sight: bare };
        let Some(memory) = &mut self.memory else { return refused };
        let fragment = Fragmented {
            source: bare.source.to_bits(),
            destination: bare.destination.to_bits(),
            identification: ip.id(),
            protocol: bare.protocol,
        };
        if ip.fragment_offset() > 0 {
            // RFC 3128 §2: a fragment at 1 could write over the flags that were looked at.
            let overwrites = bare.protocol == TCP && ip.fragment_offset() == 1;
            let passes = !overwrites && memory.has_fragment(fragment, now);
            return Judgement { passes, logs: !passes, ..refused };
        }
        let Some(view) = View::of(ip) else { return refused };
        let mut told = None;
        for (gate, lists) in (0_u8..).zip(&self.lists) {
            let Some(list) = lists.of(way).and_then(|at| filters.lists.get(at)) else { continue };
            let key = Key::of(&view, way, gate);
            if memory.follows(key, &view, way, &filters.timers, now)
                || list.beside(memory, key, &view, lists, filters, way, now)
            {
                continue;
            }
            let rule = list.rules.iter().find(|rule| rule.pattern.fits(&view));
            let begins = list.dynamics.iter().find(|dynamic| dynamic.begins(&view));
            match (rule, begins) {
                (Some(rule), _) if !rule.passes => {
                    return Judgement { passes: false, number: Some(rule.number), logs: rule.logs, sight: view.sight };
                }
                (None, None) => return Judgement { sight: view.sight, ..refused },
                (rule, begins) => {
                    if let Some(dynamic) = begins {
                        dynamic.begin(memory, key, &view, way, &filters.timers, now);
                    }
                    told = told.or_else(|| rule.filter(|rule| rule.logs).map(|rule| rule.number));
                }
            }
        }
        if ip.more_fragments() {
            memory.keep_fragment(fragment, now);
        }
        Judgement { passes: true, number: told, logs: told.is_some(), sight: view.sight }
    }
}

impl Lists {
    fn of(&self, way: Way) -> Option<usize> {
        match way {
            Way::In => self.incoming,
            Way::Out => self.outgoing,
        }
    }
}

impl List {
    /// Whether a packet passes beside a connection that one of the interface's dynamic filters has let begin.
    #[allow(clippy::too_many_arguments, reason = "one question, asked in one place")]
    fn beside(
        &self,
        memory: &mut Memory,
        key: Key,
        view: &View,
        lists: &Lists,
        filters: &Filters,
        way: Way,
        now: Instant,
    ) -> bool {
        // Connections begin in either direction, each by the dynamic filters of its own list.
        let other = match way {
            Way::In => lists.outgoing,
            Way::Out => lists.incoming,
        };
        let other = other.and_then(|at| filters.lists.get(at));
        let along = self.dynamics.iter().map(|dynamic| (dynamic, &dynamic.along));
        let against = other.into_iter().flat_map(|list| &list.dynamics).map(|dynamic| (dynamic, &dynamic.against));
        along.chain(against).any(|(dynamic, patterns)| {
            patterns.iter().any(|pattern| pattern.kind_fits(view))
                && memory.find(key.between(dynamic.number), now).is_some()
        })
    }
}

impl Dynamic {
    fn begin(&self, memory: &mut Memory, key: Key, view: &View, way: Way, timers: &Timers, now: Instant) {
        let usual = match view.sight.protocol {
            TCP => timers.tcp,
            UDP if self.brief => timers.dns,
            _ => timers.udp,
        };
        let idle = self.idle.unwrap_or(usual);
        let life = if view.sight.protocol == TCP { timers.syn } else { idle };
        memory.begin(key, way, life, idle, now);
        if !self.along.is_empty() || !self.against.is_empty() {
            memory.begin(key.between(self.number), way, idle, idle, now);
        }
    }
}
