//! What is joined for the TUN device, and cut that comes from it: a batch of packets that six octets each describe is joined
//! and cut again, and each flow must come out in its order and as it was. The input is also a read from the device.
#![no_main]

use engine::path::{Coalescer, Splitter, VNET_LEN};
use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;
use wire::ip::{checksum, transport_checksum_ipv4};

/// Packets of one batch.
const MOST: usize = 96;
const ENDS: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));

/// How far the flows have come.
#[derive(Default)]
struct Flows {
    sequences: [u32; 4],
    identifications: [u16; 4],
}

impl Flows {
    fn packet(&mut self, [flow, kind, high, low, place, twist]: [u8; 6]) -> Vec<u8> {
        let which = usize::from(flow & 3);
        let tcp = kind & 1 == 0;
        // Most sizes come often, so that packets can be joined.
        let size =
            if high & 0x80 == 0 { usize::from(low) * 6 } else { usize::from(u16::from_be_bytes([high & 7, low])) };
        let mut segment = vec![4, which as u8, 7, 0xd0];
        if tcp {
            let flags = [0x10, 0x10, 0x18, 0x11, 0x02, 0x90, 0x14, 0x30][usize::from(kind >> 1 & 7)];
            let options: &[u8] = if kind & 0x10 == 0 { &[] } else { &[1, 1, 8, 10, 0, 0, 0, flow >> 2, 0, 0, 0, 0] };
            segment.extend_from_slice(&self.sequences[which].to_be_bytes());
            segment.extend_from_slice(&[0, 0, 0, 1, (5 + options.len() as u8 / 4) << 4, flags, 1, 0, 0, 0, 0, 0]);
            segment.extend_from_slice(options);
            self.sequences[which] = self.sequences[which].wrapping_add(size as u32);
        } else {
            segment.extend_from_slice(&(size as u16 + 8).to_be_bytes());
            segment.extend_from_slice(&[0, 0]);
        }
        segment.resize(segment.len() + size, twist);
        let protocol = if tcp { 6 } else { 17 };
        let identification = self.identifications[which];
        self.identifications[which] = identification.wrapping_add(u16::from(flow & 0x40 == 0));
        let mut packet = vec![0x45, 0];
        packet.extend_from_slice(&(segment.len() as u16 + 20).to_be_bytes());
        packet.extend_from_slice(&identification.to_be_bytes());
        packet.extend_from_slice(&[if flow & 0x80 == 0 { 0x40 } else { 0 }, 0, 64, protocol, 0, 0]);
        packet.extend_from_slice(&ENDS.0.octets());
        packet.extend_from_slice(&ENDS.1.octets());
        packet.extend_from_slice(&segment);
        let at = usize::from(place) % 64 % packet.len();
        if kind & 0x20 != 0 {
            packet[at] ^= twist;
        }
        if kind & 0x80 == 0 {
            let header = checksum(&packet[..20]);
            packet[10..12].copy_from_slice(&header.to_be_bytes());
            let field = if tcp { 36 } else { 26 };
            let sum = transport_checksum_ipv4(ENDS.0, ENDS.1, protocol, &packet[20..]);
            // A datagram whose sum is zero says so in other words.
            let sum = if !tcp && sum == 0 { 0xffff } else { sum };
            packet[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        }
        if kind & 0x40 != 0 {
            packet[at] ^= twist;
        }
        packet
    }
}

/// A packet but for its identification, which counts up where packets of equal ones were joined, and the sum over it: where
/// that was right it is right.
fn but_for_identification(packet: &[u8]) -> (bool, Vec<u8>) {
    let mut rest = packet.to_vec();
    let is_right = packet.len() >= 20 && checksum(&packet[..20]) == 0;
    if is_right {
        rest[4..6].fill(0);
        rest[10..12].fill(0);
    }
    (is_right, rest)
}

/// Whether a packet may not overtake another, nor be overtaken by it: they have protocol and ends in common, and the ports,
/// unless one of them is a fragment or has options, so that its ports are not looked at.
fn keeps_order(one: &[u8], other: &[u8]) -> bool {
    let is_plain = |p: &[u8]| p[0] == 0x45 && u16::from_be_bytes([p[6], p[7]]) & 0x3fff == 0;
    let end = if is_plain(one) && is_plain(other) { 24 } else { 20 };
    one[9] == other[9] && one[12..end] == other[12..end]
}

fuzz_target!(|data: &[u8]| {
    let mut splitter = Splitter::default();
    let _ = splitter.split(data, |segment| {
        let mut packet = vec![0; segment.len()];
        assert!(segment.write(&mut packet));
        true
    });

    let mut flows = Flows::default();
    let packets: Vec<Vec<u8>> = data.as_chunks().0.iter().take(MOST).map(|six| flows.packet(*six)).collect();
    let mut coalescer = Coalescer::new(data.len() & 1 == 0);
    coalescer.join(packets.len(), |at| packets.get(at).map(Vec::as_slice));
    let mut out = vec![];
    for done in coalescer.supers() {
        let pieces = coalescer.pieces(done);
        let mut write = [done.vnet(), done.headers()].concat();
        for piece in pieces {
            write.extend_from_slice(&packets[piece.packet][piece.range.clone()]);
        }
        if pieces.len() == 1 {
            assert_eq!(write[..VNET_LEN], [0; VNET_LEN]);
            out.push(write[VNET_LEN..].to_vec());
            continue;
        }
        assert!(write.len() <= VNET_LEN + 65_535, "longer than IP can say");
        let cut = splitter.split(&write, |segment| {
            let mut packet = vec![0; segment.len()];
            assert!(segment.write(&mut packet));
            out.push(packet);
            true
        });
        assert_eq!(cut, Ok(pieces.len()));
    }
    assert_eq!(out.len(), packets.len(), "none is lost and none is made");
    // Where each packet has come out; equal ones need not be told apart.
    let mut places = vec![None; packets.len()];
    for (place, packet) in out.iter().enumerate() {
        let same = |at: &usize| {
            places[*at].is_none() && but_for_identification(packet) == but_for_identification(&packets[*at])
        };
        let at = (0..packets.len()).find(same).expect("a packet that nobody sent");
        places[at] = Some(place);
    }
    for (later, packet) in packets.iter().enumerate() {
        for earlier in (0..later).filter(|earlier| keeps_order(&packets[*earlier], packet)) {
            assert!(places[earlier] < places[later], "packet {later} has overtaken packet {earlier}");
        }
    }
});
