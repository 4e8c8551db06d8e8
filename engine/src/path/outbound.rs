//! From IP to ESP: client by destination, MSS, size, then PPP, L2TP, UDP and ESP headers written before the packet, sealed in place.

use super::filter::Way;
use super::ipv6::upper_half;
use super::sum::{long_at, put, word_at};
use super::table::{Client, Endpoint, OutboundSa, Seen, Table};
use super::{ClientId, Drop, Encap, L2TP_PORT, MAX_REPLIES, Note, Notes, SessionPath, Worker};
use crate::time::Instant;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use crypto::esp::{Seal, Suite};
use wire::inside::icmpv6;
use wire::ip::{Ipv4, Ipv6, clamp_mss, fragment_ipv4, icmp_too_big, version};

/// Octets that must be free before an IP packet in its buffer: ESP header and IV, UDP, L2TP, PPP.
pub const HEADROOM: usize = 96;
/// Octets that must be free behind it: ESP padding and ICV.
pub const TAILROOM: usize = 64;

/// How many segments one UDP GSO call may have, and how many octets.
const MAX_RUN: usize = 44;
const MAX_RUN_OCTETS: usize = 65_000;
/// The smallest packet that every IPv4 module forwards whole (RFC 791 §3.2), and the largest that our headers can describe.
const MIN_LIMIT: u16 = 68;
const MAX_LIMIT: u16 = 65_000;
/// How many packets of our own making may wait to be sent.
const MAX_SEALED: usize = 1024;
/// How many buffers that came back are kept.
const MAX_SPARE: usize = 256;
/// From this number on the engine is told that the SA must be replaced.
const EXHAUSTION_NEAR: u32 = 0xf000_0000;
/// How fast ICMP messages may leave on behalf of one client, and how many at once.
const ICMP_EVERY: Duration = Duration::from_millis(20);
const ICMP_BURST: u32 = 50;
const UDP: u8 = 17;
/// Where the destination stands in an IPv4 header (RFC 791 §3.1).
const IPV4_DESTINATION: usize = 16;
/// The MTU of a path to a client, in octets, as long as nothing else is known of it: what is made to fit it leaves in one
/// piece on an Ethernet.
const OUTER_MTU: usize = 1500;
/// Headers of IPv4 and TCP, and of IPv6 and TCP, without options, in octets.
const IPV4_AND_TCP: u16 = 40;
const IPV6_AND_TCP: u16 = 60;
/// The last octet of PPP's protocol field for IPv6; the one before it, if there is one, is 0 as it is for IPv4.
const PPP_IPV6: u8 = 0x57;

/// An IP packet that is to go to a client.
pub struct Departure<'a> {
    /// The buffer: [`HEADROOM`], the packet, [`TAILROOM`].
    pub buf: &'a mut [u8],
    /// Where the packet begins.
    pub start: usize,
    /// Its length.
    pub len: usize,
    /// What became of it.
    pub result: Out,
}

/// What became of a departure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Out {
    /// Not looked at.
    NotTried,
    /// To be sent.
    Sealed {
        /// The ESP packet within the buffer.
        range: Range<usize>,
        /// To where.
        peer: SocketAddr,
        /// From which of our addresses.
        local: IpAddr,
        /// How.
        encap: Encap,
    },
    /// It was cut into fragments, or sealed apart; they come out of [`Worker::poll_sealed`].
    Fragmented,
    /// It goes no further; if it was too big, an ICMP message may wait in [`Worker::poll_reply`].
    Dropped(Drop),
}

/// An ESP packet of the worker's own making.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedPacket {
    /// The packet from its SPI on; give it back with [`Worker::recycle`].
    pub bytes: Vec<u8>,
    /// To where.
    pub peer: SocketAddr,
    /// From which of our addresses.
    pub local: IpAddr,
    /// How.
    pub encap: Encap,
}

impl<'a> Departure<'a> {
    /// A packet that has just been read.
    pub fn new(buf: &'a mut [u8], start: usize, len: usize) -> Self {
        Self { buf, start, len, result: Out::NotTried }
    }

    /// The ESP packet, if it is to be sent.
    #[must_use]
    pub fn esp(&self) -> Option<&[u8]> {
        match &self.result {
            Out::Sealed { range, .. } => self.buf.get(range.clone()),
            Out::NotTried | Out::Fragmented | Out::Dropped(_) => None,
        }
    }
}

/// The headers between ESP and IP, with zeros where the lengths go.
#[derive(Clone, Copy, Default)]
pub(super) struct Template {
    octets: [u8; 24],
    len: usize,
    /// Where PPP begins.
    ppp: usize,
    length_bit: bool,
    /// Where Ns stands, if data messages are numbered.
    ns: Option<usize>,
}

impl Template {
    /// UDP, an L2TP data header (RFC 2661 §3.1) and PPP for IPv4 as the session has them.
    pub(super) fn of(session: &SessionPath) -> Self {
        let mut template = Self { length_bit: session.length_bit, ..Self::default() };
        template.add(&L2TP_PORT.to_be_bytes());
        template.add(&session.peer_port.to_be_bytes());
        template.add(&[0, 0, 0, 0]);
        let sequence = if session.sequencing { 0x08 } else { 0 };
        template.add(&[sequence | if session.length_bit { 0x40 } else { 0 }, 0x02]);
        if session.length_bit {
            template.add(&[0, 0]);
        }
        template.add(&session.peer_tunnel_id.to_be_bytes());
        template.add(&session.peer_session_id.to_be_bytes());
        if session.sequencing {
            template.ns = Some(template.len);
            // Nr is reserved in data messages (RFC 2661 §3.1).
            template.add(&[0, 0, 0, 0]);
        }
        template.ppp = template.len;
        if !session.acfc {
            template.add(&[0xff, 0x03]);
        }
        template.add(if session.pfc { &[0x21] } else { &[0x00, 0x21] });
        template
    }

    /// The number of the next data message.
    pub(super) fn next_ns(&self) -> u16 {
        self.ns.map_or(0, |at| word_at(&self.octets, at))
    }

    /// Goes on with this number.
    pub(super) fn set_next_ns(&mut self, ns: u16) {
        if let Some(at) = self.ns {
            put(&mut self.octets, at, ns.to_be_bytes());
        }
    }

    /// A data message has been written.
    fn advance(&mut self) {
        self.set_next_ns(self.next_ns().wrapping_add(1));
    }

    fn add(&mut self, octets: &[u8]) {
        let places = self.octets.iter_mut().skip(self.len);
        places.zip(octets).for_each(|(place, octet)| *place = *octet);
        self.len += octets.len();
    }

    fn headers(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    pub(super) fn headers_without_ppp(&self) -> &[u8] {
        self.octets.get(..self.ppp).unwrap_or_default()
    }

    /// Sets the lengths, and the protocol where it is not IPv4, in headers that begin `payload`.
    fn finish(&self, payload: &mut [u8], is_ipv6: bool) {
        self.set_lengths(payload);
        let last = self.len.checked_sub(1).filter(|_| is_ipv6);
        if let Some(protocol) = last.and_then(|last| payload.get_mut(last)) {
            *protocol = PPP_IPV6;
        }
    }

    /// Sets the lengths in headers that begin `payload`.
    pub(super) fn set_lengths(&self, payload: &mut [u8]) {
        let len = payload.len() as u16;
        put(payload, 4, len.to_be_bytes());
        if self.length_bit {
            put(payload, 10, len.saturating_sub(8).to_be_bytes());
        }
    }
}

/// A packet whose client is known and that the client may be sent, whole or in fragments.
pub(super) struct Fitting {
    pub(super) place: usize,
    pub(super) len: usize,
    /// What is larger must be cut.
    pub(super) limit: u16,
    pub(super) is_ipv6: bool,
}

/// A departure that waits to be sealed.
pub(super) struct Ready {
    sa: usize,
    range: Range<usize>,
    payload_len: usize,
}

/// A packet of our own that has no sequence number yet.
pub(super) struct Owned {
    client: ClientId,
    sa: usize,
    bytes: Vec<u8>,
    payload_len: usize,
    endpoint: Endpoint,
}

/// The next sequence number of an SA; none is ever given out twice (RFC 4303 §3.3.3).
fn take_sequence(sa: &mut OutboundSa, client: ClientId, notes: &mut Notes) -> Result<u32, Drop> {
    let sequence = sa.next;
    if sequence == 0 {
        return Err(Drop::Exhausted);
    }
    sa.next = sequence.wrapping_add(1);
    if sequence >= EXHAUSTION_NEAR && !sa.exhaustion_told {
        sa.exhaustion_told = notes.tell(Note::Exhausted { client, spi: sa.spi });
    }
    Ok(sequence)
}

impl Worker {
    /// Works through packets that go out; the order of a client's packets stays, but fragments follow the batch.
    pub fn outbound(&mut self, batch: &mut [Departure<'_>], now: Instant) {
        self.prefetch(batch);
        for departure in batch.iter_mut() {
            departure.result = self.depart(departure, now).unwrap_or_else(|why| {
                self.totals.count(why);
                Out::Dropped(why)
            });
        }
        self.seal(batch);
        if !self.owned.is_empty() {
            self.seal_owned();
        }
        self.table.flush(&mut self.notes, now);
    }

    /// Fetches what is known of the clients of a batch, where there are several: first the clients, then what they point to.
    fn prefetch(&self, batch: &[Departure<'_>]) {
        let to = |departure: &Departure<'_>| {
            let packet = departure.buf.get(departure.start..)?;
            (version(packet) == Some(4)).then(|| long_at(packet, IPV4_DESTINATION))
        };
        let first = batch.first().and_then(to);
        if batch.iter().all(|departure| to(departure) == first) {
            return;
        }
        let places = || batch.iter().filter_map(to).filter_map(|address| self.table.place_of_address(address));
        places().for_each(|place| self.table.prefetch_client(place));
        places().for_each(|place| self.table.prefetch_outbound(place));
    }

    /// Gives back the octets of a packet that has been sent, for the next fragment.
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(bytes);
        }
    }

    /// Decides about one packet and writes its headers.
    fn depart(&mut self, departure: &mut Departure<'_>, now: Instant) -> Result<Out, Drop> {
        let (start, end) = (departure.start, departure.start.saturating_add(departure.len));
        let packet = departure.buf.get_mut(start..end).ok_or(Drop::NoRoom)?;
        let Fitting { place, len, limit, is_ipv6 } = self.fit(packet, now)?;
        let client = self.table.clients.get(place).ok_or(Drop::NoClient)?;
        let carrier = self.table.carrier(client).ok_or(Drop::NoSa)?;
        let endpoint = carrier.endpoint.ok_or(Drop::NoSa)?;
        let id = carrier.id;
        let Some(at) = carrier.active else {
            if self.table.waits_for_trust(carrier) {
                let packet = departure.buf.get(start..start.saturating_add(len)).unwrap_or_default().to_vec();
                self.wait_for_trust(id, &packet, now);
            }
            return Err(Drop::NoSa);
        };
        let client = self.table.clients.get_mut(place).ok_or(Drop::NoClient)?;
        if client.veil.is_some() {
            self.depart_veiled(place, departure, (len, limit))?;
            self.count_sent(place, len, is_ipv6);
            return Ok(Out::Fragmented);
        }
        let sa = self.table.outbound.get_mut(at).ok_or(Drop::NoSa)?;
        let out = if len > usize::from(limit) {
            self.fragment(departure, place, (id, at, endpoint), usize::from(limit))
        } else {
            let (range, payload_len) = write_headers(departure, &client.template, sa, (len, is_ipv6))?;
            client.template.advance();
            let sequence = take_sequence(sa, id, &mut self.notes)?;
            put(departure.buf, range.start + 4, sequence.to_be_bytes());
            sa.octets += range.len() as u64;
            self.ready.push(Ready { sa: at, range: range.clone(), payload_len });
            Out::Sealed { range, peer: endpoint.peer, local: endpoint.local, encap: endpoint.encap }
        };
        self.count_sent(place, len, is_ipv6);
        Ok(out)
    }

    /// A packet whose session protects it once more: sealed apart, whole or in fragments.
    fn depart_veiled(
        &mut self,
        place: usize,
        departure: &Departure<'_>,
        (len, limit): (usize, u16),
    ) -> Result<(), Drop> {
        let id = self.id_of(place)?;
        let packet = departure.buf.get(departure.start..departure.start.saturating_add(len)).ok_or(Drop::NoRoom)?;
        let mut pieces = Vec::new();
        if len > usize::from(limit) {
            fragment_ipv4(packet, usize::from(limit), &mut |header, data| pieces.push([header, data].concat()));
            self.totals.fragmented += 1;
        }
        let whole = pieces.is_empty().then_some(packet);
        for piece in whole.into_iter().chain(pieces.iter().map(Vec::as_slice)) {
            self.seal_ip(id, piece);
        }
        Ok(())
    }

    /// Finds the client of a packet, lowers the MSS, and looks at the size; what is too large and must not be cut is
    /// dropped, and its sender told.
    pub(super) fn fit(&mut self, packet: &mut [u8], now: Instant) -> Result<Fitting, Drop> {
        let is_ipv6 = version(packet) == Some(6);
        let (place, len, may_fragment) = if is_ipv6 {
            let ip = Ipv6::new(packet).ok_or(Drop::BadIp)?;
            let place = self.table.place_of_prefix(upper_half(ip.destination()));
            (place, ip.total_len(), false)
        } else {
            let ip = Ipv4::new(packet).ok_or(Drop::BadIp)?;
            let place = self.table.place_of_address(ip.destination().to_bits());
            (place, ip.total_len(), !ip.dont_fragment())
        };
        let place = place.ok_or(Drop::NoClient)?;
        if !is_ipv6 && self.table.is_guarded(place, Way::Out) {
            let ip = Ipv4::new(packet).ok_or(Drop::BadIp)?;
            if !self.table.passes(place, &ip, Way::Out, &mut self.notes, now) {
                return Err(Drop::Filtered);
            }
        }
        let fit = self.table.clients.get(place).map_or(u16::MAX, |client| self.table.fit(client));
        let client = self.table.clients.get_mut(place).ok_or(Drop::NoClient)?;
        let session = client.session.as_ref().ok_or(Drop::NoClient)?;
        let overhead = client.veil.as_ref().map_or(0, |veil| veil.overhead());
        let fit = fit.saturating_sub(overhead);
        if let Some(mss) = mss_of(session, is_ipv6, fit) {
            clamp_mss(packet, mss);
        }
        let limit = if is_ipv6 {
            session.ipv6_mtu().min(fit.max(super::ipv6::LEAST_MTU)).min(MAX_LIMIT)
        } else {
            let mru = session.mru.saturating_sub(overhead);
            mru.min(session.mtu).min(fit).clamp(MIN_LIMIT, MAX_LIMIT)
        };
        if len > usize::from(limit) && !may_fragment {
            let packet = packet.get(..len).unwrap_or_default();
            if self.replies.len() < MAX_REPLIES
                && client.icmp.take(ICMP_EVERY, ICMP_BURST, now)
                && let Some(icmp) = too_big(packet, limit, session)
            {
                self.replies.push_back(icmp);
                self.totals.icmp += 1;
            }
            return Err(Drop::TooBig);
        }
        Ok(Fitting { place, len, limit, is_ipv6 })
    }

    /// Counts a packet that goes to a client.
    pub(super) fn count_sent(&mut self, place: usize, len: usize, is_ipv6: bool) {
        if let Some(client) = self.table.clients.get_mut(place) {
            for counters in [&mut client.counters, &mut self.totals.ip] {
                counters.count_out(len as u64, is_ipv6);
            }
        }
        self.table.saw(place, Seen::Sent);
    }

    /// Seals all departures that are ready, as one batch.
    fn seal(&mut self, batch: &mut [Departure<'_>]) {
        let mut jobs: Vec<Seal<'_>> = core::mem::take(&mut self.seals);
        let waiting = batch.iter_mut().filter(|departure| matches!(departure.result, Out::Sealed { .. }));
        for (ready, departure) in self.ready.iter().zip(waiting) {
            let Some(sa) = self.table.outbound.get(ready.sa) else {
                break;
            };
            let Some(packet) = departure.buf.get_mut(ready.range.clone()) else {
                break;
            };
            jobs.push(Seal { key: &sa.key, packet, payload_len: ready.payload_len, next_header: UDP });
        }
        crypto::esp::seal(&mut jobs, &mut self.ivs);
        jobs.clear();
        // The allocation is kept, empty: the elements' type is the same but for the lifetime.
        self.seals = jobs.into_iter().map_while(|_| None).collect();
        self.ready.clear();
    }

    /// Cuts a packet that is too large (RFC 791 §3.2); the pieces get their numbers after the batch, in the order of sending.
    fn fragment(
        &mut self,
        departure: &Departure<'_>,
        place: usize,
        (id, at, endpoint): (ClientId, usize, Endpoint),
        limit: usize,
    ) -> Out {
        let Self { table, totals, spare, owned, sealed, .. } = self;
        let Table { clients, outbound, .. } = table;
        let packet = departure.buf.get(departure.start..).unwrap_or_default();
        let packet = packet.get(..departure.len).unwrap_or_default();
        let (Some(client), Some(sa)) = (clients.get_mut(place), outbound.get(at)) else {
            return Out::Fragmented;
        };
        fragment_ipv4(packet, limit, &mut |header, data| {
            if sealed.len() + owned.len() >= MAX_SEALED {
                totals.count(Drop::QueueFull);
                return;
            }
            let buffer = spare.pop().unwrap_or_default();
            let parts = [client.template.headers(), header, data];
            let (mut bytes, payload_len) = lay_out(buffer, sa, &parts);
            let payload = sa.suite.payload_offset()..sa.suite.payload_offset() + payload_len;
            client.template.set_lengths(bytes.get_mut(payload).unwrap_or_default());
            client.template.advance();
            owned.push(Owned { client: id, sa: at, bytes, payload_len, endpoint });
        });
        totals.fragmented += 1;
        Out::Fragmented
    }

    /// Seals packets of our own making and queues them for sending.
    fn seal_owned(&mut self) {
        let mut owned = core::mem::take(&mut self.owned);
        owned.retain_mut(|packet| {
            let Some(sa) = self.table.outbound.get_mut(packet.sa) else {
                return false;
            };
            let sequence = take_sequence(sa, packet.client, &mut self.notes);
            let Ok(sequence) = sequence.inspect_err(|why| self.totals.count(*why)) else {
                return false;
            };
            put(&mut packet.bytes, 4, sequence.to_be_bytes());
            sa.octets += packet.bytes.len() as u64;
            true
        });
        let mut jobs: Vec<Seal<'_>> = Vec::with_capacity(owned.len());
        for packet in &mut owned {
            let Some(sa) = self.table.outbound.get(packet.sa) else {
                continue;
            };
            let payload_len = packet.payload_len;
            jobs.push(Seal { key: &sa.key, packet: &mut packet.bytes, payload_len, next_header: UDP });
        }
        crypto::esp::seal(&mut jobs, &mut self.ivs);
        drop(jobs);
        for Owned { bytes, endpoint: Endpoint { peer, local, encap }, .. } in owned.drain(..) {
            self.sealed.push_back(SealedPacket { bytes, peer, local, encap });
        }
        self.owned = owned;
    }

    /// Seals UDP with an L2TP message on the client's active SA.
    pub(super) fn seal_message(&mut self, client: ClientId, source_port: u16, peer_port: u16, l2tp: &[u8]) -> bool {
        let Some(len) = l2tp.len().checked_add(8).and_then(|len| u16::try_from(len).ok()) else {
            return false;
        };
        let mut udp = [0; 8];
        put(&mut udp, 0, source_port.to_be_bytes());
        put(&mut udp, 2, peer_port.to_be_bytes());
        put(&mut udp, 4, len.to_be_bytes());
        self.seal_own(client, |_| (), &[&udp, l2tp])
    }

    /// Seals a PPP frame as a data packet of the client's session.
    pub(super) fn seal_frame(&mut self, client: ClientId, ppp: &[u8]) -> bool {
        let Some(template) = self.table.next_template(client) else { return false };
        if ppp.len() > usize::from(MAX_LIMIT) {
            return false;
        }
        let set_lengths = |payload: &mut [u8]| template.set_lengths(payload);
        self.seal_own(client, set_lengths, &[template.headers_without_ppp(), ppp])
    }

    /// Seals an IP packet of our own making as a data packet of the client's session.
    pub(super) fn seal_ip(&mut self, client: ClientId, packet: &[u8]) -> bool {
        if packet.len() > usize::from(MAX_LIMIT) {
            return false;
        }
        let known = self.table.place_of(client).and_then(|at| self.table.clients.get_mut(at));
        if let Some(Client { veil: Some(veil), session: Some(session), .. }) = known {
            let control: &[u8] = if session.acfc { &[] } else { &[0xff, 0x03] };
            let frame = [control, &veil.seal(packet)].concat();
            return self.seal_frame(client, &frame);
        }
        let Some(template) = self.table.next_template(client) else { return false };
        let is_ipv6 = version(packet) == Some(6);
        let finish = |payload: &mut [u8]| template.finish(payload, is_ipv6);
        self.seal_own(client, finish, &[template.headers(), packet])
    }

    fn seal_own(&mut self, id: ClientId, finish: impl FnOnce(&mut [u8]), parts: &[&[u8]]) -> bool {
        let carrier = self.table.client(id).and_then(|client| self.table.carrier(client));
        let Some(carrier) = carrier else {
            return false;
        };
        let (Some(endpoint), Some(at)) = (carrier.endpoint, carrier.active) else {
            // One that the client has never used may wait while the client may be on another.
            self.totals.count(Drop::NoSa);
            return true;
        };
        self.seal_at(carrier.id, at, endpoint, finish, parts)
    }

    /// Seals a message of our own on this outbound SA.
    pub(super) fn seal_at(
        &mut self,
        id: ClientId,
        at: usize,
        endpoint: Endpoint,
        finish: impl FnOnce(&mut [u8]),
        parts: &[&[u8]],
    ) -> bool {
        let Some(sa) = self.table.outbound.get(at) else {
            return false;
        };
        if self.sealed.len() >= MAX_SEALED {
            self.totals.count(Drop::QueueFull);
            return true;
        }
        let (mut bytes, payload_len) = lay_out(self.spare.pop().unwrap_or_default(), sa, parts);
        let payload = sa.suite.payload_offset()..sa.suite.payload_offset() + payload_len;
        finish(bytes.get_mut(payload).unwrap_or_default());
        self.owned.push(Owned { client: id, sa: at, bytes, payload_len, endpoint });
        self.totals.control_out += 1;
        self.seal_owned();
        true
    }
}

/// The largest IP packet that leaves in one piece, behind so many octets of UDP, L2TP and PPP in front of it.
fn fit(suite: Suite, endpoint: Endpoint, headers: usize) -> u16 {
    let ip = if endpoint.peer.is_ipv4() { 20 } else { 40 };
    let udp = if endpoint.encap == Encap::Udp { 8 } else { 0 };
    let payload = suite.max_payload(OUTER_MTU.saturating_sub(ip + udp));
    u16::try_from(payload.saturating_sub(headers)).unwrap_or(u16::MAX)
}

/// The MSS that a connection is lowered to, where the session wants that: no segment needs more than one packet outside.
fn mss_of(session: &SessionPath, is_ipv6: bool, fit: u16) -> Option<u16> {
    if is_ipv6 {
        let fit = fit.max(super::ipv6::LEAST_MTU);
        return session.ipv6.and_then(|ipv6| ipv6.mss).map(|mss| mss.min(fit.saturating_sub(IPV6_AND_TCP)));
    }
    session.mss.map(|mss| mss.min(fit.saturating_sub(IPV4_AND_TCP)))
}

impl Table {
    /// The headers of a client's next data message.
    pub(super) fn next_template(&mut self, id: ClientId) -> Option<Template> {
        let client = self.clients.get_mut(self.place_of(id)?).filter(|client| client.session.is_some())?;
        let template = client.template;
        client.template.advance();
        Some(template)
    }

    /// The largest IP packet of a client's that leaves in one piece on the SA that is active. What ESP does not carry has no
    /// suite, and what waits for an SA is looked at once more.
    #[inline]
    fn fit(&self, client: &Client) -> u16 {
        let Some(carrier) = self.carrier(client) else { return u16::MAX };
        let sa = carrier.active.and_then(|at| self.outbound.get(at));
        match (sa, carrier.endpoint) {
            (Some(sa), Some(place)) => fit(sa.suite, place, client.template.len),
            _ => u16::MAX,
        }
    }

    /// The MSS for connections of a client.
    pub(super) fn mss(&self, client: usize, is_ipv6: bool) -> Option<u16> {
        let client = self.clients.get(client)?;
        let session = client.session.as_ref()?;
        mss_of(session, is_ipv6, self.fit(client))
    }
}

/// The answer to a packet of either version that does not fit.
fn too_big(packet: &[u8], limit: u16, session: &SessionPath) -> Option<Vec<u8>> {
    if version(packet) == Some(6) {
        icmpv6::too_big(packet, limit.into(), session.ipv6?.our_global()?)
    } else {
        icmp_too_big(packet, limit, session.our_address)
    }
}

/// Writes everything that stands before an IP packet of `len` octets but the sequence number; the ESP packet's place and its
/// payload's length.
fn write_headers(
    departure: &mut Departure<'_>,
    template: &Template,
    sa: &OutboundSa,
    (len, is_ipv6): (usize, bool),
) -> Result<(Range<usize>, usize), Drop> {
    let payload = sa.suite.payload_offset();
    let payload_len = template.len + len;
    let begin = departure.start.checked_sub(payload + template.len).ok_or(Drop::NoRoom)?;
    let range = begin..begin + sa.suite.padded_len(payload_len);
    let esp = departure.buf.get_mut(range.clone()).ok_or(Drop::NoRoom)?;
    put(esp, 0, sa.spi.0.to_be_bytes());
    let inner = esp.get_mut(payload..payload + payload_len).ok_or(Drop::NoRoom)?;
    inner.iter_mut().zip(template.headers()).for_each(|(place, octet)| *place = *octet);
    template.finish(inner, is_ipv6);
    Ok((range, payload_len))
}

/// An ESP packet in a buffer of its own with its payload put together from parts, without a sequence number.
fn lay_out(mut bytes: Vec<u8>, sa: &OutboundSa, parts: &[&[u8]]) -> (Vec<u8>, usize) {
    let payload_len = parts.iter().map(|part| part.len()).sum();
    bytes.clear();
    bytes.extend(sa.spi.0.to_be_bytes());
    bytes.resize(sa.suite.payload_offset(), 0);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes.resize(sa.suite.padded_len(payload_len), 0);
    (bytes, payload_len)
}

/// Packets of a batch, next to each other, that can leave in one call with UDP GSO.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Which of the batch.
    pub packets: Range<usize>,
    /// The octets of each ESP packet; the last may have fewer.
    pub size: usize,
    /// To where.
    pub peer: SocketAddr,
    /// From which of our addresses.
    pub local: IpAddr,
    /// How; with [`Encap::Raw`] a run is one packet.
    pub encap: Encap,
}

/// Groups the sealed packets of a batch into runs, in order.
#[must_use]
pub fn runs<'b, 'a>(batch: &'b [Departure<'a>]) -> Runs<'b, 'a> {
    Runs { batch, at: 0 }
}

/// The iterator of [`runs`].
pub struct Runs<'b, 'a> {
    batch: &'b [Departure<'a>],
    at: usize,
}

impl Iterator for Runs<'_, '_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let rest = self.batch.get(self.at..)?;
        let skipped = rest.iter().position(|departure| matches!(departure.result, Out::Sealed { .. }))?;
        let first = self.at + skipped;
        let Out::Sealed { range, peer, local, encap } = &self.batch.get(first)?.result else {
            return None;
        };
        let size = range.len();
        let (mut end, mut octets) = (first + 1, size);
        while *encap == Encap::Udp && end - first < MAX_RUN {
            let Some(Out::Sealed { range, peer: p, local: l, encap: e }) = self.batch.get(end).map(|d| &d.result)
            else {
                break;
            };
            if (p, l, e) != (peer, local, encap) || range.len() > size || octets + range.len() > MAX_RUN_OCTETS {
                break;
            }
            octets += range.len();
            end += 1;
            if range.len() < size {
                break;
            }
        }
        self.at = end;
        Some(Run { packets: first..end, size, peer: *peer, local: *local, encap: *encap })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use core::net::Ipv4Addr;

    fn sealed(sizes: &[(u16, usize)]) -> Vec<Departure<'static>> {
        let local = Ipv4Addr::new(192, 0, 2, 1).into();
        let out = |(port, size): &(u16, usize)| Departure {
            buf: &mut [],
            start: 0,
            len: 0,
            result: match port {
                0 => Out::Dropped(Drop::NoClient),
                1 => Out::Sealed {
                    range: 50..50 + size,
                    peer: (Ipv4Addr::new(198, 51, 100, 1), 0).into(),
                    local,
                    encap: Encap::Raw,
                },
                port => Out::Sealed {
                    range: 50..50 + size,
                    peer: (Ipv4Addr::new(198, 51, 100, 1), *port).into(),
                    local,
                    encap: Encap::Udp,
                },
            },
        };
        sizes.iter().map(out).collect()
    }

    fn grouped(sizes: &[(u16, usize)]) -> Vec<(Range<usize>, usize)> {
        runs(&sealed(sizes)).map(|run| (run.packets, run.size)).collect()
    }

    #[test]
    fn a_run_is_packets_of_one_size_to_one_place_and_the_last_may_be_shorter() {
        assert_eq!(
            grouped(&[(9, 100), (9, 100), (9, 60), (9, 100), (8, 100)]),
            [(0..3, 100), (3..4, 100), (4..5, 100)]
        );
        assert_eq!(grouped(&[(9, 60), (9, 100)]), [(0..1, 60), (1..2, 100)]);
        assert_eq!(grouped(&[(0, 0), (9, 60), (0, 0), (9, 60), (0, 0)]), [(1..2, 60), (3..4, 60)]);
        assert_eq!(grouped(&[(1, 60), (1, 60)]), [(0..1, 60), (1..2, 60)]);
        assert_eq!(grouped(&[]), []);
    }

    #[test]
    fn a_run_has_no_more_segments_and_octets_than_the_kernel_takes() {
        assert_eq!(grouped(&[(9, 100); 100]), [(0..44, 100), (44..88, 100), (88..100, 100)]);
        assert_eq!(grouped(&[(9, 8_000); 10]), [(0..8, 8_000), (8..10, 8_000)]);
    }

    #[test]
    fn the_template_has_the_headers_that_the_session_negotiated() {
        let session = |acfc, pfc, length_bit| SessionPath {
            client: ClientId(1),
            local_tunnel_id: 1,
            local_session_id: 2,
            peer_tunnel_id: 0x0304,
            peer_session_id: 0x0506,
            peer_port: 0x0708,
            address: Ipv4Addr::new(10, 0, 0, 9),
            our_address: Ipv4Addr::new(10, 0, 0, 1),
            mru: 1400,
            mtu: 1400,
            mss: None,
            acfc,
            pfc,
            length_bit,
            sequencing: false,
            ipv6: None,
        };
        let plain = Template::of(&session(false, false, false));
        assert_eq!(plain.headers(), [6, 165, 7, 8, 0, 0, 0, 0, 0, 2, 3, 4, 5, 6, 0xff, 3, 0, 0x21]);
        assert_eq!(plain.headers_without_ppp().len(), 14);
        let long = Template::of(&session(false, false, true));
        assert_eq!(long.headers(), [6, 165, 7, 8, 0, 0, 0, 0, 0x40, 2, 0, 0, 3, 4, 5, 6, 0xff, 3, 0, 0x21]);
        let short = Template::of(&session(true, true, false));
        assert_eq!(short.headers(), [6, 165, 7, 8, 0, 0, 0, 0, 0, 2, 3, 4, 5, 6, 0x21]);
    }
}
