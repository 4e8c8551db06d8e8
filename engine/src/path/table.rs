//! What one worker knows: clients, their SAs, and the two look-ups (SPI and destination address) that find them.

use super::filter::{Filters, Guard, Judgement, Way};
use super::ipv6::upper_half;
use super::outbound::Template;
use super::record::{InboundState, OutboundState, PathState};
use super::replay::ReplayState;
use super::{ClientId, Counters, Encap, NOTE_EVERY, Note, Notes, SessionPath, Spi, Veil};
use crate::time::Instant;
use core::cmp::Reverse;
use core::hash::{BuildHasherDefault, Hasher};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use crypto::Secret;
use crypto::esp::{EspAuth, Open, OpenError, OpenKey, Opened, SealKey, Suite};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use wire::ip::Ipv4;

/// On how many packets of an SA that fail a shorter ICV is tried (clients.md, trap 46).
const MOST_SHORTENED: u8 = 8;

/// Numbers that no stranger chooses (our SPIs, addresses of our pool, client numbers) need no keyed hash.
#[derive(Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The low octet of our SPIs is the client's shard and the same all over a worker: fold the high bits down.
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How fast hits of filters are told for one client, and how many at once.
const TOLD_EVERY: Duration = Duration::from_millis(200);
const TOLD_BURST: u32 = 20;

type Numbers = HashMap<u32, usize, BuildHasherDefault<NumberHasher>>;
/// Upper halves of IPv6 prefixes, which are our own, too.
type Prefixes = HashMap<u64, usize, BuildHasherDefault<NumberHasher>>;

/// Things at places that stay the same while they live.
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    /// Empty places; the last place never is.
    free: BTreeSet<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: BTreeSet::new() }
    }
}

impl<T> Slab<T> {
    fn insert(&mut self, thing: T) -> usize {
        // The lowest, so that the end becomes free when many have gone.
        if let Some(at) = self.free.pop_first()
            && let Some(place) = self.places.get_mut(at)
        {
            *place = Some(thing);
            return at;
        }
        if self.places.len() == self.places.capacity() {
            // An eighth more, not as much again: thousands of SAs are large.
            self.places.reserve_exact((self.places.len() / 8).max(8));
        }
        self.places.push(Some(thing));
        self.places.len() - 1
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        let thing = self.places.get_mut(at)?.take()?;
        self.free.insert(at);
        while self.places.last().is_some_and(Option::is_none) {
            self.places.pop();
            self.free.remove(&self.places.len());
        }
        if self.places.len() < self.places.capacity() / 4 {
            self.places.shrink_to(self.places.len() * 2);
        }
        Some(thing)
    }

    /// A place, which is not looked at.
    fn place(&self, at: usize) -> Option<&Option<T>> {
        self.places.get(at)
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.places.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.places.get_mut(at)?.as_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

/// A rate that may be exceeded for a moment, kept as the time at which all that was taken is paid back.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Bucket(Instant);

impl Bucket {
    /// Takes one; one comes back every `every`, and `burst` can be taken at once.
    pub(super) fn take(&mut self, every: Duration, burst: u32, now: Instant) -> bool {
        let paid = self.0.max(now);
        if paid.since(now) > every * burst.saturating_sub(1) {
            return false;
        }
        self.0 = paid.after(every);
        true
    }
}

/// The outer ends of a client's ESP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// The client's address and port.
    pub peer: SocketAddr,
    /// Our address.
    pub local: IpAddr,
    /// How ESP travels between them.
    pub encap: Encap,
}

/// An SA on which a client sends.
pub(super) struct InboundSa {
    pub(super) client: usize,
    pub(super) spi: Spi,
    pub(super) key: OpenKey,
    pub(super) replay: ReplayState,
    pub(super) anti_replay: bool,
    /// A valid packet has come, and the engine knows.
    pub(super) used: bool,
    /// It carries its client's session.
    pub(super) trusted: bool,
    pub(super) octets: u64,
    /// Where [`Note::Volume`] is due.
    pub(super) volume: u64,
    /// On how many more packets that fail a shorter ICV is tried.
    pub(super) shorten: u8,
    suite: Suite,
    keymat: Secret<Vec<u8>>,
    encap: Encap,
}

/// An SA on which we send.
pub(super) struct OutboundSa {
    pub(super) spi: Spi,
    pub(super) suite: Suite,
    pub(super) key: SealKey,
    /// The number of the next packet; 0 when all are used up.
    pub(super) next: u32,
    pub(super) exhaustion_told: bool,
    pub(super) octets: u64,
    pub(super) paired: Spi,
    keymat: Secret<Vec<u8>>,
}

/// A client: its SAs, session, place and counters.
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) active: Option<usize>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) session: Option<SessionPath>,
    pub(super) template: Template,
    /// The number that the client's next data message should have.
    pub(super) expected: u16,
    pub(super) counters: Counters,
    pub(super) control: Bucket,
    pub(super) icmp: Bucket,
    pub(super) moved_due: Instant,
    pub(super) guard: Guard,
    /// What protects the session's IP packets once more; few have it.
    pub(super) veil: Option<Box<dyn Veil>>,
    told: Bucket,
    untold: u32,
    inbound: Vec<usize>,
    outbound: Vec<usize>,
    /// Whose SAs carry the session, if they are another's.
    beside: Option<ClientId>,
    /// Where those are kept whose sessions go with the SAs of this one.
    further: Vec<usize>,
    traffic: Traffic,
}

/// What happened that the engine has not been told of.
#[derive(Default)]
struct Traffic {
    any: bool,
    data: bool,
    sent: bool,
    due: Instant,
    waiting: bool,
}

/// Which kind of traffic has been seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// An authenticated packet.
    Alive,
    /// An authenticated IP packet.
    Data,
    /// An IP packet to the client.
    Sent,
}

impl Client {
    fn new(id: ClientId) -> Self {
        Self {
            id,
            active: None,
            endpoint: None,
            session: None,
            template: Template::default(),
            expected: 0,
            counters: Counters::default(),
            control: Bucket::default(),
            icmp: Bucket::default(),
            moved_due: Instant::default(),
            guard: Guard::default(),
            veil: None,
            told: Bucket::default(),
            untold: 0,
            inbound: Vec::new(),
            outbound: Vec::new(),
            beside: None,
            further: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    /// Tells of the traffic; whether the note found room.
    fn tell_traffic(&mut self, notes: &mut Notes, now: Instant) -> bool {
        let Traffic { any, data, sent, .. } = self.traffic;
        let told = notes.tell(Note::Traffic { client: self.id, any, data, sent, counters: self.counters });
        if told {
            self.traffic = Traffic { due: now.after(NOTE_EVERY), ..Traffic::default() };
        }
        told
    }
}

fn open_one(key: &OpenKey, packet: &mut [u8]) -> Option<Opened> {
    let mut batch = [Open { key, packet, result: Err(OpenError::NotTried) }];
    crypto::esp::open(&mut batch);
    let [Open { result, .. }] = batch;
    result.ok()
}

/// Everything that a worker knows.
#[derive(Default)]
pub(super) struct Table {
    pub(super) clients: Slab<Client>,
    pub(super) inbound: Slab<InboundSa>,
    pub(super) outbound: Slab<OutboundSa>,
    ids: Numbers,
    spis: Numbers,
    addresses: Numbers,
    prefixes: Prefixes,
    filters: Filters,
    /// Clients whose traffic waits to be told, the earliest first; each at most once while it lives.
    waiting: BinaryHeap<Reverse<(Instant, ClientId)>>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn client(&self, id: ClientId) -> Option<&Client> {
        self.clients.get(*self.ids.get(&id.0)?)
    }

    fn client_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(*self.ids.get(&id.0)?)
    }

    /// Where a client is kept.
    pub(super) fn place_of(&self, id: ClientId) -> Option<usize> {
        self.ids.get(&id.0).copied()
    }

    /// The client whose SAs carry the session of this one: nearly always itself.
    #[inline]
    pub(super) fn carrier<'a>(&'a self, client: &'a Client) -> Option<&'a Client> {
        match client.beside {
            None => Some(client),
            Some(of) => self.other_carrier(of),
        }
    }

    #[cold]
    fn other_carrier(&self, of: ClientId) -> Option<&Client> {
        self.client(of)
    }

    /// Where the client is kept whose session of these ids of ours goes with the SAs of this one: itself, or another.
    #[inline]
    pub(super) fn with_session(&self, client: usize, ids: (u16, u16)) -> Option<usize> {
        let known = self.clients.get(client)?;
        if known.session.as_ref().is_some_and(|session| session.has_ids(ids)) {
            return Some(client);
        }
        self.further_session(known, ids)
    }

    #[cold]
    fn further_session(&self, client: &Client, ids: (u16, u16)) -> Option<usize> {
        let of = |at: &usize| self.clients.get(*at).and_then(|client| client.session.as_ref());
        client.further.iter().copied().find(|at| of(at).is_some_and(|session| session.has_ids(ids)))
    }

    /// Whether any session goes with the SAs of this client.
    pub(super) fn carries_sessions(&self, client: usize) -> bool {
        self.clients.get(client).is_some_and(|client| client.session.is_some() || !client.further.is_empty())
    }

    /// A client's session goes with the SAs of another.
    pub(super) fn set_beside(&mut self, id: ClientId, of: ClientId) -> bool {
        let Some(carrier) = self.place_of(of).filter(|_| id != of) else { return false };
        let at = self.place_or_new(id);
        if let Some(client) = self.clients.get_mut(at) {
            client.beside = Some(of);
        }
        if let Some(client) = self.clients.get_mut(carrier).filter(|client| !client.further.contains(&at)) {
            client.further.push(at);
        }
        true
    }

    /// Where the inbound SA with this SPI of ours is kept.
    pub(super) fn place_of_spi(&self, spi: u32) -> Option<usize> {
        self.spis.get(&spi).copied()
    }

    /// Where the client with this address is kept.
    pub(super) fn place_of_address(&self, address: u32) -> Option<usize> {
        self.addresses.get(&address).copied()
    }

    /// Where the client is kept whose /64 begins with this.
    pub(super) fn place_of_prefix(&self, prefix: u64) -> Option<usize> {
        self.prefixes.get(&prefix).copied()
    }

    /// Begins to fetch an inbound SA and its client.
    #[inline]
    pub(super) fn prefetch_inbound(&self, sa: usize) {
        if let Some(sa) = self.inbound.get(sa) {
            crypto::prefetch(&sa.key);
            self.prefetch_client(sa.client);
        }
    }

    /// Begins to fetch a client.
    #[inline]
    pub(super) fn prefetch_client(&self, client: usize) {
        if let Some(client) = self.clients.place(client) {
            crypto::prefetch(client);
        }
    }

    /// Begins to fetch the SA on which a client is sent to.
    #[inline]
    pub(super) fn prefetch_outbound(&self, client: usize) {
        if let Some(at) = self.clients.get(client).and_then(|client| client.active)
            && let Some(sa) = self.outbound.place(at)
        {
            crypto::prefetch(sa);
        }
    }

    fn place_or_new(&mut self, id: ClientId) -> usize {
        if let Some(at) = self.place_of(id) {
            return at;
        }
        let at = self.clients.insert(Client::new(id));
        self.ids.insert(id.0, at);
        self.waiting.reserve(self.clients.len().saturating_sub(self.waiting.len()));
        at
    }

    pub(super) fn install_inbound(&mut self, id: ClientId, state: InboundState) -> bool {
        let InboundState { spi, suite, keymat, anti_replay, replay, encap, used, octets, volume, shorten, trusted } =
            state;
        let Some(key) = OpenKey::new(suite, keymat.expose()) else {
            return false;
        };
        let _replaced = self.retire(spi);
        let client = self.place_or_new(id);
        let sa = InboundSa {
            client,
            spi,
            key,
            replay,
            anti_replay,
            used,
            trusted,
            octets,
            volume,
            shorten,
            suite,
            keymat,
            encap,
        };
        let at = self.inbound.insert(sa);
        self.spis.insert(spi.0, at);
        if let Some(client) = self.clients.get_mut(client) {
            client.inbound.push(at);
        }
        true
    }

    pub(super) fn install_outbound(&mut self, id: ClientId, state: OutboundState) -> bool {
        let OutboundState { spi, suite, keymat, next, active, paired, octets } = state;
        let Some(key) = SealKey::new(suite, keymat.expose()) else {
            return false;
        };
        let _replaced = self.retire_outbound(id, spi);
        let client = self.place_or_new(id);
        let sa = OutboundSa { spi, suite, key, next, exhaustion_told: false, octets, paired, keymat };
        let at = self.outbound.insert(sa);
        let used =
            self.place_of_spi(paired.0).and_then(|at| self.inbound.get(at)).is_some_and(|sa| sa.used && sa.trusted);
        if let Some(client) = self.clients.get_mut(client) {
            client.outbound.push(at);
            if active || used {
                client.active = Some(at);
            }
        }
        true
    }

    pub(super) fn find_outbound(&self, client: &Client, fits: impl Fn(&OutboundSa) -> bool) -> Option<usize> {
        client.outbound.iter().copied().find(|at| self.outbound.get(*at).is_some_and(&fits))
    }

    pub(super) fn activate(&mut self, id: ClientId, spi: Spi) -> bool {
        let found = self.client(id).and_then(|client| self.find_outbound(client, |sa| sa.spi == spi));
        if let (Some(at), Some(client)) = (found, self.client_mut(id)) {
            client.active = Some(at);
        }
        found.is_some()
    }

    /// Who made the inbound SA with this SPI of ours.
    pub(super) fn owner_of(&self, spi: Spi) -> Option<ClientId> {
        let sa = self.inbound.get(self.place_of_spi(spi.0)?)?;
        self.clients.get(sa.client).map(|client| client.id)
    }

    fn is_trusted(&self, spi: Spi) -> bool {
        self.place_of_spi(spi.0).and_then(|at| self.inbound.get(at)).is_some_and(|sa| sa.trusted)
    }

    /// The latest outbound SA whose pair is trusted.
    fn latest_trusted(&self, client: &Client) -> Option<usize> {
        let trusted = |at: &&usize| self.outbound.get(**at).is_some_and(|sa| self.is_trusted(sa.paired));
        client.outbound.iter().rev().find(trusted).copied()
    }

    /// What carries on where the active SA is gone: the latest whose pair is trusted. While another pair waits to be
    /// trusted it is one that the client has used: it may have taken up the one that waits in place of the latest.
    fn fallback(&self, client: &Client) -> Option<usize> {
        let latest = self.latest_trusted(client)?;
        let used = |at: usize| {
            let paired = self.outbound.get(at).and_then(|sa| self.place_of_spi(sa.paired.0));
            paired.and_then(|at| self.inbound.get(at)).is_some_and(|sa| sa.trusted && sa.used)
        };
        if used(latest) || !self.waits_for_trust(client) {
            return Some(latest);
        }
        client.outbound.iter().rev().copied().find(|at| used(*at))
    }

    /// Whether the client has an SA that only waits to be trusted.
    pub(super) fn waits_for_trust(&self, client: &Client) -> bool {
        client.inbound.iter().any(|at| self.inbound.get(*at).is_some_and(|sa| !sa.trusted))
    }

    /// Whether an inbound SA and its pair carry their client's session.
    pub(super) fn set_trust(&mut self, spi: Spi, trusted: bool) -> bool {
        let Some(sa) = self.place_of_spi(spi.0).and_then(|at| self.inbound.get_mut(at)) else {
            return false;
        };
        sa.trusted = trusted;
        let (at, used) = (sa.client, sa.used);
        if trusted && used {
            self.activate_paired(at, spi);
        }
        let Some(client) = self.clients.get(at) else { return false };
        let paired = self.find_outbound(client, |sa| sa.paired == spi);
        let instead = self.fallback(client);
        if let Some(client) = self.clients.get_mut(at) {
            let is_lost = !trusted && paired.is_some() && client.active == paired;
            if is_lost || client.active.is_none() {
                client.active = instead;
            }
        }
        true
    }

    /// All SAs of one client go over to another.
    pub(super) fn adopt(&mut self, from: ClientId, to: ClientId) -> bool {
        let (Some(old), Some(new)) = (self.place_of(from), self.place_of(to)) else { return false };
        let Some(client) = self.clients.get_mut(old).filter(|_| old != new) else { return false };
        client.active = None;
        let (inbound, outbound) = (core::mem::take(&mut client.inbound), core::mem::take(&mut client.outbound));
        for at in &inbound {
            if let Some(sa) = self.inbound.get_mut(*at) {
                sa.client = new;
            }
        }
        if let Some(client) = self.clients.get_mut(new) {
            client.inbound.extend(inbound);
            client.outbound.extend(outbound);
        }
        true
    }

    /// The first packet on an inbound SA shows that the client has installed the pair: send on it too.
    pub(super) fn activate_paired(&mut self, client: usize, paired: Spi) {
        if !self.is_trusted(paired) {
            return;
        }
        let found = self.clients.get(client).and_then(|client| self.find_outbound(client, |sa| sa.paired == paired));
        if let (Some(at), Some(client)) = (found, self.clients.get_mut(client)) {
            client.active = Some(at);
        }
    }

    pub(super) fn retire(&mut self, spi: Spi) -> bool {
        let Some(at) = self.spis.remove(&spi.0) else {
            return false;
        };
        if let Some(sa) = self.inbound.remove(at)
            && let Some(client) = self.clients.get_mut(sa.client)
        {
            client.inbound.retain(|other| *other != at);
        }
        true
    }

    pub(super) fn retire_outbound(&mut self, id: ClientId, spi: Spi) -> bool {
        let found = self.client(id).and_then(|client| self.find_outbound(client, |sa| sa.spi == spi));
        let Some(at) = found else { return false };
        self.outbound.remove(at);
        if let Some(client) = self.client_mut(id) {
            client.outbound.retain(|other| *other != at);
        }
        let instead = self.client(id).and_then(|client| self.fallback(client));
        let is_lost = |client: &&mut Client| client.active.is_none_or(|active| active == at);
        if let Some(client) = self.client_mut(id).filter(is_lost) {
            client.active = instead;
        }
        true
    }

    pub(super) fn set_peer(&mut self, id: ClientId, endpoint: Endpoint) {
        let at = self.place_or_new(id);
        if let Some(client) = self.clients.get_mut(at) {
            client.endpoint = Some(endpoint);
        }
    }

    /// Takes in filters, new or changed; what is remembered of connections stays where there is still something to hold to.
    pub(super) fn set_filters(&mut self, filters: Filters) {
        self.filters = filters;
        for client in self.clients.places.iter_mut().flatten() {
            client.guard.resolve(&self.filters);
        }
    }

    pub(super) fn set_guard(&mut self, id: ClientId, interfaces: (u32, u32)) {
        let at = self.place_or_new(id);
        if let Some(client) = self.clients.get_mut(at)
            && client.guard.interfaces != Some(interfaces)
        {
            client.guard = Guard::of(interfaces);
            client.guard.resolve(&self.filters);
        }
    }

    /// Whether packets of a client that go this way are held against filters.
    pub(super) fn is_guarded(&self, client: usize, way: Way) -> bool {
        self.clients.get(client).is_some_and(|client| client.guard.looks(way))
    }

    /// Whether a client's IPv4 packet passes the filters; tells of it where they say so.
    pub(super) fn passes(&mut self, client: usize, ip: &Ipv4<'_>, way: Way, notes: &mut Notes, now: Instant) -> bool {
        let Some(client) = self.clients.get_mut(client) else { return false };
        if !client.guard.looks(way) {
            return true;
        }
        let Judgement { passes, number, logs, sight } = client.guard.judge(&self.filters, ip, way, now);
        if logs && self.filters.notices {
            let told = notes.has_room_for_chatter() && client.told.take(TOLD_EVERY, TOLD_BURST, now);
            let note = Note::Filtered { client: client.id, way, passed: passes, number, sight, untold: client.untold };
            if told && notes.tell(note) {
                client.untold = 0;
            } else {
                client.untold = client.untold.saturating_add(1);
            }
        }
        passes
    }

    pub(super) fn set_session(&mut self, session: SessionPath) {
        let at = self.place_or_new(session.client);
        self.forget_address(at);
        if session.address != Ipv4Addr::UNSPECIFIED {
            self.addresses.insert(session.address.to_bits(), at);
        }
        if let Some(prefix) = session.ipv6.and_then(|ipv6| ipv6.prefix) {
            self.prefixes.insert(upper_half(prefix), at);
        }
        if let Some(client) = self.clients.get_mut(at) {
            let mut template = Template::of(&session);
            // Told once more, a session goes on counting.
            let ids = |session: &SessionPath| (session.local_tunnel_id, session.local_session_id);
            if client.session.as_ref().is_some_and(|old| ids(old) == ids(&session)) {
                template.set_next_ns(client.template.next_ns());
            } else {
                client.expected = 0;
            }
            client.template = template;
            client.session = Some(session);
        }
    }

    /// Address and prefix may belong to another client by this time; then they stay.
    fn forget_address(&mut self, at: usize) {
        let session = self.clients.get(at).and_then(|client| client.session.as_ref());
        if let Some(address) = session.map(|session| session.address.to_bits())
            && self.addresses.get(&address) == Some(&at)
        {
            self.addresses.remove(&address);
        }
        let session = self.clients.get(at).and_then(|client| client.session.as_ref());
        if let Some(prefix) = session.and_then(|session| session.ipv6?.prefix).map(upper_half)
            && self.prefixes.get(&prefix) == Some(&at)
        {
            self.prefixes.remove(&prefix);
        }
    }

    pub(super) fn set_veil(&mut self, id: ClientId, veil: Option<Box<dyn Veil>>) -> bool {
        let client = self.place_of(id).and_then(|at| self.clients.get_mut(at));
        client.filter(|client| client.session.is_some()).map(|client| client.veil = veil).is_some()
    }

    pub(super) fn end_session(&mut self, id: ClientId) -> bool {
        let Some(at) = self.place_of(id) else { return false };
        self.forget_address(at);
        if let Some(client) = self.clients.get_mut(at) {
            client.session = None;
            client.veil = None;
            client.guard = Guard::default();
        }
        true
    }

    pub(super) fn remove(&mut self, id: ClientId) -> bool {
        let Some(at) = self.place_of(id) else { return false };
        self.forget_address(at);
        self.ids.remove(&id.0);
        let Some(client) = self.clients.remove(at) else {
            return false;
        };
        if let Some(carrier) = client.beside.and_then(|of| self.client_mut(of)) {
            carrier.further.retain(|further| *further != at);
        }
        for sa in client.inbound {
            if let Some(sa) = self.inbound.remove(sa) {
                self.spis.remove(&sa.spi.0);
            }
        }
        for sa in client.outbound {
            self.outbound.remove(sa);
        }
        for numbers in [&mut self.ids, &mut self.spis, &mut self.addresses] {
            if numbers.len() < numbers.capacity() / 8 {
                numbers.shrink_to(numbers.len() * 2);
            }
        }
        true
    }

    pub(super) fn limit_volume(&mut self, spi: Spi, octets: u64) -> bool {
        let sa = self.place_of_spi(spi.0).and_then(|at| self.inbound.get_mut(at));
        sa.map(|sa| sa.volume = octets).is_some()
    }

    pub(super) fn may_shorten(&mut self, spi: Spi) -> bool {
        let sa = self.place_of_spi(spi.0).and_then(|at| self.inbound.get_mut(at));
        sa.map(|sa| sa.shorten = MOST_SHORTENED).is_some()
    }

    /// Tries on a packet that has failed whether its ICV was cut to 96 bits; if so, the pair goes on like that.
    pub(super) fn shortened(&mut self, inbound: usize, packet: &mut [u8], notes: &mut Notes) -> Option<Opened> {
        let sa = self.inbound.get_mut(inbound).filter(|sa| sa.shorten > 0)?;
        sa.shorten -= 1;
        if sa.suite.auth == EspAuth::HmacSha256_96 {
            // It came in one batch with the packet by which that was found.
            return open_one(&sa.key, packet);
        }
        let suite = sa.suite.shortened().filter(|_| !sa.used)?;
        let key = OpenKey::new(suite, sa.keymat.expose())?;
        let opened = open_one(&key, packet)?;
        (sa.suite, sa.key) = (suite, key);
        let (client, spi) = (sa.client, sa.spi);
        let client = self.clients.get(client)?;
        let id = client.id;
        if let Some(outward) = self.find_outbound(client, |other| other.paired == spi)
            && let Some(outward) = self.outbound.get_mut(outward)
            && let Some(key) = SealKey::new(suite, outward.keymat.expose())
        {
            (outward.suite, outward.key) = (suite, key);
        }
        // Should there be no room, the engine learns it from the next pair.
        let _ = notes.tell(Note::Shortened { client: id, spi });
        Some(opened)
    }

    /// Tells that a pair of SAs has carried its volume, once; looked at when a packet has arrived.
    pub(super) fn check_volume(&mut self, inbound: usize, notes: &mut Notes) {
        let Some(sa) = self.inbound.get(inbound).filter(|sa| sa.volume != u64::MAX) else {
            return;
        };
        let Some(client) = self.clients.get(sa.client) else {
            return;
        };
        let (id, spi, volume) = (client.id, sa.spi, sa.volume);
        let outward = self.find_outbound(client, |other| other.paired == spi).and_then(|at| self.outbound.get(at));
        let octets = sa.octets.max(outward.map_or(0, |sa| sa.octets));
        if octets >= volume
            && notes.tell(Note::Volume { client: id, spi, octets })
            && let Some(sa) = self.inbound.get_mut(inbound)
        {
            sa.volume = u64::MAX;
        }
    }

    /// Remembers traffic until [`Self::flush`], which follows each batch.
    pub(super) fn saw(&mut self, client: usize, seen: Seen) {
        let Some(client) = self.clients.get_mut(client) else {
            return;
        };
        match seen {
            Seen::Alive => client.traffic.any = true,
            Seen::Data => client.traffic.data = true,
            Seen::Sent => client.traffic.sent = true,
        }
        if !client.traffic.waiting {
            client.traffic.waiting = true;
            self.waiting.push(Reverse((client.traffic.due, client.id)));
        }
    }

    /// When some traffic must be told of.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse((due, _))| *due)
    }

    /// Tells of all traffic whose time has come.
    pub(super) fn flush(&mut self, notes: &mut Notes, now: Instant) {
        while let Some(Reverse((due, id))) = self.waiting.peek().copied()
            && now.reached(due)
        {
            self.waiting.pop();
            // A client that is gone, or has come again since, may have left its entry behind.
            let Some(client) = self.client_mut(id).filter(|client| client.traffic.waiting) else {
                continue;
            };
            if !client.tell_traffic(notes, now) {
                client.traffic.due = now.after(NOTE_EVERY);
                let again = Reverse((client.traffic.due, id));
                self.waiting.push(again);
                return;
            }
        }
    }

    pub(super) fn snapshot(&self, id: ClientId) -> Option<PathState> {
        let client = self.client(id)?;
        let inbound = client.inbound.iter().filter_map(|at| self.inbound.get(*at)).map(|sa| InboundState {
            spi: sa.spi,
            suite: sa.suite,
            keymat: sa.keymat.clone(),
            anti_replay: sa.anti_replay,
            replay: sa.replay.clone(),
            encap: sa.encap,
            used: sa.used,
            octets: sa.octets,
            volume: sa.volume,
            shorten: sa.shorten,
            trusted: sa.trusted,
        });
        let outbound = client.outbound.iter().filter_map(|at| Some((at, self.outbound.get(*at)?)));
        let outbound = outbound.map(|(at, sa)| OutboundState {
            spi: sa.spi,
            suite: sa.suite,
            keymat: sa.keymat.clone(),
            next: sa.next,
            active: client.active == Some(*at),
            paired: sa.paired,
            octets: sa.octets,
        });
        Some(PathState {
            client: id,
            endpoint: client.endpoint,
            session: client.session.clone(),
            guard: client.guard.interfaces,
            beside: client.beside,
            inbound: inbound.collect(),
            outbound: outbound.collect(),
            counters: client.counters,
            numbers: (client.template.next_ns(), client.expected),
            held: Vec::new(),
        })
    }

    pub(super) fn restore(&mut self, state: PathState) -> bool {
        let PathState { client: id, endpoint, session, guard, beside, inbound, outbound, counters, numbers, held: _ } =
            state;
        let _replaced = self.remove(id);
        let at = self.place_or_new(id);
        let mut whole = beside.is_none_or(|of| self.set_beside(id, of));
        for sa in inbound {
            whole &= self.install_inbound(id, sa);
        }
        let active = outbound.iter().find(|sa| sa.active).map(|sa| sa.spi);
        for sa in outbound {
            whole &= self.install_outbound(id, sa);
        }
        if let Some(spi) = active {
            whole &= self.activate(id, spi);
        }
        if let Some(session) = session {
            self.set_session(SessionPath { client: id, ..session });
        }
        if let Some(interfaces) = guard {
            self.set_guard(id, interfaces);
        }
        if let Some(client) = self.clients.get_mut(at) {
            client.endpoint = endpoint;
            client.counters = counters;
            client.template.set_next_ns(numbers.0);
            client.expected = numbers.1;
        }
        whole
    }
}
