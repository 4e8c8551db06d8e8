//! On the good path a worker allocates nothing, whatever the batch holds.

#![allow(unsafe_code, clippy::unwrap_used, reason = "a counting allocator cannot be had without")]

use crypto::Secret;
use crypto::esp::{EspAuth, EspCipher, Ivs, Seal, SealKey, Suite};
use engine::path::{
    Arrival, ClientId, Coalescer, Departure, Encap, HEADROOM, Out, ReplayState, SessionPath, Spi, Splitter, TAILROOM,
    Update, Verdict, Worker, runs,
};
use engine::time::Instant;
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SUITE: Suite = Suite { cipher: EspCipher::Aes128, auth: EspAuth::HmacSha1_96 };
const BATCH: usize = 64;

fn keymat(salt: u8) -> Vec<u8> {
    (0..SUITE.key_material_len()).map(|i| i as u8 ^ salt).collect()
}

fn worker() -> Worker {
    let (client, suite, encap, now) = (ClientId(1), SUITE, Encap::Udp, Instant(0));
    let mut worker = Worker::new([1; 32]);
    let (keys, replay) = (Secret::new(keymat(1)), ReplayState::default());
    worker.apply(
        Update::InstallInbound { client, spi: Spi(7), suite, keymat: keys, anti_replay: true, replay, encap },
        now,
    );
    let keys = Secret::new(keymat(2));
    let (spi, first_sequence, active, paired) = (Spi(8), 1, true, Spi(7));
    worker.apply(Update::InstallOutbound { client, spi, suite, keymat: keys, first_sequence, active, paired }, now);
    worker.apply(Update::Peer { client, peer: peer(), local: local(), encap }, now);
    let session = SessionPath {
        client,
        local_tunnel_id: 1,
        local_session_id: 1,
        peer_tunnel_id: 1,
        peer_session_id: 1,
        peer_port: 1701,
        address: Ipv4Addr::new(10, 0, 0, 9),
        our_address: Ipv4Addr::new(10, 0, 0, 1),
        mru: 1400,
        mtu: 1400,
        mss: Some(1300),
        acfc: false,
        pfc: false,
        length_bit: true,
        sequencing: false,
        ipv6: None,
    };
    worker.apply(Update::Session(session), now);
    worker
}

fn peer() -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, 7), 4500).into()
}

fn local() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

fn tcp(source: [u8; 4], destination: [u8; 4], payload: usize) -> Vec<u8> {
    let len = (40 + payload) as u16;
    let mut packet = vec![0x45, 0, (len >> 8) as u8, len as u8, 0, 0, 0x40, 0, 64, 6, 0, 0];
    packet.extend(source);
    packet.extend(destination);
    packet.extend([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 9, 9, 0, 0, 0, 0]);
    packet.resize(40 + payload, 7);
    packet
}

/// Packets that the client has sealed, numbered from `first`.
fn sealed(first: u32) -> Vec<Vec<u8>> {
    let key = SealKey::new(SUITE, &keymat(1)).unwrap();
    let mut ivs = Ivs::new([3; 32]);
    let ip = tcp([10, 0, 0, 9], [192, 0, 2, 9], 1300);
    let len = (8 + 6 + 4 + ip.len()) as u16;
    let mut payload = vec![6, 0xa5, 6, 0xa5, (len >> 8) as u8, len as u8, 0, 0, 0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21];
    payload.extend(ip);
    let seal = |sequence: u32| {
        let mut packet = vec![0; SUITE.padded_len(payload.len())];
        packet[..4].copy_from_slice(&7u32.to_be_bytes());
        packet[4..8].copy_from_slice(&sequence.to_be_bytes());
        let at = SUITE.payload_offset();
        packet[at..at + payload.len()].copy_from_slice(&payload);
        let payload_len = payload.len();
        crypto::esp::seal(&mut [Seal { key: &key, packet: &mut packet, payload_len, next_header: 17 }], &mut ivs);
        packet
    };
    (first..first + BATCH as u32).map(seal).collect()
}

#[test]
fn the_good_path_allocates_nothing_in_either_direction() {
    let mut worker = worker();
    let mut coalescer = Coalescer::new(true);
    let mut splitter = Splitter::default();
    let vnet = [&[1u8, 1][..], [0, 1300, 20, 16].map(u16::to_ne_bytes).as_flattened()].concat();
    let read = [vnet, tcp([192, 0, 2, 9], [10, 0, 0, 9], 1300 * 40)].concat();
    let mut slots = vec![vec![0; HEADROOM + 1500 + TAILROOM]; BATCH];
    let mut inside = [0; 3];
    for round in 0..3u32 {
        let mut packets = sealed(1 + round * BATCH as u32);
        let now = Instant(u64::from(round) * 2_000_000_000);
        let mut arrivals: Vec<_> =
            packets.iter_mut().map(|packet| Arrival::new(packet, peer(), local(), Encap::Udp)).collect();
        let mut departures = Vec::with_capacity(BATCH);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        worker.inbound(&mut arrivals, now);
        coalescer.coalesce(&arrivals);
        let mut free = slots.iter_mut();
        let cut = splitter.split(&read, |segment| {
            let Some(slot) = free.next() else { return false };
            let len = segment.len();
            let written = slot.get_mut(HEADROOM..HEADROOM + len).is_some_and(|place| segment.write(place));
            departures.push(Departure::new(slot, HEADROOM, len));
            written
        });
        worker.outbound(&mut departures, now);
        let runs = runs(&departures).count();
        while worker.poll_note().is_some() {}
        inside[round as usize] = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!((cut, runs), (Ok(40), 1));
        assert!(arrivals.iter().all(|arrival| matches!(arrival.verdict, Verdict::Ip(_))));
        assert!(departures.iter().all(|departure| matches!(departure.result, Out::Sealed { .. })));
    }
    assert_eq!(inside, [0, 0, 0]);
}
