//! The data path: one [`Worker`] owns its clients both ways, from ESP to IP and from IP to ESP.
//!
//! A worker has no socket, no clock and no lock. It is told what it must know ([`Update`]), works on batches of packets in
//! the caller's buffers, and tells what others must know ([`Note`]). On the good path nothing is allocated.

mod aside;
mod coalesce;
mod early;
mod filter;
mod hold;
mod inbound;
mod ipv6;
mod outbound;
mod record;
mod replay;
mod split;
mod sum;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod veil;

pub use aside::Admitted;
pub use coalesce::{Coalescer, Piece, Super};
pub use filter::{Addresses, Dynamic, Filters, Kind, List, Lists, Pattern, Rule, Sight, Timers, Way};
pub use hold::Held;
pub use inbound::{Arrival, Verdict};
pub use ipv6::{ALL_NODES, ALL_ROUTERS, Ipv6Path, link_local};
pub use outbound::{Departure, HEADROOM, Out, Run, Runs, SealedPacket, TAILROOM, runs};
pub use record::{InboundState, OutboundState, PathState};
pub use replay::{ReplayState, Seen};
pub use split::{Segment, SplitError, Splitter, VNET_LEN};
pub use table::Endpoint;
pub use veil::{Unveiled, Veil};

use crate::time::Instant;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use crypto::Secret;
use crypto::esp::{Ivs, Open, Seal, Suite};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use table::{Bucket, Table};

/// The UDP port of L2TP (RFC 2661 §8.1).
pub const L2TP_PORT: u16 = 1701;

/// The longest queue of notes; over it they are dropped and counted.
const MAX_NOTES: usize = 4096;
/// Of [`MAX_NOTES`], how many may be taken by what a peer can cause at will.
const MAX_CHATTER: usize = 3072;
/// The longest queue of ICMP messages for the TUN.
const MAX_REPLIES: usize = 256;
/// Not more than one note of traffic, and one of moving, in this time for a client.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// A client, as the engine numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ClientId(pub u32);

/// A Security Parameters Index (RFC 4303 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Spi(pub u32);

/// How ESP travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Encap {
    /// In UDP, port 4500 (RFC 3948).
    Udp,
    /// As IP protocol 50.
    Raw,
}

/// The L2TP session of a client, as far as its packets show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionPath {
    /// Whose session it is.
    pub client: ClientId,
    /// Our tunnel id, which the client's packets carry.
    pub local_tunnel_id: u16,
    /// Our session id.
    pub local_session_id: u16,
    /// The client's tunnel id, which our packets carry.
    pub peer_tunnel_id: u16,
    /// The client's session id.
    pub peer_session_id: u16,
    /// The client's UDP port inside ESP.
    pub peer_port: u16,
    /// The client's address inside the tunnel; 0.0.0.0 while IPCP has not given it one, and then no IP passes.
    pub address: Ipv4Addr,
    /// Our address inside the tunnel, from which ICMP messages come.
    pub our_address: Ipv4Addr,
    /// The client's MRU, in octets.
    pub mru: u16,
    /// Our own limit for packets of this session, in octets; the smaller of both counts.
    pub mtu: u16,
    /// The MSS that TCP connections are lowered to, both ways.
    pub mss: Option<u16>,
    /// Leave out address and control field (RFC 1661 §6.6).
    pub acfc: bool,
    /// Shorten the protocol field (RFC 1661 §6.5).
    pub pfc: bool,
    /// Data headers carry their length (RFC 2661 §3.1).
    pub length_bit: bool,
    /// Data messages are numbered both ways, and those of the client that come late are dropped (RFC 2661 §5.4).
    pub sequencing: bool,
    /// IPv6, once IPV6CP is open; till then its packets go to the engine like any frame.
    pub ipv6: Option<Ipv6Path>,
}

impl SessionPath {
    /// Whether these are our tunnel id and session id of it.
    fn has_ids(&self, ids: (u16, u16)) -> bool {
        (self.local_tunnel_id, self.local_session_id) == ids
    }
}

/// What the engine tells a worker.
#[allow(clippy::large_enum_variant, reason = "updates are few and go no further than one queue")]
#[derive(Debug)]
pub enum Update {
    /// An SA on which the client sends.
    InstallInbound {
        /// Whose SA.
        client: ClientId,
        /// Our SPI.
        spi: Spi,
        /// Algorithms.
        suite: Suite,
        /// Encryption key, then authentication key.
        keymat: Secret<Vec<u8>>,
        /// Whether a sequence number counts only once.
        anti_replay: bool,
        /// The window to begin with.
        replay: ReplayState,
        /// The encapsulation that was negotiated.
        encap: Encap,
    },
    /// An SA on which we send.
    InstallOutbound {
        /// Whose SA.
        client: ClientId,
        /// The client's SPI.
        spi: Spi,
        /// Algorithms.
        suite: Suite,
        /// Encryption key, then authentication key.
        keymat: Secret<Vec<u8>>,
        /// The number of the first packet; 1 for a new SA.
        first_sequence: u32,
        /// Whether to send on it at once; otherwise from the first packet on `paired` on.
        active: bool,
        /// Our SPI of the inbound SA that was negotiated with it.
        paired: Spi,
    },
    /// An inbound SA is being agreed on, and the client knows of it: what comes on it waits until it is installed whole.
    Await {
        /// Our SPI.
        spi: Spi,
    },
    /// From here on, send on this outbound SA.
    Activate {
        /// Whose SA.
        client: ClientId,
        /// The client's SPI.
        spi: Spi,
    },
    /// Nothing of a session passes on this SA and the one paired with it until they are trusted: whoever made them has
    /// shown the group's key and no more.
    Distrust {
        /// Our SPI.
        spi: Spi,
    },
    /// The user was asked on this SA and has answered: it carries the client's session from here on.
    Trust {
        /// Our SPI.
        spi: Spi,
    },
    /// All SAs of one client belong to another from here on.
    Adopt {
        /// Whose they were.
        from: ClientId,
        /// Whose they are.
        to: ClientId,
    },
    /// Forget an inbound SA.
    Retire {
        /// Our SPI.
        spi: Spi,
    },
    /// Forget an outbound SA; if it was the active one, the latest of the others that are trusted takes its place.
    RetireOutbound {
        /// Whose SA.
        client: ClientId,
        /// The client's SPI.
        spi: Spi,
    },
    /// Where the client is, and how ESP goes there.
    Peer {
        /// Whose place.
        client: ClientId,
        /// The outer address and port.
        peer: SocketAddr,
        /// Our outer address that it knows.
        local: IpAddr,
        /// The encapsulation.
        encap: Encap,
    },
    /// The client has no SAs and no place of its own: its session goes with another's SAs, wherever that is.
    Beside {
        /// Whose session.
        client: ClientId,
        /// Whose SAs.
        of: ClientId,
    },
    /// The client's session, new or changed.
    Session(SessionPath),
    /// The packet filters of all interfaces, new or changed.
    Filters(Box<Filters>),
    /// Whose filters hold for the client's packets.
    Guard {
        /// The client.
        client: ClientId,
        /// Its PP interface; 0 is the anonymous one.
        pp: u32,
        /// Its tunnel interface.
        tunnel: u32,
    },
    /// The client's session is over; its SAs stay.
    SessionGone {
        /// Whose session.
        client: ClientId,
    },
    /// Forget everything about the client.
    Gone {
        /// Who.
        client: ClientId,
    },
    /// An L2TP message to seal and send on the active outbound SA; it comes out of [`Worker::poll_sealed`].
    Seal {
        /// To whom.
        client: ClientId,
        /// Our UDP port inside ESP, 1701.
        source_port: u16,
        /// The client's UDP port inside ESP.
        peer_port: u16,
        /// The whole L2TP message.
        l2tp: Vec<u8>,
    },
    /// A PPP frame to send in the client's session like a data packet; it comes out of [`Worker::poll_sealed`].
    SealFrame {
        /// To whom.
        client: ClientId,
        /// The PPP frame, from `ff 03` on.
        ppp: Vec<u8>,
    },
    /// A PPP frame of the client's session to send on the pair of this SA, trusted or not.
    SealOn {
        /// Whose session.
        client: ClientId,
        /// Our SPI of the pair.
        spi: Spi,
        /// Where the client was heard on it, and our address there.
        place: (SocketAddr, IpAddr),
        /// The PPP frame, from `ff 03` on.
        ppp: Vec<u8>,
    },
    /// An IP packet of our own to send in the client's session like a data packet; it comes out of
    /// [`Worker::poll_sealed`].
    SealIp {
        /// To whom.
        client: ClientId,
        /// The packet, IPv4 or IPv6, no larger than the client's MRU.
        packet: Vec<u8>,
    },
    /// How a session whose call ESP does not carry protects its IP packets; none passes before this, either way.
    Protect {
        /// Whose session.
        client: ClientId,
        /// What was agreed on; nothing lets packets pass in the clear.
        how: Option<Protection>,
    },
    /// From here on the session's IP packets are protected once more, inside of ESP, and come so; nothing ends that.
    Veil {
        /// Whose session.
        client: ClientId,
        /// What does it.
        veil: Option<Box<dyn Veil>>,
    },
    /// How many packets the client of a call that ESP does not carry takes before it has acknowledged any.
    Window {
        /// Whose call.
        client: ClientId,
        /// So many.
        packets: u16,
    },
    /// Tell, once, when an inbound SA or the outbound one paired with it has carried so much.
    VolumeLimit {
        /// Our SPI of the inbound SA.
        spi: Spi,
        /// Octets of ESP in one direction.
        octets: u64,
    },
    /// The client may cut the ICV of HMAC-SHA-256 to 96 bits: try that on the first packets of this inbound SA.
    MayShorten {
        /// Our SPI of the inbound SA.
        spi: Spi,
    },
}

/// How a carrier that is not ESP protects IP packets; what the bits and keys mean is its own affair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protection {
    /// What was agreed on.
    pub bits: u32,
    /// The first key for what is sent.
    pub send: Secret<Vec<u8>>,
    /// The first key for what is received.
    pub receive: Secret<Vec<u8>>,
}

/// What a worker tells the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// An L2TP control message.
    Control {
        /// Who sent it.
        client: ClientId,
        /// On which inbound SA.
        spi: Spi,
        /// From which UDP port inside ESP.
        peer_port: u16,
        /// The whole message.
        l2tp: Vec<u8>,
    },
    /// A PPP frame of the client's session that is no IP packet of a kind that has been agreed on.
    Frame {
        /// Who sent it.
        client: ClientId,
        /// The frame, from `ff 03` or the protocol field on.
        ppp: Vec<u8>,
    },
    /// A data frame that its SA does not carry: of a session that the client has not, or on an SA that is not trusted.
    /// IP comes without its packet, which waits for a moment.
    Stray {
        /// Who sent it.
        client: ClientId,
        /// On which inbound SA.
        spi: Spi,
        /// From where, and to which address of ours.
        place: (SocketAddr, IpAddr),
        /// The tunnel that it names.
        tunnel_id: u16,
        /// The session that it names.
        session_id: u16,
        /// The frame.
        ppp: Vec<u8>,
    },
    /// A DHCP message that the client sent inside its link (RFC 2131 §3.4), as an IPv4 packet.
    Dhcp {
        /// Who sent it.
        client: ClientId,
        /// The packet.
        packet: Vec<u8>,
    },
    /// An IPv6 packet that the client sent to its link itself and that the engine answers: a solicitation, an echo
    /// request, DHCPv6.
    Inside {
        /// Who sent it.
        client: ClientId,
        /// The packet.
        packet: Vec<u8>,
    },
    /// The first valid packet of an inbound SA; the paired outbound SA is active from here on.
    Used {
        /// Whose SA.
        client: ClientId,
        /// Our SPI.
        spi: Spi,
    },
    /// A valid packet, newer than all others, came from elsewhere; at most once a second. The worker waits for
    /// [`Update::Peer`].
    Moved {
        /// Who moved.
        client: ClientId,
        /// The new outer address and port.
        peer: SocketAddr,
        /// Our outer address that it was sent to.
        local: IpAddr,
    },
    /// What went on since the last such note; at most one a second.
    Traffic {
        /// Whose traffic.
        client: ClientId,
        /// A packet of the client was authenticated: it lives.
        any: bool,
        /// An IP packet came from the client.
        data: bool,
        /// An IP packet went to the client; says nothing of its being alive.
        sent: bool,
        /// Sums since the beginning.
        counters: Counters,
    },
    /// A filter that is told of its fits has fitted a packet, or no filter has; at a low rate for each client.
    Filtered {
        /// Whose packet.
        client: ClientId,
        /// Which way it went.
        way: Way,
        /// Whether it has passed.
        passed: bool,
        /// The filter's number; none where no filter fitted.
        number: Option<u32>,
        /// The packet.
        sight: Sight,
        /// How many more there were since the last that was told.
        untold: u32,
    },
    /// What the carrier of a client's call has counted, in words for a screen; follows [`Self::Traffic`].
    Carried {
        /// Whose call.
        client: ClientId,
        /// The words.
        words: String,
    },
    /// A packet with an SPI that is not ours; at a low rate.
    UnknownSpi {
        /// The SPI.
        spi: Spi,
        /// Where the packet came from.
        peer: SocketAddr,
    },
    /// The sequence numbers of an outbound SA come to their end; told once, long before they do.
    Exhausted {
        /// Whose SA.
        client: ClientId,
        /// The client's SPI.
        spi: Spi,
    },
    /// A pair of SAs has carried what [`Update::VolumeLimit`] said; told once.
    Volume {
        /// Whose SAs.
        client: ClientId,
        /// Our SPI of the inbound SA.
        spi: Spi,
        /// Octets of ESP, of the direction that carried more.
        octets: u64,
    },
    /// The first packet of a pair of SAs has shown that the client cuts the ICV of HMAC-SHA-256 to 96 bits: so do we on
    /// this pair.
    Shortened {
        /// Whose SAs.
        client: ClientId,
        /// Our SPI of the inbound SA.
        spi: Spi,
    },
}

/// IP packets that passed, and their octets: all of them, and those of IPv6 among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets from the client.
    pub in_packets: u64,
    /// Octets from the client.
    pub in_octets: u64,
    /// Packets to the client.
    pub out_packets: u64,
    /// Octets to the client.
    pub out_octets: u64,
    /// Packets of IPv6 from the client.
    pub in6_packets: u64,
    /// Octets of IPv6 from the client.
    pub in6_octets: u64,
    /// Packets of IPv6 to the client.
    pub out6_packets: u64,
    /// Octets of IPv6 to the client.
    pub out6_octets: u64,
}

impl Counters {
    /// Counts a packet from the client.
    pub(super) fn count_in(&mut self, octets: u64, is_ipv6: bool) {
        self.in_packets += 1;
        self.in_octets += octets;
        if is_ipv6 {
            self.in6_packets += 1;
            self.in6_octets += octets;
        }
    }

    /// Counts what another has counted, too.
    pub(crate) fn add(&mut self, other: &Self) {
        self.in_packets += other.in_packets;
        self.in_octets += other.in_octets;
        self.out_packets += other.out_packets;
        self.out_octets += other.out_octets;
        self.in6_packets += other.in6_packets;
        self.in6_octets += other.in6_octets;
        self.out6_packets += other.out6_packets;
        self.out6_octets += other.out6_octets;
    }

    /// Counts a packet to the client.
    pub(super) fn count_out(&mut self, octets: u64, is_ipv6: bool) {
        self.out_packets += 1;
        self.out_octets += octets;
        if is_ipv6 {
            self.out6_packets += 1;
            self.out6_octets += octets;
        }
    }
}

macro_rules! drops {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)+) => {
        /// Why a packet went no further.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Drop { $($(#[$doc])* $name,)+ }

        impl Drop {
            /// All reasons, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name of the reason's counter.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }
        }
    };
}

drops! {
    /// Too short for an ESP header, or a length that the cipher cannot have made.
    BadLength = "bad_length",
    /// No SA has this SPI.
    UnknownSpi = "unknown_spi",
    /// The sequence number was seen before or is left of the window.
    Replayed = "replayed",
    /// The integrity check value is wrong.
    BadIcv = "bad_icv",
    /// The ESP padding is not what it must be.
    BadPadding = "bad_padding",
    /// A dummy packet (RFC 4303 §2.6).
    Dummy = "dummy",
    /// Inside ESP there is no UDP to port 1701.
    NotL2tp = "not_l2tp",
    /// The UDP or L2TP header does not fit its packet.
    BadL2tp = "bad_l2tp",
    /// The tunnel or session id is not the client's.
    WrongSession = "wrong_session",
    /// A numbered data message came after a later one.
    OutOfSequence = "out_of_sequence",
    /// The PPP frame has no whole protocol field.
    BadPpp = "bad_ppp",
    /// Not protected as was agreed on inside of ESP, or not to be read.
    Unveiled = "unveiled",
    /// IP before the client has an address.
    NotUp = "not_up",
    /// The IP header does not fit its packet.
    BadIp = "bad_ip",
    /// The source address is not the client's.
    SpoofedSource = "spoofed_source",
    /// A multicast or broadcast destination, or one on the link that nobody answers for.
    Multicast = "multicast",
    /// More control messages than a client may send.
    ControlFlood = "control_flood",
    /// A queue was full.
    QueueFull = "queue_full",
    /// No client has the destination address.
    NoClient = "no_client",
    /// The client has no SA to send on, or no place to send to.
    NoSa = "no_sa",
    /// The packet does not leave room for the headers.
    NoRoom = "no_room",
    /// Too large, and must not be fragmented.
    TooBig = "too_big",
    /// A filter of the operator rejects it, or none lets it pass.
    Filtered = "filtered",
    /// The sequence numbers of the SA are used up.
    Exhausted = "sequence_exhausted",
}

/// Sums over all clients of a worker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// IP packets that passed.
    pub ip: Counters,
    /// Control messages and frames handed to the engine.
    pub control_in: u64,
    /// Control messages and frames sealed.
    pub control_out: u64,
    /// Packets that were fragmented.
    pub fragmented: u64,
    /// ICMP messages written.
    pub icmp: u64,
    /// Notes that found the queue full.
    pub lost_notes: u64,
    /// Updates that could not be obeyed: unknown client, keys that do not fit.
    pub refused_updates: u64,
    drops: [u64; Drop::ALL.len()],
}

impl Totals {
    /// How many packets went no further for this reason.
    #[must_use]
    pub fn dropped(&self, why: Drop) -> u64 {
        self.drops.get(why as usize).copied().unwrap_or(0)
    }

    /// Every reason with its count.
    pub fn drops(&self) -> impl Iterator<Item = (Drop, u64)> {
        Drop::ALL.iter().copied().zip(self.drops)
    }

    /// Counts what another worker has counted, too.
    pub fn add(&mut self, other: &Self) {
        self.ip.add(&other.ip);
        self.control_in += other.control_in;
        self.control_out += other.control_out;
        self.fragmented += other.fragmented;
        self.icmp += other.icmp;
        self.lost_notes += other.lost_notes;
        self.refused_updates += other.refused_updates;
        for (count, more) in self.drops.iter_mut().zip(other.drops) {
            *count += more;
        }
    }

    fn count(&mut self, why: Drop) {
        if let Some(n) = self.drops.get_mut(why as usize) {
            *n += 1;
        }
    }
}

/// The notes that wait to be fetched, bounded.
struct Notes {
    queue: VecDeque<Note>,
    lost: u64,
}

impl Notes {
    /// Queues what the engine must learn; whether there was room.
    fn tell(&mut self, note: Note) -> bool {
        let room = self.queue.len() < MAX_NOTES;
        if room {
            self.queue.push_back(note);
        } else {
            self.lost += 1;
        }
        room
    }

    /// Whether what a peer can cause at will may still be queued.
    fn has_room_for_chatter(&self) -> bool {
        self.queue.len() < MAX_CHATTER
    }
}

/// Notes that there is always room for.
const USUAL_NOTES: usize = 256;

/// A data thread's half of the server: the clients that it owns, and what it does with their packets.
pub struct Worker {
    table: Table,
    notes: Notes,
    totals: Totals,
    ivs: Ivs,
    unknown: Bucket,
    sealed: VecDeque<SealedPacket>,
    spare: Vec<Vec<u8>>,
    replies: VecDeque<Vec<u8>>,
    hold: hold::Hold,
    early: early::Early,
    found: Vec<inbound::Found>,
    ready: Vec<outbound::Ready>,
    owned: Vec<outbound::Owned>,
    opens: Vec<Open<'static>>,
    seals: Vec<Seal<'static>>,
}

impl Worker {
    /// A worker without clients; `seed` feeds the generator of IVs.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            table: Table::default(),
            notes: Notes { queue: VecDeque::with_capacity(USUAL_NOTES), lost: 0 },
            totals: Totals::default(),
            ivs: Ivs::new(seed),
            unknown: Bucket::default(),
            sealed: VecDeque::new(),
            spare: Vec::new(),
            replies: VecDeque::new(),
            hold: hold::Hold::default(),
            early: early::Early::default(),
            found: Vec::with_capacity(128),
            ready: Vec::with_capacity(128),
            owned: Vec::new(),
            opens: Vec::with_capacity(128),
            seals: Vec::with_capacity(128),
        }
    }

    /// Takes in what the engine says; to be done between batches, followed by [`Self::poll_sealed`].
    pub fn apply(&mut self, update: Update, now: Instant) {
        if !self.obey(update, now) {
            self.totals.refused_updates += 1;
        }
    }

    fn obey(&mut self, update: Update, now: Instant) -> bool {
        match update {
            Update::InstallInbound { client, spi, suite, keymat, anti_replay, replay, encap } => {
                let (used, octets, volume, shorten) = (false, 0, u64::MAX, 0);
                let trusted = true;
                let state = InboundState {
                    spi,
                    suite,
                    keymat,
                    anti_replay,
                    replay,
                    encap,
                    used,
                    octets,
                    volume,
                    shorten,
                    trusted,
                };
                self.table.install_inbound(client, state)
            }
            Update::InstallOutbound { client, spi, suite, keymat, first_sequence, active, paired } => {
                let state =
                    OutboundState { spi, suite, keymat, next: first_sequence.max(1), active, paired, octets: 0 };
                let installed = self.table.install_outbound(client, state);
                self.receive_early(paired, now);
                installed
            }
            Update::Await { spi } => {
                self.early.await_spi(spi, now);
                true
            }
            Update::Activate { client, spi } => self.table.activate(client, spi),
            Update::Distrust { spi } => self.distrust(spi),
            Update::Trust { spi } => self.trust(spi, now),
            Update::Adopt { from, to } => self.adopt(from, to),
            Update::Retire { spi } => self.table.retire(spi),
            Update::RetireOutbound { client, spi } => self.table.retire_outbound(client, spi),
            Update::Peer { client, peer, local, encap } => {
                self.table.set_peer(client, Endpoint { peer, local, encap });
                true
            }
            Update::Beside { client, of } => self.table.set_beside(client, of),
            Update::Session(session) => {
                self.table.set_session(session);
                true
            }
            Update::Filters(filters) => {
                self.table.set_filters(*filters);
                true
            }
            Update::Guard { client, pp, tunnel } => {
                self.table.set_guard(client, (pp, tunnel));
                true
            }
            Update::SessionGone { client } => self.table.end_session(client),
            Update::Gone { client } => {
                self.hold.forget(client);
                self.table.remove(client)
            }
            Update::Seal { client, source_port, peer_port, l2tp } => {
                self.seal_message(client, source_port, peer_port, &l2tp)
            }
            Update::SealFrame { client, ppp } => self.seal_frame(client, &ppp),
            Update::SealOn { client, spi, place, ppp } => self.seal_on(client, spi, place, &ppp),
            Update::SealIp { client, packet } => self.seal_ip(client, &packet),
            Update::Veil { client, veil } => self.table.set_veil(client, veil),
            // Calls that are carried otherwise have a worker of their own, which keeps this one for what is alike.
            Update::Protect { .. } | Update::Window { .. } => false,
            Update::VolumeLimit { spi, octets } => self.table.limit_volume(spi, octets),
            Update::MayShorten { spi } => self.table.may_shorten(spi),
        }
    }

    /// The next thing that the engine must know.
    #[must_use]
    pub fn poll_note(&mut self) -> Option<Note> {
        let note = self.notes.queue.pop_front();
        if self.notes.queue.is_empty() && self.notes.queue.capacity() > USUAL_NOTES {
            // What thousands had to tell at once is not kept room for.
            self.notes.queue.shrink_to(USUAL_NOTES);
        }
        note
    }

    /// The next packet to send that is not in the caller's batch: sealed control messages and fragments.
    ///
    /// To be drained after each [`Self::apply`] and [`Self::outbound`], so that sequence numbers leave in order.
    #[must_use]
    pub fn poll_sealed(&mut self) -> Option<SealedPacket> {
        self.sealed.pop_front()
    }

    /// The next IP packet to write to the TUN: ICMP messages to hosts whose packets were too large.
    #[must_use]
    pub fn poll_reply(&mut self) -> Option<Vec<u8>> {
        self.replies.pop_front()
    }

    /// When to call [`Self::handle_timeout`]: some client's traffic has not been told yet.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.flush_at()
    }

    /// Tells of traffic that came too soon after the last note to be told at once.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.table.flush(&mut self.notes, now);
    }

    /// So many packets of a batch that had no client here have found one elsewhere.
    pub fn found_elsewhere(&mut self, packets: u64) {
        if let Some(count) = self.totals.drops.get_mut(Drop::NoClient as usize) {
            *count = count.saturating_sub(packets);
        }
    }

    /// Sums over all clients.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { lost_notes: self.notes.lost, ..self.totals.clone() }
    }

    /// What has passed for one client.
    #[must_use]
    pub fn counters(&self, client: ClientId) -> Option<Counters> {
        self.table.client(client).map(|client| client.counters)
    }

    /// How many clients the worker owns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// How many SAs the worker holds, inbound and outbound.
    #[must_use]
    pub fn sas(&self) -> (usize, usize) {
        (self.table.inbound.len(), self.table.outbound.len())
    }

    /// Whether the worker owns no client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }
}
