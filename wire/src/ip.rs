//! Just enough of IP: in-place views, checksums, MSS clamping, fragments, and the answer to a packet that is too big.

use core::net::{Ipv4Addr, Ipv6Addr};

/// The protocol number of ICMP.
pub const ICMP: u8 = 1;
/// The protocol number of TCP.
pub const TCP: u8 = 6;
/// The protocol number of UDP.
pub const UDP: u8 = 17;
/// The protocol number of ESP.
pub const ESP: u8 = 50;

/// Octets of an IPv4 header without options.
pub const IPV4_HEADER_LEN: usize = 20;
/// Octets of an IPv6 header.
pub const IPV6_HEADER_LEN: usize = 40;
/// Octets of a UDP header.
pub const UDP_HEADER_LEN: usize = 8;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;
/// Octets of the longest IPv4 header.
const IPV4_HEADER_MAX: usize = 60;
/// Octets of the packet that an ICMP error quotes at most, so that it stays within 576, RFC 1812 §4.3.2.3.
const ICMP_QUOTE: usize = 548;
/// IPv6 extension headers that are skipped in search of TCP.
const MAX_EXTENSIONS: usize = 8;

/// The version in the first octet of an IP packet: 4, 6, or something else.
pub fn version(packet: &[u8]) -> Option<u8> {
    packet.first().map(|octet| octet >> 4)
}

/// The source of an IPv4 packet, read without looking at anything but its version and size.
pub fn ipv4_source(packet: &[u8]) -> Option<Ipv4Addr> {
    let header = packet.first_chunk::<IPV4_HEADER_LEN>()?;
    (header[0] >> 4 == 4).then(|| address(header, 12))
}

/// The destination of an IPv4 packet, read without looking at anything but its version and size.
pub fn ipv4_destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let header = packet.first_chunk::<IPV4_HEADER_LEN>()?;
    (header[0] >> 4 == 4).then(|| address(header, 16))
}

fn address(header: &[u8; IPV4_HEADER_LEN], at: usize) -> Ipv4Addr {
    let octets = header.get(at..).and_then(|rest| rest.first_chunk::<4>());
    octets.map_or(Ipv4Addr::UNSPECIFIED, |octets| Ipv4Addr::from(*octets))
}

/// An IPv4 packet in place, RFC 791 §3.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version|  IHL  |Type of Service|          Total Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Identification        |Flags|      Fragment Offset    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Time to Live |    Protocol   |         Header Checksum       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Source Address                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Destination Address                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Options                    |    Padding    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Debug)]
pub struct Ipv4<'a> {
    fixed: &'a [u8; IPV4_HEADER_LEN],
    header: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// A view of the packet, if version, header length and total length are possible; the checksum is not looked at.
    ///
    /// Octets behind the total length are left out.
    pub fn new(packet: &'a [u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<IPV4_HEADER_LEN>()?;
        if fixed[0] >> 4 != 4 {
            return None;
        }
        let header_len = usize::from(fixed[0] & 0x0f) << 2;
        let total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if header_len < IPV4_HEADER_LEN {
            return None;
        }
        let (header, payload) = packet.get(..total_len)?.split_at_checked(header_len)?;
        Some(Self { fixed, header, payload })
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv4Addr {
        address(self.fixed, 12)
    }

    /// Whom it is for.
    pub fn destination(&self) -> Ipv4Addr {
        address(self.fixed, 16)
    }

    /// The protocol of the payload.
    pub fn protocol(&self) -> u8 {
        self.fixed[9]
    }

    /// Octets of header and payload.
    pub fn total_len(&self) -> usize {
        self.header.len().saturating_add(self.payload.len())
    }

    /// Octets of the header with its options.
    pub fn header_len(&self) -> usize {
        self.header.len()
    }

    /// The identification, the same for all fragments of a packet.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.fixed[4], self.fixed[5]])
    }

    /// Whether the packet must not be fragmented.
    pub fn dont_fragment(&self) -> bool {
        self.flags_and_offset() & DONT_FRAGMENT != 0
    }

    /// Whether fragments follow.
    pub fn more_fragments(&self) -> bool {
        self.flags_and_offset() & MORE_FRAGMENTS != 0
    }

    /// Where the payload stands in the whole, in units of 8 octets.
    pub fn fragment_offset(&self) -> u16 {
        self.flags_and_offset() & FRAGMENT_OFFSET
    }

    /// Hops left.
    pub fn ttl(&self) -> u8 {
        self.fixed[8]
    }

    /// Whether the header's checksum is right.
    pub fn has_right_checksum(&self) -> bool {
        checksum(self.header) == 0
    }

    /// The header with its options.
    pub fn header(&self) -> &'a [u8] {
        self.header
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn flags_and_offset(&self) -> u16 {
        u16::from_be_bytes([self.fixed[6], self.fixed[7]])
    }
}

/// An IPv4 header without options, with TTL 64 and a right checksum; `None` where the packet would exceed 65,535 octets.
pub fn ipv4_header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload_len: usize,
) -> Option<[u8; IPV4_HEADER_LEN]> {
    let total_len = u16::try_from(payload_len.checked_add(IPV4_HEADER_LEN)?).ok()?;
    let mut header = [0; IPV4_HEADER_LEN];
    header[0] = 0x45;
    header[8] = 64;
    header[9] = protocol;
    put(&mut header, 2, &total_len.to_be_bytes());
    put(&mut header, 12, &source.octets());
    put(&mut header, 16, &destination.octets());
    set_header_checksum(&mut header);
    Some(header)
}

/// An IPv6 packet in place, RFC 8200 §3.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version| Traffic Class |           Flow Label                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Payload Length        |  Next Header  |   Hop Limit   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  Source Address (128 bits)                    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               Destination Address (128 bits)                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Debug)]
pub struct Ipv6<'a> {
    header: &'a [u8; IPV6_HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> Ipv6<'a> {
    /// A view of the packet, if version and payload length are possible; octets behind the payload are left out.
    pub fn new(packet: &'a [u8]) -> Option<Self> {
        let (header, rest) = packet.split_first_chunk::<IPV6_HEADER_LEN>()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let payload = rest.get(..usize::from(u16::from_be_bytes([header[4], header[5]])))?;
        Some(Self { header, payload })
    }

    /// Octets behind the header.
    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// Octets of header and payload.
    pub fn total_len(&self) -> usize {
        self.payload.len().saturating_add(IPV6_HEADER_LEN)
    }

    /// The kind of the header that follows.
    pub fn next_header(&self) -> u8 {
        self.header[6]
    }

    /// Hops left.
    pub fn hop_limit(&self) -> u8 {
        self.header[7]
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv6Addr {
        self.address(8)
    }

    /// Whom it is for.
    pub fn destination(&self) -> Ipv6Addr {
        self.address(24)
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn address(&self, at: usize) -> Ipv6Addr {
        let octets = self.header.get(at..).and_then(|rest| rest.first_chunk::<16>());
        octets.map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
    }

    /// Where in the packet a TCP header begins, behind any extension headers; `None` in a later fragment.
    fn tcp_start(&self) -> Option<usize> {
        const HOP_BY_HOP: u8 = 0;
        const ROUTING: u8 = 43;
        const FRAGMENT: u8 = 44;
        const DESTINATION: u8 = 60;
        let mut kind = self.next_header();
        let mut at = 0_usize;
        for _ in 0..MAX_EXTENSIONS {
            let here = self.payload.get(at..)?;
            match kind {
                TCP => return at.checked_add(IPV6_HEADER_LEN),
                HOP_BY_HOP | ROUTING | DESTINATION => {
                    let [next, units] = *here.first_chunk::<2>()?;
                    kind = next;
                    at = at.checked_add(usize::from(units).checked_add(1)?.checked_mul(8)?)?;
                }
                FRAGMENT => {
                    let [next, _, high, low] = *here.first_chunk::<4>()?;
                    if u16::from_be_bytes([high, low]) >> 3 != 0 {
                        return None;
                    }
                    kind = next;
                    at = at.checked_add(8)?;
                }
                _ => return None,
            }
        }
        None
    }
}

/// A UDP datagram in place, RFC 768.
///
/// ```text
///  0      7 8     15 16    23 24    31
/// +--------+--------+--------+--------+
/// |   Source Port   | Destination Port|
/// +--------+--------+--------+--------+
/// |     Length      |    Checksum     |
/// +--------+--------+--------+--------+
/// ```
#[derive(Copy, Clone, Debug)]
pub struct Udp<'a> {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// The checksum as it was sent; 0 for none. It is not checked.
    pub checksum: u16,
    /// What follows the header, cut to the length that it tells.
    pub payload: &'a [u8],
}

impl<'a> Udp<'a> {
    /// A view of the datagram, if its length is possible.
    pub fn new(segment: &'a [u8]) -> Option<Self> {
        let [s0, s1, d0, d1, l0, l1, c0, c1] = *segment.first_chunk::<UDP_HEADER_LEN>()?;
        let payload = segment.get(UDP_HEADER_LEN..usize::from(u16::from_be_bytes([l0, l1])))?;
        Some(Self {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            checksum: u16::from_be_bytes([c0, c1]),
            payload,
        })
    }
}

/// A UDP header with checksum 0, as it is right inside ESP transport mode behind a NAT, RFC 3948 §3.1.2.
///
/// `None` where the datagram would exceed 65,535 octets.
pub fn udp_header(source_port: u16, destination_port: u16, payload_len: usize) -> Option<[u8; UDP_HEADER_LEN]> {
    let length = u16::try_from(payload_len.checked_add(UDP_HEADER_LEN)?).ok()?;
    let [s0, s1] = source_port.to_be_bytes();
    let [d0, d1] = destination_port.to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    Some([s0, s1, d0, d1, l0, l1, 0, 0])
}

/// The Internet checksum of the octets, RFC 1071; 0 over data that holds its own right checksum.
pub fn checksum(bytes: &[u8]) -> u16 {
    !fold(sum(bytes))
}

/// The checksum of a TCP or UDP segment over IPv4 with its pseudo header, RFC 793 §3.1 and RFC 768.
///
/// 0 over a segment that holds its right checksum; over one whose checksum field is 0, the value to write there (for
/// UDP a 0 is written as `0xffff`).
pub fn transport_checksum_ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, segment: &[u8]) -> u16 {
    let [s0, s1, s2, s3] = source.octets();
    let [d0, d1, d2, d3] = destination.octets();
    let [l0, l1] = u16::try_from(segment.len()).unwrap_or(u16::MAX).to_be_bytes();
    let pseudo = [s0, s1, s2, s3, d0, d1, d2, d3, 0, protocol, l0, l1];
    !fold(sum(&pseudo).wrapping_add(sum(segment)))
}

/// Adds up 32-bit halves in the machine's own order; [`fold`] turns the sum into the network's (RFC 1071 §2(B)).
///
/// Below 2^32 octets the sum cannot overflow.
fn sum(bytes: &[u8]) -> u64 {
    let (chunks, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    if let Some(place) = last.get_mut(..tail.len()) {
        place.copy_from_slice(tail);
    }
    chunks.iter().chain([&last]).fold(0, |total: u64, chunk| {
        let word = u64::from_ne_bytes(*chunk);
        total.wrapping_add(word & 0xffff_ffff).wrapping_add(word >> 32)
    })
}

/// The ones' complement sum of 16-bit words in network order.
fn fold(mut total: u64) -> u16 {
    loop {
        match u16::try_from(total) {
            Ok(folded) => return u16::from_be(folded),
            Err(_) => total = (total & 0xffff).wrapping_add(total >> 16),
        }
    }
}

/// Writes octets at a place in a buffer; nothing happens where they do not fit.
fn put(buffer: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = at.checked_add(octets.len()).and_then(|end| buffer.get_mut(at..end)) {
        place.copy_from_slice(octets);
    }
}

fn set_header_checksum(header: &mut [u8]) {
    put(header, 10, &[0, 0]);
    let right = checksum(header);
    put(header, 10, &right.to_be_bytes());
}

/// Lowers the maximum segment size that a TCP SYN announces to `mss`, and tells whether anything changed.
///
/// Looks into IPv4 and IPv6 packets, first fragments only. The checksum is adjusted, not computed anew (RFC 1624 §3), so
/// that a wrong one stays wrong; it must be the whole checksum, not one that hardware has still to finish.
pub fn clamp_mss(packet: &mut [u8], mss: u16) -> bool {
    let segment = match version(packet) {
        Some(4) => tcp_in_ipv4(packet),
        Some(6) => Ipv6::new(packet).and_then(|view| Some((view.tcp_start()?, view.total_len()))),
        _ => None,
    };
    let Some((start, end)) = segment else { return false };
    packet.get_mut(start..end).and_then(|segment| clamp_segment(segment, mss)).is_some()
}

fn tcp_in_ipv4(packet: &[u8]) -> Option<(usize, usize)> {
    let view = Ipv4::new(packet)?;
    (view.protocol() == TCP && view.fragment_offset() == 0).then(|| (view.header_len(), view.total_len()))
}

/// Lowers the MSS option of a TCP segment; `Some` if it was there and higher.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Kind = 2    |  Length = 4   |     Maximum Segment Size      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
fn clamp_segment(segment: &mut [u8], mss: u16) -> Option<()> {
    const SYN: u8 = 0x02;
    const CHECKSUM: usize = 16;
    const OPTIONS: usize = 20;
    let header_len = usize::from(*segment.get(12)? >> 4) << 2;
    if *segment.get(13)? & SYN == 0 {
        return None;
    }
    let header = segment.get_mut(..header_len)?;
    let mut at = OPTIONS;
    let value_at = loop {
        match *header.get(at)? {
            0 => return None,
            1 => at = at.checked_add(1)?,
            2 if *header.get(at.checked_add(1)?)? == 4 => break at.checked_add(2)?,
            _ => {
                let length = usize::from(*header.get(at.checked_add(1)?)?);
                if length < 2 {
                    return None;
                }
                at = at.checked_add(length)?;
            }
        }
    };
    let old = u16_at(header, value_at)?;
    if old <= mss {
        return None;
    }
    let before = u16_at(header, CHECKSUM)?;
    put(header, value_at, &mss.to_be_bytes());
    // At an odd place the value straddles two words of the sum, which is the same as swapping its octets.
    let odd = value_at & 1 == 1;
    let (out, into) = if odd { (old.swap_bytes(), mss.swap_bytes()) } else { (old, mss) };
    put(header, CHECKSUM, &adjusted(before, out, into).to_be_bytes());
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|octets| u16::from_be_bytes(*octets))
}

/// A checksum after one word of its data has changed: `HC' = ~(~HC + ~m + m')`, RFC 1624 §3.
fn adjusted(checksum: u16, old: u16, new: u16) -> u16 {
    let mut total = u32::from(!checksum).wrapping_add(u32::from(!old)).wrapping_add(u32::from(new));
    loop {
        match u16::try_from(total) {
            Ok(folded) => return !folded,
            Err(_) => total = (total & 0xffff).wrapping_add(total >> 16),
        }
    }
}

/// Cuts an IPv4 packet into fragments of at most `mtu` octets, and lends header and data of each in order, RFC 791 §3.2.
///
/// A packet that fits is lent as it is. Options with the copied flag stand in every fragment, the others only in the
/// first. Whether the packet may be fragmented is the caller's matter. Nothing is lent if the packet is no IPv4 packet,
/// or if `mtu` leaves no room for 8 octets behind the header.
pub fn fragment_ipv4(packet: &[u8], mtu: usize, each: &mut dyn FnMut(&[u8], &[u8])) {
    let Some(view) = Ipv4::new(packet) else { return };
    if view.total_len() <= mtu {
        each(view.header(), view.payload());
        return;
    }
    // Without room behind the longest header of the packet there would be no progress.
    if mtu < view.header_len().saturating_add(8) {
        return;
    }
    let mut buffer = [0; IPV4_HEADER_MAX];
    put(&mut buffer, 0, view.header());
    let mut header_len = view.header_len();
    let mut rest = view.payload();
    let mut offset = view.fragment_offset();
    let mut first = true;
    while !rest.is_empty() {
        let room = mtu.saturating_sub(header_len) & !7;
        let (data, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
        let more = !behind.is_empty() || view.more_fragments();
        let flags = if more { MORE_FRAGMENTS } else { 0 } | if view.dont_fragment() { DONT_FRAGMENT } else { 0 };
        let total_len = u16::try_from(header_len.saturating_add(data.len())).unwrap_or(u16::MAX);
        put(&mut buffer, 2, &total_len.to_be_bytes());
        put(&mut buffer, 6, &(flags | (offset & FRAGMENT_OFFSET)).to_be_bytes());
        if let Some(header) = buffer.get_mut(..header_len) {
            set_header_checksum(header);
            each(header, data);
        }
        rest = behind;
        offset = offset.saturating_add(u16::try_from(data.len() >> 3).unwrap_or(FRAGMENT_OFFSET));
        if first {
            first = false;
            header_len = keep_copied_options(&mut buffer, header_len);
        }
    }
}

/// Leaves in a header only the options that every fragment carries, and returns its new length.
fn keep_copied_options(buffer: &mut [u8; IPV4_HEADER_MAX], header_len: usize) -> usize {
    const COPIED: u8 = 0x80;
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    let before = *buffer;
    let mut options = before.get(IPV4_HEADER_LEN..header_len).unwrap_or(&[]);
    let mut at = IPV4_HEADER_LEN;
    while let Some(kind) = options.first().copied().filter(|kind| *kind != END) {
        let told = if kind == NO_OPERATION { 1 } else { options.get(1).map_or(0, |length| usize::from(*length)) };
        // An option that cannot be read ends the list: what follows it means nothing.
        let Some((option, behind)) = options.split_at_checked(told).filter(|(option, _)| !option.is_empty()) else {
            break;
        };
        if kind & COPIED != 0 {
            put(buffer, at, option);
            at = at.saturating_add(option.len());
        }
        options = behind;
    }
    let padded = at.saturating_add(3) & !3;
    if let Some(padding) = buffer.get_mut(at..) {
        padding.fill(END);
    }
    buffer[0] = 0x40 | u8::try_from(padded >> 2).unwrap_or(0x0f);
    padded
}

/// The answer to an IPv4 packet that is too big and must not be fragmented: an ICMP packet from `from` to its source.
///
/// Destination Unreachable, code 4, with the MTU of the next hop, RFC 1191 §4; it quotes the packet as far as 576 octets
/// allow, RFC 1812 §4.3.2.3. `None` where RFC 1812 §4.3.2.7 forbids an answer: to an ICMP error, to a fragment that is not
/// the first, to a packet for a multicast or broadcast address or from an address that is not a single host's.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 3    |   Code = 4    |           Checksum            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           unused = 0          |         Next-Hop MTU          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Internet Header + 64 bits of Original Datagram Data      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub fn icmp_too_big(packet: &[u8], mtu: u16, from: Ipv4Addr) -> Option<Vec<u8>> {
    /// Precedence "internetwork control", RFC 1812 §4.3.2.5.
    const PRECEDENCE: u8 = 0xc0;
    let view = Ipv4::new(packet)?;
    let (source, destination) = (view.source(), view.destination());
    if view.fragment_offset() != 0
        || is_icmp_error(&view)
        || destination.is_multicast()
        || destination.is_broadcast()
        || !is_single_host(source)
    {
        return None;
    }
    let quote = packet.get(..view.total_len().min(ICMP_QUOTE))?;
    let [m0, m1] = mtu.to_be_bytes();
    let mut message = vec![3, 4, 0, 0, 0, 0, m0, m1];
    message.extend_from_slice(quote);
    let right = checksum(&message);
    put(&mut message, 2, &right.to_be_bytes());
    let mut header = ipv4_header(from, source, ICMP, message.len())?;
    header[1] = PRECEDENCE;
    set_header_checksum(&mut header);
    Some([&header[..], &message].concat())
}

/// Whether the packet is an ICMP error message, or an ICMP message that is too short to tell; RFC 1122 §3.2.2.
fn is_icmp_error(view: &Ipv4<'_>) -> bool {
    view.protocol() == ICMP && matches!(view.payload().first(), None | Some(3 | 4 | 5 | 11 | 12))
}

fn is_single_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // Network 0, loopback, multicast and class E cannot be answered.
    first != 0 && first != 127 && first < 224
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const THERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

    fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
        [&ipv4_header(HERE, THERE, protocol, payload.len()).unwrap()[..], payload].concat()
    }

    /// A TCP SYN with a right checksum over IPv4 and these options.
    fn syn(options: &[u8]) -> Vec<u8> {
        let words = u8::try_from(5 + options.len() / 4).unwrap();
        let mut segment = vec![0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 0, words << 4, 2, 1, 0, 0, 0, 0, 0];
        segment.extend_from_slice(options);
        let right = transport_checksum_ipv4(HERE, THERE, TCP, &segment);
        put(&mut segment, 16, &right.to_be_bytes());
        packet(TCP, &segment)
    }

    #[test]
    fn the_checksum_of_a_known_header_is_right() {
        let mut header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00,
            0xc7,
        ];
        assert_eq!(checksum(&header), 0xb861);
        set_header_checksum(&mut header);
        assert_eq!(checksum(&header), 0);
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0x12]), !0x1200);
        assert_eq!(checksum(&[0xff; 65_535]), 0x00ff, "a long run of ones does not overflow");
    }

    #[test]
    fn a_packet_is_seen_only_if_its_lengths_are_possible() {
        let mut bytes = packet(UDP, b"datagram");
        bytes.extend_from_slice(b"behind");
        let view = Ipv4::new(&bytes).unwrap();
        assert_eq!((view.source(), view.destination(), view.protocol(), view.ttl()), (HERE, THERE, UDP, 64));
        assert_eq!((view.header_len(), view.total_len(), view.payload()), (20, 28, &b"datagram"[..]));
        assert!(view.has_right_checksum() && !view.dont_fragment() && !view.more_fragments());
        assert_eq!((ipv4_source(&bytes), ipv4_destination(&bytes)), (Some(HERE), Some(THERE)));
        for (at, value) in [(0, 0x65), (0, 0x44), (0, 0x4f), (3, 19), (3, 35), (2, 1)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert!(Ipv4::new(&wrong).is_none(), "{value:#x} at {at}");
        }
        assert!(Ipv4::new(&bytes[..19]).is_none());
        assert_eq!(ipv4_source(&bytes[..19]), None);
    }

    #[test]
    fn an_ipv6_packet_is_seen_with_addresses_and_length() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 3, 17, 9];
        bytes.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        bytes.extend_from_slice(&Ipv6Addr::UNSPECIFIED.octets());
        bytes.extend_from_slice(b"abcdef");
        let view = Ipv6::new(&bytes).unwrap();
        assert_eq!((view.payload_len(), view.total_len(), view.next_header(), view.hop_limit()), (3, 43, 17, 9));
        assert_eq!((view.source(), view.destination()), (Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED));
        assert_eq!(view.payload(), b"abc");
        assert!(Ipv6::new(&bytes[..42]).is_none());
        assert_eq!((version(&bytes), version(&[])), (Some(6), None));
    }

    #[test]
    fn a_udp_header_without_checksum_is_read_back() {
        let datagram = [&udp_header(1701, 40_000, 3).unwrap()[..], b"abcdef"].concat();
        let udp = Udp::new(&datagram).unwrap();
        assert_eq!((udp.source_port, udp.destination_port, udp.checksum, udp.payload), (1701, 40_000, 0, &b"abc"[..]));
        assert_eq!(udp_header(1, 2, 65_528), None);
        for length in [0, 7, 15] {
            let mut wrong = datagram.clone();
            wrong[5] = length;
            assert!(Udp::new(&wrong).is_none());
        }
    }

    #[test]
    fn the_mss_of_a_syn_is_lowered_and_never_raised() {
        let mut bytes = syn(&[2, 4, 0x05, 0xb4]);
        assert!(!clamp_mss(&mut bytes, 1460) && !clamp_mss(&mut bytes, 1461));
        assert!(clamp_mss(&mut bytes, 1300));
        assert_eq!(bytes[42..44], 1300_u16.to_be_bytes());
        assert_eq!(transport_checksum_ipv4(HERE, THERE, TCP, &bytes[20..]), 0);
    }

    #[test]
    fn an_mss_at_an_odd_place_keeps_a_right_checksum() {
        let mut bytes = syn(&[1, 2, 4, 0x05, 0xb4, 4, 2, 0]);
        assert!(clamp_mss(&mut bytes, 1300));
        assert_eq!(bytes[43..45], 1300_u16.to_be_bytes());
        assert_eq!(transport_checksum_ipv4(HERE, THERE, TCP, &bytes[20..]), 0);
    }

    #[test]
    fn only_a_syn_in_a_first_fragment_is_clamped() {
        let good = syn(&[2, 4, 0x05, 0xb4]);
        for (at, value) in [(33, 0x10), (7, 1), (9, UDP), (40, 0), (41, 3), (32, 0x50)] {
            let mut other = good.clone();
            other[at] = value;
            let before = other.clone();
            assert!(!clamp_mss(&mut other, 1300), "{value:#x} at {at}");
            assert_eq!(other, before);
        }
        let mut first = good;
        first[6] = 0x20;
        assert!(clamp_mss(&mut first, 1300), "more fragments follow, but this is the first");
    }

    #[test]
    fn broken_tcp_options_end_the_search() {
        for options in [[3, 0, 2, 4], [3, 1, 2, 4], [1, 1, 1, 2], [1, 1, 2, 4], [2, 9, 9, 9]] {
            assert!(!clamp_mss(&mut syn(&options), 0), "{options:?}");
        }
    }

    #[test]
    fn a_syn_over_ipv6_is_clamped_behind_extension_headers() {
        let segment = syn(&[2, 4, 0x05, 0xa0])[20..].to_vec();
        for (next, extensions) in [
            (TCP, vec![]),
            (0, vec![TCP, 0, 1, 4, 0, 0, 0, 0]),
            (60, [vec![44, 1], vec![0; 14], vec![TCP, 0, 0, 1, 0, 0, 0, 0]].concat()),
        ] {
            let payload = [&extensions[..], &segment].concat();
            let mut bytes = vec![0x60, 0, 0, 0, 0, u8::try_from(payload.len()).unwrap(), next, 64];
            bytes.extend_from_slice(&[0; 32]);
            bytes.extend_from_slice(&payload);
            assert!(clamp_mss(&mut bytes, 1220), "behind {next}");
            let end = bytes.len();
            assert_eq!(bytes[end - 2..], 1220_u16.to_be_bytes());
        }
        let mut later_fragment = vec![0x60, 0, 0, 0, 0, 32, 44, 64];
        later_fragment.extend_from_slice(&[0; 32]);
        later_fragment.extend_from_slice(&[TCP, 0, 0, 8, 0, 0, 0, 0]);
        later_fragment.extend_from_slice(&segment);
        assert!(!clamp_mss(&mut later_fragment, 1220));
    }

    fn fragments(bytes: &[u8], mtu: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        fragment_ipv4(bytes, mtu, &mut |header, data| all.push((header.to_vec(), data.to_vec())));
        all
    }

    #[test]
    fn fragments_are_multiples_of_eight_octets_but_the_last() {
        let bytes = packet(UDP, &[7; 100]);
        let all = fragments(&bytes, 68);
        assert_eq!(all.iter().map(|(_, data)| data.len()).collect::<Vec<_>>(), [48, 48, 4]);
        let flags: Vec<_> = all.iter().map(|(header, _)| [header[6], header[7]]).collect();
        assert_eq!(flags, [[0x20, 0], [0x20, 6], [0, 12]]);
        assert!(all.iter().all(|(header, _)| checksum(header) == 0));
        assert_eq!(fragments(&bytes, 120), [(bytes[..20].to_vec(), bytes[20..].to_vec())]);
        assert_eq!(fragments(&bytes, 27), [], "no room for 8 octets");
        assert_eq!(fragments(&bytes, 28).len(), 13);
        assert_eq!(fragments(&bytes[..50], 28), [], "not a whole packet");
    }

    #[test]
    fn a_fragment_can_be_cut_again() {
        let mut bytes = packet(UDP, &[7; 64]);
        bytes[6..8].copy_from_slice(&(MORE_FRAGMENTS | 100).to_be_bytes());
        let flags: Vec<_> = fragments(&bytes, 52).iter().map(|(header, _)| [header[6], header[7]]).collect();
        assert_eq!(flags, [[0x20, 100], [0x20, 104]], "more follow behind the last piece too");
    }

    #[test]
    fn only_options_to_be_copied_stand_in_later_fragments() {
        // Record route (7, not copied), no operation, loose source route (0x83, copied), end.
        let options = [7, 7, 4, 0, 0, 0, 0, 1, 0x83, 3, 4, 0];
        let mut bytes = packet(UDP, &[]);
        bytes[0] = 0x48;
        bytes.extend_from_slice(&options);
        bytes.extend_from_slice(&[9; 80]);
        bytes[3] = 112;
        let all = fragments(&bytes, 72);
        assert_eq!(
            all.iter().map(|(header, data)| (header.len(), data.len())).collect::<Vec<_>>(),
            [(32, 40), (24, 40)]
        );
        assert_eq!(all[0].0[20..], options);
        assert_eq!(all[1].0[20..], [0x83, 3, 4, 0]);
        assert_eq!(all[1].0[0], 0x46);
    }

    #[test]
    fn a_packet_too_big_is_answered_with_the_mtu_and_a_quote() {
        let big = packet(UDP, &[5; 1400]);
        let answer = icmp_too_big(&big, 1280, Ipv4Addr::new(10, 0, 0, 1)).unwrap();
        let view = Ipv4::new(&answer).unwrap();
        assert_eq!((view.source(), view.destination(), view.protocol()), (Ipv4Addr::new(10, 0, 0, 1), HERE, ICMP));
        assert!(view.has_right_checksum());
        assert_eq!((answer.len(), checksum(view.payload())), (576, 0));
        assert_eq!(view.payload()[..2], [3, 4]);
        assert_eq!(view.payload()[4..8], [0, 0, 5, 0]);
        assert_eq!(view.payload()[8..], big[..548]);
        let small = packet(UDP, &[5; 8]);
        assert_eq!(icmp_too_big(&small, 1280, THERE).unwrap().len(), 20 + 8 + 28);
    }

    #[test]
    fn what_must_not_be_answered_is_not_answered() {
        assert!(icmp_too_big(&packet(ICMP, &[8, 0, 0, 0, 0, 0, 0, 0]), 1280, THERE).is_some(), "an echo request");
        for kind in [3, 4, 5, 11, 12] {
            assert_eq!(icmp_too_big(&packet(ICMP, &[kind, 0, 0, 0, 0, 0, 0, 0]), 1280, THERE), None);
        }
        assert_eq!(icmp_too_big(&packet(ICMP, &[]), 1280, THERE), None);
        for (at, octets) in [
            (16, [224, 0, 0, 1]),
            (16, [255; 4]),
            (12, [0; 4]),
            (12, [127, 0, 0, 1]),
            (12, [239, 1, 1, 1]),
            (12, [255; 4]),
            (4, [0, 0, 0, 1]),
        ] {
            let mut bytes = packet(UDP, &[0; 8]);
            bytes[at..at + 4].copy_from_slice(&octets);
            assert_eq!(icmp_too_big(&bytes, 1280, THERE), None, "{octets:?} at {at}");
        }
        assert_eq!(icmp_too_big(&[], 1280, THERE), None);
    }
}
