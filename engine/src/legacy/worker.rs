//! PPTP's data path: GRE in, IP out, and back, around a [`path::Worker`] that keeps what sessions have in common.

use super::gre::Gre;
use super::mppe::{Mppe, NotOpened};
use crate::path::{self, ClientId, Note, SessionPath, Update, Verdict};
use crate::time::{Instant, earliest};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use wire::legacy::ccp::{CCP, COMPRESSED, RESET_ACK, RESET_REQUEST};
use wire::legacy::gre::Header;
use wire::ppp::{Packet, Protocol, decode_frame, encode_frame};

/// A Reset-Request is sent again after this.
const RESET_AGAIN: Duration = Duration::from_millis(200);
/// That a client is open before we are is told again after this.
const EARLY_AGAIN: Duration = Duration::from_millis(100);
/// Notes of this worker's own that may wait.
const MOST_NOTES: usize = 1024;
const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;

/// A GRE packet to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// The packet from its GRE header on.
    pub bytes: Vec<u8>,
    /// To where.
    pub peer: IpAddr,
    /// From which of our addresses.
    pub local: IpAddr,
}

/// Sums over all calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GreTotals {
    /// Packets that were no enhanced GRE.
    pub malformed: u64,
    /// Packets of no call.
    pub unknown_call: u64,
    /// Packets of a call, but from elsewhere than its client.
    pub wrong_address: u64,
    /// IP packets in the clear where none may pass.
    pub plain: u64,
    /// Packets that could not be decrypted.
    pub undecrypted: u64,
}

/// How a call's IP packets are protected.
enum Protection {
    /// Nothing is decided: none passes.
    Undecided,
    /// In the clear.
    Plain,
    Protected(Box<Mppe>),
}

/// One call.
struct Line {
    client: ClientId,
    peer: IpAddr,
    local: IpAddr,
    local_call_id: u16,
    window: u16,
    acfc: bool,
    gre: Option<Gre>,
    protection: Protection,
    reset_due: Instant,
    early_due: Instant,
}

/// What PPTP's own thread does with packets.
pub struct Worker {
    sessions: path::Worker,
    reorder: usize,
    lines: BTreeMap<u32, Line>,
    by_call: BTreeMap<u16, u32>,
    out: VecDeque<Datagram>,
    inward: VecDeque<Vec<u8>>,
    notes: VecDeque<Note>,
    totals: GreTotals,
}

impl Worker {
    /// A worker without calls; `window` packets are put back in order at most.
    #[must_use]
    pub fn new(seed: [u8; 32], window: u16) -> Self {
        Self {
            sessions: path::Worker::new(seed),
            reorder: usize::from(window.max(1)),
            lines: BTreeMap::new(),
            by_call: BTreeMap::new(),
            out: VecDeque::new(),
            inward: VecDeque::new(),
            notes: VecDeque::new(),
            totals: GreTotals::default(),
        }
    }

    /// Takes in what the engine says.
    pub fn apply(&mut self, update: Update, now: Instant) {
        match update {
            Update::Peer { client, peer, local, .. } => {
                let line = self.line(client);
                (line.peer, line.local) = (peer.ip(), local);
            }
            Update::Window { client, packets } => self.line(client).window = packets,
            Update::Protect { client, how } => {
                self.line(client).protection = match how {
                    Some(how) => Protection::Protected(Box::new(Mppe::new(how))),
                    None => Protection::Plain,
                };
            }
            Update::Session(session) => {
                self.set_call(&session);
                self.sessions.apply(Update::Session(session), now);
            }
            Update::SealFrame { client, ppp } => {
                let Self { lines, out, .. } = self;
                if let Some(line) = lines.get_mut(&client.0) {
                    line.send_control(&ppp, out);
                }
            }
            Update::SealIp { client, packet } => {
                let protocol = if packet.first().is_some_and(|first| first >> 4 == 6) { IPV6 } else { IPV4 };
                self.send_ip(client, protocol, &packet, now);
            }
            Update::SessionGone { client } => {
                self.forget_call(client);
                self.sessions.apply(update, now);
            }
            Update::Gone { client } => {
                self.forget_call(client);
                self.lines.remove(&client.0);
                self.sessions.apply(update, now);
            }
            other => self.sessions.apply(other, now),
        }
    }

    fn line(&mut self, client: ClientId) -> &mut Line {
        self.lines.entry(client.0).or_insert_with(|| Line {
            client,
            peer: Ipv4Addr::UNSPECIFIED.into(),
            local: Ipv4Addr::UNSPECIFIED.into(),
            local_call_id: 0,
            window: 0,
            acfc: false,
            gre: None,
            protection: Protection::Undecided,
            reset_due: Instant::default(),
            early_due: Instant::default(),
        })
    }

    fn set_call(&mut self, session: &SessionPath) {
        let reorder = self.reorder;
        let line = self.line(session.client);
        line.acfc = session.acfc;
        if line.gre.is_none() {
            line.gre = Some(Gre::new(session.peer_session_id, line.window, reorder));
            line.local_call_id = session.local_session_id;
            self.by_call.insert(session.local_session_id, session.client.0);
        }
    }

    fn forget_call(&mut self, client: ClientId) {
        if let Some(line) = self.lines.get_mut(&client.0) {
            line.gre = None;
            line.protection = Protection::Undecided;
            self.by_call.remove(&line.local_call_id);
        }
    }

    /// A GRE packet, from its GRE header on; what comes of it is fetched with the `poll_` functions.
    pub fn inbound(&mut self, packet: &[u8], peer: IpAddr, local: IpAddr, now: Instant) {
        let Ok((header, frame)) = Header::decode(packet) else {
            self.totals.malformed += 1;
            return;
        };
        let Some(client) = self.by_call.get(&header.call_id).copied() else {
            self.totals.unknown_call += 1;
            return;
        };
        let Self { lines, out, totals, .. } = self;
        let Some(line) = lines.get_mut(&client) else { return };
        // The call id alone opens nothing: it has 16 bits, and the address must be that of the control connection.
        if line.peer != peer || line.local != local {
            totals.wrong_address += 1;
            return;
        }
        let mut frames = Vec::new();
        let (to, from) = (line.peer, line.local);
        if let Some(gre) = &mut line.gre {
            let mut send = |bytes| out.push_back(Datagram { bytes, peer: to, local: from });
            gre.receive(&header, frame, now, &mut send, &mut |number, frame| frames.push((number, frame)));
        }
        self.deliver_all(client, frames, now);
    }

    fn deliver_all(&mut self, client: u32, frames: Vec<(u32, Vec<u8>)>, now: Instant) {
        for (number, frame) in frames {
            self.deliver(client, number, frame, now);
        }
    }

    /// A PPP frame, in its order.
    fn deliver(&mut self, client: u32, number: u32, mut frame: Vec<u8>, now: Instant) {
        let Self { lines, out, totals, .. } = self;
        let Some(line) = lines.get_mut(&client) else { return };
        let Ok((protocol, payload)) = decode_frame(&frame) else { return };
        match (protocol, &mut line.protection) {
            (COMPRESSED, Protection::Protected(mppe)) => match mppe.receive.open(payload, Some(number)) {
                Ok(plain) => frame = plain,
                Err(why) => {
                    totals.undecrypted += 1;
                    if why == NotOpened::OutOfStep && now.reached(line.reset_due) {
                        line.reset_due = now.after(RESET_AGAIN);
                        line.send_control(&encode_frame(CCP, &Packet::encode(RESET_REQUEST, 1, &[])), out);
                    }
                    return;
                }
            },
            (COMPRESSED, Protection::Undecided | Protection::Plain) => {
                totals.undecrypted += 1;
                // The frame cannot be read yet, but that there was one tells that the client is open.
                if now.reached(line.early_due) && self.notes.len() < MOST_NOTES {
                    line.early_due = now.after(EARLY_AGAIN);
                    let ppp = encode_frame(COMPRESSED, &[]);
                    self.notes.push_back(Note::Frame { client: line.client, ppp });
                }
                return;
            }
            (Protocol::Ipv4 | Protocol::Ipv6, Protection::Undecided | Protection::Protected(_)) => {
                totals.plain += 1;
                return;
            }
            (CCP, Protection::Protected(mppe)) => match Packet::decode(payload).map(|packet| packet.code) {
                Ok(RESET_REQUEST) => return mppe.send.flush(),
                Ok(RESET_ACK) => return,
                Ok(_) | Err(_) => {}
            },
            _ => {}
        }
        let decrypted = decode_frame(&frame).ok().map(|(inner, _)| inner);
        let is_ip = matches!(decrypted, Some(Protocol::Ipv4 | Protocol::Ipv6));
        if protocol == COMPRESSED && !is_ip {
            // Whatever is no IP travels in the clear (RFC 3078 §3); this was encrypted under another key.
            self.totals.undecrypted += 1;
            return;
        }
        let length = frame.len();
        if let Verdict::Ip(place) = self.sessions.receive_aside(ClientId(client), &mut frame, 0..length, now)
            && let Some(packet) = frame.get(place)
        {
            self.inward.push_back(packet.to_vec());
        }
    }

    /// An IP packet from the TUN that no other worker has a client for.
    pub fn outbound(&mut self, packet: &mut [u8], now: Instant) {
        let Ok(admitted) = self.sessions.admit_aside(packet, now) else { return };
        let protocol = if admitted.is_ipv6 { IPV6 } else { IPV4 };
        for packet in &admitted.packets {
            self.send_ip(admitted.client, protocol, packet, now);
        }
    }

    fn send_ip(&mut self, client: ClientId, protocol: u16, packet: &[u8], now: Instant) {
        let Self { lines, out, totals, .. } = self;
        let Some(line) = lines.get_mut(&client.0) else { return };
        let (number, payload) = match &mut line.protection {
            Protection::Undecided => {
                totals.plain += 1;
                return;
            }
            Protection::Plain => (protocol, packet.to_vec()),
            Protection::Protected(mppe) => (u16::from(COMPRESSED), mppe.send.seal(protocol, packet)),
        };
        let control: &[u8] = if line.acfc { &[] } else { &[0xff, 0x03] };
        let frame = [control, &number.to_be_bytes(), &payload].concat();
        let (peer, local) = (line.peer, line.local);
        if let Some(gre) = &mut line.gre {
            gre.send(frame, now, &mut |bytes| out.push_back(Datagram { bytes, peer, local }));
        }
    }

    /// The next GRE packet to send.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        self.out.pop_front()
    }

    /// The next IP packet for the TUN.
    #[must_use]
    pub fn poll_inward(&mut self) -> Option<Vec<u8>> {
        self.inward.pop_front().or_else(|| self.sessions.poll_reply())
    }

    /// The next thing that the engine must know.
    #[must_use]
    pub fn poll_note(&mut self) -> Option<Note> {
        if let Some(note) = self.notes.pop_front() {
            return Some(note);
        }
        let note = self.sessions.poll_note()?;
        if let Note::Traffic { client, .. } = &note
            && let Some(counts) = self.lines.get(&client.0).and_then(|line| line.gre.as_ref()).map(|gre| gre.counts)
        {
            let words = format!(
                "GRE Received: {}, Transmitted: {}, Lost: {}, Reordered: {}, Refused: {}, Crowded: {}",
                counts.received, counts.sent, counts.lost, counts.reordered, counts.refused, counts.crowded
            );
            self.notes.push_back(Note::Carried { client: *client, words });
        }
        Some(note)
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lines = self.lines.values().filter_map(|line| line.gre.as_ref()?.poll_timeout()).min();
        earliest(lines, self.sessions.poll_timeout())
    }

    /// The moment may have come for some call.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.sessions.handle_timeout(now);
        let due = |line: &Line| line.gre.as_ref().and_then(Gre::poll_timeout).is_some_and(|at| now.reached(at));
        let clients: Vec<u32> = self.lines.values().filter(|line| due(line)).map(|line| line.client.0).collect();
        for client in clients {
            let Self { lines, out, .. } = self;
            let Some(line) = lines.get_mut(&client) else { continue };
            let (peer, local) = (line.peer, line.local);
            let mut frames = Vec::new();
            if let Some(gre) = &mut line.gre {
                let mut send = |bytes| out.push_back(Datagram { bytes, peer, local });
                gre.handle_timeout(now, &mut send, &mut |number, frame| frames.push((number, frame)));
            }
            self.deliver_all(client, frames, now);
        }
    }

    /// Sums over all calls.
    #[must_use]
    pub fn totals(&self) -> GreTotals {
        self.totals
    }

    /// How many calls it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it knows no call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Line {
    /// Sends a frame that is never encrypted: LCP, CCP and the like.
    fn send_control(&mut self, frame: &[u8], out: &mut VecDeque<Datagram>) {
        let (peer, local) = (self.peer, self.local);
        if let Some(gre) = &mut self.gre {
            gre.send_control(frame, &mut |bytes| out.push_back(Datagram { bytes, peer, local }));
        }
    }
}
