//! Hand-built packets for the tests of this room.

use super::sum::{Sum, pseudo_ipv4, put, word_at};

pub(super) const CLIENT: [u8; 4] = [10, 0, 0, 9];
pub(super) const HOST: [u8; 4] = [192, 168, 100, 5];

/// An IPv4 packet with good checksums.
pub(super) fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, segment: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + segment.len() as u16).to_be_bytes());
    packet.extend([0x12, 0x34, 0, 0, 64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(segment);
    refresh(&mut packet);
    packet
}

/// A TCP segment from [`CLIENT`] to [`HOST`].
pub(super) fn tcp4(sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0xc0, 0x00, 0x01, 0xbb];
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 7, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    ipv4(CLIENT, HOST, 6, &segment)
}

/// A datagram from [`CLIENT`] to [`HOST`].
pub(super) fn udp4(payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0xc0, 0x00, 0x00, 0x35];
    segment.extend((8 + payload.len() as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    ipv4(CLIENT, HOST, 17, &segment)
}

/// Makes the checksums good again.
pub(super) fn refresh(packet: &mut [u8]) {
    put(packet, 10, [0, 0]);
    let checksum = Sum::default().bytes(&packet[..20]).checksum();
    put(packet, 10, checksum);
    let field = match packet[9] {
        6 if packet.len() >= 40 => 36,
        17 if packet.len() >= 28 => 26,
        _ => return,
    };
    put(packet, field, [0, 0]);
    let checksum = pseudo_ipv4(packet, packet[9], packet.len() - 20).bytes(&packet[20..]).checksum();
    put(packet, field, checksum);
}

/// Whether both checksums and the length of an IPv4 packet are good.
pub(super) fn checksums_are_good(packet: &[u8]) -> bool {
    usize::from(word_at(packet, 2)) == packet.len()
        && Sum::default().bytes(&packet[..20]).folded() == 0xffff
        && pseudo_ipv4(packet, packet[9], packet.len() - 20).bytes(&packet[20..]).folded() == 0xffff
}
