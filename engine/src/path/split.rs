//! Packets read from the TUN behind a virtio-net header: super-packets are cut into single ones, checksums are completed.

use super::sum::{Sum, long_at, pseudo_ipv4, pseudo_ipv6, put, word_at};
use core::ops::Range;

/// The length of the virtio-net header before each packet of the TUN, in octets.
pub const VNET_LEN: usize = 10;

/// `flags`: the transport checksum holds only the pseudo-header's sum (virtio 1.2 §5.1.6).
pub(super) const NEEDS_CSUM: u8 = 1;
/// `gso_type`.
pub(super) const GSO_NONE: u8 = 0;
pub(super) const GSO_TCPV4: u8 = 1;
pub(super) const GSO_TCPV6: u8 = 4;
pub(super) const GSO_UDP_L4: u8 = 5;
/// A bit of `gso_type`: the first segment has CWR set (RFC 3168 §6.1.2), the others do not.
const GSO_ECN: u8 = 0x80;

/// More single packets than this are not made of one super-packet.
const MAX_SEGMENTS: usize = 2048;

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// What is wrong with a packet that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SplitError {
    /// Shorter than the virtio-net header says or needs.
    TooShort,
    /// Neither IPv4 nor IPv6, or its header does not fit.
    NotIp,
    /// A kind of super-packet that was never asked for.
    UnknownKind,
    /// The checksum's place or the transport header does not fit.
    BadTransport,
    /// Segments of no octets, or too many of them.
    BadSegments,
}

/// Cuts what was read from the TUN, and counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Splitter {
    /// Reads that held one packet.
    pub singles: u64,
    /// Reads that held a super-packet.
    pub supers: u64,
    /// Packets that came out.
    pub packets: u64,
    /// Packets for which the caller had no room.
    pub refused: u64,
    /// Reads that could not be understood.
    pub malformed: u64,
}

/// One packet that is about to be copied to its own place.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
    work: Work,
}

/// What has to be changed in the copy.
#[derive(Clone, Copy)]
enum Work {
    Nothing,
    Checksum { start: usize, offset: usize },
    Cut { of: Whole, index: usize, at: usize, last: bool },
}

/// What the segments of one super-packet have in common.
#[derive(Clone, Copy)]
struct Whole {
    v4: bool,
    tcp: bool,
    /// Where the transport header is.
    transport: usize,
    /// The sums of the IPv4 header, and of pseudo-header and transport header, without what each segment has of its own. The
    /// finished headers are not read again: what has just been written in small pieces is slow to read in large ones.
    sums: (Sum, Sum),
}

impl Whole {
    fn new(headers: &[u8], v4: bool, tcp: bool, transport: usize) -> Self {
        let of = |bytes: &[u8], pieces: &[Range<usize>]| {
            let pieces = pieces.iter().map(|piece| bytes.get(piece.clone()).unwrap_or_default());
            pieces.fold(Sum::default(), Sum::bytes)
        };
        // Length, identification and checksum are each segment's own.
        let ip = of(headers, &[0..2, 6..10, 12..transport]);
        let segment = headers.get(transport..).unwrap_or_default();
        // So are sequence number, flags and checksum, or length and checksum.
        let own: &[Range<usize>] = if tcp { &[0..4, 8..12, 14..16, 18..segment.len()] } else { &[0..4, 4..4] };
        let shared = of(segment, own);
        let protocol = if tcp { TCP } else { UDP };
        let pseudo = if v4 { pseudo_ipv4(headers, protocol, 0) } else { pseudo_ipv6(headers, protocol, 0) };
        Self { v4, tcp, transport, sums: (ip, pseudo.and(shared)) }
    }
}

impl Segment<'_> {
    /// The packet's length.
    #[must_use]
    pub fn len(&self) -> usize {
        self.headers.len() + self.payload.len()
    }

    /// Whether there is no packet; never, of those that [`Splitter::split`] hands out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the finished packet; whether `out` was exactly as long as it.
    #[must_use]
    pub fn write(&self, out: &mut [u8]) -> bool {
        if out.len() != self.len() {
            return false;
        }
        let (headers, payload) = out.split_at_mut(self.headers.len());
        match self.work {
            // All of it is headers, here and in the next.
            Work::Nothing => headers.copy_from_slice(self.headers),
            Work::Checksum { start, offset } => {
                let at = start.min(headers.len());
                let ((before, after), (from, rest)) = (headers.split_at_mut(at), self.headers.split_at(at));
                before.copy_from_slice(from);
                let sum = Sum::default().copied(after, rest);
                let checksum = if offset == 6 { never_zero(sum.checksum()) } else { sum.checksum() };
                put(out, start + offset, checksum);
            }
            Work::Cut { of, index, at, last } => {
                headers.copy_from_slice(self.headers);
                let sum = Sum::default().copied(payload, self.payload);
                finish_cut(headers, &of, (index, at, last), (payload.len(), sum));
            }
        }
        true
    }
}

/// A UDP checksum of zero would say that there is none (RFC 768).
fn never_zero(checksum: [u8; 2]) -> [u8; 2] {
    if checksum == [0, 0] { [0xff, 0xff] } else { checksum }
}

fn version(packet: &[u8]) -> u8 {
    packet.first().map_or(0, |octet| octet >> 4)
}

/// Makes a copy of the super-packet's headers into those of its segment `index`, whose payload began `at` so many octets, and
/// has this length and comes to this sum.
fn finish_cut(
    headers: &mut [u8],
    whole: &Whole,
    (index, at, last): (usize, usize, bool),
    (payload_len, payload): (usize, Sum),
) {
    let len = headers.len() + payload_len;
    let (ip, transport) = whole.sums;
    if whole.v4 {
        let id = word_at(headers, 4).wrapping_add(index as u16);
        put(headers, 2, (len as u16).to_be_bytes());
        put(headers, 4, id.to_be_bytes());
        put(headers, 10, ip.word(len as u16).word(id).checksum());
    } else {
        put(headers, 4, (len.saturating_sub(40) as u16).to_be_bytes());
    }
    let length = len.saturating_sub(whole.transport);
    let sum = transport.and(payload).word((length >> 16) as u16).word(length as u16);
    let Some(segment) = headers.get_mut(whole.transport..) else {
        return;
    };
    if whole.tcp {
        let sequence = long_at(segment, 4).wrapping_add(at as u32);
        let only_last = if last { 0 } else { FIN_PSH };
        let only_first = if index == 0 { 0 } else { CWR };
        let flags = word_at(segment, 12) & !u16::from(only_last | only_first);
        put(segment, 4, sequence.to_be_bytes());
        put(segment, 12, flags.to_be_bytes());
        put(segment, 16, sum.word((sequence >> 16) as u16).word(sequence as u16).word(flags).checksum());
    } else {
        put(segment, 4, (length as u16).to_be_bytes());
        put(segment, 6, never_zero(sum.word(length as u16).checksum()));
    }
}

impl Splitter {
    /// Hands each packet of one read to `place`, which copies it to a slot of its own with [`Segment::write`] and says
    /// whether there was room. The number of packets that found room.
    pub fn split(&mut self, read: &[u8], mut place: impl FnMut(Segment<'_>) -> bool) -> Result<usize, SplitError> {
        let mut placed = 0;
        let mut refused = 0;
        let cut = cut(read, &mut |segment| {
            let room = place(segment);
            placed += usize::from(room);
            refused += u64::from(!room);
        });
        match cut {
            Ok(true) => self.supers += 1,
            Ok(false) => self.singles += 1,
            Err(why) => {
                self.malformed += 1;
                return Err(why);
            }
        }
        self.packets += placed as u64;
        self.refused += refused;
        Ok(placed)
    }
}

/// Whether it was a super-packet.
fn cut(read: &[u8], each: &mut dyn FnMut(Segment<'_>)) -> Result<bool, SplitError> {
    let Some((header, packet)) = read.split_first_chunk::<VNET_LEN>() else {
        return Err(SplitError::TooShort);
    };
    let [flags, kind, _, _, size_a, size_b, start_a, start_b, offset_a, offset_b] = *header;
    let native = |a, b| usize::from(u16::from_ne_bytes([a, b]));
    let (size, start, offset) = (native(size_a, size_b), native(start_a, start_b), native(offset_a, offset_b));
    let ip_len = match version(packet) {
        4 => usize::from(packet.first().map_or(0, |octet| octet & 0x0f)) * 4,
        6 => 40,
        _ => return Err(SplitError::NotIp),
    };
    let least = if version(packet) == 4 { 20 } else { 40 };
    if ip_len < least || packet.len() < ip_len {
        return Err(SplitError::NotIp);
    }
    if kind & !GSO_ECN == GSO_NONE {
        let work = if flags & NEEDS_CSUM != 0 {
            if start < ip_len || start.saturating_add(offset).saturating_add(2) > packet.len() {
                return Err(SplitError::BadTransport);
            }
            Work::Checksum { start, offset }
        } else {
            Work::Nothing
        };
        each(Segment { headers: packet, payload: &[], work });
        return Ok(false);
    }
    let v4 = version(packet) == 4;
    let tcp = match kind & !GSO_ECN {
        GSO_TCPV4 if v4 => true,
        GSO_TCPV6 if !v4 => true,
        GSO_UDP_L4 => false,
        _ => return Err(SplitError::UnknownKind),
    };
    // With IPv6 extension headers only the kernel knows where the transport header is; it says so.
    let transport = if v4 { ip_len } else { start };
    let protocol = packet.get(9).copied().filter(|_| v4);
    let segment = packet.get(transport..).unwrap_or_default();
    let headers_len = match (tcp, segment.get(12)) {
        (true, Some(octet)) => usize::from(octet >> 4) * 4,
        (true, None) => 0,
        (false, _) => 8,
    };
    let fits = headers_len >= if tcp { 20 } else { 8 } && headers_len <= segment.len() && transport >= ip_len;
    if !fits || protocol.is_some_and(|protocol| protocol != if tcp { TCP } else { UDP }) {
        return Err(SplitError::BadTransport);
    }
    let (headers, payload) = packet.split_at(transport + headers_len);
    if size == 0 || payload.len().div_ceil(size) > MAX_SEGMENTS || headers.len() + size > usize::from(u16::MAX) {
        return Err(SplitError::BadSegments);
    }
    let of = Whole::new(headers, v4, tcp, transport);
    let count = payload.len().div_ceil(size).max(1);
    for index in 0..count {
        let at = index * size;
        let last = index + 1 == count;
        let part = payload.get(at..(at + size).min(payload.len())).unwrap_or_default();
        each(Segment { headers, payload: part, work: Work::Cut { of, index, at, last } });
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::super::testing::{checksums_are_good, tcp4, udp4};
    use super::*;
    use crate::rng::Rng;

    fn header(flags: u8, kind: u8, size: u16, start: u16, offset: u16) -> Vec<u8> {
        let numbers = [0, size, start, offset].map(u16::to_ne_bytes);
        [&[flags, kind][..], numbers.as_flattened()].concat()
    }

    fn split(read: &[u8]) -> Result<Vec<Vec<u8>>, SplitError> {
        let mut out = vec![];
        Splitter::default().split(read, |segment| {
            let mut packet = vec![0xee; segment.len()];
            assert!(segment.write(&mut packet));
            out.push(packet);
            true
        })?;
        Ok(out)
    }

    #[test]
    fn a_tcp_super_packet_becomes_segments_with_good_checksums() {
        let payload: Vec<u8> = (0..3_000u32).map(|i| i as u8).collect();
        let mut whole = tcp4(1_000, 0x18 | CWR | 0x01, &payload);
        whole[20 + 16..20 + 18].fill(0);
        let got = split(&[header(NEEDS_CSUM, GSO_TCPV4 | GSO_ECN, 1_400, 20, 16), whole.clone()].concat()).unwrap();
        assert_eq!(got.iter().map(Vec::len).collect::<Vec<_>>(), [1_440, 1_440, 240]);
        let mut joined = vec![];
        for (i, packet) in got.iter().enumerate() {
            assert!(checksums_are_good(packet), "segment {i}");
            assert_eq!(long_at(packet, 24), 1_000 + joined.len() as u32);
            assert_eq!(word_at(packet, 4), word_at(&whole, 4) + i as u16);
            joined.extend_from_slice(&packet[40..]);
        }
        assert_eq!(joined, payload);
        assert_eq!(got.iter().map(|p| p[33]).collect::<Vec<_>>(), [0x10 | CWR, 0x10, 0x19]);
    }

    #[test]
    fn a_udp_super_packet_becomes_datagrams() {
        let whole = udp4(&[7; 2_500]);
        let got = split(&[header(NEEDS_CSUM, GSO_UDP_L4, 1_000, 20, 6), whole].concat()).unwrap();
        assert_eq!(got.iter().map(Vec::len).collect::<Vec<_>>(), [1_028, 1_028, 528]);
        assert!(got.iter().all(|packet| checksums_are_good(packet)));
        assert_eq!(word_at(&got[2], 24), 508);
    }

    #[test]
    fn a_tcp_super_packet_over_ipv6_becomes_segments() {
        let v4 = tcp4(5, 0x10, &[9; 2_000]);
        let mut whole = vec![0x60, 0, 0, 0, 0, 0, TCP, 64];
        whole.extend((0..32).map(|i| i * 7));
        whole.extend_from_slice(&v4[20..]);
        let got = split(&[header(NEEDS_CSUM, GSO_TCPV6, 1_200, 40, 16), whole].concat()).unwrap();
        assert_eq!(got.iter().map(Vec::len).collect::<Vec<_>>(), [1_260, 860]);
        for packet in &got {
            assert_eq!(usize::from(word_at(packet, 4)), packet.len() - 40);
            assert_eq!(pseudo_ipv6(packet, TCP, packet.len() - 40).bytes(&packet[40..]).folded(), 0xffff);
        }
    }

    #[test]
    fn the_checksum_of_a_single_packet_is_completed() {
        for (packet, field) in [(tcp4(5, 0x10, b"hello"), 16), (udp4(b"hello!!"), 6)] {
            let mut partial = packet.clone();
            let sum = pseudo_ipv4(&packet, packet[9], packet.len() - 20).folded();
            put(&mut partial, 20 + field, sum.to_ne_bytes());
            let got = split(&[header(NEEDS_CSUM, GSO_NONE, 0, 20, field as u16), partial].concat()).unwrap();
            assert_eq!(got.len(), 1);
            assert_eq!(got[0], packet);
            assert_eq!(split(&[header(0, GSO_NONE, 0, 0, 0), packet.clone()].concat()).unwrap(), [packet]);
        }
    }

    #[test]
    fn a_udp_checksum_that_comes_out_as_zero_is_sent_as_ones() {
        let mut packet = udp4(&[0, 0, 1, 2]);
        let missing = [packet[26], packet[27]];
        put(&mut packet, 28, missing);
        let partial = pseudo_ipv4(&packet, UDP, packet.len() - 20).folded();
        put(&mut packet, 26, partial.to_ne_bytes());
        for kind in [GSO_NONE, GSO_UDP_L4] {
            let got = split(&[header(NEEDS_CSUM, kind, 4, 20, 6), packet.clone()].concat()).unwrap();
            assert_eq!(got[0][26..28], [0xff, 0xff]);
        }
    }

    #[test]
    fn malformed_headers_are_counted() {
        let packet = tcp4(5, 0x10, &[1; 100]);
        let with = |header: Vec<u8>| split(&[header, packet.clone()].concat());
        assert_eq!(split(&[0; 9]), Err(SplitError::TooShort));
        assert_eq!(split(&[0; 10]), Err(SplitError::NotIp));
        assert_eq!(with(header(NEEDS_CSUM, GSO_NONE, 0, 139, 0)), Err(SplitError::BadTransport));
        assert_eq!(with(header(NEEDS_CSUM, GSO_NONE, 0, u16::MAX, u16::MAX)), Err(SplitError::BadTransport));
        assert_eq!(with(header(NEEDS_CSUM, 3, 50, 20, 16)), Err(SplitError::UnknownKind));
        assert_eq!(with(header(NEEDS_CSUM, GSO_TCPV6, 50, 20, 16)), Err(SplitError::UnknownKind));
        assert_eq!(with(header(NEEDS_CSUM, GSO_UDP_L4, 50, 20, 6)), Err(SplitError::BadTransport));
        assert_eq!(with(header(NEEDS_CSUM, GSO_TCPV4, 0, 20, 16)), Err(SplitError::BadSegments));
        let mut splitter = Splitter::default();
        assert!(splitter.split(&[], |_| true).is_err());
        assert_eq!(splitter.malformed, 1);
    }

    #[test]
    fn random_octets_do_no_harm() {
        let mut rng = Rng::new([3; 32]);
        for _ in 0..30_000 {
            let mut read = vec![0; rng.u32() as usize % 120];
            rng.fill(&mut read);
            if read.len() > 20 {
                read[0] &= 1;
                read[1] &= 0x85;
                read[7] = 0;
                read[9] = 0;
                read[10] = if rng.u32().is_multiple_of(2) { 0x45 } else { 0x60 };
                read[19] = if rng.u32().is_multiple_of(2) { TCP } else { UDP };
            }
            if let Ok(packets) = split(&read) {
                assert!(!packets.is_empty());
            }
        }
    }
}
