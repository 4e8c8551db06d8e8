//! The worker as a whole, against a client that is made of the cipher's own functions only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod filter;
mod ipv6;

use super::sum::{long_at, put, word_at};
use super::testing::{CLIENT, HOST, checksums_are_good, ipv4, refresh, tcp4, udp4};
use super::*;
use crate::rng::Rng;
use core::net::Ipv6Addr;
use crypto::esp::{EspAuth, EspCipher, OpenError, OpenKey, SealKey};

const AES_SHA1: Suite = Suite { cipher: EspCipher::Aes128, auth: EspAuth::HmacSha1_96 };
const NOW: Instant = Instant(5_000_000_000);
const FIRST: ClientId = ClientId(1);

fn seconds(n: u64) -> Instant {
    Instant(NOW.0 + n * 1_000_000_000)
}

fn local() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

fn place(port: u16) -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, 7), port).into()
}

fn keymat(suite: Suite, salt: u8) -> Secret<Vec<u8>> {
    Secret::new((0..suite.key_material_len()).map(|i| (i as u8).wrapping_mul(29) ^ salt).collect())
}

/// The client's end of a pair of SAs.
struct Mirror {
    suite: Suite,
    seal: SealKey,
    open: OpenKey,
    ivs: Ivs,
    spi: u32,
    sequence: u32,
}

impl Mirror {
    /// Installs a pair of SAs numbered by `salt` at the worker and gives the client's end of it.
    fn install(worker: &mut Worker, client: ClientId, suite: Suite, salt: u8, active: bool) -> Self {
        let (ours, theirs) = (Spi(0x1000_0000 + u32::from(salt)), Spi(0x2000_0000 + u32::from(salt)));
        let (inward, outward) = (keymat(suite, salt), keymat(suite, salt ^ 0x80));
        let mirror = Self {
            suite,
            seal: SealKey::new(suite, inward.expose()).unwrap(),
            open: OpenKey::new(suite, outward.expose()).unwrap(),
            ivs: Ivs::new([salt; 32]),
            spi: ours.0,
            sequence: 0,
        };
        let (replay, encap) = (ReplayState::default(), Encap::Udp);
        worker.apply(
            Update::InstallInbound { client, spi: ours, suite, keymat: inward, anti_replay: true, replay, encap },
            NOW,
        );
        worker.apply(
            Update::InstallOutbound {
                client,
                spi: theirs,
                suite,
                keymat: outward,
                first_sequence: 1,
                active,
                paired: ours,
            },
            NOW,
        );
        mirror
    }

    fn send_as(&mut self, payload: &[u8], next_header: u8) -> Vec<u8> {
        self.sequence += 1;
        let mut packet = vec![0; self.suite.padded_len(payload.len())];
        put(&mut packet, 0, self.spi.to_be_bytes());
        put(&mut packet, 4, self.sequence.to_be_bytes());
        let at = self.suite.payload_offset();
        packet[at..at + payload.len()].copy_from_slice(payload);
        let payload_len = payload.len();
        let seal = Seal { key: &self.seal, packet: &mut packet, payload_len, next_header };
        crypto::esp::seal(&mut [seal], &mut self.ivs);
        packet
    }

    fn send_l2tp(&mut self, l2tp: &[u8]) -> Vec<u8> {
        let mut udp = vec![0x12, 0x34, 0x06, 0xa5];
        udp.extend((8 + l2tp.len() as u16).to_be_bytes());
        udp.extend([0xba, 0xd0]);
        udp.extend(l2tp);
        self.send_as(&udp, 17)
    }

    fn send_ppp(&mut self, ppp: &[u8]) -> Vec<u8> {
        self.send_l2tp(&[&[0x00, 0x02, 0, 11, 0, 12], ppp].concat())
    }

    fn send_ip(&mut self, ip: &[u8]) -> Vec<u8> {
        self.send_ppp(&[&[0xff, 0x03, 0x00, 0x21], ip].concat())
    }

    /// SPI, sequence number and payload of a packet of the server.
    fn receive(&self, esp: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut packet = esp.to_vec();
        let mut jobs = [Open { key: &self.open, packet: &mut packet, result: Err(OpenError::NotTried) }];
        crypto::esp::open(&mut jobs);
        let opened = jobs[0].result.unwrap();
        assert_eq!(opened.next_header, 17);
        (long_at(esp, 0), long_at(esp, 4), packet[opened.start..opened.start + opened.len].to_vec())
    }

    /// The IP packet in a packet of the server.
    fn receive_ip(&self, esp: &[u8]) -> Vec<u8> {
        let (_, _, payload) = self.receive(esp);
        assert_eq!(usize::from(word_at(&payload, 4)), payload.len());
        payload[18..].to_vec()
    }
}

fn session() -> SessionPath {
    SessionPath {
        client: FIRST,
        local_tunnel_id: 11,
        local_session_id: 12,
        peer_tunnel_id: 0x0102,
        peer_session_id: 0x0304,
        peer_port: 0x1234,
        address: Ipv4Addr::from(CLIENT),
        our_address: Ipv4Addr::new(10, 0, 0, 1),
        mru: 1400,
        mtu: 1500,
        mss: None,
        acfc: false,
        pfc: false,
        length_bit: false,
        sequencing: false,
        ipv6: None,
    }
}

fn peer(port: u16) -> Update {
    Update::Peer { client: FIRST, peer: place(port), local: local(), encap: Encap::Udp }
}

fn worker() -> (Worker, Mirror) {
    worker_with(AES_SHA1, session())
}

fn worker_with(suite: Suite, session: SessionPath) -> (Worker, Mirror) {
    let mut worker = Worker::new([1; 32]);
    let mirror = Mirror::install(&mut worker, FIRST, suite, 1, true);
    worker.apply(peer(4500), NOW);
    worker.apply(Update::Session(session), NOW);
    assert_eq!(worker.totals().refused_updates, 0);
    (worker, mirror)
}

/// What becomes of packets that come from one place.
fn arrive_from(
    worker: &mut Worker,
    port: u16,
    packets: &mut [Vec<u8>],
    now: Instant,
) -> Vec<(Verdict, Option<Vec<u8>>)> {
    let arrival = |packet| Arrival::new(packet, place(port), local(), Encap::Udp);
    let mut batch: Vec<_> = packets.iter_mut().map(|packet| arrival(packet.as_mut_slice())).collect();
    worker.inbound(&mut batch, now);
    batch.iter().map(|arrival| (arrival.verdict.clone(), arrival.ip().map(<[u8]>::to_vec))).collect()
}

fn arrive(worker: &mut Worker, mut packets: Vec<Vec<u8>>) -> Vec<(Verdict, Option<Vec<u8>>)> {
    arrive_from(worker, 4500, &mut packets, NOW)
}

fn arrive_one(worker: &mut Worker, packet: Vec<u8>) -> Verdict {
    arrive(worker, vec![packet]).remove(0).0
}

/// What becomes of packets that go out.
fn depart(worker: &mut Worker, packets: &[Vec<u8>]) -> Vec<Result<Vec<u8>, Out>> {
    let mut buffers: Vec<_> = packets.iter().map(|packet| buffer(packet)).collect();
    let mut batch: Vec<_> =
        buffers.iter_mut().zip(packets).map(|(buf, packet)| Departure::new(buf, HEADROOM, packet.len())).collect();
    worker.outbound(&mut batch, NOW);
    batch.iter().map(|departure| departure.esp().map(<[u8]>::to_vec).ok_or_else(|| departure.result.clone())).collect()
}

fn buffer(packet: &[u8]) -> Vec<u8> {
    [&[0xdd; HEADROOM][..], packet, &[0xdd; TAILROOM]].concat()
}

fn to_client(len: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
    ipv4(HOST, CLIENT, 17, &[&[0, 53, 0, 99, 0, 0, 0, 0][..], &payload].concat())
}

fn notes(worker: &mut Worker) -> Vec<Note> {
    core::iter::from_fn(|| worker.poll_note()).collect()
}

fn notes_but_traffic(worker: &mut Worker) -> Vec<Note> {
    notes(worker).into_iter().filter(|note| !matches!(note, Note::Traffic { .. } | Note::Used { .. })).collect()
}

#[test]
fn an_ip_packet_leaves_in_exactly_the_headers_of_the_session() {
    for (length_bit, header) in [
        (false, vec![6, 0xa5, 0x12, 0x34, 0, 154, 0, 0, 0, 2, 1, 2, 3, 4, 0xff, 3, 0, 0x21]),
        (true, vec![6, 0xa5, 0x12, 0x34, 0, 156, 0, 0, 0x40, 2, 0, 148, 1, 2, 3, 4, 0xff, 3, 0, 0x21]),
    ] {
        let (mut worker, mirror) = worker_with(AES_SHA1, SessionPath { length_bit, ..session() });
        let packet = to_client(108);
        let esp = depart(&mut worker, core::slice::from_ref(&packet)).remove(0).unwrap();
        assert_eq!(esp.len(), AES_SHA1.padded_len(header.len() + packet.len()));
        let (spi, sequence, payload) = mirror.receive(&esp);
        assert_eq!((spi, sequence), (0x2000_0001, 1));
        assert_eq!(payload, [header, packet].concat());
    }
}

#[test]
fn compressed_ppp_headers_are_sent_when_they_were_negotiated() {
    let (mut worker, mirror) = worker_with(AES_SHA1, SessionPath { acfc: true, pfc: true, ..session() });
    let packet = to_client(5);
    let esp = depart(&mut worker, core::slice::from_ref(&packet)).remove(0).unwrap();
    assert_eq!(mirror.receive(&esp).2[14..], [&[0x21], &packet[..]].concat());
}

/// Every suite whose packets are authenticated.
fn suites() -> Vec<Suite> {
    use EspAuth::{HmacMd5_96, HmacSha1_96, HmacSha256_128, HmacSha384_192, HmacSha512_256};
    use EspCipher::{Aes128, Aes128Ctr, Aes128Gcm, Aes192, Aes192Ctr, Aes192Gcm, Aes256, Aes256Ctr, Aes256Gcm};
    use EspCipher::{Null, TripleDes};
    let auths = [HmacMd5_96, HmacSha1_96, HmacSha256_128, HmacSha384_192, HmacSha512_256];
    let separate = [Null, TripleDes, Aes128, Aes192, Aes256, Aes128Ctr, Aes192Ctr, Aes256Ctr]
        .into_iter()
        .flat_map(|cipher| auths.map(|auth| Suite { cipher, auth }));
    let combined = [Aes128Gcm, Aes192Gcm, Aes256Gcm].map(|cipher| Suite { cipher, auth: EspAuth::None });
    separate.chain(combined).collect()
}

#[test]
fn packets_go_both_ways_under_every_suite() {
    for suite in suites() {
        let (mut worker, mut mirror) = worker_with(suite, session());
        for len in [0, 1, 13, 300, 1_330] {
            let out = to_client(len);
            let esp = depart(&mut worker, core::slice::from_ref(&out)).remove(0).unwrap();
            assert_eq!(mirror.receive_ip(&esp), out);
            let inward = udp4(&vec![3; len]);
            let got = arrive(&mut worker, vec![mirror.send_ip(&inward)]);
            assert_eq!(got[0].1, Some(inward));
        }
    }
}

#[test]
fn gcm_takes_less_of_a_packet_and_its_vector_ends_with_the_sequence_number() {
    let gcm = Suite { cipher: EspCipher::Aes256Gcm, auth: EspAuth::None };
    let (mut worker, mirror) = worker_with(gcm, session());
    let packets: Vec<Vec<u8>> = [0, 1, 2, 3, 500, 1372].map(to_client).to_vec();
    for (packet, esp) in packets.iter().zip(depart(&mut worker, &packets)) {
        let esp = esp.unwrap();
        // SPI, sequence number, vector, then UDP, L2TP and PPP with the packet and a trailer in whole words, then ICV.
        let headers = mirror.receive(&esp).2.len() - packet.len();
        let inner = (headers + packet.len() + 2).next_multiple_of(4);
        assert_eq!(esp.len(), 8 + 8 + inner + 16);
        assert!(esp.len() < AES_SHA1.padded_len(headers + packet.len()) + 4);
        assert_eq!(esp[4..8], esp[12..16]);
    }
    // Changed on its way, replayed, and with a vector that is not the one it was sealed with.
    let (mut worker, mut mirror) = worker_with(gcm, session());
    let good = mirror.send_ip(&udp4(b"once"));
    for at in [5, 9, 20, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let (_, out) = arrive(&mut worker, vec![bad]).remove(0);
        assert_eq!(out, None);
    }
    let got = arrive(&mut worker, vec![good.clone(), good]);
    assert_eq!((got[0].1.clone(), got[1].1.clone()), (Some(udp4(b"once")), None));
}

#[test]
fn every_form_of_ppp_and_l2tp_header_comes_in() {
    let ip = udp4(b"hello");
    let l2tp: [&[u8]; 3] =
        [&[0x00, 0x02, 0, 11, 0, 12], &[0x02, 0x02, 0, 11, 0, 12, 0, 0], &[0x08, 0x02, 0, 11, 0, 12, 0, 0, 0, 0]];
    let ppp: [&[u8]; 4] = [&[0xff, 3, 0, 0x21], &[0xff, 3, 0x21], &[0, 0x21], &[0x21]];
    let (mut worker, mut mirror) = worker();
    for l2tp in l2tp {
        for ppp in ppp {
            let esp = mirror.send_l2tp(&[l2tp, ppp, &ip].concat());
            assert_eq!(arrive(&mut worker, vec![esp])[0].1.as_ref(), Some(&ip), "{l2tp:x?} {ppp:x?}");
        }
    }
}

#[test]
fn the_checksum_inside_is_not_looked_at() {
    let (mut worker, mut mirror) = worker();
    let ip = udp4(b"behind a NAT");
    let l2tp = [&[0, 2, 0, 11, 0, 12, 0xff, 3, 0, 0x21][..], &ip].concat();
    for checksum in [0, 0xdead_u16] {
        let length = u16::try_from(8 + l2tp.len()).unwrap();
        let head = [0x1234_u16, 1701, length, checksum].map(u16::to_be_bytes).concat();
        let esp = mirror.send_as(&[head, l2tp.clone()].concat(), 17);
        assert_eq!(arrive(&mut worker, vec![esp])[0].1.as_ref(), Some(&ip), "{checksum:x}");
    }
}

#[test]
fn what_is_larger_than_our_mru_is_taken() {
    let (mut worker, mut mirror) = worker();
    let ip = udp4(&[7; 1_500 - 28]);
    assert_eq!(ip.len(), 1_500);
    let esp = mirror.send_ip(&ip);
    assert_eq!(arrive(&mut worker, vec![esp])[0].1.as_ref(), Some(&ip));
}

#[test]
fn what_lies_behind_the_ip_packet_is_cut_off() {
    let (mut worker, mut mirror) = worker();
    let ip = udp4(b"hello");
    let esp = mirror.send_ip(&[&ip[..], &[1, 2, 3, 4]].concat());
    assert_eq!(arrive(&mut worker, vec![esp])[0].1, Some(ip));
}

#[test]
fn a_source_that_is_not_the_clients_is_dropped() {
    let (mut worker, mut mirror) = worker();
    let esp = mirror.send_ip(&ipv4([10, 0, 0, 10], HOST, 17, &[0; 8]));
    assert_eq!(arrive_one(&mut worker, esp), Verdict::Dropped(Drop::SpoofedSource));
    assert_eq!(worker.totals().dropped(Drop::SpoofedSource), 1);
}

#[test]
fn each_reason_to_drop_an_arrival_is_told_apart() {
    let (mut worker, mut mirror) = worker();
    let ip = udp4(b"x");
    let data = |flags: [u8; 2], tunnel: u8, session: u8| {
        [&[flags[0], flags[1], 0, tunnel, 0, session, 0xff, 3, 0, 0x21], &ip[..]].concat()
    };
    let mut forged = mirror.send_ip(&ip);
    *forged.last_mut().unwrap() ^= 1;
    let mut cut = mirror.send_ip(&ip);
    cut.truncate(30);
    let cases = [
        (vec![0, 0, 1], Drop::BadLength),
        (cut, Drop::BadLength),
        (forged, Drop::BadIcv),
        (mirror.send_as(&ip, 59), Drop::Dummy),
        (mirror.send_as(&ip, 4), Drop::NotL2tp),
        (mirror.send_as(&[6, 0xa5, 0, 53, 0, 8, 0, 0], 17), Drop::NotL2tp),
        (mirror.send_l2tp(&data([0, 3], 11, 12)), Drop::BadL2tp),
        (mirror.send_l2tp(&data([0, 2], 11, 13)), Drop::WrongSession),
        (mirror.send_l2tp(&data([0, 2], 10, 12)), Drop::WrongSession),
        (mirror.send_ppp(&[0xff, 3]), Drop::BadPpp),
        (mirror.send_ip(&ip[..19]), Drop::BadIp),
        (mirror.send_ip(&ip[..ip.len() - 1]), Drop::BadIp),
        (mirror.send_ip(&ipv4(CLIENT, [224, 0, 0, 251], 17, &[0; 8])), Drop::Multicast),
    ];
    for (esp, why) in cases {
        assert_eq!(arrive_one(&mut worker, esp), Verdict::Dropped(why));
    }
    worker.apply(Update::Session(SessionPath { address: Ipv4Addr::UNSPECIFIED, ..session() }), NOW);
    assert_eq!(arrive_one(&mut worker, mirror.send_ip(&ip)), Verdict::Dropped(Drop::NotUp));
    worker.apply(Update::SessionGone { client: FIRST }, NOW);
    assert_eq!(arrive_one(&mut worker, mirror.send_ip(&ip)), Verdict::Noted);
    worker.apply(Update::Gone { client: FIRST }, NOW);
    assert_eq!(arrive_one(&mut worker, mirror.send_ip(&ip)), Verdict::Dropped(Drop::UnknownSpi));
    assert!(worker.is_empty());
    assert_eq!(worker.totals().drops().map(|(_, n)| n).sum::<u64>(), 15);
}

#[test]
fn a_replayed_packet_is_dropped_within_a_batch_and_between_batches() {
    let (mut worker, mut mirror) = worker();
    let esp: Vec<_> = (0..4).map(|i| mirror.send_ip(&udp4(&[i]))).collect();
    let batch = vec![esp[3].clone(), esp[1].clone(), esp[1].clone(), esp[0].clone()];
    let verdicts: Vec<_> = arrive(&mut worker, batch).into_iter().map(|(_, ip)| ip).collect();
    assert_eq!(verdicts, [Some(udp4(&[3])), Some(udp4(&[1])), None, Some(udp4(&[0]))]);
    let batch = vec![esp[0].clone(), esp[2].clone(), esp[3].clone()];
    let verdicts: Vec<_> = arrive(&mut worker, batch).into_iter().map(|(_, ip)| ip).collect();
    assert_eq!(verdicts, [None, Some(udp4(&[2])), None]);
    assert_eq!(worker.totals().dropped(Drop::Replayed), 3);
}

#[test]
fn a_forged_packet_does_not_move_the_window() {
    let (mut worker, mut mirror) = worker();
    let good = mirror.send_ip(&udp4(b"good"));
    let mut forged = good.clone();
    put(&mut forged, 4, u32::MAX.to_be_bytes());
    assert_eq!(arrive_one(&mut worker, forged), Verdict::Dropped(Drop::BadIcv));
    assert!(matches!(arrive_one(&mut worker, good), Verdict::Ip(_)));
}

#[test]
fn without_anti_replay_a_number_may_come_twice() {
    let (mut worker, mut mirror) = worker();
    let (client, spi, suite) = (FIRST, Spi(mirror.spi), AES_SHA1);
    let (keymat, replay, encap) = (keymat(suite, 1), ReplayState::default(), Encap::Udp);
    worker.apply(Update::InstallInbound { client, spi, suite, keymat, anti_replay: false, replay, encap }, NOW);
    let esp = mirror.send_ip(&udp4(b"x"));
    let got = arrive(&mut worker, vec![esp.clone(), esp]);
    assert!(got.iter().all(|(verdict, _)| matches!(verdict, Verdict::Ip(_))));
}

#[test]
fn unknown_spis_are_counted_and_told_of_at_a_low_rate() {
    let mut worker = Worker::new([1; 32]);
    for i in 0..500u32 {
        arrive_one(&mut worker, [&i.to_be_bytes()[..], &[0; 60]].concat());
    }
    let told = notes(&mut worker);
    assert_eq!(told.len(), 10);
    assert_eq!(told[3], Note::UnknownSpi { spi: Spi(3), peer: place(4500) });
    assert_eq!(worker.totals().dropped(Drop::UnknownSpi), 500);
}

#[test]
fn a_control_message_becomes_a_note_with_its_sa_and_port() {
    let (mut worker, mut mirror) = worker();
    let message = vec![0xc8, 0x02, 0, 12, 0, 11, 0, 0, 0, 1, 0, 2];
    assert_eq!(arrive_one(&mut worker, mirror.send_l2tp(&message)), Verdict::Noted);
    let spi = Spi(mirror.spi);
    let control = Note::Control { client: FIRST, spi, peer_port: 0x1234, l2tp: message };
    assert_eq!(notes_but_traffic(&mut worker), [control]);
}

#[test]
fn a_ppp_frame_that_is_not_ip_becomes_a_note() {
    let (mut worker, mut mirror) = worker();
    let lcp = vec![0xff, 3, 0xc0, 0x21, 9, 1, 0, 8, 1, 2, 3, 4];
    assert_eq!(arrive_one(&mut worker, mirror.send_ppp(&lcp)), Verdict::Noted);
    assert_eq!(notes_but_traffic(&mut worker), [Note::Frame { client: FIRST, ppp: lcp }]);
}

#[test]
fn the_first_frames_of_a_session_that_is_not_told_yet_become_notes() {
    let (mut worker, mut mirror) = worker();
    worker.apply(Update::SessionGone { client: FIRST }, NOW);
    let ppp = vec![0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4];
    assert_eq!(arrive_one(&mut worker, mirror.send_ppp(&ppp)), Verdict::Noted);
    let (client, spi) = (FIRST, Spi(mirror.spi));
    let place = (place(4500), local());
    let stray = |ppp| Note::Stray { client, spi, place, tunnel_id: 11, session_id: 12, ppp };
    assert_eq!(notes_but_traffic(&mut worker), [stray(ppp)]);
    let packet = mirror.send_ip(&udp4(&[3; 20]));
    assert_eq!(arrive_one(&mut worker, packet), Verdict::Noted);
    assert_eq!(notes_but_traffic(&mut worker), [stray(vec![0xff, 0x03, 0x00, 0x21])]);
}

#[test]
fn an_sa_that_is_not_trusted_carries_nothing_until_it_is_and_then_what_was_held() {
    let (mut worker, old) = worker();
    let mut new = Mirror::install(&mut worker, FIRST, AES_SHA1, 9, false);
    let spi = Spi(new.spi);
    worker.apply(Update::Distrust { spi }, NOW);
    let ip = udp4(&[7; 30]);
    assert_eq!(arrive_one(&mut worker, new.send_ip(&ip)), Verdict::Noted);
    let notes = notes_but_traffic(&mut worker);
    assert!(matches!(notes[..], [Note::Stray { .. }]), "{notes:?}");
    assert_eq!(worker.poll_reply(), None);
    // What goes to the client stays on the old SA, and when that is gone it waits.
    let to_client = ipv4(HOST, CLIENT, 17, &[0, 9, 0, 9, 0, 9, 0, 0, 1]);
    assert_eq!(old.receive_ip(&depart(&mut worker, std::slice::from_ref(&to_client)).remove(0).unwrap()), to_client);
    worker.apply(Update::RetireOutbound { client: FIRST, spi: Spi(0x2000_0001) }, NOW);
    assert_eq!(depart(&mut worker, std::slice::from_ref(&to_client)), [Err(Out::Dropped(Drop::NoSa))]);
    assert!(worker.poll_sealed().is_none());
    // The engine's own question goes on it all the same.
    worker.apply(
        Update::SealOn {
            client: FIRST,
            spi,
            place: (place(4501), local()),
            ppp: vec![0xff, 3, 0xc2, 0x23, 1, 1, 0, 4],
        },
        NOW,
    );
    let asked = worker.poll_sealed().unwrap();
    assert_eq!(asked.peer, place(4501));
    assert_eq!(new.receive(&asked.bytes).2[14..], [0xff, 3, 0xc2, 0x23, 1, 1, 0, 4]);
    worker.apply(Update::Trust { spi }, NOW);
    assert_eq!(worker.poll_reply().unwrap(), ip);
    let late = worker.poll_sealed().unwrap();
    assert_eq!(new.receive_ip(&late.bytes), to_client);
    assert_eq!(new.receive_ip(&depart(&mut worker, std::slice::from_ref(&to_client)).remove(0).unwrap()), to_client);
    assert!(matches!(arrive_one(&mut worker, new.send_ip(&ip)), Verdict::Ip(_)));
}

#[test]
fn what_was_held_for_an_sa_that_nobody_vouched_for_in_time_is_dropped() {
    let (mut worker, _) = worker();
    let mut new = Mirror::install(&mut worker, FIRST, AES_SHA1, 9, false);
    let spi = Spi(new.spi);
    worker.apply(Update::Distrust { spi }, NOW);
    for _ in 0..2000 {
        let _ = arrive_one(&mut worker, new.send_ip(&udp4(&[7; 30])));
    }
    assert_eq!(worker.hold.len(), 512);
    worker.apply(Update::Trust { spi }, seconds(4));
    assert_eq!(worker.poll_reply(), None);
    assert_eq!(worker.hold.len(), 0);
}

#[test]
fn an_sa_that_is_not_trusted_moves_nobody_and_proves_no_life() {
    let (mut worker, _) = worker();
    let mut new = Mirror::install(&mut worker, FIRST, AES_SHA1, 9, false);
    worker.apply(Update::Distrust { spi: Spi(new.spi) }, NOW);
    let mut packet = new.send_ppp(&[0xff, 3, 0xc0, 0x21, 9, 1, 0, 4]);
    let mut batch = [Arrival::new(&mut packet, place(9999), local(), Encap::Udp)];
    worker.inbound(&mut batch, NOW);
    while let Some(note) = worker.poll_note() {
        assert!(matches!(note, Note::Used { .. } | Note::Stray { .. }), "{note:?}");
    }
}

#[test]
fn a_packet_whose_address_of_ours_is_not_told_came_to_where_its_ike_comes_to() {
    let (mut worker, mut mirror) = worker();
    let mut packet = mirror.send_ip(&udp4(&[7; 30]));
    worker.inbound(&mut [Arrival::new(&mut packet, place(9999), None, Encap::Udp)], NOW);
    let mut new = Mirror::install(&mut worker, FIRST, AES_SHA1, 9, false);
    let mut packet = new.send_ppp(&[0xff, 3, 0xc0, 0x21, 9, 1, 0, 4]);
    worker.apply(Update::Distrust { spi: Spi(new.spi) }, NOW);
    worker.inbound(&mut [Arrival::new(&mut packet, place(777), None, Encap::Udp)], NOW);
    let notes: Vec<Note> = std::iter::from_fn(|| worker.poll_note()).collect();
    let moved = Note::Moved { client: FIRST, peer: place(9999), local: local() };
    assert!(notes.contains(&moved), "{notes:?}");
    let stray = |note: &Note| matches!(note, Note::Stray { place: from, .. } if *from == (place(777), local()));
    assert!(notes.iter().any(stray), "{notes:?}");
}

#[test]
fn adopted_sas_carry_the_session_of_their_new_owner_only() {
    let (mut worker, _) = worker();
    let mut new = Mirror::install(&mut worker, ClientId(2), AES_SHA1, 9, true);
    worker.apply(Update::Peer { client: ClientId(2), peer: place(777), local: local(), encap: Encap::Udp }, NOW);
    let ip = udp4(&[7; 30]);
    assert_eq!(arrive_one(&mut worker, new.send_ip(&ip)), Verdict::Noted);
    worker.apply(Update::Adopt { from: ClientId(2), to: FIRST }, NOW);
    worker.apply(Update::Gone { client: ClientId(2) }, NOW);
    worker.apply(Update::Trust { spi: Spi(new.spi) }, NOW);
    assert_eq!(worker.poll_reply().unwrap(), ip);
    assert!(matches!(arrive_one(&mut worker, new.send_ip(&ip)), Verdict::Ip(_)));
    assert_eq!(worker.totals().refused_updates, 0);
}

#[test]
fn a_dhcp_message_inside_the_link_becomes_a_note() {
    let (mut worker, mut mirror) = worker();
    let packet = ipv4(CLIENT, [255; 4], 17, &[0, 68, 0, 67, 0, 9, 0, 0, 1]);
    assert_eq!(arrive_one(&mut worker, mirror.send_ip(&packet)), Verdict::Noted);
    assert_eq!(notes_but_traffic(&mut worker), [Note::Dhcp { client: FIRST, packet }]);
}

#[test]
fn a_client_cannot_flood_the_engine_with_control_messages() {
    let (mut worker, mut mirror) = worker();
    let flood: Vec<_> = (0..150).map(|_| mirror.send_ppp(&[0xc0, 0x21, 9, 1, 0, 4])).collect();
    arrive(&mut worker, flood);
    assert_eq!(notes_but_traffic(&mut worker).len(), 100);
    assert_eq!(worker.totals().dropped(Drop::ControlFlood), 50);
    let mut later: Vec<_> = (0..60).map(|_| mirror.send_ppp(&[0xc0, 0x21, 9, 1, 0, 4])).collect();
    arrive_from(&mut worker, 4500, &mut later, seconds(1));
    assert_eq!(notes_but_traffic(&mut worker).len(), 50);
}

#[test]
fn the_queue_of_notes_is_bounded_and_keeps_room_for_what_matters() {
    let (mut worker, mut mirror) = worker();
    for i in 0..200 {
        let mut flood: Vec<_> = (0..100).map(|_| mirror.send_ppp(&[0xc0, 0x21, 9, 1, 0, 4])).collect();
        arrive_from(&mut worker, 4500, &mut flood, seconds(2 * i));
    }
    assert!(worker.totals().dropped(Drop::QueueFull) > 0);
    let mut fresh = Mirror::install(&mut worker, ClientId(2), AES_SHA1, 2, true);
    arrive_one(&mut worker, fresh.send_ip(&udp4(b"x")));
    let told = notes(&mut worker);
    assert!(told.len() <= MAX_NOTES);
    assert!(told.contains(&Note::Used { client: ClientId(2), spi: Spi(fresh.spi) }));
}

#[test]
fn the_first_packet_on_a_new_sa_is_told_and_switches_what_we_send_on() {
    let (mut worker, mut old) = worker();
    let mut new = Mirror::install(&mut worker, FIRST, AES_SHA1, 2, false);
    arrive_one(&mut worker, old.send_ip(&udp4(b"x")));
    let esp = depart(&mut worker, &[to_client(9)]).remove(0).unwrap();
    assert_eq!(old.receive(&esp).0, 0x2000_0001);
    notes(&mut worker);
    arrive_one(&mut worker, new.send_ip(&udp4(b"x")));
    arrive_one(&mut worker, new.send_ip(&udp4(b"x")));
    arrive_one(&mut worker, old.send_ip(&udp4(b"x")));
    let used = Note::Used { client: FIRST, spi: Spi(new.spi) };
    assert_eq!(notes(&mut worker).iter().filter(|note| **note == used).count(), 1);
    let esp = depart(&mut worker, &[to_client(9)]).remove(0).unwrap();
    assert_eq!(new.receive(&esp).0, 0x2000_0002);
    worker.apply(Update::Activate { client: FIRST, spi: Spi(0x2000_0001) }, NOW);
    let esp = depart(&mut worker, &[to_client(9)]).remove(0).unwrap();
    assert_eq!(old.receive(&esp).1, 2);
    worker.apply(Update::RetireOutbound { client: FIRST, spi: Spi(0x2000_0001) }, NOW);
    worker.apply(Update::Retire { spi: Spi(old.spi) }, NOW);
    let esp = depart(&mut worker, &[to_client(9)]).remove(0).unwrap();
    assert_eq!(new.receive(&esp).1, 2);
    assert_eq!(arrive_one(&mut worker, old.send_ip(&udp4(b"x"))), Verdict::Dropped(Drop::UnknownSpi));
}

#[test]
fn a_client_that_moved_is_told_of_once_a_second_until_the_engine_agrees() {
    let (mut worker, mut mirror) = worker();
    let moved = |worker: &mut Worker, port, packet: Vec<u8>, now| {
        arrive_from(worker, port, &mut [packet], now);
        notes_but_traffic(worker).len()
    };
    let late = mirror.send_ip(&udp4(b"late"));
    let ip = udp4(b"x");
    assert_eq!(moved(&mut worker, 4500, mirror.send_ip(&ip), NOW), 0);
    assert_eq!(moved(&mut worker, 9, late, NOW), 0, "an old packet says nothing");
    assert_eq!(moved(&mut worker, 9, mirror.send_ip(&ip), NOW), 1);
    assert_eq!(moved(&mut worker, 9, mirror.send_ip(&ip), NOW), 0);
    let esp = depart(&mut worker, &[to_client(9)]);
    assert!(esp[0].is_ok());
    assert_eq!(moved(&mut worker, 9, mirror.send_ip(&ip), seconds(1)), 1);
    worker.apply(peer(9), NOW);
    assert_eq!(moved(&mut worker, 9, mirror.send_ip(&ip), seconds(9)), 0);
    let mut forged = mirror.send_ip(&ip);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(moved(&mut worker, 10, forged, seconds(10)), 0);
}

#[test]
fn traffic_is_told_at_once_and_then_once_a_second() {
    let (mut worker, mut mirror) = worker();
    let traffic = |worker: &mut Worker| -> Vec<_> {
        let kinds = notes(worker).into_iter().filter_map(|note| match note {
            Note::Traffic { any, data, sent, counters, .. } => Some((any, data, sent, counters)),
            _ => None,
        });
        kinds.collect()
    };
    let lcp = mirror.send_ppp(&[0xc0, 0x21, 9, 1, 0, 4]);
    arrive_one(&mut worker, lcp);
    assert_eq!(traffic(&mut worker), [(true, false, false, Counters::default())]);
    for _ in 0..3 {
        arrive_one(&mut worker, mirror.send_ip(&udp4(b"x")));
    }
    depart(&mut worker, &[to_client(100)]);
    assert_eq!(traffic(&mut worker), []);
    assert_eq!(worker.poll_timeout(), Some(seconds(1)));
    worker.handle_timeout(Instant(seconds(1).0 - 1));
    assert_eq!(traffic(&mut worker), []);
    worker.handle_timeout(seconds(1));
    let counters =
        Counters { in_packets: 3, in_octets: 3 * 29, out_packets: 1, out_octets: 128, ..Counters::default() };
    assert_eq!(traffic(&mut worker), [(true, true, true, counters)]);
    assert_eq!(worker.poll_timeout(), None);
    assert_eq!(worker.counters(FIRST), Some(counters));
    assert_eq!(worker.totals().ip, counters);
}

#[test]
fn traffic_that_finds_the_queue_full_is_told_a_second_later() {
    let (mut worker, mut mirror) = worker();
    let filler = Note::Used { client: FIRST, spi: Spi(0) };
    while worker.notes.tell(filler.clone()) {}
    arrive_one(&mut worker, mirror.send_ip(&udp4(b"x")));
    assert_eq!(notes(&mut worker).len(), MAX_NOTES);
    assert!(worker.totals().lost_notes > 1);
    assert_eq!(worker.poll_timeout(), Some(seconds(1)));
    worker.handle_timeout(seconds(1));
    assert!(matches!(notes(&mut worker)[..], [Note::Traffic { any: true, data: true, .. }]));
}

fn syn(source: [u8; 4], destination: [u8; 4], mss: u16) -> Vec<u8> {
    let [a, b] = mss.to_be_bytes();
    let segment = [4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0x20, 0, 0, 0, 0, 0, 2, 4, a, b];
    ipv4(source, destination, 6, &segment)
}

#[test]
fn the_mss_of_a_connection_is_lowered_both_ways() {
    let (mut worker, mut mirror) = worker_with(AES_SHA1, SessionPath { mss: Some(1_200), ..session() });
    let esp = mirror.send_ip(&syn(CLIENT, HOST, 1_460));
    let inward = arrive(&mut worker, vec![esp]).remove(0).1.unwrap();
    assert_eq!(inward, syn(CLIENT, HOST, 1_200));
    let esp = depart(&mut worker, &[syn(HOST, CLIENT, 1_460)]).remove(0).unwrap();
    assert_eq!(mirror.receive_ip(&esp), syn(HOST, CLIENT, 1_200));
    let esp = depart(&mut worker, &[syn(HOST, CLIENT, 900)]).remove(0).unwrap();
    assert_eq!(mirror.receive_ip(&esp), syn(HOST, CLIENT, 900));
}

#[test]
fn numbered_data_is_numbered_both_ways_and_what_comes_late_is_dropped() {
    let numbered = SessionPath { sequencing: true, length_bit: true, ..session() };
    let (mut worker, mut mirror) = worker_with(AES_SHA1, numbered.clone());
    let ns_of = |mirror: &Mirror, esp: &[u8]| {
        let payload = mirror.receive(esp).2;
        assert_eq!(payload[8..10], [0x48, 0x02], "{payload:x?}");
        assert_eq!(usize::from(word_at(&payload, 10)) + 8, payload.len());
        assert_eq!(word_at(&payload, 18), 0);
        word_at(&payload, 16)
    };
    let packets: Vec<_> = (0..3).map(|_| to_client(60)).collect();
    let sent: Vec<u16> = depart(&mut worker, &packets).iter().map(|p| ns_of(&mirror, p.as_ref().unwrap())).collect();
    assert_eq!(sent, [0, 1, 2]);
    // Frames of PPP count as well, and a session that is told again goes on counting.
    worker.apply(Update::SealFrame { client: FIRST, ppp: vec![0xff, 3, 0xc0, 0x21, 9, 1, 0, 4] }, NOW);
    assert_eq!(ns_of(&mirror, &worker.poll_sealed().unwrap().bytes), 3);
    worker.apply(Update::Session(SessionPath { mru: 600, ..numbered }), NOW);
    assert_eq!(depart(&mut worker, &[to_client(1_000)]), [Err(Out::Fragmented)]);
    let fragments: Vec<u16> = core::iter::from_fn(|| worker.poll_sealed()).map(|p| ns_of(&mirror, &p.bytes)).collect();
    assert_eq!(fragments, [4, 5]);
    let ip = udp4(b"x");
    let numbered = |mirror: &mut Mirror, ns: u16| {
        let header = [&[0x08, 0x02, 0, 11, 0, 12][..], &ns.to_be_bytes(), &[0, 0, 0xff, 3, 0, 0x21]].concat();
        mirror.send_l2tp(&[&header, &ip[..]].concat())
    };
    for (ns, passes) in
        [(0, true), (1, true), (5, true), (3, false), (4, false), (6, true), (0x8006, true), (0x8006, false)]
    {
        let packet = numbered(&mut mirror, ns);
        let verdict = arrive_one(&mut worker, packet);
        let expected =
            if passes { matches!(verdict, Verdict::Ip(_)) } else { verdict == Verdict::Dropped(Drop::OutOfSequence) };
        assert!(expected, "{ns}: {verdict:?}");
    }
    // Nr is reserved in data messages, whatever stands there (RFC 2661 §3.1).
    let nr = mirror.send_l2tp(&[&[0x08, 0x02, 0, 11, 0, 12, 0x80, 7, 0xde, 0xad, 0xff, 3, 0, 0x21], &ip[..]].concat());
    assert!(matches!(arrive_one(&mut worker, nr), Verdict::Ip(_)));
    // Without the client's wish, numbers are read over.
    worker.apply(Update::Session(session()), NOW);
    let packet = numbered(&mut mirror, 1);
    assert!(matches!(arrive_one(&mut worker, packet), Verdict::Ip(_)));
}

#[test]
fn mss_and_limit_follow_the_suite_that_is_in_use_and_no_packet_outgrows_the_path() {
    let suites = [
        Suite { cipher: EspCipher::TripleDes, auth: EspAuth::HmacMd5_96 },
        AES_SHA1,
        Suite { cipher: EspCipher::Aes256, auth: EspAuth::HmacSha256_128 },
        Suite { cipher: EspCipher::Aes256, auth: EspAuth::HmacSha512_256 },
        Suite { cipher: EspCipher::Aes256Gcm, auth: EspAuth::None },
    ];
    let wide = SessionPath { mru: 1_500, mtu: 1_500, mss: Some(1_460), ..session() };
    let (mut worker, _) = worker_with(suites[0], wide);
    for (n, suite) in suites.into_iter().enumerate() {
        let mut mirror = Mirror::install(&mut worker, FIRST, suite, 20 + n as u8, true);
        // The largest packet with DF that is taken, and what it comes to outside.
        let taken = |worker: &mut Worker, len: usize| {
            let mut packet = ipv4(HOST, CLIENT, 17, &vec![0; len - 20]);
            put(&mut packet, 6, [0x40, 0]);
            refresh(&mut packet);
            depart(worker, &[packet]).remove(0).ok()
        };
        let fit = (1_280..=1_500).rev().find(|len| taken(&mut worker, *len).is_some()).unwrap();
        let outside = 20 + 8 + taken(&mut worker, fit).unwrap().len();
        assert!((1_484..=1_500).contains(&outside), "{suite:?}: {outside}");
        let mss = fit as u16 - 40;
        let esp = depart(&mut worker, &[syn(HOST, CLIENT, 1_460)]).remove(0).unwrap();
        assert_eq!(mirror.receive_ip(&esp), syn(HOST, CLIENT, mss), "{suite:?}");
        let inward = mirror.send_ip(&syn(CLIENT, HOST, 1_460));
        assert_eq!(arrive(&mut worker, vec![inward]).remove(0).1.unwrap(), syn(CLIENT, HOST, mss), "{suite:?}");
        while worker.poll_reply().is_some() {}
    }
}

#[test]
fn a_packet_that_is_too_large_is_cut_into_fragments_that_follow_the_batch() {
    let (mut worker, mirror) = worker_with(AES_SHA1, SessionPath { mru: 600, ..session() });
    let (large, small) = (to_client(1_400), to_client(20));
    let got = depart(&mut worker, &[large.clone(), small]);
    assert_eq!(got[0], Err(Out::Fragmented));
    assert_eq!(mirror.receive(got[1].as_ref().unwrap()).1, 1);
    let mut data = vec![];
    let mut count = 0;
    while let Some(sealed) = worker.poll_sealed() {
        assert_eq!((sealed.peer, sealed.local, sealed.encap), (place(4500), local(), Encap::Udp));
        count += 1;
        assert_eq!(mirror.receive(&sealed.bytes).1, 1 + count);
        let fragment = mirror.receive_ip(&sealed.bytes);
        assert!(fragment.len() <= 600);
        assert_eq!(usize::from(word_at(&fragment, 2)), fragment.len());
        assert_eq!(usize::from(word_at(&fragment, 6) & 0x1fff) * 8, data.len());
        data.extend_from_slice(&fragment[20..]);
        assert_eq!(word_at(&fragment, 6) & 0x2000 != 0, data.len() < large.len() - 20);
        worker.recycle(sealed.bytes);
    }
    assert_eq!(count, 3);
    assert_eq!(data, large[20..]);
    assert_eq!(worker.totals().fragmented, 1);
}

#[test]
fn a_packet_that_must_not_be_cut_is_answered_from_our_address() {
    let (mut worker, _) = worker_with(AES_SHA1, SessionPath { mru: 1_500, mtu: 1_280, ..session() });
    let mut large = to_client(1_300);
    large[6] |= 0x40;
    refresh(&mut large);
    assert_eq!(depart(&mut worker, &[large.clone()]), [Err(Out::Dropped(Drop::TooBig))]);
    let icmp = worker.poll_reply().unwrap();
    assert_eq!(icmp[12..20], [[10, 0, 0, 1], HOST].concat());
    assert_eq!((icmp[9], icmp[20], icmp[21], word_at(&icmp, 26)), (1, 3, 4, 1_280));
    depart(&mut worker, &vec![large; 100]);
    assert_eq!(core::iter::from_fn(|| worker.poll_reply()).count(), 49);
    assert_eq!(worker.totals().dropped(Drop::TooBig), 101);
}

#[test]
fn each_reason_to_drop_a_departure_is_told_apart() {
    let (mut worker, _) = worker();
    let packet = to_client(9);
    assert_eq!(depart(&mut worker, &[ipv4(HOST, [10, 0, 0, 8], 17, &[0; 8])]), [Err(Out::Dropped(Drop::NoClient))]);
    assert_eq!(depart(&mut worker, &[vec![0x60; 60]]), [Err(Out::Dropped(Drop::BadIp))]);
    for (before, behind) in [(41, TAILROOM), (HEADROOM, 3)] {
        let mut buf = [&vec![0; before][..], &packet, &vec![0; behind]].concat();
        let mut batch = [Departure::new(&mut buf, before, packet.len())];
        worker.outbound(&mut batch, NOW);
        assert_eq!(batch[0].result, Out::Dropped(Drop::NoRoom));
    }
    let mut batch = [Departure::new(&mut [], usize::MAX, usize::MAX)];
    worker.outbound(&mut batch, NOW);
    assert_eq!(batch[0].result, Out::Dropped(Drop::NoRoom));
    worker.apply(Update::RetireOutbound { client: FIRST, spi: Spi(0x2000_0001) }, NOW);
    assert_eq!(depart(&mut worker, &[packet]), [Err(Out::Dropped(Drop::NoSa))]);
}

#[test]
fn an_address_belongs_to_the_client_that_got_it_last() {
    let (mut worker, _) = worker();
    let second = Mirror::install(&mut worker, ClientId(2), AES_SHA1, 2, true);
    worker.apply(Update::Peer { client: ClientId(2), peer: place(2), local: local(), encap: Encap::Udp }, NOW);
    worker.apply(Update::Session(SessionPath { client: ClientId(2), ..session() }), NOW);
    worker.apply(Update::Gone { client: FIRST }, NOW);
    let esp = depart(&mut worker, &[to_client(9)]).remove(0).unwrap();
    assert_eq!(second.receive(&esp).0, 0x2000_0002);
    assert_eq!(worker.len(), 1);
}

#[test]
fn a_sequence_number_is_never_used_twice() {
    let (mut worker, mirror) = worker();
    let (client, spi, suite) = (FIRST, Spi(0x2000_0001), AES_SHA1);
    let (keymat, paired) = (keymat(suite, 0x81), Spi(mirror.spi));
    let install = |first_sequence, keymat| Update::InstallOutbound {
        client,
        spi,
        suite,
        keymat,
        first_sequence,
        active: true,
        paired,
    };
    worker.apply(install(0xefff_ffff, keymat.clone()), NOW);
    let got = depart(&mut worker, &vec![to_client(1); 3]);
    assert!(got.iter().all(Result::is_ok));
    assert_eq!(notes_but_traffic(&mut worker), [Note::Exhausted { client, spi }]);
    worker.apply(install(u32::MAX - 1, keymat), NOW);
    let got = depart(&mut worker, &vec![to_client(1); 3]);
    assert_eq!(mirror.receive(got[1].as_ref().unwrap()).1, u32::MAX);
    assert_eq!(got[2], Err(Out::Dropped(Drop::Exhausted)));
    worker.apply(Update::Seal { client, source_port: 1701, peer_port: 1, l2tp: vec![1] }, NOW);
    assert_eq!(worker.poll_sealed(), None);
}

#[test]
fn control_messages_and_frames_are_sealed_on_the_active_sa() {
    let (mut worker, mirror) = worker_with(AES_SHA1, SessionPath { length_bit: true, ..session() });
    let l2tp = vec![0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 1, 0, 2];
    worker.apply(Update::Seal { client: FIRST, source_port: 1701, peer_port: 99, l2tp: l2tp.clone() }, NOW);
    worker.apply(Update::SealFrame { client: FIRST, ppp: vec![0xff, 3, 0xc0, 0x21, 9] }, NOW);
    let first = worker.poll_sealed().unwrap();
    assert_eq!((first.peer, first.local, first.encap), (place(4500), local(), Encap::Udp));
    let header = vec![6, 0xa5, 0, 99, 0, 20, 0, 0];
    assert_eq!(mirror.receive(&first.bytes), (0x2000_0001, 1, [header, l2tp].concat()));
    let frame = [6, 0xa5, 0x12, 0x34, 0, 21, 0, 0, 0x40, 2, 0, 13, 1, 2, 3, 4, 0xff, 3, 0xc0, 0x21, 9];
    let second = worker.poll_sealed().unwrap();
    assert_eq!(mirror.receive(&second.bytes), (0x2000_0001, 2, frame.to_vec()));
    assert_eq!(worker.totals().control_out, 2);
    worker.apply(Update::Seal { client: ClientId(7), source_port: 1701, peer_port: 99, l2tp: vec![] }, NOW);
    assert_eq!(worker.totals().refused_updates, 1);
}

#[test]
fn a_message_for_which_there_was_no_sa_counted_as_an_order_that_could_not_be_obeyed() {
    let (mut worker, _) = worker();
    worker.apply(Update::RetireOutbound { client: FIRST, spi: Spi(0x2000_0001) }, NOW);
    worker.apply(Update::Seal { client: FIRST, source_port: 1701, peer_port: 99, l2tp: vec![0xc8, 2] }, NOW);
    assert!(worker.poll_sealed().is_none());
    assert_eq!((worker.totals().refused_updates, worker.totals().dropped(Drop::NoSa)), (0, 1));
}

#[test]
fn the_volume_of_a_pair_of_sas_is_told_once() {
    let (mut worker, mut mirror) = worker();
    worker.apply(Update::VolumeLimit { spi: Spi(mirror.spi), octets: 1_000 }, NOW);
    depart(&mut worker, &[to_client(1000)]);
    let mut told = vec![];
    for _ in 0..5 {
        arrive_one(&mut worker, mirror.send_ip(&udp4(b"hello")));
        told.extend(notes_but_traffic(&mut worker));
    }
    assert_eq!(told.len(), 1);
    assert!(matches!(told[0], Note::Volume { client: FIRST, octets, .. } if octets >= 1_000));
}

#[test]
fn a_restored_client_goes_on_and_jumps_ahead() {
    let (mut worker, mut mirror) = worker();
    let seen = mirror.send_ip(&udp4(b"seen"));
    arrive_one(&mut worker, seen.clone());
    depart(&mut worker, &vec![to_client(9); 7]);
    let record = postcard::to_allocvec(&worker.snapshot(FIRST).unwrap()).unwrap();
    let mut other = Worker::new([2; 32]);
    other.restore(postcard::from_bytes(&record).unwrap(), 1_000);
    assert_eq!(other.totals().refused_updates, 0);
    assert_eq!(other.counters(FIRST), worker.counters(FIRST));
    assert_eq!(arrive_one(&mut other, seen), Verdict::Dropped(Drop::Replayed));
    assert!(matches!(arrive_one(&mut other, mirror.send_ip(&udp4(b"new"))), Verdict::Ip(_)));
    assert!(!notes(&mut other).iter().any(|note| matches!(note, Note::Used { .. } | Note::Moved { .. })));
    let esp = depart(&mut other, &[to_client(9)]).remove(0).unwrap();
    assert_eq!(mirror.receive(&esp).1, 1_008);
    let mut state = other.snapshot(FIRST).unwrap();
    state.outbound[0].next = u32::MAX - 5;
    other.restore(state, 1_000);
    assert_eq!(depart(&mut other, &[to_client(9)]), [Err(Out::Dropped(Drop::Exhausted))]);
    assert_eq!(other.len(), 1);
    assert!(worker.snapshot(ClientId(9)).is_none());
}

#[test]
fn a_batch_of_many_clients_keeps_each_ones_order_and_groups_into_runs() {
    let mut worker = Worker::new([1; 32]);
    let mut mirrors = vec![];
    for i in 1..=3u8 {
        let client = ClientId(u32::from(i));
        mirrors.push(Mirror::install(&mut worker, client, AES_SHA1, i, true));
        let peer = place(4500 + u16::from(i));
        worker.apply(Update::Peer { client, peer, local: local(), encap: Encap::Udp }, NOW);
        worker.apply(Update::Session(SessionPath { client, address: Ipv4Addr::new(10, 0, 1, i), ..session() }), NOW);
    }
    let mut packets: Vec<Vec<u8>> = vec![];
    for n in 0..50u8 {
        packets.extend((0..3).map(|i: u8| mirrors[usize::from(i)].send_ip(&ipv4([10, 0, 1, i + 1], HOST, 99, &[n]))));
    }
    let got = arrive(&mut worker, packets);
    for (k, (_, ip)) in got.iter().enumerate() {
        let ip = ip.as_ref().unwrap();
        assert_eq!((usize::from(ip[15]), usize::from(ip[20])), (k % 3 + 1, k / 3));
        assert_eq!(ip.len(), 21);
    }
    let mut out: Vec<_> = (0..5).map(|_| ipv4(HOST, [10, 0, 1, 1], 99, &[0; 500])).collect();
    out.extend((0..2).map(|_| ipv4(HOST, [10, 0, 1, 2], 99, &[0; 500])));
    out.push(ipv4(HOST, [10, 0, 1, 2], 99, &[0; 50]));
    let mut buffers: Vec<_> = out.iter().map(|packet| buffer(packet)).collect();
    let mut batch: Vec<_> =
        buffers.iter_mut().zip(&out).map(|(buf, packet)| Departure::new(buf, HEADROOM, packet.len())).collect();
    worker.outbound(&mut batch, NOW);
    let ranges: Vec<_> = runs(&batch).map(|run| (run.packets, run.peer)).collect();
    assert_eq!(ranges, [(0..5, place(4501)), (5..8, place(4502))]);
}

#[test]
fn what_arrives_can_be_joined_for_the_tun() {
    let (mut worker, mut mirror) = worker();
    let mut packets = vec![];
    for i in 0..10u16 {
        let mut ip = tcp4(u32::from(i) * 1_000, 0x10, &[7; 1_000]);
        put(&mut ip, 4, i.to_be_bytes());
        refresh(&mut ip);
        packets.push(mirror.send_ip(&ip));
    }
    let mut batch: Vec<_> =
        packets.iter_mut().map(|packet| Arrival::new(packet, place(4500), local(), Encap::Udp)).collect();
    worker.inbound(&mut batch, NOW);
    let mut coalescer = Coalescer::new(false);
    coalescer.coalesce(&batch);
    assert_eq!(coalescer.supers().len(), 1);
    assert_eq!(coalescer.pieces(&coalescer.supers()[0]).len(), 10);
    assert!(batch.iter().all(|arrival| checksums_are_good(arrival.ip().unwrap())));
}

#[test]
fn a_packet_lies_behind_room_for_the_header_of_the_tun() {
    let (mut worker, mut mirror) = worker();
    let ip = ipv4([10, 0, 0, 9], HOST, 99, b"octets");
    let mut packet = mirror.send_ip(&ip);
    let mut batch = [Arrival::new(&mut packet, place(4500), local(), Encap::Udp)];
    assert_eq!(batch[0].ip_behind_vnet(), None);
    worker.inbound(&mut batch, NOW);
    let inside = batch[0].ip().unwrap().to_vec();
    assert_eq!(batch[0].ip_behind_vnet().unwrap(), [&[0; VNET_LEN][..], &inside].concat());
    assert_eq!(batch[0].ip().unwrap(), inside);
    batch[0].verdict = Verdict::Ip(VNET_LEN - 1..30);
    assert_eq!(batch[0].ip_behind_vnet(), None, "there is no room");
}

#[test]
fn random_octets_do_no_harm_in_either_direction() {
    let mut rng = Rng::new([5; 32]);
    let (mut worker, mut mirror) = worker_with(AES_SHA1, SessionPath { mru: 90, mss: Some(50), ..session() });
    for round in 0..4_000u64 {
        let mut octets = vec![0; rng.u32() as usize % 200];
        rng.fill(&mut octets);
        let esp = match rng.u32() % 5 {
            0 => octets.clone(),
            1 => [&mirror.spi.to_be_bytes()[..], &octets].concat(),
            2 => mirror.send_as(&octets, rng.u32() as u8),
            3 => mirror.send_l2tp(&octets),
            _ => {
                let mut ip = ipv4(CLIENT, HOST, [6, 17, 1][rng.u32() as usize % 3], &octets);
                let at = rng.u32() as usize % ip.len();
                ip[at] ^= rng.u32() as u8;
                mirror.send_ip(&ip)
            }
        };
        arrive_from(&mut worker, 4500, &mut [esp], seconds(round));
        let mut ip = ipv4(HOST, CLIENT, [6, 17, 1][rng.u32() as usize % 3], &octets);
        for _ in 0..rng.u32() % 3 {
            let at = rng.u32() as usize % ip.len();
            ip[at] ^= rng.u32() as u8;
        }
        depart(&mut worker, &[ip, octets]);
        while worker.poll_note().is_some() || worker.poll_sealed().is_some() || worker.poll_reply().is_some() {}
    }
    assert!(worker.totals().ip.out_packets > 0 && worker.totals().fragmented > 0);
}
