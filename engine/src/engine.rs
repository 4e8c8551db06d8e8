//! The door: one input, its outputs, the next wake-up. Only this file holds clients.

mod dialogue;

use self::dialogue::Dialogue;
use crate::carrier::{Kind, Ring, Station, StationOutput, StreamEvent, StreamId, Surroundings};
use crate::census::{Census, Instances};
use crate::client::{Affair, Client, Context, Fate, Reached, Tickets, Waiting, free_spi};
use crate::event::{Event, Halt, Instance};
use crate::gateways::{Gateways, Group};
use crate::guesses::Guesses;
use crate::ike::aggressive;
use crate::ike::fragment::{self, Fragments, NoFragment};
use crate::ike::half_open::{HalfOpen, Shown, Step};
use crate::ike::informational::News;
use crate::ike::initiate::Terms;
use crate::ike::keys::Cookies;
use crate::ike::natt;
use crate::ike::proposal::Wanted;
use crate::ike::sa::{self, Sa};
use crate::ike::{Computed, Endpoint, Message, Refusal};
use crate::latest::Latest;
use crate::lease::{Identity, Names};
use crate::outbox::{Outbox, Output};
use crate::path::{ClientId, Encap, Filters, Note, Update};
use crate::pool::Pool;
use crate::ppp;
use crate::prefix::Prefixes;
use crate::record::Refused;
use crate::rng::Rng;
use crate::status::{Accounts, Reply, TunnelAccounts};
use crate::time::Instant;
use command::{Config, L2tpTunnel, Request, Scope, Text, Which};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::inside::dhcp;
use wire::isakmp::{ExchangeType, Flags, Header, NotifyType};

/// Clients whose timers one input serves, the earliest first: when thousands are to go at once, what that brings about fills
/// no memory, and what else has come has its turn in between.
const MOST_DUE: usize = 64;
/// Exchanges that are not authenticated yet, in all and from one address: many clients may share a NAT. Where there are
/// more tunnels, as many as all their clients begin when they return at once: one that is pushed out would go on with an
/// exchange that nobody knows any more.
const MOST_HALF_OPEN: usize = 4096;
const MOST_HALF_OPEN_OF_ALL: usize = 16_384;
const MOST_HALF_OPEN_PER_SOURCE: usize = 64;
/// Computations under way, in all and for one address. Those that do not fit wait for their clients' repeats, which all
/// come at the same moments: the more fit, the fewer rounds a storm takes. They are done within three seconds or four.
const MOST_JOBS: usize = 4096;
const MOST_JOBS_PER_SOURCE: usize = 16;
/// What is told where they are too many.
const TOO_MANY_JOBS: &str = "too many key exchanges at once; the client will repeat";
/// Longest ISAKMP message that is read, octets.
const MOST_OCTETS: usize = 16 * 1024;
/// Longest DHCP message of a LAN that is read, octets.
const MOST_DHCP: usize = 1500;
/// A refusal is told once for a source within this time.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Beginnings of phase 1 that are told in a second; anybody can cause one with a forged address.
const MOST_BEGUN: u32 = 100;
/// Sources whose refusals are remembered.
const MOST_TOLD: usize = 1024;

/// What calls may bring along: stations that take those which L2TP in ESP does not carry, and companions of those it does.
#[rustfmt::skip] // A line for each, so that it can go without a trace.
const KINDS: &[Kind] = &[
    crate::legacy::KIND,
];

/// Something that happened outside.
pub enum Input<'a> {
    /// An ISAKMP message came (without the non-ESP marker).
    Isakmp {
        /// From where to where.
        endpoint: Endpoint,
        /// The datagram's payload.
        bytes: &'a [u8],
    },
    /// A worker has something to say.
    Note(Note),
    /// A DHCP message came to port 68 on a LAN's interface.
    Dhcp {
        /// The LAN, as `lan1`.
        lan: &'a str,
        /// The message.
        bytes: &'a [u8],
    },
    /// Something happened to a stream that a client has opened.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        event: StreamEvent<'a>,
    },
    /// A computation has ended.
    Computed(Computed),
    /// A computation was not taken on: the world outside is too busy. The client will repeat its message.
    Overloaded(u64),
    /// The time asked for has come.
    Timeout,
    /// An operator who has selected something asks for something.
    Request(Request, Scope),
    /// An operator has changed the configuration.
    Configure(Box<Config>),
    /// The service begins: ports are open.
    Started,
    /// The server stops: tell all clients.
    Shutdown,
}

/// Why the engine wants to be called at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A client has something to do.
    Client(u32),
    /// Half-open exchanges expire.
    HalfOpen,
    /// A station has something to do.
    Station,
}

/// Who began an exchange: an address (not a port, which a moody NAT may change) and the client's cookie.
type Initiator = (IpAddr, [u8; 8]);

/// What a client works with, of the engine's fields but its clients.
macro_rules! context {
    ($engine:expr, $now:expr, $out:expr) => {
        Context {
            config: &$engine.config,
            tunnels: &$engine.tunnels,
            pool: &mut $engine.pool,
            prefixes: &mut $engine.prefixes,
            names: &mut $engine.names,
            guesses: &mut $engine.guesses,
            gateways: &$engine.gateways,
            instances: &mut $engine.instances,
            accounts: &mut $engine.accounts,
            tunnel_accounts: &mut $engine.tunnel_accounts,
            link_settings: &mut $engine.link_settings,
            terms: &mut $engine.terms,
            rng: &mut $engine.rng,
            now: $now,
            out: $out,
            tickets: &mut $engine.tickets,
            spis: &mut $engine.spis,
            ike: vec![],
            affairs: vec![],
            aside: false,
            kinds: crate::engine::KINDS,
        }
    };
}

mod configure;
mod reunion;

/// The server's state, whole.
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) tunnels: BTreeMap<u32, L2tpTunnel>,
    rng: Rng,
    half_open: BTreeMap<Cookies, (HalfOpen, Initiator)>,
    /// The same exchanges in the order of their end, which is that of their beginning.
    half_open_order: VecDeque<(Instant, Cookies)>,
    by_initiator: BTreeMap<Initiator, Cookies>,
    owners: BTreeMap<Cookies, u32>,
    pub(crate) clients: BTreeMap<u32, Box<Client>>,
    by_peer: BTreeMap<SocketAddr, u32>,
    by_tunnel: BTreeMap<u32, u32>,
    pub(crate) pool: Pool,
    pub(crate) prefixes: Prefixes,
    names: Names,
    /// Wrong passwords of users and networks.
    pub(crate) guesses: Guesses,
    pub(crate) instances: Instances,
    gateways: Gateways,
    census: Census,
    pub(crate) accounts: Accounts,
    pub(crate) tunnel_accounts: TunnelAccounts,
    dialogue: Dialogue,
    link_settings: Latest<ppp::Settings>,
    terms: Latest<Terms>,
    next_client: u32,
    tickets: Tickets,
    /// Main Modes of our own, by our cookie.
    renewals: BTreeMap<[u8; 8], u32>,
    agenda: BTreeSet<(Instant, u32)>,
    agenda_of: BTreeMap<u32, Instant>,
    fragments: Fragments,
    told: BTreeMap<(IpAddr, u8), (Instant, u32)>,
    /// Before this moment nothing that `told` holds is old enough to be forgotten.
    told_full_until: Instant,
    /// Beginnings of phase 1 told within the second that began then.
    begun: (Instant, u32),
    spis: BTreeSet<u32>,
    pub(crate) stations: Vec<Box<dyn Station>>,
    stopping: bool,
    /// The filters that the data path has been told of.
    filters: Option<Filters>,
}

impl Engine {
    /// An engine for a configuration. `seed` is all the chance it gets.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let tunnels = configure::served(&config);
        let (pool, prefixes) = configure::pools(&config);
        let gateways = Gateways::new(&tunnels, &BTreeMap::new());
        let stations = KINDS.iter().filter_map(|kind| (kind.station)(&config)).collect();
        let mut dialogue = Dialogue::default();
        dialogue.follow(&config);
        Self {
            config,
            tunnels,
            rng: Rng::new(seed),
            half_open: BTreeMap::new(),
            half_open_order: VecDeque::new(),
            by_initiator: BTreeMap::new(),
            owners: BTreeMap::new(),
            clients: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            by_tunnel: BTreeMap::new(),
            pool,
            prefixes,
            names: Names::default(),
            guesses: Guesses::default(),
            instances: Instances::default(),
            gateways,
            census: Census::default(),
            accounts: Accounts::new(),
            tunnel_accounts: TunnelAccounts::default(),
            dialogue,
            link_settings: Latest::default(),
            terms: Latest::default(),
            next_client: 1,
            tickets: Tickets::default(),
            renewals: BTreeMap::new(),
            agenda: BTreeSet::new(),
            agenda_of: BTreeMap::new(),
            fragments: Fragments::default(),
            told: BTreeMap::new(),
            told_full_until: Instant::default(),
            begun: (Instant::default(), 0),
            spis: BTreeSet::new(),
            stations,
            stopping: false,
            filters: None,
        }
    }

    /// Takes one input; everything that it causes is in `out` afterwards.
    pub fn handle(&mut self, input: Input<'_>, now: Instant, out: &mut Outbox) {
        // What clients do changes no filter; everything else may.
        let of_clients = matches!(
            input,
            Input::Isakmp { .. }
                | Input::Note(_)
                | Input::Dhcp { .. }
                | Input::Stream { .. }
                | Input::Computed(_)
                | Input::Overloaded(_)
                | Input::Timeout
                | Input::Request(..)
        );
        if let Input::Isakmp { endpoint, bytes } = &input {
            self.tell_received(*endpoint, bytes, now, out);
        }
        let already = out.len();
        match input {
            Input::Isakmp { endpoint, bytes } => self.on_isakmp(endpoint, bytes, now, out),
            Input::Note(note) => self.on_note(note, now, out),
            Input::Dhcp { lan, bytes } => self.on_dhcp(lan, bytes, now, out),
            Input::Stream { stream, event } => self.on_stream(stream, event, now, out),
            Input::Computed(result) => self.on_computed(result, now, out),
            Input::Overloaded(ticket) => self.on_overloaded(ticket, now, out),
            Input::Timeout => self.on_timeout(now, out),
            Input::Request(request, selected) => self.on_request(request, selected, now, out),
            Input::Configure(config) => self.configure(*config, now, out),
            Input::Started => {
                if self.config.l2tp_service {
                    out.push(Output::Event(Event::PortOpened));
                }
                self.announce(true, now, out);
            }
            Input::Shutdown => self.on_shutdown(now, out),
        }
        if !of_clients {
            self.tell_filters(out);
            self.dialogue.follow(&self.config);
        }
        self.tell_sent(already, now, out);
    }

    /// Tells the data path the filters where they are others than it knows.
    fn tell_filters(&mut self, out: &mut Outbox) {
        let filters = crate::filters::of(&self.config);
        if filters != self.filters {
            let all = Box::new(filters.clone().unwrap_or_default());
            if !self.stations.is_empty() {
                out.push(Output::Aside(Update::Filters(all.clone())));
            }
            out.push(Output::Path(Update::Filters(all)));
            self.filters = filters;
        }
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many clients have an address and a route.
    #[must_use]
    pub fn clients_up(&self) -> usize {
        self.clients.values().filter(|c| c.call.as_ref().is_some_and(|call| call.up.is_some())).count()
    }

    /// How many addresses are lent.
    #[must_use]
    pub fn addresses_lent(&self) -> usize {
        self.pool.lent()
    }

    /// How many streams of clients are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.stations.iter().map(|station| station.streams()).sum()
    }

    /// How many exchanges are not authenticated yet.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Every pair of ESP SAs: whose it is, and our SPI.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.clients.values().flat_map(|c| c.pairs.iter().map(move |p| (c.id, p.inbound)))
    }

    /// When to hand in [`Input::Timeout`], and why. After one it may still lie in the past: then others are due, too.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let client = self.agenda.first().map(|(at, id)| (*at, Reason::Client(*id)));
        let half_open = self.half_open_order.front().map(|(at, _)| (*at, Reason::HalfOpen));
        let stations = self.stations.iter().filter_map(|station| station.poll_timeout());
        let station = stations.min().map(|at| (at, Reason::Station));
        [client, half_open, station].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Does something with a client, then settles it: the only way in, and the only place that writes the agenda.
    fn with_client(
        &mut self,
        id: u32,
        now: Instant,
        out: &mut Outbox,
        act: impl FnOnce(&mut Client, &mut Context<'_>),
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let before: Vec<Cookies> = client.ikes.iter().map(Sa::cookies).collect();
        let renewed = client.renewal.as_ref().map(|renewal| renewal.initiator());
        let mut cx = context!(self, now, out);
        cx.aside = client.carrier.is_aside();
        act(client, &mut cx);
        let fate = client.settle(&mut cx);
        if fate == Fate::Gone {
            client.delete_all(&mut cx);
        }
        let (wanted, affairs) = (cx.ike, cx.affairs);
        if let Some(cookie) =
            renewed.filter(|old| client.renewal.as_ref().map(|renewal| renewal.initiator()) != Some(*old))
        {
            self.renewals.remove(&cookie);
        }
        for gone in before.iter().filter(|c| !client.ikes.iter().any(|sa| sa.cookies() == **c)) {
            self.owners.remove(gone);
        }
        self.census.note(client);
        if fate == Fate::Gone {
            self.remove_client(id, "the client has left", now, out);
            self.settle_stations(now, out);
            return self.on_farewells(id, affairs, now, out);
        }
        // A moment that has passed would be called for again at once: at the earliest the next nanosecond.
        let next = client.poll_timeout().map(|at| at.max(now.after(Duration::from_nanos(1))));
        let (endpoint, tunnel) = (client.endpoint, client.tunnel);
        self.renewals.extend(client.renewal.as_ref().map(|renewal| (renewal.initiator(), id)));
        self.note_deadline(id, next);
        for (cookies, output) in wanted {
            self.apply(id, cookies, endpoint, tunnel, vec![output], now, out);
        }
        for affair in affairs {
            self.on_affair(id, affair, now, out);
        }
    }

    fn note_deadline(&mut self, id: u32, next: Option<Instant>) {
        if let Some(old) = self.agenda_of.remove(&id) {
            self.agenda.remove(&(old, id));
        }
        if let Some(at) = next {
            self.agenda_of.insert(id, at);
            self.agenda.insert((at, id));
        }
    }

    /// Of the affairs of a client that is gone, those that others have to hear of.
    fn on_farewells(&mut self, id: u32, affairs: Vec<Affair>, now: Instant, out: &mut Outbox) {
        let concerns_others = |affair: &Affair| matches!(affair, Affair::Left { .. } | Affair::HungUp { .. });
        for affair in affairs.into_iter().filter(concerns_others) {
            self.on_affair(id, affair, now, out);
        }
    }

    fn remove_client(&mut self, id: u32, why: &str, now: Instant, out: &mut Outbox) {
        let Some(mut client) = self.clients.remove(&id) else {
            return;
        };
        for (_, further) in core::mem::take(&mut client.further) {
            self.remove_client(further, why, now, out);
        }
        for sa in &client.ikes {
            self.owners.remove(&sa.cookies());
        }
        if let Some(renewal) = &client.renewal {
            self.renewals.remove(&renewal.initiator());
        }
        if self.by_peer.get(&client.endpoint.peer) == Some(&id) {
            self.by_peer.remove(&client.endpoint.peer);
        }
        if let Some(tunnel) = client.tunnel.filter(|tunnel| self.by_tunnel.get(tunnel) == Some(&id)) {
            self.vacate(tunnel);
        }
        for asked in self.census.forget(id, &mut client.noted) {
            if let Some(asked) = self.clients.get_mut(&asked) {
                asked.forget_claims_of(id);
            }
        }
        let mut cx = context!(self, now, out);
        cx.aside = client.carrier.is_aside();
        client.forget(why, &mut cx);
        let affairs = cx.affairs;
        if cx.aside {
            self.stations.iter_mut().for_each(|station| station.ended(id, why, now));
        }
        self.note_deadline(id, None);
        self.on_farewells(id, affairs, now, out);
    }

    /// A client has a tunnel interface from here on.
    fn occupy(&mut self, tunnel: u32, id: u32) {
        self.by_tunnel.insert(tunnel, id);
        if let Some(t) = self.tunnels.get(&tunnel) {
            self.gateways.take(t.gateway.id, tunnel);
        }
    }

    /// Nobody has this tunnel interface any more.
    fn vacate(&mut self, tunnel: u32) {
        self.by_tunnel.remove(&tunnel);
        if let Some(t) = self.tunnels.get(&tunnel) {
            self.gateways.give_back(t.gateway.id, tunnel);
        }
    }

    /// Tells why something of this source was not taken, once a minute for each kind.
    fn refuse(&mut self, endpoint: Endpoint, why: Refusal, now: Instant, out: &mut Outbox) {
        let kind = match &why {
            Refusal::Malformed(_) => 0,
            Refusal::Missing(_) => 1,
            Refusal::Unacceptable(_) => 2,
            Refusal::NoProposal { .. } | Refusal::Strict { .. } => 3,
            Refusal::AuthenticationMethod(_) => 4,
            Refusal::BadHash => 5,
            Refusal::WrongKey { .. } => 6,
            Refusal::Exchange(_) | Refusal::Aggressive { .. } => 7,
            Refusal::UnknownName { .. } => 10,
            Refusal::Unknown => 8,
            Refusal::Busy(_) => 9,
        };
        // Who was told to have a wrong key repeats its proof until after the exchange is forgotten.
        let wrong_key = self.told.get(&(endpoint.peer.ip(), 6));
        if why == Refusal::Unknown && wrong_key.is_some_and(|(since, _)| now.since(*since) < TELL_AGAIN) {
            return;
        }
        let key = (endpoint.peer.ip(), kind);
        let suppressed = match self.told.get_mut(&key) {
            Some((since, count)) if now.since(*since) < TELL_AGAIN => {
                *count += 1;
                return;
            }
            Some((_, count)) => *count,
            None => 0,
        };
        if !self.told.contains_key(&key) && !self.has_room_to_tell(now) {
            return;
        }
        self.told.insert(key, (now, 0));
        out.push(Output::Event(Event::IkeRefused { peer: endpoint.peer, why, suppressed }));
    }

    // ---- ISAKMP

    fn on_isakmp(&mut self, endpoint: Endpoint, bytes: &[u8], now: Instant, out: &mut Outbox) {
        if bytes.len() > MOST_OCTETS {
            return;
        }
        let (header, body) = match Header::decode(bytes) {
            Ok(h) => h,
            Err(e) => return self.refuse(endpoint, e.into(), now, out),
        };
        match self.fragments.take(endpoint.peer, &header, body, now) {
            Err(NoFragment) => self.on_message(Message { header: &header, body, datagram: bytes, endpoint }, now, out),
            Ok(None) => {}
            Ok(Some(whole)) => match Header::decode(&whole) {
                Ok((h, b)) => self.on_message(Message { header: &h, body: b, datagram: &whole, endpoint }, now, out),
                Err(e) => self.refuse(endpoint, e.into(), now, out),
            },
        }
    }

    fn on_message(&mut self, message: Message<'_>, now: Instant, out: &mut Outbox) {
        let Message { header, endpoint, .. } = message;
        if header.version >> 4 != 1 || header.initiator.is_zero() {
            // IKEv2 and nonsense: clients that know both try IKEv1 by themselves.
            return self.refuse(endpoint, Refusal::Unacceptable("not IKEv1: only IKEv1 is served"), now, out);
        }
        let cookies = Cookies::of(header);
        if header.responder.is_zero() {
            return match header.exchange {
                ExchangeType::MainMode | ExchangeType::Aggressive => self.on_first(message, now, out),
                ExchangeType::Informational => {}
                other => self.refuse(endpoint, Refusal::Exchange(other.into()), now, out),
            };
        }
        if let Some(client) = self.renewals.get(&cookies.initiator).copied() {
            self.on_renewal(client, message, now, out);
        } else if self.half_open.contains_key(&cookies) {
            self.on_half_open(cookies, message, now, out);
        } else if let Some(client) = self.owners.get(&cookies).copied() {
            self.on_established(client, cookies, message, now, out);
        } else if header.flags.has(Flags::ENCRYPTION) {
            self.refuse(endpoint, Refusal::Unknown, now, out);
        }
    }

    fn on_first(&mut self, message: Message<'_>, now: Instant, out: &mut Outbox) {
        let Message { header, datagram: bytes, endpoint, .. } = message;
        let name = (endpoint.peer.ip(), header.initiator.0);
        if let Some((mm, _)) = self.by_initiator.get(&name).and_then(|c| self.half_open.get_mut(c)) {
            if let Some(Step::Send(bytes)) = mm.repeat(bytes, endpoint) {
                out.push(Output::Send { endpoint, bytes });
            }
            return;
        }
        if self.stopping {
            return;
        }
        if self.gateways.reach(endpoint.peer.ip()).tunnels == 0 {
            if self.told_recently(endpoint.peer.ip(), 20, now) {
                return;
            }
            return out.push(Output::Event(Event::NoGateway { peer: endpoint.peer.ip() }));
        }
        self.expire_half_open(now, out);
        let of_source = self.by_initiator.range((name.0, [0; 8])..=(name.0, [255; 8])).count();
        if of_source >= MOST_HALF_OPEN_PER_SOURCE {
            return self.refuse(endpoint, Refusal::Busy("too many unfinished exchanges from this address"), now, out);
        }
        let most = (self.tunnels.len() + self.tunnels.len() / 2).clamp(MOST_HALF_OPEN, MOST_HALF_OPEN_OF_ALL);
        if self.half_open.len() >= most && !self.drop_oldest_half_open() {
            return self.refuse(endpoint, Refusal::Busy("too many unfinished exchanges"), now, out);
        }
        if header.exchange == ExchangeType::Aggressive {
            return self.on_first_aggressive(message, now, out);
        }
        let policy = self.gateways.reach(endpoint.peer.ip()).policy(&self.config.refused);
        match HalfOpen::begin(message, &policy, &mut self.rng, now) {
            Ok((mm, reply)) => {
                self.keep_half_open(mm, name, now, out);
                out.push(Output::Send { endpoint, bytes: reply });
            }
            Err(why) => self.refuse_first(header, endpoint, why, now, out),
        }
    }

    /// An exchange begins, and is told; but not of a flood.
    fn keep_half_open(&mut self, begun: HalfOpen, name: Initiator, now: Instant, out: &mut Outbox) {
        self.by_initiator.insert(name, begun.cookies());
        self.half_open_order.push_back((begun.expires(), begun.cookies()));
        self.half_open.insert(begun.cookies(), (begun, name));
        if now.since(self.begun.0) >= Duration::from_secs(1) {
            self.begun = (now, 0);
        }
        self.begun.1 += 1;
        if self.begun.1 <= MOST_BEGUN {
            out.push(Output::Event(Event::RespondIsakmp { peer: name.0 }));
        }
    }

    /// Refuses a first message so that the client fails at once and not by silence: the answer is smaller than that.
    fn refuse_first(&mut self, header: &Header, endpoint: Endpoint, why: Refusal, now: Instant, out: &mut Outbox) {
        let kind = match &why {
            Refusal::NoProposal { .. } | Refusal::Strict { .. } => Some(NotifyType::NoProposalChosen),
            Refusal::Aggressive { .. } => Some(NotifyType::InvalidExchangeType),
            Refusal::UnknownName { .. } => Some(NotifyType::InvalidIdInformation),
            Refusal::Malformed(_)
            | Refusal::Missing(_)
            | Refusal::Unacceptable(_)
            | Refusal::AuthenticationMethod(_)
            | Refusal::BadHash
            | Refusal::WrongKey { .. }
            | Refusal::Exchange(_)
            | Refusal::Unknown
            | Refusal::Busy(_) => None,
        };
        let told = self.gateways.reach(endpoint.peer.ip()).is_told;
        if let Some(kind) = kind.filter(|_| told) {
            out.push(Output::Send { endpoint, bytes: notify_in_the_clear(header, kind) });
        }
        self.refuse(endpoint, why, now, out);
    }

    /// Message 1 of Aggressive Mode: the gateways are those that have the client's name.
    fn on_first_aggressive(&mut self, message: Message<'_>, now: Instant, out: &mut Outbox) {
        let Message { header, endpoint, .. } = message;
        let peer = endpoint.peer.ip();
        let party = match aggressive::claimed(&message) {
            Ok(identity) => self.gateways.party(&identity, endpoint),
            Err(why) => Err(why),
        };
        let party = match party {
            Ok(party) => party,
            Err(why) => return self.refuse_first(header, endpoint, why, now, out),
        };
        let (jobs, of_source) = self.tickets.load(peer);
        if jobs >= MOST_JOBS || of_source >= MOST_JOBS_PER_SOURCE {
            return self.refuse(endpoint, Refusal::Busy(TOO_MANY_JOBS), now, out);
        }
        let ticket = self.tickets.draw();
        let policy = self.gateways.reach(peer).policy(&self.config.refused);
        match HalfOpen::begin_aggressive(message, party, &policy, ticket, &mut self.rng, now) {
            Ok((begun, job)) => {
                self.tickets.wait(ticket, Waiting::HalfOpen(begun.cookies()), peer, now);
                self.keep_half_open(begun, (peer, header.initiator.0), now, out);
                out.push(Output::Compute(job));
            }
            Err(why) => self.refuse_first(header, endpoint, why, now, out),
        }
    }

    /// Sends a message, in fragments if it is long and the client takes them.
    fn send(&mut self, endpoint: Endpoint, message: Vec<u8>, takes_fragments: bool, out: &mut Outbox) {
        let id = self.rng.nonzero_u16();
        for bytes in fragment::pieces(message, takes_fragments, id) {
            out.push(Output::Send { endpoint, bytes });
        }
    }

    /// Whether a source was told of this kind within the last minute; notes it if not. While too many sources are
    /// remembered, as in a flood of forged addresses, nothing more is told.
    fn told_recently(&mut self, peer: IpAddr, kind: u8, now: Instant) -> bool {
        if self.told.get(&(peer, kind)).is_some_and(|(since, _)| now.since(*since) < TELL_AGAIN) {
            return true;
        }
        if !self.has_room_to_tell(now) {
            return true;
        }
        self.told.insert((peer, kind), (now, 0));
        false
    }

    /// Whether another source can be remembered; forgets those of more than a minute ago.
    fn has_room_to_tell(&mut self, now: Instant) -> bool {
        if self.told.len() >= MOST_TOLD && !now.reached(self.told_full_until) {
            return false;
        }
        if self.told.len() >= MOST_TOLD {
            self.told.retain(|_, (since, _)| now.since(*since) < TELL_AGAIN);
            self.told_full_until = now.after(Duration::from_secs(1));
        }
        self.told.len() < MOST_TOLD
    }

    fn expire_half_open(&mut self, now: Instant, out: &mut Outbox) {
        while let Some((at, cookies)) = self.half_open_order.front().copied() {
            if self.half_open.contains_key(&cookies) && !now.reached(at) {
                break;
            }
            self.half_open_order.pop_front();
            self.tell_halt(cookies, now, out);
            self.forget_half_open(cookies);
        }
    }

    /// Tells how far a client came that went no further, unless another exchange of the same place got through.
    fn tell_halt(&mut self, cookies: Cookies, now: Instant, out: &mut Outbox) {
        let Some((exchange, _)) = self.half_open.get(&cookies) else { return };
        let Some(awaited) = exchange.awaited() else { return };
        let halt = if awaited == 3 { Halt::Message3 } else { Halt::Message5 };
        let peer = exchange.endpoint().peer;
        let of_place = SocketAddr::new(peer.ip(), 0)..=SocketAddr::new(peer.ip(), u16::MAX);
        let got_through = self.by_peer.range(of_place).next().is_some();
        if !got_through && !self.told_recently(peer.ip(), 23, now) {
            out.push(Output::Event(Event::Halted { peer, halt }));
        }
    }

    /// Makes room by the oldest exchange whose client has not shown that it receives anything.
    fn drop_oldest_half_open(&mut self) -> bool {
        let unreachable = |c: &Cookies| self.half_open.get(c).is_some_and(|(mm, _)| !mm.is_reachable());
        let Some(at) = self.half_open_order.iter().position(|(_, c)| unreachable(c)) else {
            return false;
        };
        if let Some((_, cookies)) = self.half_open_order.remove(at) {
            self.forget_half_open(cookies);
        }
        true
    }

    fn forget_half_open(&mut self, cookies: Cookies) {
        if let Some((_, name)) = self.half_open.remove(&cookies) {
            self.by_initiator.remove(&name);
        }
    }

    fn on_half_open(&mut self, cookies: Cookies, message: Message<'_>, now: Instant, out: &mut Outbox) {
        let Message { header, datagram: bytes, endpoint, .. } = message;
        let ticket = self.tickets.draw();
        let (jobs, of_source) = self.tickets.load(endpoint.peer.ip());
        let Some((mm, _)) = self.half_open.get_mut(&cookies) else {
            return;
        };
        let takes_fragments = mm.takes_fragments();
        if let Some(step) = mm.repeat(bytes, endpoint) {
            if let Step::Send(bytes) = step {
                self.send(endpoint, bytes, takes_fragments, out);
            }
            return;
        }
        if header.exchange != mm.exchange() {
            match mm.remind(&message) {
                Ok(Step::Send(bytes)) => self.send(endpoint, bytes, takes_fragments, out),
                Ok(Step::Nothing | Step::Compute(_) | Step::Established { .. }) => {}
                Err(why) => self.refuse(endpoint, why, now, out),
            }
            return;
        }
        let asks = mm.exchange() == ExchangeType::MainMode && !mm.is_reachable();
        if asks && (jobs >= MOST_JOBS || of_source >= MOST_JOBS_PER_SOURCE) {
            return self.refuse(endpoint, Refusal::Busy(TOO_MANY_JOBS), now, out);
        }
        let reach = self.gateways.reach(endpoint.peer.ip());
        let policy = reach.policy(&self.config.refused);
        match mm.handle(message, &reach.keys, &policy, ticket, &mut self.rng, now) {
            Ok(Step::Send(bytes)) => out.push(Output::Send { endpoint, bytes }),
            Ok(Step::Compute(job)) => {
                self.tickets.wait(ticket, Waiting::HalfOpen(cookies), endpoint.peer.ip(), now);
                out.push(Output::Compute(job));
            }
            Ok(Step::Established { sa, shown, initial_contact }) => {
                let gateways = match shown {
                    Shown::Key(key) => reach.group(key),
                    Shown::Gateways(gateways) => gateways,
                };
                self.forget_half_open(cookies);
                self.established(*sa, gateways, initial_contact, endpoint, now, out);
            }
            Ok(Step::Nothing) => {}
            Err(why) => {
                if mm.is_spent() {
                    self.forget_half_open(cookies);
                }
                self.refuse(endpoint, why, now, out);
            }
        }
    }

    /// A client has proved its key: it is a new client, or one that renews its ISAKMP SA.
    fn established(
        &mut self,
        sa: Sa,
        gateways: Group,
        initial_contact: bool,
        endpoint: Endpoint,
        now: Instant,
        out: &mut Outbox,
    ) {
        let old = self.by_peer.get(&endpoint.peer).copied();
        let renews = old
            .and_then(|id| self.clients.get(&id))
            .is_some_and(|c| !initial_contact && c.identity == *sa.identity() && c.gateways == gateways);
        let id = match old {
            Some(id) if renews => id,
            _ => {
                if let Some(id) = old {
                    self.remove_client(id, "the client began anew", now, out);
                }
                let id = self.next_client;
                self.next_client += 1;
                let client = Client::new(id, endpoint, gateways, sa.identity().clone(), now);
                self.clients.insert(id, Box::new(client));
                self.by_peer.insert(endpoint.peer, id);
                id
            }
        };
        if !sa.weak().is_empty() && !self.told_recently(endpoint.peer.ip(), 21, now) {
            out.push(Output::Event(Event::Weak { peer: endpoint.peer.ip(), words: sa.weak().to_vec() }));
        }
        self.owners.insert(sa.cookies(), id);
        self.tell_keys(
            endpoint.peer.ip(),
            || format!("add ISAKMP SA with {}: {}", endpoint.peer.ip(), sa.made()),
            now,
            out,
        );
        if !sa.last_reply().is_empty() {
            out.push(Output::Send { endpoint, bytes: sa.last_reply().to_vec() });
        }
        self.with_client(id, now, out, |client, cx| client.add_ike(sa, cx));
    }

    fn on_established(&mut self, id: u32, cookies: Cookies, message: Message<'_>, now: Instant, out: &mut Outbox) {
        let Message { endpoint, .. } = message;
        let mut tunnel = self.tunnel_for(id);
        if message.header.exchange == ExchangeType::QuickMode
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.reaches(Reached::Phase2);
        }
        if tunnel.is_none() && message.header.exchange == ExchangeType::QuickMode {
            self.free_a_tunnel(id, now, out);
            tunnel = self.tunnel_for(id);
        }
        let spi = free_spi(id, &self.spis, &mut self.rng);
        let ticket = self.tickets.draw();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        // RFC 3947 §4: both sides have gone over to 4500, where ESP in UDP arrives with or without a NAT.
        let on_4500 = [client.endpoint, endpoint].iter().all(|e| e.local.port() == natt::PORT);
        let Some(sa) = client.ikes.iter_mut().find(|s| s.cookies() == cookies) else {
            return;
        };
        let served = match tunnel {
            Some(t) if self.tunnels.get(&t).is_some_and(|t| t.transport.is_some()) => Ok(()),
            Some(_) => Err("no 'ipsec transport' covers the client's tunnel"),
            None => Err("no tunnel is free"),
        };
        let gateway = tunnel.and_then(|t| self.tunnels.get(&t)).map(|t| &t.gateway);
        let policy = sa::Policy {
            wanted: Wanted {
                refused: &self.config.refused,
                preferred: tunnel.and_then(|t| self.tunnels.get(&t)).and_then(preferred_suite),
                udp: sa.found().any(),
                may_udp: on_4500,
                udp_mode: sa.udp_mode(),
                strict: gateway.filter(|g| g.strict).map(|g| g.pfs),
            },
            longest: gateway
                .map_or((None, None), |g| (g.ipsec_lifetime_s.map(seconds), g.ipsec_lifetime_kb.map(u64::from))),
            served,
            spi,
            ticket,
            tells: gateway.is_none_or(|g| g.send_info),
        };
        let mut outputs = vec![];
        let result = sa.handle(message, &policy, &mut self.rng, now, &mut outputs);
        if result.is_ok() {
            self.with_client(id, now, out, |client, _| client.last_heard = now);
        }
        self.apply(id, cookies, endpoint, tunnel, outputs, now, out);
        if let Err(why) = result {
            self.refuse(endpoint, why, now, out);
        }
    }

    /// An answer to a Main Mode of our own, or a message in the SA that it has made.
    fn on_renewal(&mut self, id: u32, message: Message<'_>, now: Instant, out: &mut Outbox) {
        let Message { header, endpoint, .. } = message;
        let (mut made, mut refused) = (None, None);
        self.with_client(id, now, out, |client, cx| {
            let Some(renewal) = client.renewal.as_mut().filter(|r| r.owns(header)) else { return };
            match renewal.handle(message, now) {
                Ok(step) => made = client.renewed(step, cx),
                Err(why) => refused = Some(why),
            }
        });
        self.owners.extend(made.filter(|_| self.clients.contains_key(&id)).map(|cookies| (cookies, id)));
        if let Some(why) = refused {
            self.refuse(endpoint, why, now, out);
        }
    }

    /// The tunnel interface of a client: the one it has, else the lowest free one of its gateways.
    fn tunnel_for(&self, id: u32) -> Option<u32> {
        let client = self.clients.get(&id)?;
        if client.tunnel.is_some() {
            return client.tunnel;
        }
        self.gateways.free(&client.gateways)
    }

    #[allow(clippy::too_many_arguments, reason = "one message and where it came from")]
    fn apply(
        &mut self,
        id: u32,
        cookies: Cookies,
        endpoint: Endpoint,
        tunnel: Option<u32>,
        outputs: Vec<sa::Output>,
        now: Instant,
        out: &mut Outbox,
    ) {
        for output in outputs {
            match output {
                sa::Output::Send(bytes) => {
                    let client = self.clients.get(&id);
                    let sa = client.and_then(|c| c.ikes.iter().find(|sa| sa.cookies() == cookies));
                    self.send(endpoint, bytes, sa.is_some_and(Sa::takes_fragments), out);
                }
                // The SA has made a message of it.
                sa::Output::Connected { .. } => {}
                sa::Output::Compute(job) => {
                    self.tickets.wait(job.ticket, Waiting::Established(cookies), endpoint.peer.ip(), now);
                    out.push(Output::Compute(job));
                }
                sa::Output::Install(agreed) => {
                    let line = || format!("add IPsec SA with {}: {}", endpoint.peer.ip(), agreed.made());
                    self.tell_keys(endpoint.peer.ip(), line, now, out);
                    self.spis.insert(agreed.inbound);
                    if let Some(tunnel) = tunnel.filter(|tunnel| !self.by_tunnel.contains_key(tunnel)) {
                        self.occupy(tunnel, id);
                    }
                    self.with_client(id, now, out, |client, cx| {
                        client.tunnel = client.tunnel.or(tunnel);
                        client.install(&agreed, cookies, cx);
                    });
                }
                sa::Output::Confirmed(inbound) => {
                    self.with_client(id, now, out, |client, cx| client.confirmed(inbound, cx));
                }
                sa::Output::News(news) => self.on_news(id, news, now, out),
                sa::Output::Refused(why) => {
                    if tunnel.is_none() {
                        if !self.told_recently(endpoint.peer.ip(), 22, now) {
                            let tunnels = self.gateways.reach(endpoint.peer.ip()).tunnels;
                            out.push(Output::Event(Event::NoTunnel { peer: endpoint.peer.ip(), tunnels }));
                        }
                    } else {
                        self.refuse(endpoint, why, now, out);
                    }
                }
            }
        }
    }

    fn on_news(&mut self, id: u32, news: News, now: Instant, out: &mut Outbox) {
        match news {
            News::DeleteEsp(spis) => self.with_client(id, now, out, |client, cx| client.deleted(&spis, cx)),
            News::DeleteIsakmp(list) => {
                self.with_client(id, now, out, |client, _| {
                    client.ikes.retain(|sa| !list.contains(&sa.cookies()));
                });
            }
            News::InitialContact => self.with_client(id, now, out, Client::begin_anew),
            News::IAmHere(_) => self.with_client(id, now, out, |client, cx| client.is_there(cx)),
            News::AreYouThere(_) => self.with_client(id, now, out, |c, cx| c.log_dpd("R-U-THERE recv from", cx)),
            News::Other(_) => {}
        }
    }

    fn on_computed(&mut self, result: Computed, now: Instant, out: &mut Outbox) {
        let Some((waiting, ip)) = self.tickets.take(result.ticket) else {
            return;
        };
        match waiting {
            Waiting::HalfOpen(cookies) => {
                let policy = self.gateways.reach(ip).policy(&self.config.refused);
                let Some((mm, _)) = self.half_open.get_mut(&cookies) else {
                    return;
                };
                let (endpoint, takes_fragments) = (mm.endpoint(), mm.takes_fragments());
                match mm.computed(result, &policy) {
                    Ok(Step::Send(bytes)) => self.send(endpoint, bytes, takes_fragments, out),
                    Ok(Step::Nothing | Step::Compute(_) | Step::Established { .. }) => {}
                    Err(why) => {
                        self.forget_half_open(cookies);
                        self.refuse(endpoint, why, now, out);
                    }
                }
            }
            Waiting::Renewal(id) => {
                let mut made = None;
                let mut refused = None;
                self.with_client(id, now, out, |client, cx| {
                    let Some(renewal) = client.renewal.as_mut().filter(|r| r.waits_for(result.ticket)) else { return };
                    match renewal.computed(result, now) {
                        Ok(step) => made = client.renewed(step, cx),
                        Err(why) => {
                            client.renewal = None;
                            refused = Some((client.endpoint, why));
                        }
                    }
                });
                self.owners.extend(made.filter(|_| self.clients.contains_key(&id)).map(|cookies| (cookies, id)));
                if let Some((endpoint, why)) = refused {
                    self.refuse(endpoint, why, now, out);
                }
            }
            Waiting::Established(cookies) => {
                let Some(id) = self.owners.get(&cookies).copied() else {
                    return;
                };
                let Some(client) = self.clients.get_mut(&id) else {
                    return;
                };
                let tunnel = client.tunnel;
                let Some(sa) = client.ikes.iter_mut().find(|s| s.cookies() == cookies) else {
                    return;
                };
                let endpoint = sa.endpoint();
                let mut outputs = vec![];
                sa.computed(result, now, &mut outputs);
                let tunnel = tunnel.or_else(|| self.tunnel_for(id));
                self.apply(id, cookies, endpoint, tunnel, outputs, now, out);
            }
        }
    }

    /// The exchange goes back to where it was before the message that wanted the computation.
    fn on_overloaded(&mut self, ticket: u64, now: Instant, out: &mut Outbox) {
        match self.tickets.take(ticket) {
            None => {}
            Some((Waiting::HalfOpen(cookies), _)) => {
                let forgotten = self.half_open.get_mut(&cookies).is_some_and(|(begun, _)| begun.not_computed());
                if forgotten {
                    self.forget_half_open(cookies);
                }
            }
            Some((Waiting::Established(cookies), _)) => {
                let Some(id) = self.owners.get(&cookies).copied() else { return };
                let sa = self.clients.get_mut(&id).and_then(|c| c.ikes.iter_mut().find(|s| s.cookies() == cookies));
                if let Some(sa) = sa {
                    sa.not_computed(ticket);
                }
            }
            Some((Waiting::Renewal(id), _)) => {
                self.with_client(id, now, out, |client, _| client.renewal = None);
            }
        }
    }

    // ---- notes of the workers

    fn on_note(&mut self, note: Note, now: Instant, out: &mut Outbox) {
        match note {
            Note::Control { client, spi, peer_port, l2tp } => {
                self.with_client(client.0, now, out, |c, cx| c.on_l2tp(spi.0, peer_port, &l2tp, cx));
            }
            Note::Stray { client, spi, place, tunnel_id, session_id, ppp } => {
                self.on_stray((client.0, spi.0), place, (tunnel_id, session_id), &ppp, now, out);
            }
            Note::Frame { client, ppp } => self.with_client(client.0, now, out, |c, cx| c.on_frame(&ppp, cx)),
            Note::Used { client, spi } => self.with_client(client.0, now, out, |c, cx| c.confirmed(spi.0, cx)),
            Note::Moved { client, peer, local } => self.on_moved(client, peer, local, now, out),
            Note::Traffic { client, any, data, sent, counters } => {
                let mut owner = client.0;
                self.with_client(client.0, now, out, |c, cx| {
                    owner = c.tunnel_owner();
                    c.on_traffic(any, data, sent, counters, cx);
                });
                if owner != client.0 {
                    self.with_client(owner, now, out, |c, cx| c.further_traffic(data, sent, cx.now));
                }
            }
            Note::Filtered { client, way, passed, number, sight, untold } => {
                let instance = self.clients.get(&client.0).and_then(|c| c.call.as_ref()).map(|call| call.instance);
                if let Some(instance) = instance {
                    out.push(Output::Event(Event::Filtered { instance, way, passed, number, sight, untold }));
                }
            }
            Note::UnknownSpi { spi, peer } => {
                // A connected client that renewed its keys may still have packets of the old ones under way.
                let (first, last) = (SocketAddr::new(peer.ip(), 0), SocketAddr::new(peer.ip(), u16::MAX));
                let connected = self.by_peer.range(first..=last).next().is_some();
                let told = self.config.log_illegal_spi || (!connected && !self.told_recently(peer.ip(), 23, now));
                if told && !self.stopping {
                    out.push(Output::Event(Event::UnknownSpi { spi: spi.0, peer: peer.ip() }));
                }
            }
            Note::Exhausted { client, spi } => {
                self.with_client(client.0, now, out, |c, cx| c.exhausted(spi.0, cx));
            }
            Note::Dhcp { client, packet } => self.with_client(client.0, now, out, |c, cx| c.on_dhcp(&packet, cx)),
            Note::Inside { client, packet } => self.with_client(client.0, now, out, |c, cx| c.on_inside(&packet, cx)),
            Note::Carried { client, words } => {
                if let Some(client) = self.clients.get_mut(&client.0) {
                    client.carried(words);
                }
            }
            Note::Volume { client, spi, octets } => {
                self.with_client(client.0, now, out, |c, cx| c.on_volume(spi.0, octets, cx));
            }
            Note::Shortened { client, .. } => self.with_client(client.0, now, out, Client::on_shortened),
        }
    }

    /// What the DHCP server of a LAN says to whoever waits for it; most such messages are other hosts'.
    fn on_dhcp(&mut self, lan: &str, bytes: &[u8], now: Instant, out: &mut Outbox) {
        if self.names.len() == 0 || bytes.len() > MOST_DHCP {
            return;
        }
        let Ok(message) = dhcp::Message::decode(bytes) else { return };
        let client = Identity::of_message(&message).and_then(|identity| self.names.holder(identity));
        if let Some(client) = client {
            self.with_client(client, now, out, |c, cx| c.on_lan(lan, &message, cx));
        }
    }

    fn on_moved(&mut self, id: ClientId, peer: SocketAddr, local: IpAddr, now: Instant, out: &mut Outbox) {
        let Some(client) = self.clients.get_mut(&id.0) else {
            return;
        };
        let from = client.endpoint;
        let port = from.local.port();
        let peer = match client.encap() {
            Encap::Udp => peer,
            // Plain ESP has no port: the client's ISAKMP stays where it was.
            Encap::Raw => SocketAddr::new(peer.ip(), from.peer.port()),
        };
        let to = Endpoint { peer, local: SocketAddr::new(local, port) };
        if from == to {
            return;
        }
        client.endpoint = to;
        client.ikes.iter_mut().for_each(|sa| sa.move_to(to));
        let (tunnel, encap) = (client.tunnel.unwrap_or(0), client.encap());
        if self.by_peer.get(&from.peer) == Some(&id.0) {
            self.by_peer.remove(&from.peer);
        }
        if let Some(other) = self.by_peer.insert(peer, id.0) {
            self.take_in(id.0, other, now, out);
        }
        self.take_along(id.0);
        out.push(Output::Path(Update::Peer { client: id, peer, local, encap }));
        out.push(Output::Event(Event::Moved { tunnel, from: from.peer, to: peer }));
    }

    /// A client that has moved may have renewed its phase 1 from its new place before its ESP was seen there, and have
    /// been taken for another client: what that one has is its own.
    fn take_in(&mut self, id: u32, other: u32, now: Instant, out: &mut Outbox) {
        let (Some(client), Some(found)) = (self.clients.get(&id), self.clients.get(&other)) else { return };
        let same = client.gateways == found.gateways && client.identity == found.identity;
        if other == id || !same || !found.pairs.is_empty() || found.l2tp.is_some() {
            return;
        }
        let Some(found) = self.clients.get_mut(&other) else { return };
        let renewed = core::mem::take(&mut found.ikes);
        self.remove_client(other, "it is another client's", now, out);
        self.by_peer.extend(self.clients.get(&id).map(|c| (c.endpoint.peer, id)));
        for sa in renewed {
            self.owners.insert(sa.cookies(), id);
            self.with_client(id, now, out, |client, cx| client.add_ike(sa, cx));
        }
    }

    /// Takes in a client that another engine has served until this moment.
    pub(crate) fn adopt(&mut self, mut client: Box<Client>, now: Instant, out: &mut Outbox) -> Result<(), Refused> {
        let id = client.id;
        if self.clients.contains_key(&id) {
            return Err(Refused::Taken("number"));
        }
        let owner = Some(client.tunnel_owner()).filter(|owner| *owner != id);
        if let Some(owner) = owner {
            let has = |c: &Client| c.further.iter().any(|(_, further)| *further == id);
            if !self.clients.get(&owner).is_some_and(|c| has(c)) {
                return Err(Refused::WithoutTunnel);
            }
        } else if client.tunnel.is_some_and(|t| self.by_tunnel.contains_key(&t)) {
            return Err(Refused::Taken("tunnel interface"));
        }
        if client.pairs.iter().any(|p| self.spis.contains(&p.inbound)) {
            return Err(Refused::Taken("SPI"));
        }
        if let Some(call) = &client.call {
            if self.instances.contains(call.instance) {
                return Err(Refused::Taken("pp interface"));
            }
            if call.inside.prefix.is_some_and(|prefix| !self.prefixes.is_free(prefix)) {
                return Err(Refused::Taken("inside prefix"));
            }
            if call.inside.name_on_lan().is_some_and(|name| self.names.holder(name).is_some()) {
                return Err(Refused::Taken("name on the LAN"));
            }
            if let (Some(user), Some(address)) = (&call.user, call.address)
                && !self.pool.take(user, address)
            {
                return Err(Refused::Taken("inside address"));
            }
            if let Some(prefix) = call.inside.prefix {
                self.prefixes.take(call.user.as_deref().unwrap_or_default(), prefix);
            }
            if let Some(name) = call.inside.name_on_lan() {
                self.names.take(name, id);
            }
            self.instances.insert(call.instance, id);
        }
        client.gateways = self.gateways.carried_over(&client.gateways, None);
        self.next_client = self.next_client.max(id.saturating_add(1));
        self.spis.extend(client.pairs.iter().map(|p| p.inbound));
        if owner.is_none() {
            self.by_peer.insert(client.endpoint.peer, id);
        }
        if let Some(tunnel) = client.tunnel.filter(|_| owner.is_none()) {
            self.occupy(tunnel, id);
        }
        for sa in &client.ikes {
            self.owners.insert(sa.cookies(), id);
            for job in sa.pending_jobs() {
                let waiting = Waiting::Established(sa.cookies());
                self.tickets.wait(job.ticket, waiting, client.endpoint.peer.ip(), now);
                out.push(Output::Compute(job));
            }
        }
        self.tell_filters(out);
        out.extend(client.host_changes(&self.config));
        self.clients.insert(id, client);
        self.with_client(id, now, out, |_, _| {});
        Ok(())
    }

    // ---- calls that something else carries

    fn on_stream(&mut self, stream: StreamId, event: StreamEvent<'_>, now: Instant, out: &mut Outbox) {
        self.hand_on(stream, event, now);
        self.settle_stations(now, out);
    }

    fn hand_on(&mut self, stream: StreamId, event: StreamEvent<'_>, now: Instant) {
        let Self { stations, by_tunnel, rng, stopping, .. } = self;
        let is_free = |tunnel: u32| !*stopping && !by_tunnel.contains_key(&tunnel);
        for station in stations {
            station.handle_stream(stream, event, Surroundings { is_free: &is_free, rng, now });
        }
    }

    fn announce(&mut self, serving: bool, now: Instant, out: &mut Outbox) {
        self.stations.iter_mut().for_each(|station| station.announce(serving));
        self.settle_stations(now, out);
    }

    /// Does what the stations want, in their order.
    fn settle_stations(&mut self, now: Instant, out: &mut Outbox) {
        for at in 0..self.stations.len() {
            while let Some(output) = self.stations.get_mut(at).and_then(|station| station.poll_output()) {
                match output {
                    StationOutput::Send { stream, bytes } => out.push(Output::Stream { stream, bytes }),
                    StationOutput::Close { stream } => out.push(Output::Close { stream }),
                    StationOutput::Event(event) => out.push(Output::Event(event)),
                    StationOutput::Ring(ring) => {
                        let id = self.ring(ring, now, out);
                        let stream = self.stations.get_mut(at).and_then(|station| station.began(id));
                        self.with_client(id, now, out, |_, _| {});
                        if let Some(stream) = stream {
                            self.hand_on(stream, StreamEvent::Octets(&[]), now);
                        }
                    }
                    StationOutput::Hangup { client, why } => self.remove_client(client, &why, now, out),
                }
            }
        }
    }

    /// A call begins that something else than L2TP in ESP carries.
    fn ring(&mut self, ring: Ring, now: Instant, out: &mut Outbox) -> u32 {
        let id = self.next_client;
        self.next_client += 1;
        self.occupy(ring.tunnel, id);
        let mut cx = context!(self, now, out);
        cx.aside = true;
        let client = Client::ringing(id, ring, &mut cx);
        self.clients.insert(id, Box::new(client));
        id
    }

    // ---- time

    fn on_timeout(&mut self, now: Instant, out: &mut Outbox) {
        self.stations.iter_mut().for_each(|station| station.handle_timeout(now));
        self.settle_stations(now, out);
        self.expire_half_open(now, out);
        self.tickets.expire(now);
        let due = self.agenda.range(..=(now, u32::MAX)).take(MOST_DUE);
        let due: Vec<u32> = due.map(|(_, id)| *id).collect();
        for id in due {
            self.with_client(id, now, out, |client, cx| client.handle_timeout(cx));
        }
    }

    // ---- the operator

    fn on_request(&mut self, request: Request, selected: Scope, now: Instant, out: &mut Outbox) {
        let reply = match request {
            Request::Disconnect(which) => self.disconnect(which, now, out),
            Request::DeleteSa(which) => self.delete_sa(which, now, out),
            Request::RefreshSa => {
                for id in self.clients.keys().copied().collect::<Vec<_>>() {
                    self.remove_client(id, "ipsec refresh sa", now, out);
                }
                done("every SA was ended", "すべてのSAを消しました")
            }
            Request::ClearAccount(which) => {
                self.accounts.retain(|interface, _| which.is_some_and(|which| which != *interface));
                if which.is_none() {
                    self.tunnel_accounts.clear();
                }
                done("calls are counted anew", "通信の回数を消しました")
            }
            Request::Connect => refused(
                "an L2TP/IPsec server calls nobody; the client has to begin",
                "L2TP/IPsecサーバーからは発信しません。クライアントから接続してください",
            ),
            other => match crate::status::show(self, other, selected, now) {
                Some(screen) => Reply::Screen(screen),
                // What the world outside shows or does by itself does not come here.
                None => refused("that cannot be asked here", "ここでは表示できません"),
            },
        };
        out.push(Output::Reply(reply));
    }

    fn disconnect(&mut self, which: Which, now: Instant, out: &mut Outbox) -> Reply {
        let wanted = |i: &Instance| match (which, i) {
            (Which::All, _) | (Which::AllAnonymous, Instance::Anonymous(_)) => true,
            (Which::Anonymous(n), Instance::Anonymous(m)) => n == *m,
            (Which::Pp(n), Instance::Numbered(m)) => n == *m,
            (Which::AllAnonymous | Which::Anonymous(_), Instance::Numbered(_))
            | (Which::Pp(_), Instance::Anonymous(_)) => false,
        };
        let found: Vec<(Instance, u32)> =
            self.instances.iter().filter(|(i, _)| wanted(i)).map(|(i, c)| (*i, *c)).collect();
        for (_, client) in &found {
            self.with_client(*client, now, out, |c, cx| c.disconnect("disconnected by the administrator", cx));
        }
        if found.is_empty() {
            return refused(
                "nobody is connected there; see 'show status pp anonymous'",
                "接続されていません。'show status pp anonymous'で確かめてください",
            );
        }
        let names: Vec<String> = found.iter().map(|(i, _)| i.to_string()).collect();
        let names = names.join(" ");
        done(&format!("disconnected {names}"), &format!("{names}を切断しました"))
    }

    /// Ends an SA by its number on the screen, or all, and tells the clients.
    fn delete_sa(&mut self, which: Option<u32>, now: Instant, out: &mut Outbox) -> Reply {
        let Some(number) = which else {
            for id in self.clients.keys().copied().collect::<Vec<_>>() {
                self.end(id, "ipsec sa delete all", now, out);
            }
            return done("every SA was ended", "すべてのSAを消しました");
        };
        let all = crate::status::sas(self, now);
        let Some(owner) = all.iter().find(|sa| u32::try_from(sa.sa) == Ok(number)).map(|sa| sa.owner) else {
            return refused(
                &format!("there is no SA {number}; see 'show ipsec sa'"),
                &format!("SA {number}はありません。'show ipsec sa'で確かめてください"),
            );
        };
        self.with_client(owner.client, now, out, |c, cx| c.delete_sa(owner.cookies, owner.pair, cx));
        done(&format!("SA {number} was ended"), &format!("SA {number}を消しました"))
    }

    fn on_shutdown(&mut self, now: Instant, out: &mut Outbox) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.half_open.clear();
        self.half_open_order.clear();
        self.by_initiator.clear();
        let all: Vec<u32> = self.clients.keys().copied().collect();
        for id in all {
            self.say_farewell(id, "the server stops", now, out);
        }
        let all: Vec<u32> = self.clients.keys().copied().collect();
        for id in all {
            self.remove_client(id, "the server stops", now, out);
        }
        self.announce(false, now, out);
        if self.config.l2tp_service {
            out.push(Output::Event(Event::PortClosed));
        }
    }
}

fn done(english: &str, japanese: &str) -> Reply {
    Reply::Done(Text::new(english, japanese))
}

fn refused(english: &str, japanese: &str) -> Reply {
    Reply::Refused(Text::new(english, japanese))
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(n.into())
}

/// The suite that `ipsec sa policy` names, if it is a whole one.
fn preferred_suite(t: &L2tpTunnel) -> Option<crypto::esp::Suite> {
    use crypto::esp::{EspAuth, EspCipher, Suite};
    let cipher = match t.policy.cipher.unwrap_or("aes-cbc") {
        "3des-cbc" => EspCipher::TripleDes,
        "aes-cbc" => EspCipher::Aes128,
        "aes256-cbc" => EspCipher::Aes256,
        "null" => EspCipher::Null,
        _ => return None,
    };
    let auth = match t.policy.authentication? {
        "md5-hmac" => EspAuth::HmacMd5_96,
        "sha-hmac" => EspAuth::HmacSha1_96,
        "sha256-hmac" => EspAuth::HmacSha256_128,
        "sha384-hmac" => EspAuth::HmacSha384_192,
        "sha512-hmac" => EspAuth::HmacSha512_256,
        _ => return None,
    };
    Some(Suite { cipher, auth })
}

/// A notification in the clear.
fn notify_in_the_clear(header: &Header, kind: NotifyType) -> Vec<u8> {
    use wire::isakmp::{Notification, PayloadType, Protocol, encode_chain};
    let note = Notification { doi: 1, protocol: Protocol::Isakmp, spi: vec![], kind, data: vec![] };
    let answer = Header {
        next: PayloadType::Notification,
        exchange: ExchangeType::Informational,
        flags: Flags(0),
        message_id: 0,
        ..*header
    };
    answer.encode(&encode_chain(&[(PayloadType::Notification, note.encode())]))
}
