//! One client from its first SA to its last packet: joins IKE, ESP, L2TP and PPP, which do not know one another.

mod arrival;
mod claim;
mod farewell;
mod further;
mod inside;
mod lease;

use self::arrival::Arrival;
pub(crate) use self::arrival::Older;
use self::claim::Claim;
pub(crate) use self::claim::{Affair, Place};
use self::further::TunnelOf;
use self::inside::Inside;
use crate::carrier::{Carried, CarrierOutput, Companion, Kind, Ring, Taken};
use crate::census::{Instances, Noted};
use crate::event::{Event, Halt, Instance, Summary};
use crate::gateways::{Gateways, Group};
use crate::guesses::Guesses;
use crate::ike::initiate::{self, PERSISTENCE, Renewal, Terms};
use crate::ike::keys::Cookies;
use crate::ike::quick_mode::Agreed;
use crate::ike::{self, Endpoint};
use crate::l2tp::{self, Tunnel};
use crate::latest::Latest;
use crate::lease::Names;
use crate::outbox::{HostChange, Outbox, Output};
use crate::path::{ClientId, Counters, Encap, ReplayState, SessionPath, Spi, Update};
use crate::pool::{Pool, Wish};
use crate::ppp::{self, Link};
use crate::prefix::Prefixes;
use crate::rng::Rng;
use crate::status::{self, Accounts, TunnelAccounts};
use crate::time::{Instant, Retry, earliest};
use command::{Config, DnsSource, Gateway, L2tpTunnel, Mss, Pp, PpRef};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use crypto::Secret;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Pairs of ESP SAs that one client keeps; the oldest go first.
const MOST_PAIRS: usize = 8;
/// ISAKMP SAs that one client keeps.
const MOST_IKE: usize = 4;
/// Octets of a kilobyte in the life of an SA.
const KILOBYTE: u64 = 1000;
/// Hundredths of the volume of a pair after which the server renews it, and to which an older one goes on.
const NEAR_VOLUME: u64 = 98;
const MOST_VOLUME: u64 = 110;
/// A pair outlives its agreed life by this, so that packets on their way are still read.
const PAIR_GRACE: Duration = Duration::from_secs(30);
/// How long a pair is kept that the client has neither confirmed nor used: it may have lost message 3, or given up the
/// exchange.
const UNCONFIRMED: Duration = Duration::from_secs(60);
/// How long a client without any SA may take to make a new one under its old tunnel (Apple after a change of network,
/// Libreswan when its connection is replaced).
const WITHOUT_SA: Duration = Duration::from_secs(30);
/// How long after its phase 1 a client may say INITIAL-CONTACT of what was before it (Android, in a message of its own).
const CONTACT: Duration = Duration::from_secs(10);
/// How long a client with SAs but without L2TP is kept.
const WITHOUT_TUNNEL: Duration = Duration::from_secs(90);
/// The longest that a computation may take before it counts as lost.
const COMPUTING: Duration = Duration::from_secs(30);
/// Pause between attempts to renew an SA.
const RENEW_AGAIN: Duration = Duration::from_secs(40);
/// A client that has been silent for so long gets no renewals: it is gone.
const SILENCE: Duration = Duration::from_secs(120);
/// How often rooms may answer one another within one input; far above what any real exchange needs.
const MOST_ROUNDS: usize = 64;
/// The port of L2TP (RFC 2661 §8.1).
const L2TP_PORT: u16 = crate::path::L2TP_PORT;
/// Our end of a link where we have no other address than the one that is dialled: the one that RFC 7600 sets aside for
/// whoever has none.
const NO_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
/// Headers of IPv4 and TCP without options, octets.
const IP_AND_TCP: u16 = 40;

/// A pair of ESP SAs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) inbound: u32,
    pub(crate) outbound: u32,
    pub(crate) born: Instant,
    pub(crate) expires: Instant,
    pub(crate) udp: bool,
    renew_at: Instant,
    /// Octets of ESP in one direction at which it is renewed next.
    volume: Option<u64>,
    /// On what terms it is renewed, and with which identity payloads.
    pub(crate) terms: Arc<Terms>,
    ids: Vec<Vec<u8>>,
    /// The ISAKMP SA that has made it.
    ike: Cookies,
    /// It carries the tunnel.
    trusted: bool,
    /// The client has confirmed it, or has used it.
    confirmed: bool,
}

impl Pair {
    /// How much of the life that was agreed is left.
    pub(crate) fn life_left(&self, now: Instant) -> Duration {
        self.born.after(self.terms.life).since(now)
    }
}

/// A call: PPP within the L2TP session.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) instance: Instance,
    pub(crate) link: Link,
    pub(crate) sessions: (u16, u16),
    pub(crate) since: Instant,
    pub(crate) user: Option<String>,
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) up: Option<ppp::Up>,
    pub(crate) inside: Inside,
    /// The user has proved who it is, and is let in when older sessions of the same user are settled.
    pub(crate) arrival: Option<Box<Arrival>>,
    cause: Option<String>,
    base: Counters,
}

impl Call {
    /// What has passed since the call began, of all that was counted for the client.
    pub(crate) fn used(&self, total: &Counters) -> Counters {
        Counters {
            in_packets: total.in_packets.saturating_sub(self.base.in_packets),
            in_octets: total.in_octets.saturating_sub(self.base.in_octets),
            out_packets: total.out_packets.saturating_sub(self.base.out_packets),
            out_octets: total.out_octets.saturating_sub(self.base.out_octets),
            in6_packets: total.in6_packets.saturating_sub(self.base.in6_packets),
            in6_octets: total.in6_octets.saturating_sub(self.base.in6_octets),
            out6_packets: total.out6_packets.saturating_sub(self.base.out6_packets),
            out6_octets: total.out6_octets.saturating_sub(self.base.out6_octets),
        }
    }
}

/// One client.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) id: u32,
    pub(crate) endpoint: Endpoint,
    /// Gateways whose key it has shown.
    pub(crate) gateways: Group,
    pub(crate) identity: (u8, Vec<u8>),
    /// The tunnel interface, once it has one.
    pub(crate) tunnel: Option<u32>,
    pub(crate) ikes: Vec<ike::sa::Sa>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) l2tp: Option<Tunnel>,
    ending: Vec<Tunnel>,
    pub(crate) call: Option<Call>,
    /// The other clients whose calls are in its tunnel, by our id of the session.
    pub(crate) further: Vec<(u16, u32)>,
    /// The tunnel that its call is in, if that is another client's.
    pub(crate) tunnel_of: Option<Box<TunnelOf>>,
    #[serde(skip)]
    pub(crate) carrier: Carried,
    pub(crate) traffic: Counters,
    pub(crate) last_heard: Instant,
    /// The last control message or frame; unlike data, it is told of at once.
    last_said: Instant,
    idle_since: Instant,
    keepalive_due: Option<Instant>,
    dpd: Option<(Instant, u32)>,
    /// It did not answer any more when its tunnel was given up.
    silent: bool,
    closing: bool,
    pub(crate) renewal: Option<Box<Renewal>>,
    /// It may cut the ICV of HMAC-SHA-256 to 96 bits, and it has been seen to.
    truncates: bool,
    shortens: bool,
    /// ISAKMP SAs of whoever owns the tunnel.
    owners: Vec<Cookies>,
    claims: Vec<Claim>,
    /// Nobody is asked before.
    next_question: Option<Instant>,
    /// Pairs that will never carry the tunnel.
    refused: Vec<u32>,
    /// When that was told.
    unproven_told: Option<Instant>,
    /// How far it has come.
    #[serde(skip)]
    reached: Reached,
    #[serde(skip)]
    pub(crate) noted: Noted,
}

/// How far a client has come; one that goes on from a record has come far enough.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Reached {
    /// An ISAKMP SA.
    Phase1,
    /// A Quick Mode, agreed on or not.
    Phase2,
    /// L2TP.
    #[default]
    L2tp,
}

/// What a client works with: all of it belongs to the engine.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) tunnels: &'a BTreeMap<u32, L2tpTunnel>,
    pub(crate) pool: &'a mut Pool,
    pub(crate) prefixes: &'a mut Prefixes,
    /// What callers are called on LANs.
    pub(crate) names: &'a mut Names,
    pub(crate) guesses: &'a mut Guesses,
    pub(crate) gateways: &'a Gateways,
    pub(crate) instances: &'a mut Instances,
    pub(crate) accounts: &'a mut Accounts,
    pub(crate) tunnel_accounts: &'a mut TunnelAccounts,
    /// What the link that began last is set to.
    pub(crate) link_settings: &'a mut Latest<ppp::Settings>,
    /// On what terms the latest pair of ESP SAs is renewed.
    pub(crate) terms: &'a mut Latest<Terms>,
    pub(crate) rng: &'a mut Rng,
    pub(crate) now: Instant,
    pub(crate) out: &'a mut Outbox,
    pub(crate) tickets: &'a mut Tickets,
    pub(crate) spis: &'a mut BTreeSet<u32>,
    /// What ISAKMP SAs want done: the engine does it when the client has settled.
    pub(crate) ike: Vec<(Cookies, ike::sa::Output)>,
    /// What concerns more clients than this one: the engine sees to it when this one has settled.
    pub(crate) affairs: Vec<Affair>,
    /// Whether the client at hand is carried by something else than ESP.
    pub(crate) aside: bool,
    /// What calls may bring along.
    pub(crate) kinds: &'static [Kind],
}

/// Who waits for a computation.
#[derive(Clone, Copy)]
pub(crate) enum Waiting {
    /// A Main Mode that is not authenticated yet.
    HalfOpen(Cookies),
    /// A Quick Mode in this SA.
    Established(Cookies),
    /// A Main Mode of our own with this client.
    Renewal(u32),
}

/// Computations under way: who asked for which, for whom, and when.
#[derive(Default)]
pub(crate) struct Tickets {
    next: u64,
    open: BTreeMap<u64, (Waiting, IpAddr, Instant)>,
    /// How many of them for one address.
    of_peer: BTreeMap<IpAddr, usize>,
}

impl Tickets {
    /// A number for a computation that may be asked for.
    pub(crate) fn draw(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The computation was asked for.
    pub(crate) fn wait(&mut self, ticket: u64, who: Waiting, peer: IpAddr, now: Instant) {
        self.next = self.next.max(ticket);
        self.take(ticket);
        self.open.insert(ticket, (who, peer, now));
        *self.of_peer.entry(peer).or_default() += 1;
    }

    /// Its result is there.
    pub(crate) fn take(&mut self, ticket: u64) -> Option<(Waiting, IpAddr)> {
        let (who, peer, _) = self.open.remove(&ticket)?;
        if let Some(count) = self.of_peer.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_peer.remove(&peer);
            }
        }
        Some((who, peer))
    }

    /// How many are under way, and how many of them for one address.
    pub(crate) fn load(&self, peer: IpAddr) -> (usize, usize) {
        (self.open.len(), self.of_peer.get(&peer).copied().unwrap_or_default())
    }

    /// Forgets those that no result has come for in all this time: the world outside was too busy. They are numbered in
    /// the order in which they were asked for.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((ticket, _)) = self.open.iter().next().filter(|(_, (.., since))| now.since(*since) >= COMPUTING)
        {
            let ticket = *ticket;
            self.take(ticket);
        }
    }
}

impl Context<'_> {
    fn event(&mut self, e: Event) {
        self.out.push(Output::Event(e));
    }
    fn path(&mut self, u: Update) {
        self.out.push(if self.aside { Output::Aside(u) } else { Output::Path(u) });
    }
}

/// What the engine must do about a client after it has settled.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It lives on.
    Stays,
    /// It is gone.
    Gone,
}

impl Client {
    pub(crate) fn new(id: u32, endpoint: Endpoint, gateways: Group, identity: (u8, Vec<u8>), now: Instant) -> Self {
        Self {
            id,
            endpoint,
            gateways,
            identity,
            tunnel: None,
            ikes: vec![],
            pairs: vec![],
            l2tp: None,
            ending: vec![],
            call: None,
            further: vec![],
            tunnel_of: None,
            carrier: Carried::default(),
            traffic: Counters::default(),
            last_heard: now,
            last_said: now,
            idle_since: now,
            keepalive_due: None,
            dpd: None,
            silent: false,
            closing: false,
            renewal: None,
            truncates: false,
            shortens: false,
            owners: vec![],
            claims: vec![],
            next_question: None,
            refused: vec![],
            unproven_told: None,
            reached: Reached::Phase1,
            noted: Noted::default(),
        }
    }

    /// A client with a call that something else than L2TP in ESP carries.
    pub(crate) fn ringing(id: u32, ring: Ring, cx: &mut Context<'_>) -> Self {
        let Ring { endpoint, tunnel, sessions, window, mut carrier } = ring;
        carrier.begin(ClientId(id));
        let mut client = Self::new(id, endpoint, vec![], (0, vec![]), cx.now);
        client.tunnel = Some(tunnel);
        client.reaches(Reached::L2tp);
        client.carrier = Carried::Aside(carrier);
        let (id, peer, local) = (client.client_id(), endpoint.peer, endpoint.local.ip());
        cx.path(Update::Peer { client: id, peer, local, encap: Encap::Raw });
        cx.path(Update::Window { client: id, packets: window });
        client.begin_call(sessions, cx);
        client
    }

    fn client_id(&self) -> ClientId {
        ClientId(self.id)
    }

    pub(crate) fn encap(&self) -> Encap {
        if self.pairs.last().is_some_and(|p| p.udp) { Encap::Udp } else { Encap::Raw }
    }

    /// An ISAKMP SA of this client was established.
    pub(crate) fn add_ike(&mut self, mut sa: ike::sa::Sa, cx: &mut Context<'_>) {
        if let Some(gateway) = self.gateway(cx) {
            sa.renew_as(gateway.isakmp_rekey);
        }
        if self.ikes.len() >= MOST_IKE {
            let stranger = self.ikes.iter().position(|old| !self.owns(old.cookies()));
            self.ikes.remove(stranger.unwrap_or(0));
        }
        self.last_heard = cx.now;
        self.truncates |= sa.truncates();
        if let Some(interval) = self.dpd_interval(cx) {
            self.dpd = sa.has_dpd().then_some((cx.now.after(interval), 0));
        }
        let cookies = sa.cookies();
        // One is what a client has: a vector that grows by itself makes room for four.
        self.ikes.reserve_exact(1);
        self.ikes.push(sa);
        self.note_owner(cookies);
    }

    /// The security gateway that it came through: that of its tunnel, before it has one the first of its own.
    pub(crate) fn gateway<'c>(&self, cx: &Context<'c>) -> Option<&'c Gateway> {
        match self.tunnel {
            Some(number) => cx.tunnels.get(&number).map(|t| &*t.gateway),
            None => self.gateways.first().and_then(|id| cx.config.gateways.get(id)).map(|gateway| &**gateway),
        }
    }

    /// Whether it is told what ends (`ipsec ike send info`).
    fn is_told(&self, cx: &Context<'_>) -> bool {
        self.gateway(cx).is_none_or(|gateway| gateway.send_info)
    }

    /// A line about dead peer detection, where `ipsec ike keepalive log` is on.
    pub(crate) fn log_dpd(&self, words: &str, cx: &mut Context<'_>) {
        if self.gateway(cx).is_some_and(|gateway| gateway.keepalive_log) {
            cx.event(Event::Ike { text: format!("keepalive {words} {}", self.endpoint.peer.ip()) });
        }
    }

    /// A pair of ESP SAs was agreed on.
    pub(crate) fn install(&mut self, agreed: &Agreed, ike: Cookies, cx: &mut Context<'_>) {
        let Some(tunnel) = self.tunnel else { return };
        let first = self.pairs.is_empty();
        let trusted = self.owns(ike);
        if !trusted {
            self.make_room_for_distrusted(cx);
        }
        while self.pairs.len() >= MOST_PAIRS {
            let old = self.pairs.remove(0);
            self.retire(&old, cx);
        }
        let client = self.client_id();
        let encap = if agreed.udp { Encap::Udp } else { Encap::Raw };
        let anti_replay = cx.tunnels.get(&tunnel).is_none_or(|t| t.policy.anti_replay);
        // A client that has shown once that it cuts the ICV short does so on all its SAs: it is the kernel's way.
        let suite = agreed.suite.shortened().filter(|_| self.shortens).unwrap_or(agreed.suite);
        let volume = agreed.kilobytes.map(|k| k.saturating_mul(KILOBYTE) / 100 * NEAR_VOLUME);
        if first {
            cx.path(Update::Peer { client, peer: self.endpoint.peer, local: self.endpoint.local.ip(), encap });
        }
        cx.path(Update::InstallInbound {
            client,
            spi: Spi(agreed.inbound),
            suite,
            keymat: agreed.keys_in.clone(),
            anti_replay,
            replay: ReplayState::default(),
            encap,
        });
        if !trusted {
            cx.path(Update::Distrust { spi: Spi(agreed.inbound) });
        }
        cx.path(Update::InstallOutbound {
            client,
            spi: Spi(agreed.outbound),
            paired: Spi(agreed.inbound),
            suite,
            keymat: agreed.keys_out.clone(),
            first_sequence: 1,
            active: first && trusted,
        });
        if self.truncates && !self.shortens && suite.shortened().is_some() {
            cx.path(Update::MayShorten { spi: Spi(agreed.inbound) });
        }
        if let Some(octets) = volume {
            cx.path(Update::VolumeLimit { spi: Spi(agreed.inbound), octets });
        }
        let end = cx.now.after(agreed.life).after(PAIR_GRACE);
        let rekey = self.gateway(cx).map(|gateway| gateway.ipsec_rekey).unwrap_or_default();
        self.pairs.reserve_exact(1);
        self.pairs.push(Pair {
            inbound: agreed.inbound,
            outbound: agreed.outbound,
            born: cx.now,
            expires: cx.now.after(UNCONFIRMED.min(agreed.life + PAIR_GRACE)),
            udp: agreed.udp,
            renew_at: ike::sa::near_end(agreed.life, rekey).map_or(end, |life| cx.now.after(life)),
            volume,
            terms: cx.terms.share(agreed.terms.clone()),
            ids: agreed.ids.clone(),
            ike,
            trusted,
            confirmed: false,
        });
        if trusted {
            self.idle_since = cx.now;
        }
        if !agreed.initiated {
            cx.event(Event::RespondIpsec { peer: self.endpoint.peer.ip(), algorithms: agreed.terms.words.clone() });
        }
        if first {
            cx.event(Event::TunnelUp { tunnel });
            self.keepalive_due = self.nat_keepalive(cx).map(|i| cx.now.after(i));
        }
    }

    fn nat_keepalive(&self, cx: &Context<'_>) -> Option<Duration> {
        let gateway = &cx.tunnels.get(&self.tunnel?)?.gateway;
        let seconds = gateway.nat_keepalive_s?;
        self.pairs.last().is_some_and(|p| p.udp).then(|| Duration::from_secs(u64::from(seconds)))
    }

    fn dpd_interval(&self, cx: &Context<'_>) -> Option<Duration> {
        let tunnel = self.tunnel.or_else(|| cx.gateways.first(&self.gateways))?;
        let (interval, _) = cx.tunnels.get(&tunnel)?.gateway.dpd?;
        Some(Duration::from_secs(u64::from(interval)))
    }

    fn retire(&self, pair: &Pair, cx: &mut Context<'_>) {
        cx.spis.remove(&pair.inbound);
        cx.path(Update::Retire { spi: Spi(pair.inbound) });
        cx.path(Update::RetireOutbound { client: self.client_id(), spi: Spi(pair.outbound) });
    }

    /// The client confirmed a pair, or has used it: send on it from here on.
    pub(crate) fn confirmed(&mut self, inbound: u32, cx: &mut Context<'_>) {
        if let Some(p) = self.pairs.iter_mut().find(|p| p.inbound == inbound) {
            p.confirmed = true;
            p.expires = p.born.after(p.terms.life).after(PAIR_GRACE);
            let (trusted, outbound) = (p.trusted, p.outbound);
            if trusted {
                cx.path(Update::Activate { client: self.client_id(), spi: Spi(outbound) });
                self.shorten_older(inbound, cx);
            } else {
                self.on_claim((self.id, inbound), self.place(), None, cx);
            }
        }
        for sa in &mut self.ikes {
            sa.saw_use(inbound);
        }
    }

    /// Pairs before this one, which is in use, end soon where `forced-reduction` says so.
    fn shorten_older(&mut self, inbound: u32, cx: &Context<'_>) {
        let Some(seconds) = self.gateway(cx).and_then(|gateway| gateway.forced_reduction_s) else { return };
        let end = cx.now.after(Duration::from_secs(seconds.into()));
        let older = self.pairs.iter_mut().take_while(|p| p.inbound != inbound).filter(|p| p.trusted);
        older.for_each(|p| p.expires = p.expires.min(end));
    }

    /// The client deleted ESP SAs: it names its inbound SPIs, our outbound ones.
    pub(crate) fn deleted(&mut self, outbound: &[u32], cx: &mut Context<'_>) {
        // Whoever has a new phase 1 and deletes the last SAs of the one before has nothing left of that: what is older
        // and still here has a delete that was lost. It would keep up a call that no SA will carry again.
        let newest = self.pairs.iter().rfind(|p| p.trusted);
        let is_left = newest.is_some_and(|p| outbound.contains(&p.outbound));
        let has_other = self.ikes.iter().any(|sa| !self.owns(sa.cookies()));
        let all = is_left && has_other && self.cannot_be_asked();
        let (gone, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|p| outbound.contains(&p.outbound) || (all && p.trusted));
        self.pairs = kept;
        for p in &gone {
            self.retire(p, cx);
        }
        if !gone.is_empty() {
            self.idle_since = cx.now;
        }
    }

    /// An L2TP control message came through ESP.
    pub(crate) fn on_l2tp(&mut self, spi: u32, peer_port: u16, message: &[u8], cx: &mut Context<'_>) {
        let Ok((header, _)) = wire::l2tp::Header::decode(message) else {
            return;
        };
        if !header.control {
            return;
        }
        self.reaches(Reached::L2tp);
        if header.tunnel_id == 0 {
            self.on_sccrq(spi, peer_port, message, cx);
            return;
        }
        let is_known = self.l2tp.iter().chain(&self.ending).any(|t| t.local_id() == header.tunnel_id);
        if !is_known || !(self.is_trusted(spi) || self.takes_over_unused(spi, cx)) {
            cx.affairs.push(Affair::Stray { spi, tunnel_id: header.tunnel_id });
            return;
        }
        (self.last_heard, self.last_said) = (cx.now, cx.now);
        if let Some(t) = self.l2tp.as_mut().filter(|t| t.local_id() == header.tunnel_id) {
            t.handle_control(message, cx.rng, cx.now);
        } else if let Some(t) = self.ending.iter_mut().find(|t| t.local_id() == header.tunnel_id) {
            t.handle_control(message, cx.rng, cx.now);
        }
    }

    /// A message for tunnel 0 is an SCCRQ, a repetition of one, or Apple's Hello that only wakes IPsec.
    fn on_sccrq(&mut self, spi: u32, peer_port: u16, message: &[u8], cx: &mut Context<'_>) {
        let Some(tunnel) = self.tunnel.and_then(|n| cx.tunnels.get(&n)) else {
            return;
        };
        if self.closing {
            return;
        }
        let ports = tunnel.transport.as_ref().and_then(|t| t.peer_ports.as_deref());
        if ports.is_some_and(|ports| !ports.iter().any(|(first, last)| (*first..=*last).contains(&peer_port))) {
            // `ipsec transport` lets nothing through from there, as if the packet had not come.
            return cx.event(Event::L2tp(l2tp::L2tpLog::Refused(format!(
                "ipsec transport lets no peer in from port {peer_port}"
            ))));
        }
        let trusted = self.is_trusted(spi);
        let settings = l2tp_settings(tunnel, self.endpoint);
        let Some(assigned) = l2tp::assigned_tunnel_id(message, settings.secret.as_ref()) else {
            // A StopCCN may come this way before the client has learned our id.
            if let Some(t) = self.l2tp.as_mut().filter(|_| trusted) {
                t.handle_control(message, cx.rng, cx.now);
            }
            return;
        };
        if let Some(t) = self.l2tp.as_mut().filter(|t| trusted && t.repeats(assigned, cx.now)) {
            t.handle_control(message, cx.rng, cx.now);
            return;
        }
        let local = self.free_tunnel_id(cx.rng);
        match Tunnel::accept(message, local, peer_port, settings, cx.rng, cx.now) {
            Ok(t) => {
                self.last_heard = cx.now;
                self.end_all_calls("the client dialled again", cx);
                self.take_ownership(spi, cx);
                // What still goes to an old tunnel of the same id would reach the new one.
                self.ending.retain(|t| t.peer_id() != assigned);
                if let Some(mut old) = self.l2tp.replace(t).filter(|old| trusted && old.peer_id() != assigned) {
                    old.close(l2tp::stop::GENERAL, 0, "dialled again", cx.now);
                    self.keep_ending(old);
                }
            }
            Err(refusal) => {
                for line in refusal.log {
                    cx.event(Event::L2tp(line));
                }
                if let Some(message) = refusal.reply.filter(|_| trusted) {
                    self.seal(peer_port, message, cx);
                }
            }
        }
    }

    fn keep_ending(&mut self, t: Tunnel) {
        if self.ending.len() >= MOST_IKE {
            self.ending.remove(0);
        }
        self.ending.push(t);
    }

    fn free_tunnel_id(&self, rng: &mut Rng) -> u16 {
        loop {
            let id = rng.nonzero_u16();
            let taken = self.l2tp.iter().chain(&self.ending).any(|t| t.local_id() == id);
            if !taken {
                return id;
            }
        }
    }

    /// A PPP frame that is not IP came through the session.
    pub(crate) fn on_frame(&mut self, frame: &[u8], cx: &mut Context<'_>) {
        (self.last_heard, self.last_said) = (cx.now, cx.now);
        let Some(call) = &mut self.call else { return };
        let companion = self.carrier.companion_mut();
        let taken = companion.map_or(Taken::No, |it| it.handle_frame(frame, &call.link, cx.rng, cx.now));
        match taken {
            Taken::Yes => call.link.saw_traffic(cx.now),
            Taken::No => call.link.handle_frame(frame, cx.rng, cx.now),
        }
    }

    /// What the worker saw within the last second: anything authentic, data from the client, data to it.
    pub(crate) fn on_traffic(&mut self, any: bool, data: bool, sent: bool, counters: Counters, cx: &mut Context<'_>) {
        self.traffic = counters;
        if any {
            self.last_heard = cx.now;
            self.silent = false;
            if let (Some(interval), Some((due, misses))) = (self.dpd_interval(cx), &mut self.dpd) {
                (*due, *misses) = (cx.now.after(interval), 0);
            }
        }
        // What L2TP answers says nothing of PPP: a client may have lost its link and keep its tunnel.
        if let Some(call) = self.call.as_mut().filter(|_| data) {
            call.link.saw_traffic(cx.now);
        }
        if let Some(carrier) = self.carrier.get_mut() {
            carrier.saw_traffic(data, sent, cx.now);
        }
        if let Some(t) = &mut self.l2tp {
            if any {
                t.saw_traffic(data, cx.now);
            }
            if sent {
                t.sent_data(cx.now);
            }
        }
    }

    /// What carries the call has counted something.
    pub(crate) fn carried(&mut self, words: String) {
        if let Some(carrier) = self.carrier.get_mut() {
            carrier.counted(words);
        }
    }

    /// Sends an L2TP message through ESP.
    fn seal(&self, peer_port: u16, l2tp: Vec<u8>, cx: &mut Context<'_>) {
        // Between two SAs nothing can be sent; what matters is repeated.
        if self.carries() {
            cx.path(Update::Seal { client: self.client_id(), source_port: L2TP_PORT, peer_port, l2tp });
        }
    }

    /// Moves outputs from room to room until all are quiet.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) -> Fate {
        for _ in 0..MOST_ROUNDS {
            let moved = self.settle_l2tp(cx)
                | self.settle_ending(cx)
                | self.settle_ppp(cx)
                | self.settle_inside(cx)
                | self.settle_carrier(cx);
            if !moved {
                break;
            }
        }
        if self.l2tp.as_ref().is_some_and(Tunnel::is_finished) {
            self.l2tp = None;
            self.idle_since = cx.now;
        }
        self.ending.retain(|t| !t.is_finished());
        let fate = self.fate(cx);
        if let (Fate::Gone, false, Some(halt)) = (fate, self.closing, self.halt()) {
            cx.event(Event::Halted { peer: self.endpoint.peer, halt });
        }
        fate
    }

    /// It has come so far, if not farther.
    pub(crate) fn reaches(&mut self, reached: Reached) {
        self.reached = self.reached.max(reached);
    }

    /// How far it came if it went no further; a Quick Mode that was refused has been told of.
    fn halt(&self) -> Option<Halt> {
        match self.reached {
            Reached::Phase1 => Some(Halt::QuickMode),
            Reached::Phase2 => self.tunnel.map(|_| Halt::Sccrq),
            Reached::L2tp => None,
        }
    }

    fn fate(&self, cx: &Context<'_>) -> Fate {
        if self.carrier.is_aside() || self.is_further() {
            return if self.call.is_some() { Fate::Stays } else { Fate::Gone };
        }
        // A tunnel that is closed has no SA left on which it could acknowledge anything.
        if self.ikes.is_empty() && self.pairs.is_empty() && !self.l2tp.as_ref().is_some_and(Tunnel::is_open) {
            return Fate::Gone;
        }
        match self.patience() {
            Some(end) if cx.now.reached(end) => Fate::Gone,
            Some(_) | None => Fate::Stays,
        }
    }

    /// When a client that is no use any more is given up.
    fn patience(&self) -> Option<Instant> {
        let is_stranded = self.l2tp.is_some() && (!self.carries() || self.has_left_its_pairs());
        if self.carrier.is_aside() || self.is_further() {
            None
        } else if self.pairs.is_empty() || is_stranded {
            // Where the user cannot be asked again, no new SA will ever carry the tunnel.
            let is_lost = is_stranded && self.cannot_be_asked();
            Some(self.idle_since.after(if is_lost { Duration::ZERO } else { WITHOUT_SA }))
        } else if self.l2tp.is_none() && self.ending.is_empty() {
            let silent = Duration::ZERO;
            Some(self.idle_since.after(if self.silent { silent } else { WITHOUT_TUNNEL }))
        } else {
            None
        }
    }

    fn settle_l2tp(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(output) = self.l2tp.as_mut().and_then(Tunnel::poll_output) {
            moved = true;
            match output {
                l2tp::Output::Send(message) => {
                    let port = self.l2tp.as_ref().map_or(L2TP_PORT, Tunnel::peer_port);
                    self.seal(port, message, cx);
                }
                l2tp::Output::Log(line) => cx.event(Event::L2tp(line)),
                l2tp::Output::SessionUp { local, peer } => self.session_up((local, peer), cx),
                l2tp::Output::SessionDown { local, why } => self.session_down(local, why, cx),
                l2tp::Output::TunnelDown { why } => {
                    self.end_all_calls(&format!("L2TP: {why}"), cx);
                    self.silent = matches!(why, l2tp::Down::Keepalive | l2tp::Down::Unanswered);
                    if self.silent {
                        cx.event(Event::Silent {
                            tunnel: self.tunnel.unwrap_or(0),
                            peer: self.endpoint.peer,
                            seconds: cx.now.since(self.last_heard).as_secs(),
                        });
                    }
                    self.idle_since = cx.now;
                }
            }
        }
        moved
    }

    fn settle_ending(&mut self, cx: &mut Context<'_>) -> bool {
        let mut messages = vec![];
        for t in &mut self.ending {
            while let Some(output) = t.poll_output() {
                match output {
                    l2tp::Output::Send(m) => messages.push((t.peer_port(), m)),
                    l2tp::Output::Log(line) => cx.event(Event::L2tp(line)),
                    l2tp::Output::SessionUp { .. }
                    | l2tp::Output::SessionDown { .. }
                    | l2tp::Output::TunnelDown { .. } => {}
                }
            }
        }
        let moved = !messages.is_empty();
        for (port, m) in messages {
            self.seal(port, m, cx);
        }
        moved
    }

    /// What carries the call looks at PPP, and may have something to say.
    fn settle_carrier(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(companion) = self.carrier.companion_mut() else { return false };
        if let Some(call) = &self.call {
            companion.watch(&call.link, cx.now);
        }
        let mut moved = false;
        while let Some(output) = self.carrier.companion_mut().and_then(|companion| companion.poll_output()) {
            moved = true;
            match output {
                CarrierOutput::Send(ppp) => cx.path(Update::SealFrame { client: self.client_id(), ppp }),
                CarrierOutput::Path(update) => cx.path(update),
                CarrierOutput::Event(event) => cx.event(event),
                CarrierOutput::Reorder => {
                    if let Some(call) = &self.call {
                        self.tell_session(call.sessions, call.up.as_ref(), cx);
                    }
                }
                CarrierOutput::Hangup(why) => self.disconnect(&why, cx),
            }
        }
        moved
    }

    /// Whether there is anything to send on.
    pub(crate) fn can_send(&self) -> bool {
        self.carries() || self.carrier.is_aside() || self.is_further()
    }

    /// Which pp serves this client's tunnel.
    fn pp_ref(&self, cx: &Context<'_>) -> Option<PpRef> {
        match self.carrier.get() {
            Some(carrier) => Some(carrier.pp()),
            None => cx.tunnels.get(&self.tunnel?).map(|tunnel| tunnel.pp),
        }
    }

    /// The pp that serves this client's tunnel.
    fn pp<'c>(&self, cx: &Context<'c>) -> Option<&'c Pp> {
        cx.config.pp(self.pp_ref(cx)?)
    }

    pub(crate) fn pp_of<'c>(&self, config: &'c Config, tunnels: &BTreeMap<u32, L2tpTunnel>) -> Option<&'c Pp> {
        match self.carrier.get() {
            Some(carrier) => config.pp(carrier.pp()),
            None => config.pp(tunnels.get(&self.tunnel?)?.pp),
        }
    }

    fn begin_call(&mut self, sessions: (u16, u16), cx: &mut Context<'_>) {
        let Some(pp) = self.pp(cx) else { return };
        let instance = match self.pp_ref(cx) {
            Some(PpRef::Number(n)) => Instance::Numbered(n),
            Some(PpRef::Anonymous) | None => cx.instances.free(),
        };
        cx.instances.insert(instance, self.id);
        cx.accounts.entry(status::interface(instance)).or_default().calls += 1;
        if let Some(tunnel) = self.tunnel {
            cx.tunnel_accounts.change(tunnel, |account| account.calls += 1);
        }
        let own = own_address(pp, cx.config, self.endpoint);
        let (dns, wins) = name_servers(cx.config, own);
        let end = link_address(own, pp, self.endpoint);
        let log_keepalives = cx.config.logs_pp_keepalives();
        let settings = ppp::Settings::from_pp(pp, end, dns, wins, command::MODEL.to_owned());
        let settings = ppp::Settings { log_keepalives, ..settings };
        let link = Link::start(cx.link_settings.share(settings), cx.rng, cx.now);
        self.find_companion(cx);
        self.tell_session(sessions, None, cx);
        self.call = Some(Call {
            instance,
            link,
            sessions,
            since: cx.now,
            user: None,
            address: None,
            up: None,
            inside: Inside::default(),
            arrival: None,
            cause: None,
            base: self.traffic,
        });
    }

    /// A call in ESP begins: some kind may have a companion for it.
    fn find_companion(&mut self, cx: &Context<'_>) {
        let (Some(pp), Some(tunnel), false) = (self.pp_ref(cx), self.tunnel, self.carrier.is_aside()) else { return };
        let mut companion = cx.kinds.iter().find_map(|kind| (kind.companion)(cx.config, pp, tunnel));
        if let Some(companion) = &mut companion {
            companion.begin(self.client_id());
        }
        self.carrier = Carried::Esp(companion);
    }

    /// Ends the call, whoever wanted it: address, route and instance are given back, and it is told.
    fn end_call(&mut self, why: &str, cx: &mut Context<'_>) {
        self.leave(|| further::closed(why), cx);
        let Some(call) = self.call.take() else { return };
        if !self.carrier.is_aside() {
            self.carrier = Carried::default();
        }
        self.claims.clear();
        self.refused.clear();
        cx.path(Update::SessionGone { client: self.client_id() });
        cx.instances.remove(call.instance);
        inside::give_back(&call.inside, cx);
        if let Some(address) = call.address {
            cx.pool.give_back(address);
            if call.up.is_some() {
                cx.out.push(Output::Host(HostChange::ClientDown { address }));
            }
        }
        let duration = cx.now.since(call.since);
        cx.accounts.entry(status::interface(call.instance)).or_default().seconds += duration.as_secs();
        if let Some(tunnel) = self.tunnel {
            cx.tunnel_accounts.change(tunnel, |account| account.seconds += duration.as_secs());
        }
        let used = call.used(&self.traffic);
        let summary = Summary {
            user: call.user,
            peer: self.endpoint.peer,
            address: call.address,
            duration,
            received: (used.in_packets, used.in_octets),
            sent: (used.out_packets, used.out_octets),
            cause: call.cause.or_else(|| call.link.windows_error()).unwrap_or_else(|| why.to_owned()),
        };
        cx.event(Event::Disconnected { instance: call.instance, summary });
    }

    fn settle_ppp(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(output) = self.call.as_mut().and_then(|c| c.link.poll_output()) {
            moved = true;
            match output {
                ppp::Output::Send(_) if !self.can_send() => {}
                ppp::Output::Send(ppp) => cx.path(Update::SealFrame { client: self.client_id(), ppp }),
                ppp::Output::SendIp(packet) => cx.path(Update::SealIp { client: self.client_id(), packet }),
                ppp::Output::Log(log) => self.tell_ppp(log, cx),
                ppp::Output::Authenticate(attempt) => self.authenticate(&attempt, cx),
                ppp::Output::NeedAddress { user, asked } => self.lend(&user, asked, cx),
                ppp::Output::NetworkUp(up) => self.network_up(up, cx),
                ppp::Output::NetworkDown => self.network_down(cx),
                ppp::Output::Ipv6Up(up) => self.ipv6_up(up, cx),
                ppp::Output::Ipv6Down => self.ipv6_down(cx),
                ppp::Output::Finished { cause } => self.ppp_finished(&cause, cx),
            }
        }
        moved
    }

    fn tell_ppp(&self, log: ppp::Log, cx: &mut Context<'_>) {
        let Some(instance) = self.call.as_ref().map(|c| c.instance) else {
            return;
        };
        cx.event(match log {
            ppp::Log::CallDetected { user } => Event::CallDetected { instance, user },
            ppp::Log::IpcpUp { local, remote } => Event::IpcpUp { instance, local, remote },
            // The end is told once, with its figures, when the call is given back; IPv6 with the prefix that was lent.
            ppp::Log::Disconnected { .. } | ppp::Log::Ipv6cpUp { .. } => return,
            other @ (ppp::Log::Identification { .. } | ppp::Log::Packet { .. } | ppp::Log::Keepalive { .. }) => {
                Event::Ppp { instance, text: other.to_string() }
            }
        });
    }

    /// The limit of the MSS that the tunnel interface has.
    fn tunnel_mss(&self, cx: &Context<'_>) -> Option<Mss> {
        match self.carrier.get() {
            Some(carrier) => Some(carrier.mss()),
            None => cx.tunnels.get(&self.tunnel?).map(|tunnel| tunnel.settings.mss),
        }
    }

    /// Both ids of the L2TP tunnel and the client's port; what is carried otherwise has none.
    fn tunnel_ids(&self) -> Option<(u16, u16, u16)> {
        match (&self.l2tp, &self.tunnel_of) {
            (Some(t), _) => Some((t.local_id(), t.peer_id(), t.peer_port())),
            (None, Some(of)) => Some(of.ids),
            (None, None) => self.carrier.get().map(|_| (0, 0, 0)),
        }
    }

    /// Tells the worker of the session; without an address only PPP's own frames pass.
    pub(crate) fn tell_session(&self, sessions: (u16, u16), up: Option<&ppp::Up>, cx: &mut Context<'_>) {
        let (Some(limit), Some((local_tunnel_id, peer_tunnel_id, peer_port))) =
            (self.tunnel_mss(cx), self.tunnel_ids())
        else {
            return;
        };
        let Some(pp) = self.pp(cx) else { return };
        let inside = self.call.as_ref().map(|call| &call.inside);
        let mru = up.map(|u| u.peer_mru).or_else(|| inside?.mru());
        let mru = mru.unwrap_or(ppp::DEFAULT_MRU);
        let mss = match (limit, pp.tcp_mss) {
            (Mss::Fixed(a), Mss::Fixed(b)) => Some(a.min(b)),
            (Mss::Fixed(a), Mss::Auto | Mss::Off) | (Mss::Auto | Mss::Off, Mss::Fixed(a)) => Some(a),
            (Mss::Auto, Mss::Auto | Mss::Off) | (Mss::Off, Mss::Auto) => {
                Some(mru.min(pp.mtu).saturating_sub(IP_AND_TCP))
            }
            (Mss::Off, Mss::Off) => None,
        };
        let on = match self.pp_ref(cx) {
            Some(PpRef::Number(number)) => number,
            Some(PpRef::Anonymous) | None => 0,
        };
        cx.path(Update::Guard { client: self.client_id(), pp: on, tunnel: self.tunnel.unwrap_or(0) });
        cx.path(Update::Session(SessionPath {
            client: self.client_id(),
            local_tunnel_id,
            local_session_id: sessions.0,
            peer_tunnel_id,
            peer_session_id: sessions.1,
            peer_port,
            address: up.map_or(Ipv4Addr::UNSPECIFIED, |u| u.address),
            our_address: up.map_or(Ipv4Addr::UNSPECIFIED, |u| u.our_address),
            mru,
            mtu: pp.mtu,
            mss,
            acfc: up.is_some_and(|u| u.acfc),
            pfc: up.is_some_and(|u| u.pfc),
            length_bit: true,
            // Where the client did not ask for numbers, the LNS has the say (RFC 2661 §5.4).
            sequencing: self.numbers_data(sessions.0) || self.carrier.companion().is_some_and(Companion::needs_order),
            ipv6: inside.and_then(|inside| inside.path(mss)),
        }));
    }

    fn lend(&mut self, user: &str, asked: Option<Ipv4Addr>, cx: &mut Context<'_>) {
        let pp = self.pp(cx);
        let fixed = asked.or_else(|| pp.and_then(|pp| pp.remote_address));
        let lan = pp.and_then(|pp| pp.from_lan.as_deref());
        let Some(call) = &mut self.call else { return };
        if let Some(old) = call.address.take() {
            cx.pool.give_back(old);
        }
        if let Some(old) = call.inside.lease.take() {
            lease::release(&old, cx);
        }
        if let Some(lan) = lan.filter(|_| fixed.is_none_or(|address| cx.pool.holder(address).is_some())) {
            return self.ask_lan(lan, user, cx);
        }
        let address = cx.pool.lend(user, fixed.map_or(Wish::Any, Wish::Fixed));
        if address.is_none() {
            let e = Event::PoolEmpty { instance: call.instance, user: user.to_owned() };
            cx.out.push(Output::Event(e));
        }
        call.address = address;
        call.link.assign(address, cx.now);
    }

    fn network_up(&mut self, up: ppp::Up, cx: &mut Context<'_>) {
        let address = up.address;
        let Some(sessions) = self.call.as_ref().map(|c| c.sessions) else {
            return;
        };
        self.tell_session(sessions, Some(&up), cx);
        cx.out.push(Output::Host(HostChange::ClientUp { address, lan: proxied_lan(cx.config, address) }));
        if let Some(call) = &mut self.call {
            call.up = Some(up);
        }
    }

    fn network_down(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        let sessions = call.sessions;
        if let (Some(address), true) = (call.address, call.up.take().is_some()) {
            cx.out.push(Output::Host(HostChange::ClientDown { address }));
        }
        self.tell_session(sessions, None, cx);
    }

    fn ppp_finished(&mut self, cause: &ppp::Cause, cx: &mut Context<'_>) {
        if let Some(call) = &mut self.call {
            call.cause = Some(cause.to_string());
        }
        if let Some(call) = &self.call {
            let told = farewell::of(cause, call.link.method_protocol());
            match &mut self.l2tp {
                Some(t) => t.close_session(call.sessions.0, l2tp::cdn::ADMINISTRATIVE, &told, cx.now),
                None => self.leave(|| told, cx),
            }
        }
        self.end_call(&cause.to_string(), cx);
    }

    /// What the host must be made to do for a client that has come from elsewhere.
    pub(crate) fn host_changes(&self, config: &Config) -> Vec<Output> {
        let up = self.call.as_ref().and_then(|c| c.up.as_ref());
        let address = up.map(|up| HostChange::ClientUp { address: up.address, lan: proxied_lan(config, up.address) });
        let prefix = self.call.as_ref().and_then(|c| c.inside.routed());
        let prefix = prefix.map(|prefix| HostChange::PrefixUp { prefix });
        address.into_iter().chain(prefix).map(Output::Host).collect()
    }

    /// Ends the call by the operator's wish: the client is told in PPP and L2TP.
    pub(crate) fn disconnect(&mut self, why: &str, cx: &mut Context<'_>) {
        if let Some(call) = &mut self.call {
            call.cause = Some(why.to_owned());
            call.link.close(why, cx.now);
        }
    }

    /// The tunnel goes on under the settings that its lines say now.
    pub(crate) fn take_l2tp_settings(&mut self, cx: &mut Context<'_>) {
        let Some(tunnel) = self.tunnel.and_then(|n| cx.tunnels.get(&n)) else { return };
        if let Some(t) = &mut self.l2tp {
            t.reconfigure(&l2tp_settings(tunnel, self.endpoint), cx.now);
        }
    }

    /// Ends everything at once, telling the client at every layer.
    pub(crate) fn shut_down(&mut self, why: &str, cx: &mut Context<'_>) {
        self.closing = true;
        self.disconnect(why, cx);
        self.settle_ppp(cx);
        if let Some(t) = &mut self.l2tp {
            t.close(l2tp::stop::SHUTDOWN, 0, why, cx.now);
        }
        self.settle_l2tp(cx);
        self.settle_ending(cx);
        self.end_call(why, cx);
        self.delete_all(cx);
    }

    /// Tells the client that its SAs are gone.
    pub(crate) fn delete_all(&self, cx: &mut Context<'_>) {
        if !self.is_told(cx) {
            return;
        }
        let spis: Vec<u32> = self.pairs.iter().map(|p| p.inbound).collect();
        if let Some(sa) = self.ikes.last().filter(|_| !spis.is_empty()) {
            let message = sa.delete_esp(&spis, cx.rng);
            cx.out.push(Output::Send { endpoint: self.endpoint, bytes: message });
        }
        for sa in &self.ikes {
            let message = sa.delete_isakmp(cx.rng);
            cx.out.push(Output::Send { endpoint: self.endpoint, bytes: message });
        }
    }

    /// Gives back all that it holds; the client itself is told nothing.
    pub(crate) fn forget(&mut self, why: &str, cx: &mut Context<'_>) {
        self.end_call(why, cx);
        if let (Some(tunnel), false) = (self.tunnel, self.pairs.is_empty() && self.l2tp.is_none()) {
            cx.event(Event::TunnelDown { tunnel });
        }
        self.pairs.iter().for_each(|p| _ = cx.spis.remove(&p.inbound));
        self.pairs.clear();
        self.ikes.clear();
        self.l2tp = None;
        self.ending.clear();
        // Without a tunnel it never had an SA, and the data path has not heard of it.
        if self.tunnel.is_some() {
            cx.path(Update::Gone { client: self.client_id() });
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let mut next = self.patience();
        for sa in &self.ikes {
            next = earliest(next, sa.poll_timeout());
        }
        for p in &self.pairs {
            next = earliest(next, Some(p.expires));
        }
        next = earliest(next, self.renewal.as_ref().and_then(|renewal| renewal.due()));
        if let Some(sa) = self.ikes.last() {
            next = earliest(next, Some(sa.renew_at()));
        }
        if let Some(p) = self.pairs.last() {
            next = earliest(next, Some(p.renew_at));
        }
        for t in self.l2tp.iter().chain(&self.ending) {
            next = earliest(next, t.poll_timeout());
        }
        next = earliest(next, self.call.as_ref().and_then(|c| c.link.poll_timeout()));
        next = earliest(next, self.inside_due());
        next = earliest(next, self.claims_due());
        next = earliest(next, self.arrival_due());
        next = earliest(next, self.carrier.companion().and_then(Companion::poll_timeout));
        next = earliest(next, self.keepalive_due);
        earliest(next, self.dpd.filter(|_| !self.ikes.is_empty()).map(|d| d.0))
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        for sa in &mut self.ikes {
            let mut outputs = vec![];
            sa.handle_timeout(cx.now, &mut outputs);
            let cookies = sa.cookies();
            cx.ike.extend(outputs.into_iter().map(|o| (cookies, o)));
        }
        self.ikes.retain(|sa| !cx.now.reached(sa.expires()));
        let now = cx.now;
        let gone: Vec<_> = self.pairs.extract_if(.., |p| now.reached(p.expires)).collect();
        if !gone.is_empty() {
            self.expire(&gone, cx);
        }
        for t in self.l2tp.iter_mut().chain(&mut self.ending) {
            t.handle_timeout(cx.rng, cx.now);
        }
        if let Some(call) = &mut self.call {
            call.link.handle_timeout(cx.rng, cx.now);
        }
        self.on_inside_timer(cx);
        self.on_claims_timer(cx);
        self.on_arrival_timer(cx);
        if let (Some(companion), Some(call)) = (self.carrier.companion_mut(), &self.call) {
            companion.handle_timeout(&call.link, cx.now);
        }
        if self.keepalive_due.is_some_and(|due| cx.now.reached(due)) {
            self.keepalive_due = self.nat_keepalive(cx).map(|i| cx.now.after(i));
            cx.out.push(Output::Keepalive { endpoint: self.endpoint });
        }
        self.probe(cx);
        self.renew(cx);
    }

    /// Renews what is near its end and has not been renewed by the client.
    fn renew(&mut self, cx: &mut Context<'_>) {
        self.go_on_renewing(cx);
        let alive = cx.now.since(self.last_heard) < SILENCE && !self.closing;
        let later = cx.now.after(RENEW_AGAIN);
        if let Some(sa) = self.ikes.last_mut().filter(|sa| cx.now.reached(sa.renew_at())) {
            sa.renew_later(later);
            let sa_is_aggressive = sa.is_aggressive();
            // One that has not come to an end by now never will.
            self.renewal = None;
            if alive && !self.pairs.is_empty() && !sa_is_aggressive {
                self.start_main_mode(cx);
            }
        }
        if let Some(pair) = self.pairs.last_mut().filter(|p| cx.now.reached(p.renew_at)) {
            pair.renew_at = later;
            let (terms, ids) = (pair.terms.clone(), pair.ids.clone());
            if alive {
                self.start_quick((&terms, &ids), cx);
            }
        }
    }

    /// A pair has carried what its client allows, nearly: it is renewed if the client has not done so. What it carries
    /// beyond is let through (clients.md, trap 29); an older one ends a tenth above.
    pub(crate) fn on_volume(&mut self, inbound: u32, octets: u64, cx: &mut Context<'_>) {
        let Some(at) = self.pairs.iter().position(|p| p.inbound == inbound) else { return };
        let newest = at + 1 == self.pairs.len();
        let Some(pair) = self.pairs.get_mut(at) else { return };
        let Some(volume) = pair.volume else { return };
        let over = volume / NEAR_VOLUME * MOST_VOLUME;
        if !newest && octets >= over {
            let pair = self.pairs.remove(at);
            return self.expire(&[pair], cx);
        }
        let next = if octets < over { over } else { octets.saturating_add(volume / 10) };
        cx.path(Update::VolumeLimit { spi: Spi(inbound), octets: next });
        let (terms, ids) = (pair.terms.clone(), pair.ids.clone());
        if newest && !self.closing {
            self.start_quick((&terms, &ids), cx);
        }
    }

    /// The client has shown that it cuts the ICV of HMAC-SHA-256 to 96 bits.
    pub(crate) fn on_shortened(&mut self, cx: &mut Context<'_>) {
        if !core::mem::replace(&mut self.shortens, true) {
            cx.event(Event::ShortIcv { peer: self.endpoint.peer.ip() });
        }
    }

    /// Starts a Main Mode in place of the newest ISAKMP SA.
    fn start_main_mode(&mut self, cx: &mut Context<'_>) {
        let Some(old) = self.ikes.last() else { return };
        let Some(serving) = cx.gateways.first(&self.gateways).and_then(|n| cx.tunnels.get(&n)) else { return };
        let key = Secret::new(serving.gateway.key.to_vec());
        let ticket = cx.tickets.draw();
        let (renewal, job) = Renewal::begin(old, self.endpoint, key, (ticket, retry(cx.config)), cx.rng);
        cx.tickets.wait(ticket, Waiting::Renewal(self.id), self.endpoint.peer.ip(), cx.now);
        cx.out.push(Output::Compute(job));
        self.renewal = Some(Box::new(renewal));
        cx.event(Event::InitiateIsakmp { peer: self.endpoint.peer.ip(), local: self.endpoint.local.ip() });
    }

    /// Starts a Quick Mode in the newest ISAKMP SA, of those only whose pairs will carry the tunnel where its user cannot be
    /// asked again.
    fn start_quick(&mut self, terms: (&Terms, &[Vec<u8>]), cx: &mut Context<'_>) {
        let spi = free_spi(self.id, cx.spis, cx.rng);
        let (any, owners) = (!self.cannot_be_asked(), &self.owners);
        let newest = self.ikes.iter_mut().rfind(|sa| any || owners.contains(&sa.cookies()));
        let Some(sa) = newest.filter(|sa| !sa.is_renewing()) else { return };
        let ticket = cx.tickets.draw();
        let mut outputs = vec![];
        sa.start_quick(terms, self.endpoint, (spi, ticket, retry(cx.config)), cx.rng, cx.now, &mut outputs);
        let cookies = sa.cookies();
        cx.path(Update::Await { spi: Spi(spi) });
        cx.ike.extend(outputs.into_iter().map(|o| (cookies, o)));
        cx.event(Event::InitiateIpsec { peer: self.endpoint.peer.ip() });
    }

    /// Repeats what of a renewal is due.
    fn go_on_renewing(&mut self, cx: &mut Context<'_>) {
        let Some(renewal) = &mut self.renewal else { return };
        match renewal.handle_timeout(cx.now) {
            None => self.renewal = None,
            Some(step) => {
                self.renewed(step, cx);
            }
        }
    }

    /// What comes of a step of a renewal; an ISAKMP SA if it is done.
    pub(crate) fn renewed(&mut self, step: initiate::Step, cx: &mut Context<'_>) -> Option<Cookies> {
        match step {
            initiate::Step::Nothing => None,
            initiate::Step::Send(bytes) => {
                cx.out.push(Output::Send { endpoint: self.endpoint, bytes });
                None
            }
            initiate::Step::Compute(job) => {
                cx.tickets.wait(job.ticket, Waiting::Renewal(self.id), self.endpoint.peer.ip(), cx.now);
                cx.out.push(Output::Compute(job));
                None
            }
            initiate::Step::Established(sa) => {
                self.renewal = None;
                let cookies = sa.cookies();
                self.add_ike(*sa, cx);
                Some(cookies)
            }
        }
    }

    /// Pairs whose life is over: the client is told, and the data path goes on with a newer one.
    fn expire(&mut self, gone: &[Pair], cx: &mut Context<'_>) {
        for p in gone {
            self.retire(p, cx);
        }
        if !self.carries() {
            self.idle_since = cx.now;
        }
        let spis: Vec<u32> = gone.iter().map(|p| p.inbound).collect();
        if let Some(sa) = self.ikes.last().filter(|_| self.is_told(cx)) {
            let bytes = sa.delete_esp(&spis, cx.rng);
            cx.out.push(Output::Send { endpoint: self.endpoint, bytes });
        }
    }

    /// Dead peer detection of ours, where `ipsec ike keepalive use G on dpd` asks for it.
    fn probe(&mut self, cx: &mut Context<'_>) {
        let Some((due, misses)) = self.dpd else { return };
        if !cx.now.reached(due) {
            return;
        }
        let Some((interval, count)) = self.tunnel.and_then(|t| cx.tunnels.get(&t)).and_then(|t| t.gateway.dpd) else {
            self.dpd = None;
            return;
        };
        let interval = Duration::from_secs(u64::from(interval));
        if misses >= count {
            self.dpd = None;
            cx.event(Event::Silent {
                tunnel: self.tunnel.unwrap_or(0),
                peer: self.endpoint.peer,
                seconds: cx.now.since(self.last_heard).as_secs(),
            });
            self.end_all_calls("dead peer detection: the client does not answer", cx);
            self.l2tp = None;
            for p in core::mem::take(&mut self.pairs) {
                self.retire(&p, cx);
            }
            self.ikes.clear();
            return;
        }
        if let Some(sa) = self.ikes.last_mut() {
            let bytes = sa.probe(cx.rng);
            cx.out.push(Output::Send { endpoint: self.endpoint, bytes });
            if misses > 0 {
                self.log_dpd(&format!("timeout count={}", count.saturating_sub(misses) + 1), cx);
            }
            self.log_dpd("R-U-THERE send to", cx);
        }
        self.dpd = Some((cx.now.after(interval), misses + 1));
    }

    /// INITIAL-CONTACT: the client remembers nothing but the exchange that it says this in, the newest.
    pub(crate) fn begin_anew(&mut self, cx: &mut Context<'_>) {
        let mut since = None;
        if let Some(newest) = self.ikes.pop() {
            self.owners = vec![newest.cookies()];
            since = Some(newest.born()).filter(|born| cx.now.since(*born) < CONTACT);
            self.ikes = vec![newest];
        }
        // A Quick Mode may have overtaken it: what was agreed under the same ISAKMP SA is not what was before.
        let (kept, gone): (Vec<_>, Vec<_>) = core::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|p| since.is_some_and(|born| p.born.since(born) > Duration::ZERO));
        self.pairs = kept;
        if gone.is_empty() && !self.pairs.is_empty() {
            return;
        }
        self.end_all_calls("the client began anew", cx);
        self.l2tp = None;
        for p in gone {
            self.retire(&p, cx);
        }
        // There is no tunnel any more that a stranger could take: what is left may open one.
        if let Some((inbound, outbound)) = self.pairs.last().map(|p| (p.inbound, p.outbound)) {
            self.take_ownership(inbound, cx);
            cx.path(Update::Activate { client: self.client_id(), spi: Spi(outbound) });
        }
        self.idle_since = cx.now;
    }

    /// Sequence numbers of an outbound SA come to their end: it is deleted, so that the client makes another.
    pub(crate) fn exhausted(&mut self, outbound: u32, cx: &mut Context<'_>) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.pairs).into_iter().partition(|p| p.outbound == outbound);
        self.pairs = kept;
        if !gone.is_empty() {
            self.expire(&gone, cx);
        }
    }

    /// Ends one SA by the operator's wish, and tells the client.
    pub(crate) fn delete_sa(&mut self, isakmp: Option<Cookies>, pair: Option<u32>, cx: &mut Context<'_>) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.pairs).into_iter().partition(|p| Some(p.inbound) == pair);
        self.pairs = kept;
        if !gone.is_empty() {
            self.expire(&gone, cx);
        }
        let (gone, kept): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.ikes).into_iter().partition(|sa| Some(sa.cookies()) == isakmp);
        self.ikes = kept;
        let told = self.is_told(cx);
        for sa in gone.iter().filter(|_| told) {
            cx.out.push(Output::Send { endpoint: self.endpoint, bytes: sa.delete_isakmp(cx.rng) });
        }
    }

    /// The client answered a probe.
    pub(crate) fn is_there(&mut self, cx: &mut Context<'_>) {
        self.log_dpd("R-U-THERE-ACK recv from", cx);
        self.last_heard = cx.now;
        if let (Some(interval), Some((due, misses))) = (self.dpd_interval(cx), &mut self.dpd) {
            (*due, *misses) = (cx.now.after(interval), 0);
        }
    }
}

/// How what an exchange of our own sends is repeated (`ipsec ike retry`).
fn retry(config: &Config) -> Retry {
    config.ike_retry.as_ref().map_or(PERSISTENCE, |retry| {
        let interval = Duration::from_secs(u64::from(retry.interval_s));
        Retry { first: interval, factor: 1, cap: interval, tries: retry.count.saturating_add(1) }
    })
}

fn l2tp_settings(tunnel: &L2tpTunnel, endpoint: Endpoint) -> l2tp::Settings {
    let seconds = |s: u32| Duration::from_secs(u64::from(s));
    let l = &tunnel.settings.l2tp;
    l2tp::Settings {
        number: tunnel.number,
        peer: endpoint.peer.ip(),
        hostname: l.hostname.clone().unwrap_or_else(|| "sekisho".to_owned()),
        secret: l.auth.clone().map(|s| Secret::new(s.to_string())),
        keepalive: l.keepalive.map(|(interval, count)| (seconds(interval), count)),
        idle: l.disconnect_time_s.map(seconds),
        log_messages: l.syslog,
        log_keepalive: l.keepalive_log,
        sessions: if tunnel.pp == PpRef::Anonymous { further::MOST_SESSIONS } else { 1 },
        // What the router tells; more is taken all the same.
        receive_window: 1,
    }
}

/// Whether an address lies in a LAN's network.
fn covers(lan: &command::Lan, address: Ipv4Addr) -> bool {
    lan.address.is_some_and(|(own, bits)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
        u32::from(own) & mask == u32::from(address) & mask
    })
}

/// The LAN on which we must answer for a client's address.
pub(crate) fn proxied_lan(config: &Config, address: Ipv4Addr) -> Option<String> {
    config.lans.iter().find(|(_, lan)| lan.proxyarp && covers(lan, address)).map(|(name, _)| name.clone())
}

/// Our side of a link: `ip pp address`, else the address of the LAN that the pool lies in, else of the first LAN, else
/// the address that the client dialled.
fn own_address(pp: &Pp, config: &Config, endpoint: Endpoint) -> Ipv4Addr {
    if let Some((own, _)) = pp.address {
        return own;
    }
    let lent = pp.remote_address.or_else(|| pp.pool.first().map(|r| r.0));
    let around = pp.from_lan.as_ref().and_then(|lan| config.lans.get(lan)).filter(|lan| lan.address.is_some());
    let around = around.or_else(|| lent.and_then(|a| config.lans.values().find(|l| covers(l, a))));
    let lan = around.or_else(|| config.lans.values().find(|l| l.address.is_some()));
    match (lan.and_then(|l| l.address), endpoint.local.ip()) {
        (Some((own, _)), _) | (None, IpAddr::V4(own)) => own,
        (None, IpAddr::V6(_)) => Ipv4Addr::UNSPECIFIED,
    }
}

/// Our end of the PPP link. It is never the address that the client dialled: the client's system routes the link's other
/// end into the link, and ESP to the server would go round in a circle there.
fn link_address(own: Ipv4Addr, pp: &Pp, endpoint: Endpoint) -> Ipv4Addr {
    if endpoint.local.ip() != IpAddr::V4(own) {
        return own;
    }
    let lent = |a: u32| pp.pool.iter().any(|(first, last)| (u32::from(*first)..=u32::from(*last)).contains(&a));
    let Some(first) = pp.remote_address.or_else(|| pp.pool.first().map(|r| r.0)).map(u32::from) else {
        return NO_ADDRESS;
    };
    // One beside the pool, in its own network if there is room.
    let free = (1..=1024).map(|n| first.wrapping_sub(n)).find(|a| !lent(*a) && a & 0xff != 0 && a & 0xff != 0xff);
    free.map_or(own, Ipv4Addr::from)
}

/// The name servers that a client is told: two of each kind at most (RFC 1877 §1).
fn name_servers(config: &Config, ours: Ipv4Addr) -> (Vec<Ipv4Addr>, Vec<Ipv4Addr>) {
    let mut dns = vec![];
    for source in &config.dns_notice_msext {
        match source {
            DnsSource::None => {}
            DnsSource::Me => dns.push(ours),
            DnsSource::Server => dns.extend(&config.dns_servers),
        }
    }
    dns.truncate(2);
    (dns, config.wins_servers.iter().copied().take(2).collect())
}

/// An SPI of ours: random, not in use, its low octet the client's shard (all SAs of a client share it).
pub(crate) fn free_spi(client: u32, taken: &BTreeSet<u32>, rng: &mut Rng) -> u32 {
    loop {
        let spi = (rng.u32() & 0xffff_ff00) | (client & 0xff);
        if spi > 0xffff && !taken.contains(&spi) {
            return spi;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of them beside what they have on the heap: ten thousand clients may be there at once.
    #[test]
    fn a_client_takes_little_room() {
        let taken = size_of::<Client>() + size_of::<ike::sa::Sa>() + size_of::<Pair>();
        assert!(taken <= 3000, "{taken} octets");
    }
}
