//! From ESP to IP: SA by SPI, replay, ICV, decryption in place, then UDP, L2TP and PPP taken off.

use super::filter::Way;
use super::split::VNET_LEN;
use super::sum::{long_at, word_at};
use super::table::Seen as Traffic;
use super::{ClientId, Drop, Encap, L2TP_PORT, NOTE_EVERY, Note, Seen, Spi, Unveiled, Worker};
use crate::time::Instant;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use crypto::esp::{Open, OpenError, Opened};
use wire::ip::{Ipv4, Ipv6, clamp_mss};
use wire::ppp::Protocol;

/// How fast a client may send control messages, and how many at once.
const CONTROL_EVERY: Duration = Duration::from_millis(20);
const CONTROL_BURST: u32 = 100;
/// How fast strangers' SPIs are told of.
const UNKNOWN_EVERY: Duration = Duration::from_millis(100);
const UNKNOWN_BURST: u32 = 10;

/// The next header values that ESP may carry here.
const UDP: u8 = 17;
const NO_NEXT_HEADER: u8 = 59;
/// The ports of DHCP servers and clients (RFC 2131 §4.1).
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;

/// An ESP packet that came in.
pub struct Arrival<'a> {
    /// The packet from its SPI on; it is decrypted in place.
    pub bytes: &'a mut [u8],
    /// Where it came from; with [`Encap::Raw`] the port means nothing.
    pub peer: SocketAddr,
    /// Our address that it was sent to, where the socket tells: else the one that its client's IKE comes to.
    pub local: Option<IpAddr>,
    /// How it came.
    pub encap: Encap,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of an arrival.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Not looked at.
    NotTried,
    /// An IP packet for the TUN lies at this place in the bytes.
    Ip(Range<usize>),
    /// It became a note.
    Noted,
    /// It goes no further.
    Dropped(Drop),
}

impl<'a> Arrival<'a> {
    /// A packet that has just come.
    pub fn new(bytes: &'a mut [u8], peer: SocketAddr, local: impl Into<Option<IpAddr>>, encap: Encap) -> Self {
        Self { bytes, peer, local: local.into(), encap, verdict: Verdict::NotTried }
    }

    /// The IP packet for the TUN, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<&[u8]> {
        match &self.verdict {
            Verdict::Ip(place) => self.bytes.get(place.clone()),
            Verdict::NotTried | Verdict::Noted | Verdict::Dropped(_) => None,
        }
    }

    /// The same behind a virtio-net header that asks for nothing; it is written over what stood before the packet.
    #[must_use]
    pub fn ip_behind_vnet(&mut self) -> Option<&[u8]> {
        let Verdict::Ip(place) = &self.verdict else { return None };
        let (header, end) = (place.start.checked_sub(VNET_LEN)?, place.end);
        self.bytes.get_mut(header..place.start)?.fill(0);
        self.bytes.get(header..end)
    }
}

/// An arrival whose SA was found.
pub(super) struct Found {
    at: usize,
    sa: usize,
    sequence: u32,
    opened: Result<Opened, OpenError>,
}

/// What UDP inside ESP carries.
#[derive(PartialEq, Eq, Debug)]
enum Inner {
    Control { peer_port: u16, message: Range<usize> },
    Data { tunnel_id: u16, session_id: u16, ns: Option<u16>, frame: Range<usize> },
}

impl Worker {
    /// Works through packets that came in; the order of a client's packets stays.
    pub fn inbound(&mut self, batch: &mut [Arrival<'_>], now: Instant) {
        let mut found = core::mem::take(&mut self.found);
        let mut last = None;
        for (at, arrival) in batch.iter_mut().enumerate() {
            arrival.verdict = match self.find(arrival) {
                Ok((sa, sequence)) => {
                    if last.replace(sa) != Some(sa) {
                        self.table.prefetch_inbound(sa);
                    }
                    found.push(Found { at, sa, sequence, opened: Err(OpenError::NotTried) });
                    Verdict::NotTried
                }
                Err(why) => self.refuse(why, arrival, now),
            };
        }
        self.open(batch, &mut found);
        for found in found.drain(..) {
            let Some(arrival) = batch.get_mut(found.at) else {
                continue;
            };
            arrival.verdict = match self.receive(&found, arrival, now) {
                Ok(verdict) => verdict,
                Err(why) => self.refuse(why, arrival, now),
            };
        }
        self.found = found;
        self.table.flush(&mut self.notes, now);
    }

    /// Looks up the SA and drops what is surely a replay before any arithmetic is spent on it.
    fn find(&self, arrival: &Arrival<'_>) -> Result<(usize, u32), Drop> {
        if arrival.bytes.len() < 8 {
            return Err(Drop::BadLength);
        }
        let at = self.table.place_of_spi(long_at(arrival.bytes, 0)).ok_or(Drop::UnknownSpi)?;
        let sa = self.table.inbound.get(at).ok_or(Drop::UnknownSpi)?;
        let sequence = long_at(arrival.bytes, 4);
        if sa.anti_replay && !sa.replay.is_fresh(sequence) {
            return Err(Drop::Replayed);
        }
        Ok((at, sequence))
    }

    fn refuse(&mut self, why: Drop, arrival: &Arrival<'_>, now: Instant) -> Verdict {
        if why == Drop::UnknownSpi && self.early.keep(Spi(long_at(arrival.bytes, 0)), arrival, now) {
            return Verdict::Noted;
        }
        self.totals.count(why);
        if why == Drop::UnknownSpi
            && self.notes.has_room_for_chatter()
            && self.unknown.take(UNKNOWN_EVERY, UNKNOWN_BURST, now)
        {
            let spi = Spi(long_at(arrival.bytes, 0));
            self.notes.tell(Note::UnknownSpi { spi, peer: arrival.peer });
        }
        Verdict::Dropped(why)
    }

    /// Checks and decrypts everything that was found, as one batch.
    fn open(&mut self, batch: &mut [Arrival<'_>], found: &mut [Found]) {
        let mut jobs: Vec<Open<'_>> = core::mem::take(&mut self.opens);
        let waiting = batch.iter_mut().filter(|arrival| arrival.verdict == Verdict::NotTried);
        for (found, arrival) in found.iter().zip(waiting) {
            let Some(sa) = self.table.inbound.get(found.sa) else {
                break;
            };
            jobs.push(Open { key: &sa.key, packet: arrival.bytes, result: Err(OpenError::NotTried) });
        }
        crypto::esp::open(&mut jobs);
        for (found, job) in found.iter_mut().zip(jobs.drain(..)) {
            found.opened = job.result;
        }
        // The allocation is kept, empty: the elements' type is the same but for the lifetime.
        self.opens = jobs.into_iter().map_while(|_| None).collect();
    }

    /// What happens to one packet after its ICV has been checked.
    fn receive(&mut self, found: &Found, arrival: &mut Arrival<'_>, now: Instant) -> Result<Verdict, Drop> {
        // A shorter ICV leaves what is not whole blocks, or is compared with the wrong octets.
        let failed = matches!(found.opened, Err(OpenError::BadIcv | OpenError::BadLength));
        let again = if failed { self.table.shortened(found.sa, arrival.bytes, &mut self.notes) } else { None };
        let (start, len, next_header) = match again.map_or(found.opened, Ok) {
            Ok(opened) => (opened.start, opened.len, opened.next_header),
            Err(OpenError::BadIcv) => return Err(Drop::BadIcv),
            Err(OpenError::BadPadding) => return Err(Drop::BadPadding),
            Err(OpenError::NotTried | OpenError::TooShort | OpenError::BadLength) => return Err(Drop::BadLength),
        };
        let client = self.authenticated(found, arrival, now)?;
        match next_header {
            UDP => {}
            NO_NEXT_HEADER => return Err(Drop::Dummy),
            _ => return Err(Drop::NotL2tp),
        }
        let payload = arrival.bytes.get_mut(start..start.saturating_add(len)).ok_or(Drop::BadLength)?;
        match unwrap_l2tp(payload)? {
            Inner::Control { peer_port, message } => {
                self.allow_control(client, now)?;
                let id = self.id_of(client)?;
                let spi = Spi(long_at(arrival.bytes, 0));
                let l2tp = arrival.bytes.get(shifted(message, start)).unwrap_or_default().to_vec();
                self.note_control(Note::Control { client: id, spi, peer_port, l2tp })
            }
            Inner::Data { tunnel_id, session_id, ns, frame } => {
                let frame = shifted(frame, start);
                let trusted = self.table.inbound.get(found.sa).is_some_and(|sa| sa.trusted);
                if trusted && let Some(of) = self.table.with_session(client, (tunnel_id, session_id)) {
                    return self.receive_data(of, ns, arrival.bytes, frame, now);
                }
                self.receive_stray(found.sa, client, (tunnel_id, session_id), arrival, frame, now)
            }
        }
    }

    /// A frame of a session that this SA does not carry, or not yet. A client sends its first ones right behind ICCN, before
    /// the engine can have told of the session: they follow ICCN to it. Beside a session that stands, IP is of one that is
    /// over.
    #[cold]
    fn receive_stray(
        &mut self,
        sa: usize,
        client: usize,
        ids: (u16, u16),
        arrival: &Arrival<'_>,
        frame: Range<usize>,
        now: Instant,
    ) -> Result<Verdict, Drop> {
        let frame = arrival.bytes.get(frame).ok_or(Drop::BadL2tp)?;
        let trusted = self.table.inbound.get(sa).is_some_and(|sa| sa.trusted);
        if trusted && self.table.carries_sessions(client) && is_ip(frame) {
            return Err(Drop::WrongSession);
        }
        let spi = Spi(long_at(arrival.bytes, 0));
        let endpoint = self.table.clients.get(client).and_then(|client| client.endpoint);
        let nothing_told = match arrival.peer {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = arrival.local.or_else(|| Some(endpoint?.local)).unwrap_or(nothing_told);
        self.stray(client, (spi, (arrival.peer, local)), ids, frame, now)
    }

    /// The packet is the client's own: counts it, and draws what follows from its SA, number and source.
    fn authenticated(&mut self, found: &Found, arrival: &Arrival<'_>, now: Instant) -> Result<usize, Drop> {
        let sa = self.table.inbound.get_mut(found.sa).ok_or(Drop::UnknownSpi)?;
        let seen = sa.replay.accept(found.sequence);
        if sa.anti_replay && seen == Seen::Replayed {
            return Err(Drop::Replayed);
        }
        sa.octets += arrival.bytes.len() as u64;
        let (at, spi, used, trusted) = (sa.client, sa.spi, sa.used, sa.trusted);
        let client = self.table.clients.get_mut(at).ok_or(Drop::UnknownSpi)?;
        let id = client.id;
        // Who has shown nothing but the group's key moves nobody and keeps nobody alive.
        if trusted
            && seen == Seen::Newest
            && let Some(endpoint) = client.endpoint
            && endpoint.encap == arrival.encap
            && !same_place(endpoint.peer, arrival.peer, arrival.encap)
            && now.reached(client.moved_due)
            && let local = arrival.local.unwrap_or(endpoint.local)
            && self.notes.tell(Note::Moved { client: id, peer: arrival.peer, local })
        {
            client.moved_due = now.after(NOTE_EVERY);
        }
        if !used {
            if self.notes.tell(Note::Used { client: id, spi })
                && let Some(sa) = self.table.inbound.get_mut(found.sa)
            {
                sa.used = true;
            }
            self.table.activate_paired(at, spi);
        }
        self.table.check_volume(found.sa, &mut self.notes);
        if trusted {
            self.table.saw(at, Traffic::Alive);
        }
        Ok(at)
    }

    pub(super) fn id_of(&self, client: usize) -> Result<ClientId, Drop> {
        self.table.clients.get(client).map(|client| client.id).ok_or(Drop::UnknownSpi)
    }

    /// Whether the client may have one more note of its making.
    pub(super) fn allow_control(&mut self, client: usize, now: Instant) -> Result<(), Drop> {
        if !self.notes.has_room_for_chatter() {
            return Err(Drop::QueueFull);
        }
        let client = self.table.clients.get_mut(client).ok_or(Drop::UnknownSpi)?;
        if client.control.take(CONTROL_EVERY, CONTROL_BURST, now) { Ok(()) } else { Err(Drop::ControlFlood) }
    }

    pub(super) fn note_control(&mut self, note: Note) -> Result<Verdict, Drop> {
        self.totals.control_in += 1;
        if self.notes.tell(note) { Ok(Verdict::Noted) } else { Err(Drop::QueueFull) }
    }

    /// A frame of the client's session.
    pub(super) fn receive_data(
        &mut self,
        client: usize,
        ns: Option<u16>,
        bytes: &mut [u8],
        frame: Range<usize>,
        now: Instant,
    ) -> Result<Verdict, Drop> {
        let known = self.table.clients.get_mut(client).ok_or(Drop::UnknownSpi)?;
        let session = known.session.as_ref().ok_or(Drop::WrongSession)?;
        if let Some(ns) = ns.filter(|_| session.sequencing) {
            // RFC 2661 §5.8 tells what lies behind: the number before the one that is due, and the 32767 before it.
            if ns.wrapping_sub(known.expected) >= 0x8000 {
                return Err(Drop::OutOfSequence);
            }
            known.expected = ns.wrapping_add(1);
        }
        self.receive_frame(client, bytes, frame, now)
    }

    /// A PPP frame of the client's session, at `frame` in the bytes.
    pub(super) fn receive_frame(
        &mut self,
        client: usize,
        bytes: &mut [u8],
        frame: Range<usize>,
        now: Instant,
    ) -> Result<Verdict, Drop> {
        let veiled = self.table.clients.get(client).is_some_and(|client| client.veil.is_some());
        let Some(frame) = (if veiled { self.unveil(client, bytes, frame)? } else { Some(frame) }) else {
            return Ok(Verdict::Noted);
        };
        let ppp = bytes.get(frame.clone()).ok_or(Drop::BadL2tp)?;
        let (protocol, rest) = wire::ppp::decode_frame(ppp).map_err(|_| Drop::BadPpp)?;
        let start = frame.end - rest.len();
        if protocol == Protocol::Ipv6 && self.speaks_ipv6(client) {
            let packet = bytes.get_mut(start..frame.end).ok_or(Drop::BadPpp)?;
            return self.receive_ipv6(client, packet, start, now);
        }
        if protocol != Protocol::Ipv4 {
            self.allow_control(client, now)?;
            let note = Note::Frame { client: self.id_of(client)?, ppp: ppp.to_vec() };
            return self.note_control(note);
        }
        let packet = bytes.get_mut(start..frame.end).ok_or(Drop::BadPpp)?;
        self.receive_ip(client, packet, start, now)
    }

    /// Takes the veil off a frame, in its place; `None` if that was all about it.
    fn unveil(&mut self, client: usize, bytes: &mut [u8], frame: Range<usize>) -> Result<Option<Range<usize>>, Drop> {
        let known = self.table.clients.get_mut(client).ok_or(Drop::UnknownSpi)?;
        let id = known.id;
        let veil = known.veil.as_mut().ok_or(Drop::Unveiled)?;
        let place = bytes.get_mut(frame.clone()).ok_or(Drop::BadL2tp)?;
        match veil.open(place) {
            Unveiled::Ip(ip) => {
                let start = place.len().checked_sub(ip.len()).ok_or(Drop::Unveiled)?;
                place.get_mut(start..).ok_or(Drop::Unveiled)?.copy_from_slice(&ip);
                Ok(Some(frame.start + start..frame.end))
            }
            Unveiled::Other => Ok(Some(frame)),
            Unveiled::Own(answer) => {
                if let Some(answer) = answer {
                    self.seal_frame(id, &answer);
                }
                Ok(None)
            }
            Unveiled::Refused => Err(Drop::Unveiled),
        }
    }

    /// An IPv4 packet of the client; `start` is its place in the arrival's bytes.
    fn receive_ip(&mut self, client: usize, packet: &mut [u8], start: usize, now: Instant) -> Result<Verdict, Drop> {
        let known = self.table.clients.get(client).ok_or(Drop::UnknownSpi)?;
        let session = known.session.as_ref().ok_or(Drop::WrongSession)?;
        if session.address == Ipv4Addr::UNSPECIFIED {
            // The packet goes no further, but that there was one tells PPP that the client has opened its side.
            if self.allow_control(client, now).is_ok() {
                let ppp = wire::ppp::encode_frame(Protocol::Ipv4, &[]);
                let _ = self.note_control(Note::Frame { client: self.id_of(client)?, ppp });
            }
            return Err(Drop::NotUp);
        }
        let ip = Ipv4::new(packet).ok_or(Drop::BadIp)?;
        if ip.source() != session.address {
            return Err(Drop::SpoofedSource);
        }
        let len = ip.total_len();
        let to = ip.destination();
        if !self.table.passes(client, &ip, Way::In, &mut self.notes, now) {
            return Err(Drop::Filtered);
        }
        if to.is_multicast() || to.is_broadcast() {
            if !is_dhcp(&ip) {
                return Err(Drop::Multicast);
            }
            self.allow_control(client, now)?;
            let packet = packet.get(..len).unwrap_or_default().to_vec();
            let note = Note::Dhcp { client: self.id_of(client)?, packet };
            return self.note_control(note);
        }
        let packet = packet.get_mut(..len).ok_or(Drop::BadIp)?;
        if let Some(mss) = self.table.mss(client, false) {
            clamp_mss(packet, mss);
        }
        Ok(self.forward(client, start..start + len, false))
    }

    fn speaks_ipv6(&self, client: usize) -> bool {
        let known = self.table.clients.get(client);
        known.is_some_and(|client| client.session.as_ref().is_some_and(|session| session.ipv6.is_some()))
    }

    /// An IPv6 packet of the client, whose session speaks it; `start` is its place in the arrival's bytes.
    fn receive_ipv6(&mut self, client: usize, packet: &mut [u8], start: usize, now: Instant) -> Result<Verdict, Drop> {
        let known = self.table.clients.get(client).ok_or(Drop::UnknownSpi)?;
        let session = known.session.as_ref().ok_or(Drop::WrongSession)?;
        let ipv6 = session.ipv6.ok_or(Drop::NotUp)?;
        let ip = Ipv6::new(packet).ok_or(Drop::BadIp)?;
        let len = ip.total_len();
        if ipv6.is_for_the_link(&ip) {
            if !ipv6.is_answered(&ip) {
                return Err(Drop::Multicast);
            }
            self.allow_control(client, now)?;
            let packet = packet.get(..len).unwrap_or_default().to_vec();
            let note = Note::Inside { client: self.id_of(client)?, packet };
            return self.note_control(note);
        }
        if ipv6.prefix.is_none() {
            return Err(Drop::NotUp);
        }
        if !ipv6.covers(ip.source()) {
            return Err(Drop::SpoofedSource);
        }
        let packet = packet.get_mut(..len).ok_or(Drop::BadIp)?;
        if let Some(mss) = self.table.mss(client, true) {
            clamp_mss(packet, mss);
        }
        Ok(self.forward(client, start..start + len, true))
    }

    /// Counts a packet that goes to the TUN.
    fn forward(&mut self, client: usize, place: Range<usize>, is_ipv6: bool) -> Verdict {
        if let Some(known) = self.table.clients.get_mut(client) {
            for counters in [&mut known.counters, &mut self.totals.ip] {
                counters.count_in(place.len() as u64, is_ipv6);
            }
        }
        self.table.saw(client, Traffic::Data);
        Verdict::Ip(place)
    }
}

/// Whether a PPP frame carries IP.
fn is_ip(frame: &[u8]) -> bool {
    wire::ppp::decode_frame(frame).is_ok_and(|(protocol, _)| matches!(protocol, Protocol::Ipv4 | Protocol::Ipv6))
}

fn shifted(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// With raw ESP there is no port to compare.
fn same_place(a: SocketAddr, b: SocketAddr, encap: Encap) -> bool {
    match encap {
        Encap::Udp => a == b,
        Encap::Raw => a.ip() == b.ip(),
    }
}

fn is_dhcp(ip: &Ipv4<'_>) -> bool {
    let udp = ip.payload();
    ip.protocol() == UDP
        && ip.fragment_offset() == 0
        && word_at(udp, 0) == DHCP_CLIENT
        && word_at(udp, 2) == DHCP_SERVER
}

/// Takes UDP and the L2TP header off (RFC 2661 §3.1); the ranges are within `payload`.
///
/// The UDP checksum is not looked at: in transport mode it covers addresses that a NAT has changed (RFC 3948 §3.1.2), and
/// the ICV has vouched for the octets.
fn unwrap_l2tp(payload: &[u8]) -> Result<Inner, Drop> {
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    if payload.len() < 8 || word_at(payload, 2) != L2TP_PORT {
        return Err(Drop::NotL2tp);
    }
    let peer_port = word_at(payload, 0);
    let end = usize::from(word_at(payload, 4));
    if end > payload.len() || end < 8 + 6 {
        return Err(Drop::BadL2tp);
    }
    let flags = word_at(payload, 8);
    if flags & 0x000f != 2 {
        return Err(Drop::BadL2tp);
    }
    if flags & 0x8000 != 0 {
        return Ok(Inner::Control { peer_port, message: 8..end });
    }
    let (mut end, mut at) = (end, 10);
    if flags & LENGTH != 0 {
        let length = 8 + usize::from(word_at(payload, at));
        if length > end {
            return Err(Drop::BadL2tp);
        }
        (end, at) = (length, at + 2);
    }
    let (tunnel_id, session_id) = (word_at(payload, at), word_at(payload, at + 2));
    at += 4;
    let mut ns = None;
    if flags & SEQUENCE != 0 {
        ns = Some(word_at(payload, at));
        at += 4;
    }
    if flags & OFFSET != 0 {
        at += 2;
        if at <= end {
            at += usize::from(word_at(payload, at - 2));
        }
    }
    if at > end {
        return Err(Drop::BadL2tp);
    }
    Ok(Inner::Data { tunnel_id, session_id, ns, frame: at..end })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::rng::Rng;

    fn udp(l2tp: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x12, 0x34, 0x06, 0xa5];
        packet.extend(((8 + l2tp.len()) as u16).to_be_bytes());
        packet.extend([0xbe, 0xef]);
        packet.extend(l2tp);
        packet
    }

    #[test]
    fn every_form_of_the_data_header_is_taken_off() {
        let forms: [&[u8]; 7] = [
            &[0x00, 0x02, 0, 5, 0, 6],
            &[0x40, 0x02, 0, 9, 0, 5, 0, 6],
            &[0x48, 0x02, 0, 13, 0, 5, 0, 6, 0, 0, 0, 0],
            &[0x08, 0x02, 0, 5, 0, 6, 0, 0, 0, 0],
            &[0x02, 0x02, 0, 5, 0, 6, 0, 3, 1, 2, 3],
            &[0x02, 0x02, 0, 5, 0, 6, 0, 0],
            &[0x4b, 0x02, 0, 16, 0, 5, 0, 6, 0, 0, 0, 0, 0, 1, 9],
        ];
        for form in forms {
            let packet = udp(&[form, &[0xaa]].concat());
            let frame = packet.len() - 1..packet.len();
            let ns = (form[0] & 0x08 != 0).then_some(0);
            assert_eq!(unwrap_l2tp(&packet), Ok(Inner::Data { tunnel_id: 5, session_id: 6, ns, frame }), "{form:x?}");
        }
    }

    #[test]
    fn what_lies_behind_the_udp_length_or_the_l2tp_length_is_cut_off() {
        let mut packet = udp(&[0x40, 0x02, 0, 9, 0, 5, 0, 6, 0xaa, 0xbb]);
        packet.extend([1, 2, 3]);
        assert_eq!(unwrap_l2tp(&packet), Ok(Inner::Data { tunnel_id: 5, session_id: 6, ns: None, frame: 16..17 }));
    }

    #[test]
    fn a_control_message_is_taken_whole_with_the_peers_port() {
        let packet = udp(&[0xc8, 0x02, 0, 12, 0, 5, 0, 0, 0, 1, 0, 2]);
        assert_eq!(unwrap_l2tp(&packet), Ok(Inner::Control { peer_port: 0x1234, message: 8..20 }));
    }

    #[test]
    fn headers_that_do_not_fit_are_refused() {
        assert_eq!(unwrap_l2tp(&[]), Err(Drop::NotL2tp));
        assert_eq!(unwrap_l2tp(&[0, 1, 0, 2, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(Drop::NotL2tp));
        assert_eq!(unwrap_l2tp(&udp(&[0, 2, 0, 5])), Err(Drop::BadL2tp));
        assert_eq!(unwrap_l2tp(&udp(&[0, 3, 0, 5, 0, 6, 1])), Err(Drop::BadL2tp));
        assert_eq!(unwrap_l2tp(&udp(&[0x40, 2, 0, 10, 0, 5, 0, 6])), Err(Drop::BadL2tp));
        assert_eq!(unwrap_l2tp(&udp(&[0x40, 2, 0, 7, 0, 5, 0, 6])), Err(Drop::BadL2tp));
        assert_eq!(unwrap_l2tp(&udp(&[0x02, 2, 0, 5, 0, 6, 0, 1])), Err(Drop::BadL2tp));
        assert_eq!(unwrap_l2tp(&udp(&[0x02, 2, 0, 5, 0, 6])), Err(Drop::BadL2tp));
        assert_eq!(unwrap_l2tp(&udp(&[0x08, 2, 0, 5, 0, 6, 0, 1])), Err(Drop::BadL2tp));
    }

    #[test]
    fn random_octets_never_leave_the_packet() {
        let mut rng = Rng::new([7; 32]);
        for _ in 0..20_000 {
            let mut packet = vec![0; rng.u32() as usize % 40];
            rng.fill(&mut packet);
            if packet.len() >= 10 && !rng.u32().is_multiple_of(4) {
                packet[2..4].copy_from_slice(&L2TP_PORT.to_be_bytes());
                packet[4] = 0;
                packet[5] %= 41;
                packet[9] = 2;
            }
            if let Ok(Inner::Control { message: range, .. } | Inner::Data { frame: range, .. }) = unwrap_l2tp(&packet) {
                assert!(packet.get(range).is_some());
            }
        }
    }
}
