//! The data path in memory: full batches through a worker both ways, with the copies a kernel would make and no more.

use crate::rounds::{Candidate, alternate, median};
use crypto::Secret;
use crypto::esp::{EspAuth, EspCipher, Ivs, Open, OpenError, OpenKey, Seal, SealKey, Suite};
use engine::path::{
    Arrival, ClientId, Coalescer, Departure, Encap, HEADROOM, Out, ReplayState, SessionPath, Spi, Splitter, TAILROOM,
    Update, Verdict, Worker, runs,
};
use engine::time::Instant;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Barrier;
use std::time::Duration;

const SUITE: Suite = Suite { cipher: EspCipher::Aes128, auth: EspAuth::HmacSha1_96 };
/// Packets of a batch: what one call receives, and about what one super-packet of the TUN holds.
const BATCH: usize = 64;
const SUPER: usize = 44;
/// The octets of an inner packet, and of the TCP payload in it.
const INNER: usize = 1400;
const PAYLOAD: usize = INNER - 40;
const NOW: Instant = Instant(0);
const CLIENT: [u8; 4] = [10, 0, 0, 9];
const HOST: [u8; 4] = [192, 0, 2, 9];

fn keymat(salt: u8) -> Vec<u8> {
    (0..SUITE.key_material_len()).map(|at| at as u8 ^ salt).collect()
}

fn peer() -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, 7), 4500).into()
}

fn local() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

/// A worker with one client, whose sequence numbers need not rise: the same batch comes again and again.
fn worker() -> Worker {
    let (client, suite, encap) = (ClientId(1), SUITE, Encap::Udp);
    let mut worker = Worker::new([1; 32]);
    let (keys, replay) = (Secret::new(keymat(1)), ReplayState::default());
    let inbound =
        Update::InstallInbound { client, spi: Spi(7), suite, keymat: keys, anti_replay: false, replay, encap };
    worker.apply(inbound, NOW);
    let (spi, first_sequence, active, paired) = (Spi(8), 1, true, Spi(7));
    let keymat = Secret::new(keymat(2));
    worker.apply(Update::InstallOutbound { client, spi, suite, keymat, first_sequence, active, paired }, NOW);
    worker.apply(Update::Peer { client, peer: peer(), local: local(), encap }, NOW);
    let session = SessionPath {
        client,
        local_tunnel_id: 1,
        local_session_id: 1,
        peer_tunnel_id: 1,
        peer_session_id: 1,
        peer_port: 1701,
        address: CLIENT.into(),
        our_address: Ipv4Addr::new(10, 0, 0, 1),
        mru: 1400,
        mtu: 1400,
        mss: Some(PAYLOAD as u16),
        acfc: false,
        pfc: false,
        length_bit: true,
        sequencing: false,
        ipv6: None,
    };
    worker.apply(Update::Session(session), NOW);
    worker
}

/// The ones' complement sum of octets, folded (RFC 1071).
fn sum(octets: &[u8], start: u32) -> u32 {
    let mut sum = start;
    for pair in octets.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// A TCP packet with good checksums.
fn tcp(source: [u8; 4], destination: [u8; 4], sequence: u32, payload: usize) -> Vec<u8> {
    let len = 40 + payload;
    let [high, low] = (len as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 0, 0x40, 0, 64, 6, 0, 0];
    packet.extend(source);
    packet.extend(destination);
    packet.extend([0, 80, 0, 81]);
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0x50, 0x10, 9, 9, 0, 0, 0, 0]);
    packet.extend((0..payload).map(|at| at as u8));
    let header = !(sum(&packet[..20], 0) as u16);
    packet[10..12].copy_from_slice(&header.to_be_bytes());
    let pseudo = sum(&packet[12..20], 6 + (len - 20) as u32);
    let transport = !(sum(&packet[20..], pseudo) as u16);
    packet[36..38].copy_from_slice(&transport.to_be_bytes());
    packet
}

/// A stream of the client's, sealed.
fn sealed() -> Vec<Vec<u8>> {
    let Some(key) = SealKey::new(SUITE, &keymat(1)) else {
        return Vec::new();
    };
    let mut ivs = Ivs::new([3; 32]);
    let seal = |number: u32| {
        let ip = tcp(CLIENT, HOST, number * PAYLOAD as u32, PAYLOAD);
        let [high, low] = ((8 + 6 + 4 + ip.len()) as u16).to_be_bytes();
        let mut payload = vec![6, 0xa5, 6, 0xa5, high, low, 0, 0, 0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21];
        payload.extend(ip);
        let mut packet = vec![0; SUITE.padded_len(payload.len())];
        packet[..4].copy_from_slice(&7_u32.to_be_bytes());
        packet[4..8].copy_from_slice(&(number + 1).to_be_bytes());
        let at = SUITE.payload_offset();
        packet[at..at + payload.len()].copy_from_slice(&payload);
        let payload_len = payload.len();
        crypto::esp::seal(&mut [Seal { key: &key, packet: &mut packet, payload_len, next_header: 17 }], &mut ivs);
        packet
    };
    (0..BATCH as u32).map(seal).collect()
}

/// What the TUN hands over at once: a super-packet behind its virtio-net header.
fn super_packet() -> Vec<u8> {
    let numbers = [40, PAYLOAD as u16, 20, 16].map(u16::to_ne_bytes);
    [&[1_u8, 1][..], numbers.as_flattened(), &tcp(HOST, CLIENT, 1, PAYLOAD * SUPER)].concat()
}

/// Both ways of one worker, and the arithmetic in them alone on the same packets, which is the control.
pub(crate) struct Path {
    worker: Worker,
    coalescer: Coalescer,
    splitter: Splitter,
    templates: Vec<Vec<u8>>,
    inbox: Vec<Vec<u8>>,
    read: Vec<u8>,
    slots: Vec<Vec<u8>>,
    seal_key: SealKey,
    open_key: OpenKey,
    ivs: Ivs,
}

impl Path {
    pub(crate) fn new() -> Option<Self> {
        let templates = sealed();
        Some(Self {
            worker: worker(),
            coalescer: Coalescer::new(true),
            splitter: Splitter::default(),
            inbox: templates.clone(),
            templates,
            read: super_packet(),
            slots: vec![vec![0; HEADROOM + INNER + TAILROOM]; SUPER],
            seal_key: SealKey::new(SUITE, &keymat(2))?,
            open_key: OpenKey::new(SUITE, &keymat(1))?,
            ivs: Ivs::new([4; 32]),
        })
    }

    fn receive(&mut self) {
        self.inbox.iter_mut().zip(&self.templates).for_each(|(to, from)| to.copy_from_slice(from));
    }

    /// Batches from ESP to what is written to the TUN; the packets that passed.
    pub(crate) fn inward(&mut self, batches: usize) -> usize {
        let mut passed = 0;
        for _ in 0..batches {
            self.receive();
            let mut arrivals: Vec<Arrival<'_>> =
                self.inbox.iter_mut().map(|packet| Arrival::new(packet, peer(), local(), Encap::Udp)).collect();
            self.worker.inbound(&mut arrivals, NOW);
            self.coalescer.coalesce(&arrivals);
            let pieces: usize = self.coalescer.supers().iter().map(|of| self.coalescer.pieces(of).len()).sum();
            let good = arrivals.iter().filter(|arrival| matches!(arrival.verdict, Verdict::Ip(_))).count();
            passed += pieces.min(good);
            while self.worker.poll_note().is_some() {}
        }
        passed
    }

    /// The arithmetic of as many batches alone.
    pub(crate) fn open(&mut self, batches: usize) -> usize {
        let mut passed = 0;
        for _ in 0..batches {
            self.receive();
            let mut batch: Vec<Open<'_>> = self
                .inbox
                .iter_mut()
                .map(|packet| Open { key: &self.open_key, packet, result: Err(OpenError::NotTried) })
                .collect();
            crypto::esp::open(&mut batch);
            passed += batch.iter().filter(|item| item.result.is_ok()).count();
        }
        passed
    }

    /// Batches from what the TUN hands over to ESP; the packets that may be sent.
    pub(crate) fn outward(&mut self, batches: usize) -> usize {
        let mut passed = 0;
        for _ in 0..batches {
            let mut free = self.slots.iter_mut();
            let mut departures: Vec<Departure<'_>> = Vec::with_capacity(SUPER);
            let cut = self.splitter.split(&self.read, |segment| {
                let Some(slot) = free.next() else { return false };
                let len = segment.len();
                let written = slot.get_mut(HEADROOM..HEADROOM + len).is_some_and(|place| segment.write(place));
                departures.push(Departure::new(slot, HEADROOM, len));
                written
            });
            if cut.is_err() {
                return 0;
            }
            self.worker.outbound(&mut departures, NOW);
            let sealed = departures.iter().filter(|departure| matches!(departure.result, Out::Sealed { .. })).count();
            let sent: usize = runs(&departures).map(|run| run.packets.len()).sum();
            passed += sealed.min(sent);
            while self.worker.poll_note().is_some() {}
        }
        passed
    }

    /// The arithmetic of as many batches alone.
    pub(crate) fn seal(&mut self, batches: usize) -> usize {
        // What the worker puts before an inner packet inside ESP: UDP, L2TP with its length, PPP.
        let payload_len = INNER + 8 + 8 + 4;
        let len = SUITE.padded_len(payload_len);
        for _ in 0..batches {
            let mut batch: Vec<Seal<'_>> = self
                .slots
                .iter_mut()
                .filter_map(|slot| slot.get_mut(..len))
                .map(|packet| Seal { key: &self.seal_key, packet, payload_len, next_header: 17 })
                .collect();
            crypto::esp::seal(&mut batch, &mut self.ivs);
        }
        batches * self.slots.len()
    }
}

fn timed(batches: usize, packets: usize, work: impl FnOnce(usize) -> usize) -> Duration {
    let start = std::time::Instant::now();
    let passed = work(batches);
    let taken = start.elapsed();
    assert_eq!(passed, batches * packets, "every packet passes");
    taken
}

/// Nanoseconds a packet both ways, and what of them is not arithmetic.
pub(crate) fn measure() -> Value {
    let Some(path) = Path::new() else {
        return Value::Null;
    };
    let path = RefCell::new(path);
    let mut candidates: Vec<Candidate<'_>> = vec![
        Box::new(|times| timed(times, BATCH, |n| path.borrow_mut().inward(n))),
        Box::new(|times| timed(times, BATCH, |n| path.borrow_mut().open(n))),
        Box::new(|times| timed(times, SUPER, |n| path.borrow_mut().outward(n))),
        Box::new(|times| timed(times, SUPER, |n| path.borrow_mut().seal(n))),
    ];
    let medians = alternate(&mut candidates);
    let packets = [BATCH, BATCH, SUPER, SUPER].map(|count| count as f64);
    let mut each = medians.iter().zip(packets).map(|(median, packets)| median / packets);
    let mut next = || each.next().unwrap_or(f64::NAN);
    let (inward, open, outward, seal) = (next(), next(), next(), next());
    println!("ns a packet of {INNER} octets, {SUITE}, {}:", crypto::lanes::Units::in_use());
    println!("in   {inward:.0}, of it arithmetic {open:.0}, own work {:.0}", inward - open);
    println!("out  {outward:.0}, of it arithmetic {seal:.0}, own work {:.0}", outward - seal);
    json!({
        "in_ns": inward, "open_ns": open, "in_own_ns": inward - open,
        "out_ns": outward, "seal_ns": seal, "out_own_ns": outward - seal,
    })
}

/// Turns of one worker alone on each processor, and of both at once: rounds, and how long a turn lasts.
const SCALE_ROUNDS: usize = 31;
const SCALE_TURN: Duration = Duration::from_millis(40);

/// What a worker does over and over; the packets that passed.
type Work = fn(&mut Path) -> usize;

/// How much more two workers do, each on a processor of its own, than one; beside it the arithmetic in them alone, which
/// tells how far the processors themselves are from doing twice as much.
pub(crate) fn scale() -> Value {
    let whole: Work = |path| path.inward(4) + path.outward(4);
    let arithmetic: Work = |path| path.open(4) + path.seal(4);
    let (mut ratios, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..SCALE_ROUNDS {
        ratios.push(two_of_one(whole));
        bare.push(two_of_one(arithmetic));
    }
    let (ratio, bare) = (median(&mut ratios), median(&mut bare));
    // Sorted by now: all but the tenth part at each end, which the machine's other work has.
    let [least, most] = [SCALE_ROUNDS / 10, SCALE_ROUNDS - 1 - SCALE_ROUNDS / 10].map(|at| ratios[at]);
    println!(
        "two workers, each on a processor of its own, of one: {ratio:.2} ({least:.2} to {most:.2} in eight of ten rounds)"
    );
    println!("the arithmetic in them alone: {bare:.2}");
    json!({ "two_of_one": ratio, "least": least, "most": most, "arithmetic": bare })
}

/// What both processors do at once, of the mean of what each does alone: neither may be the slower one.
fn two_of_one(work: Work) -> f64 {
    let (first, both, second) = (rate(&[0], work), rate(&[0, 1], work), rate(&[1], work));
    both / ((first + second) / 2.0)
}

/// The packets in a second of workers that start at the same time, each on its processor.
fn rate(processors: &[usize], work: Work) -> f64 {
    let barrier = Barrier::new(processors.len());
    std::thread::scope(|scope| {
        let start = |processor: &usize| {
            let (processor, barrier) = (*processor, &barrier);
            scope.spawn(move || turn(processor, barrier, work))
        };
        let workers: Vec<_> = processors.iter().map(start).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(f64::NAN)).sum()
    })
}

/// The packets in a second of one worker on its processor.
fn turn(processor: usize, barrier: &Barrier, work: Work) -> f64 {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    // Where this cannot be had the figure is worse, not better.
    let _ = rustix::thread::sched_setaffinity(None, &set);
    let path = Path::new();
    barrier.wait();
    let Some(mut path) = path else {
        return f64::NAN;
    };
    work(&mut path);
    let start = std::time::Instant::now();
    let mut packets = 0;
    while start.elapsed() < SCALE_TURN {
        packets += work(&mut path);
    }
    packets as f64 / start.elapsed().as_secs_f64()
}
