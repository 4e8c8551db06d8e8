//! Packets for the TUN are joined into super-packets, which the kernel takes in one write; nothing is copied but headers.

use super::inbound::Arrival;
use super::split::{GSO_NONE, GSO_TCPV4, GSO_UDP_L4, NEEDS_CSUM, VNET_LEN};
use super::sum::{Sum, long_at, pseudo_ipv4, put, word_at};
use core::ops::Range;

/// How many packets one super-packet may hold.
const MAX_PIECES: usize = 64;
/// The longest IPv4 packet.
const MAX_OCTETS: usize = 65_535;
/// How many flows are kept open at a time within a batch.
const MAX_OPEN: usize = 16;
/// IPv4 without options, TCP with all of them.
const MAX_HEADERS: usize = 20 + 60;

const IP_LEN: usize = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// A part of one packet of the batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Which of the batch.
    pub packet: usize,
    /// Which octets of its IP packet.
    pub range: Range<usize>,
}

/// What one write to the TUN consists of: virtio-net header, changed headers, pieces.
#[derive(Clone, Debug)]
pub struct Super {
    vnet: [u8; VNET_LEN],
    headers: [u8; MAX_HEADERS],
    headers_len: usize,
    pieces: Range<usize>,
    first: usize,
}

impl Super {
    /// The virtio-net header.
    #[must_use]
    pub fn vnet(&self) -> &[u8] {
        &self.vnet
    }

    /// The IP and transport headers; empty if the packet goes alone and unchanged.
    #[must_use]
    pub fn headers(&self) -> &[u8] {
        self.headers.get(..self.headers_len).unwrap_or_default()
    }
}

/// Joins the packets of one batch after another; keeps its memory between them.
pub struct Coalescer {
    supers: Vec<Super>,
    pieces: Vec<Piece>,
    /// For each packet of the batch, the next one of its super-packet.
    next: Vec<Option<usize>>,
    open: Vec<Open>,
    udp: bool,
}

/// A super-packet that may still grow.
struct Open {
    of: usize,
    first: usize,
    last: usize,
    flow: Flow,
    /// Payload of each packet but the last.
    size: usize,
    headers_len: usize,
    payload_len: usize,
    count: usize,
    /// The first packet's checksums are good; looked at when there is something to join.
    verified: bool,
    push: bool,
}

/// Addresses, protocol and ports.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Flow {
    ends: [u8; 12],
    protocol: u8,
}

/// A packet that can be joined with others.
struct Joinable<'a> {
    packet: &'a [u8],
    flow: Flow,
    headers_len: usize,
    payload_len: usize,
    flags: u8,
}

/// Addresses and ports of an unfragmented IPv4 packet of TCP or UDP without IP options.
fn flow_of(packet: &[u8]) -> Option<Flow> {
    let ends = packet.get(12..24)?.first_chunk::<12>()?;
    let protocol = *packet.get(9)?;
    let plain = packet.first() == Some(&0x45) && word_at(packet, 6) & 0x3fff == 0;
    (plain && (protocol == TCP || protocol == UDP)).then_some(Flow { ends: *ends, protocol })
}

/// What may be joined: data of an established TCP connection, or UDP with a checksum.
fn joinable(packet: &[u8], flow: Flow) -> Option<Joinable<'_>> {
    if usize::from(word_at(packet, 2)) != packet.len() {
        return None;
    }
    let transport = packet.get(IP_LEN..)?;
    let (transport_len, flags) =
        if flow.protocol == TCP { (usize::from(*transport.get(12)? >> 4) * 4, *transport.get(13)?) } else { (8, 0) };
    let payload_len = transport.len().checked_sub(transport_len)?;
    let good = if flow.protocol == TCP {
        transport_len >= 20 && flags & !PSH == ACK && transport.get(12)? & 0x0f == 0
    } else {
        usize::from(word_at(transport, 4)) == transport.len() && word_at(transport, 6) != 0
    };
    (good && payload_len > 0).then_some(Joinable {
        packet,
        flow,
        headers_len: IP_LEN + transport_len,
        payload_len,
        flags,
    })
}

/// Whether the header's and the transport's checksums are good; a packet that is not must not be given a new checksum.
fn checksums_are_good(packet: &[u8], protocol: u8) -> bool {
    let (header, transport) = packet.split_at_checked(IP_LEN).unwrap_or_default();
    Sum::default().bytes(header).folded() == 0xffff
        && pseudo_ipv4(header, protocol, transport.len()).bytes(transport).folded() == 0xffff
}

impl Open {
    /// Whether `new` goes on where this super-packet, which begins with `first`, ends.
    fn continues(&self, new: &Joinable<'_>, first: &[u8], last: &[u8]) -> bool {
        let same = |range: Range<usize>| first.get(range.clone()) == new.packet.get(range);
        let dont_fragment = word_at(first, 6) & 0x4000 != 0;
        // The kernel counts identifications up by one. Where all packets have the same, nothing is lost by that: their
        // fragments could not be told apart.
        let step = word_at(new.packet, 4).wrapping_sub(word_at(last, 4));
        let like_before = self.count == 1 || (step == 0) == (word_at(first, 4) == word_at(last, 4));
        let in_order = dont_fragment || (step <= 1 && like_before);
        // Version, IHL and TOS; flags; TTL and protocol.
        let ip = same(0..2) && same(6..10) && in_order;
        let transport = if self.flow.protocol == TCP {
            let expected = long_at(first, IP_LEN + 4).wrapping_add(self.payload_len as u32);
            // Acknowledgement, data offset; window; urgent pointer and options.
            long_at(new.packet, IP_LEN + 4) == expected
                && same(IP_LEN + 8..IP_LEN + 13)
                && same(IP_LEN + 14..IP_LEN + 16)
                && same(IP_LEN + 18..self.headers_len)
        } else {
            true
        };
        ip && transport
            && new.headers_len == self.headers_len
            && new.payload_len <= self.size
            && self.count < MAX_PIECES
            && self.headers_len + self.payload_len + new.payload_len <= MAX_OCTETS
    }
}

impl Coalescer {
    /// `udp`: the kernel takes UDP super-packets (`TUN_F_USO4`), too.
    #[must_use]
    pub fn new(udp: bool) -> Self {
        let next = Vec::with_capacity(128);
        let (supers, pieces) = (Vec::with_capacity(128), Vec::with_capacity(128));
        Self { supers, pieces, next, open: Vec::with_capacity(MAX_OPEN), udp }
    }

    /// Joins the IP packets of a batch; what comes out keeps the order of each flow.
    pub fn coalesce(&mut self, batch: &[Arrival<'_>]) {
        self.join(batch.len(), |at| batch.get(at).and_then(Arrival::ip));
    }

    /// Joins `count` packets, each of which `packet` knows; those that it does not know are passed over.
    pub fn join<'a>(&mut self, count: usize, packet: impl Fn(usize) -> Option<&'a [u8]>) {
        self.supers.clear();
        self.pieces.clear();
        self.open.clear();
        self.next.clear();
        self.next.resize(count, None);
        for at in 0..count {
            if let Some(bytes) = packet(at) {
                self.add(at, bytes, &packet);
            }
        }
        while let Some(open) = self.open.pop() {
            self.close(&open, &packet);
        }
        self.list_pieces(&packet);
    }

    /// What to write, in this order.
    #[must_use]
    pub fn supers(&self) -> &[Super] {
        &self.supers
    }

    /// The pieces of one of [`Self::supers`], in order.
    #[must_use]
    pub fn pieces(&self, of: &Super) -> &[Piece] {
        self.pieces.get(of.pieces.clone()).unwrap_or_default()
    }

    fn add<'a>(&mut self, at: usize, bytes: &'a [u8], packet: &impl Fn(usize) -> Option<&'a [u8]>) {
        let flow = flow_of(bytes);
        if flow.is_none() {
            self.close_between(bytes, packet);
        }
        let known = flow.and_then(|flow| self.open.iter().position(|open| open.flow == flow));
        let new = flow.and_then(|flow| joinable(bytes, flow)).filter(|new| self.udp || new.flow.protocol == TCP);
        let (Some(known), Some(new)) = (known, new.as_ref()) else {
            // Whatever else it is, nothing that follows it in its flow may overtake it.
            if let Some(known) = known {
                let open = self.open.swap_remove(known);
                self.close(&open, packet);
            }
            self.begin(at, new.as_ref(), packet);
            return;
        };
        if self.append(known, at, new, packet) {
            return;
        }
        let open = self.open.swap_remove(known);
        self.close(&open, packet);
        self.begin(at, Some(new), packet);
    }

    /// A fragment, or a packet with IP options, may belong to any flow between its ends: none of these grows past it.
    fn close_between<'a>(&mut self, bytes: &[u8], packet: &impl Fn(usize) -> Option<&'a [u8]>) {
        let (ends, protocol) = (bytes.get(12..20), bytes.get(9));
        let concerned = |open: &Open| open.flow.ends.get(..8) == ends && Some(&open.flow.protocol) == protocol;
        while let Some(known) = self.open.iter().position(concerned) {
            let open = self.open.swap_remove(known);
            self.close(&open, packet);
        }
    }

    /// Begins a super-packet, which stays open if something may follow.
    fn begin<'a>(&mut self, at: usize, new: Option<&Joinable<'_>>, packet: &impl Fn(usize) -> Option<&'a [u8]>) {
        let of = self.supers.len();
        let mut vnet = [0; VNET_LEN];
        vnet[1] = GSO_NONE;
        self.supers.push(Super { vnet, headers: [0; MAX_HEADERS], headers_len: 0, pieces: 0..0, first: at });
        let Some(new) = new.filter(|new| new.flags & PSH == 0) else {
            return;
        };
        if self.open.len() == MAX_OPEN {
            let oldest = self.open.swap_remove(0);
            self.close(&oldest, packet);
        }
        self.open.push(Open {
            of,
            first: at,
            last: at,
            flow: new.flow,
            size: new.payload_len,
            headers_len: new.headers_len,
            payload_len: new.payload_len,
            count: 1,
            verified: false,
            push: false,
        });
    }

    /// Joins a packet to an open super-packet, if it is its continuation.
    fn append<'a>(
        &mut self,
        known: usize,
        at: usize,
        new: &Joinable<'_>,
        packet: &impl Fn(usize) -> Option<&'a [u8]>,
    ) -> bool {
        let Some(open) = self.open.get_mut(known) else {
            return false;
        };
        let (Some(first), Some(last)) = (packet(open.first), packet(open.last)) else {
            return false;
        };
        if !open.continues(new, first, last) || !checksums_are_good(new.packet, new.flow.protocol) {
            return false;
        }
        if !open.verified && !checksums_are_good(first, open.flow.protocol) {
            return false;
        }
        if let Some(next) = self.next.get_mut(open.last) {
            *next = Some(at);
        }
        open.verified = true;
        open.last = at;
        open.count += 1;
        open.payload_len += new.payload_len;
        open.push = new.flags & PSH != 0;
        if open.push || new.payload_len < open.size {
            let open = self.open.swap_remove(known);
            self.close(&open, packet);
        }
        true
    }

    /// Writes the headers of a super-packet that holds more than one packet.
    fn close<'a>(&mut self, open: &Open, packet: &impl Fn(usize) -> Option<&'a [u8]>) {
        let (Some(done), Some(first)) = (self.supers.get_mut(open.of), packet(open.first)) else {
            return;
        };
        if open.count < 2 {
            return;
        }
        let len = open.headers_len + open.payload_len;
        let (tcp, transport_len) = (open.flow.protocol == TCP, len - IP_LEN);
        done.headers_len = open.headers_len;
        let Some(headers) = done.headers.get_mut(..open.headers_len) else {
            return;
        };
        headers.iter_mut().zip(first).for_each(|(place, octet)| *place = *octet);
        put(headers, 2, (len as u16).to_be_bytes());
        put(headers, 10, [0, 0]);
        let checksum = Sum::default().bytes(headers.get(..IP_LEN).unwrap_or_default()).checksum();
        put(headers, 10, checksum);
        let field = if tcp { 16 } else { 6 };
        if tcp {
            if let Some(flags) = headers.get_mut(IP_LEN + 13) {
                *flags |= if open.push { PSH } else { 0 };
            }
        } else {
            put(headers, IP_LEN + 4, (transport_len as u16).to_be_bytes());
        }
        // The kernel, or the device, completes the checksum of each segment from the pseudo-header's sum.
        let partial = pseudo_ipv4(headers, open.flow.protocol, transport_len).folded();
        put(headers, IP_LEN + field, partial.to_ne_bytes());
        put(&mut done.vnet, 0, [NEEDS_CSUM, if tcp { GSO_TCPV4 } else { GSO_UDP_L4 }]);
        let numbers = [open.headers_len, open.size, IP_LEN, field];
        for (at, number) in (2..).step_by(2).zip(numbers) {
            put(&mut done.vnet, at, (number as u16).to_ne_bytes());
        }
    }

    /// Lists the pieces of each super-packet one after another.
    fn list_pieces<'a>(&mut self, packet: &impl Fn(usize) -> Option<&'a [u8]>) {
        for done in &mut self.supers {
            let from = self.pieces.len();
            let mut following = Some(done.first);
            while let Some(at) = following {
                let end = packet(at).map_or(0, <[u8]>::len);
                self.pieces.push(Piece { packet: at, range: done.headers_len..end });
                following = self.next.get(at).copied().flatten();
            }
            done.pieces = from..self.pieces.len();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::super::split::Splitter;
    use super::super::testing::{refresh, tcp4, udp4};
    use super::*;
    use crate::rng::Rng;

    /// What would be written, and how many packets went into each write.
    fn written(packets: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<usize>) {
        let mut coalescer = Coalescer::new(true);
        coalescer.join(packets.len(), |at| Some(&packets[at]));
        let mut writes = vec![];
        let mut counts = vec![];
        for done in coalescer.supers() {
            let mut write = [done.vnet(), done.headers()].concat();
            for piece in coalescer.pieces(done) {
                write.extend_from_slice(&packets[piece.packet][piece.range.clone()]);
            }
            counts.push(coalescer.pieces(done).len());
            writes.push(write);
        }
        (writes, counts)
    }

    fn split(writes: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut out = vec![];
        for write in writes {
            Splitter::default()
                .split(write, |segment| {
                    let mut packet = vec![0; segment.len()];
                    let whole = segment.write(&mut packet);
                    out.push(packet);
                    whole
                })
                .unwrap();
        }
        out
    }

    fn stream(sizes: &[usize]) -> Vec<Vec<u8>> {
        let mut sequence = 0xffff_f000u32;
        let mut packets = vec![];
        for (i, size) in sizes.iter().enumerate() {
            let payload: Vec<u8> = (0..*size).map(|j| (i * 31 + j) as u8).collect();
            let mut packet = tcp4(sequence, ACK, &payload);
            put(&mut packet, 4, (100 + i as u16).to_be_bytes());
            refresh(&mut packet);
            packets.push(packet);
            sequence = sequence.wrapping_add(*size as u32);
        }
        packets
    }

    #[test]
    fn splitting_what_was_joined_gives_the_packets_back() {
        let packets = stream(&[1_360, 1_360, 1_360, 700]);
        let (writes, counts) = written(&packets);
        assert_eq!(counts, [4]);
        assert_eq!(split(&writes), packets);
    }

    #[test]
    fn a_push_ends_a_super_packet_and_survives() {
        let mut packets = stream(&[500, 500, 500, 500]);
        packets[1][33] |= PSH;
        refresh(&mut packets[1]);
        let (writes, counts) = written(&packets);
        assert_eq!(counts, [2, 2]);
        assert_eq!(split(&writes), packets);
    }

    #[test]
    fn a_shorter_packet_ends_and_a_longer_one_begins_a_super_packet() {
        let packets = stream(&[500, 400, 400, 500]);
        assert_eq!(written(&packets).1, [2, 1, 1]);
        assert_eq!(split(&written(&packets).0), packets);
    }

    #[test]
    fn packets_that_differ_in_more_than_their_place_stay_apart() {
        let changes: [(usize, u8, &str); 7] = [
            (1, 0x04, "TOS"),
            (8, 0x01, "TTL"),
            (20 + 7, 0x01, "sequence number"),
            (20 + 11, 0x01, "acknowledgement"),
            (20 + 15, 0x01, "window"),
            (20 + 13, 0x40, "ECE"),
            (20 + 13, 0x02, "SYN"),
        ];
        for (at, bit, what) in changes {
            let mut packets = stream(&[500, 500]);
            packets[1][at] ^= bit;
            refresh(&mut packets[1]);
            let (writes, counts) = written(&packets);
            assert_eq!(counts, [1, 1], "{what}");
            assert!(writes.iter().all(|write| write[..VNET_LEN] == [0; VNET_LEN]));
        }
    }

    #[test]
    fn a_packet_with_a_bad_checksum_passes_alone_and_unchanged() {
        for (bad, counts) in [(0, vec![1, 2]), (1, vec![1, 1, 1]), (2, vec![2, 1])] {
            let mut packets = stream(&[500, 500, 500]);
            packets[bad][100] ^= 1;
            let got = written(&packets);
            assert_eq!(got.1, counts, "bad packet {bad}");
            if bad != 1 {
                assert_eq!(split(&got.0), packets);
            }
        }
    }

    #[test]
    fn identification_must_count_up_only_where_fragments_are_allowed() {
        let mut packets = stream(&[500, 500]);
        put(&mut packets[1], 4, [9, 9]);
        refresh(&mut packets[1]);
        assert_eq!(written(&packets).1, [1, 1]);
        for packet in &mut packets {
            packet[6] |= 0x40;
            refresh(packet);
        }
        assert_eq!(written(&packets).1, [2]);
    }

    #[test]
    fn packets_that_all_have_one_identification_are_joined_and_counted_up() {
        let datagrams = |identifications: &[u16]| {
            let each = identifications.iter().map(|identification| {
                let mut packet = udp4(&[5; 900]);
                put(&mut packet, 4, identification.to_be_bytes());
                refresh(&mut packet);
                packet
            });
            each.collect::<Vec<_>>()
        };
        let (writes, counts) = written(&datagrams(&[7, 7, 7]));
        assert_eq!(counts, [3]);
        assert_eq!(split(&writes), datagrams(&[7, 8, 9]));
        // The one and the other are not mixed.
        assert_eq!(written(&datagrams(&[7, 7, 8])).1, [2, 1]);
        assert_eq!(written(&datagrams(&[7, 8, 8, 9])).1, [2, 2]);
    }

    #[test]
    fn flows_that_alternate_are_joined_each_in_its_order() {
        let one = stream(&[600; 4]);
        let mut other = stream(&[600; 4]);
        for packet in &mut other {
            packet[21] ^= 1;
            refresh(packet);
        }
        let icmp = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let mixed: Vec<_> = one.iter().zip(&other).flat_map(|(a, b)| [a.clone(), b.clone(), icmp.clone()]).collect();
        let (writes, counts) = written(&mixed);
        assert_eq!(counts, [4, 4, 1, 1, 1, 1]);
        assert_eq!(split(&writes[..1]), one);
        assert_eq!(split(&writes[1..2]), other);
    }

    #[test]
    fn a_fragment_was_overtaken_by_what_followed_it_between_its_ends() {
        let datagram = |flags: u8, payload: &[u8]| {
            let mut packet = udp4(payload);
            packet[6] |= flags;
            refresh(&mut packet);
            packet
        };
        let (small, fragment) = (datagram(0x40, &[5; 500]), datagram(0x20, &[6; 800]));
        let packets = [small.clone(), small.clone(), fragment.clone(), small.clone(), small];
        let (writes, counts) = written(&packets);
        assert_eq!(counts, [2, 1, 2]);
        assert_eq!(writes[1][VNET_LEN..], fragment);
        // What is between others may be joined around it.
        let elsewhere = |mut packet: Vec<u8>| {
            packet[19] ^= 1;
            refresh(&mut packet);
            packet
        };
        let others = [elsewhere(packets[0].clone()), fragment, elsewhere(packets[0].clone())];
        assert_eq!(written(&others).1, [2, 1]);
    }

    #[test]
    fn datagrams_are_joined_if_the_kernel_takes_them_and_they_have_a_checksum() {
        let mut packets: Vec<_> = [900, 900, 100].iter().map(|n| udp4(&vec![5; *n])).collect();
        for (i, packet) in packets.iter_mut().enumerate() {
            put(packet, 4, (i as u16).to_be_bytes());
            refresh(packet);
        }
        let (writes, counts) = written(&packets);
        assert_eq!(counts, [3]);
        assert_eq!(split(&writes), packets);
        let mut coalescer = Coalescer::new(false);
        coalescer.join(3, |at| Some(&packets[at]));
        assert_eq!(coalescer.supers().len(), 3);
        for packet in &mut packets {
            put(packet, 26, [0, 0]);
        }
        assert_eq!(written(&packets).1, [1, 1, 1]);
    }

    #[test]
    fn a_super_packet_never_exceeds_64_packets_and_the_length_of_ip() {
        assert_eq!(written(&stream(&[100; 130])).1, [64, 64, 2]);
        assert_eq!(written(&stream(&[1_460; 46])).1, [44, 2]);
        assert_eq!(split(&written(&stream(&[1_460; 46])).0), stream(&[1_460; 46]));
    }

    #[test]
    fn any_mixture_keeps_the_order_of_each_flow_and_loses_nothing() {
        let mut rng = Rng::new([9; 32]);
        for round in 0..300 {
            let mut sequences = [0u32; 20];
            let mut ids = [0u16; 20];
            let mut packets = vec![];
            for _ in 0..100 {
                let flow = rng.u32() as usize % if round % 2 == 0 { 3 } else { 20 };
                let size = [0, 200, 200, 200, 50][rng.u32() as usize % 5];
                let flags = [ACK, ACK, ACK, ACK | PSH, ACK | 1][rng.u32() as usize % 5];
                let mut packet = tcp4(sequences[flow], flags, &vec![flow as u8; size]);
                packet[21] = flow as u8;
                put(&mut packet, 4, ids[flow].to_be_bytes());
                refresh(&mut packet);
                packets.push(packet);
                sequences[flow] += size as u32;
                ids[flow] += 1;
            }
            let got = split(&written(&packets).0);
            for flow in 0..20 {
                let of = |list: &[Vec<u8>]| list.iter().filter(|p| p[21] == flow).cloned().collect::<Vec<_>>();
                assert_eq!(of(&got), of(&packets));
            }
            assert_eq!(got.len(), packets.len());
        }
    }

    #[test]
    fn random_octets_do_no_harm() {
        let mut rng = Rng::new([4; 32]);
        for _ in 0..3_000 {
            let packets: Vec<Vec<u8>> = (0..6)
                .map(|_| {
                    let mut packet = vec![0; rng.u32() as usize % 60];
                    rng.fill(&mut packet);
                    if packet.len() > 34 {
                        packet[..4].copy_from_slice(&[0x45, 0, 0, rng.u32() as u8 % 60]);
                        packet[6..24].fill(1);
                        packet[9] = if rng.u32().is_multiple_of(2) { TCP } else { UDP };
                        packet[32] &= 0x70;
                        packet[33] = ACK;
                    }
                    packet
                })
                .collect();
            assert_eq!(written(&packets).1.iter().sum::<usize>(), packets.len());
        }
    }
}
