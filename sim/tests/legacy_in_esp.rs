//! MPPE inside of ESP: only where the operator allows it and the client asks for it, and then whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::net::Ipv4Addr;
use core::time::Duration;
use engine::path::Drop;
use sim::peer::legacy::{Keys, ResetRequest, STATELESS};
use sim::{Manner, World, config, packet};
use wire::legacy::ccp::{Bits, CCP, COMPRESSED, RESET_ACK, RESET_REQUEST};
use wire::ppp::{Code, Opt, Packet, Protocol, decode_options, encode_options};

const ALLOWED: &[&str] = &["pp select anonymous\n ppp ccp type mppe-any"];
const REQUIRED: &[&str] = &["pp select anonymous\n ppp ccp type mppe-128\n ppp ccp no-encryption reject"];
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);
/// The port of the host behind the server that answers.
const ECHO: u16 = 7;

/// A client that is up, whose frames the scene speaks by hand.
struct Link {
    world: World,
    who: usize,
    read: usize,
    inside: Ipv4Addr,
    keys: Option<Keys>,
    /// The numbers of the server's data messages, where they have any.
    numbers: Vec<Option<u16>>,
}

impl Link {
    fn up(extra: &[&str]) -> Self {
        let mut world = World::new(config(4, extra), 5);
        let who = world.add(Manner::default());
        world.connect(who);
        let inside = world.peers[who].inside().unwrap();
        world.vanish(who);
        world.watch = true;
        world.crossings.clear();
        Self { world, who, read: 0, inside, keys: None, numbers: vec![] }
    }

    /// Sends a frame, and gives what comes back within a tenth of a second.
    fn ask(&mut self, protocol: Protocol, payload: &[u8]) -> Vec<(Protocol, Vec<u8>)> {
        let now = self.world.now();
        for packet in self.world.peers[self.who].carry(protocol, payload, now) {
            self.world.inject(packet);
        }
        self.world.run_for(Duration::from_millis(100));
        let news: Vec<_> = self.world.crossings[self.read..].iter().map(|c| c.packet.clone()).collect();
        self.read += news.len();
        let peer = &mut self.world.peers[self.who];
        let read: Vec<_> = news.iter().filter_map(|packet| peer.read_data(packet)).collect();
        self.numbers.extend(read.iter().map(|(number, ..)| *number));
        read.into_iter().map(|(_, protocol, payload)| (protocol, payload)).collect()
    }

    /// Asks for these bits; gives what the server asks for itself and how it has answered.
    fn request(&mut self, bits: u32) -> (Option<(u8, Vec<Opt>)>, Option<Code>) {
        let options = encode_options(&[Bits(bits).option()]);
        let answers = self.ask(CCP, &Packet::encode(Code::ConfigureRequest, 1, &options));
        let of_ccp = answers.iter().filter(|(protocol, _)| *protocol == CCP);
        let packets: Vec<Packet<'_>> = of_ccp.filter_map(|(_, octets)| Packet::decode(octets).ok()).collect();
        let request = packets.iter().find(|packet| packet.code == Code::ConfigureRequest);
        let answer = packets.iter().find(|packet| packet.id == 1 && packet.code != Code::ConfigureRequest);
        let request = request.map(|packet| (packet.id, decode_options(packet.data).unwrap()));
        (request, answer.map(|packet| packet.code))
    }

    /// Agrees on these bits, whatever the server would like better.
    fn agree(&mut self, bits: u32) {
        let acknowledgement = self.agree_but_for_the_acknowledgement(bits);
        self.ask(CCP, &acknowledgement);
    }

    /// The same, but for the last packet.
    fn agree_but_for_the_acknowledgement(&mut self, bits: u32) -> Vec<u8> {
        let mut answer = None;
        let mut request = None;
        while answer != Some(Code::ConfigureAck) {
            let (asks, says) = self.request(bits);
            request = asks.or(request);
            answer = says;
        }
        let (id, _) = request.expect("the server asks for its own direction");
        let wanted = encode_options(&[Bits(bits).option()]);
        let nak = self.ask(CCP, &Packet::encode(Code::ConfigureNak, id, &wanted));
        let again = nak.iter().find(|(protocol, octets)| *protocol == CCP && octets[0] == 1).expect("it asks again");
        let packet = Packet::decode(&again.1).unwrap();
        assert_eq!(packet.data, wanted);
        let acknowledgement = Packet::encode(Code::ConfigureAck, packet.id, packet.data);
        let shared = self.world.peers[self.who].shared().expect("MS-CHAPv2");
        self.keys = Some(Keys::new(bits, &shared));
        acknowledgement
    }

    fn datagram(&self, size: usize) -> Vec<u8> {
        let payload = [b"in the clear".as_slice(), &vec![0x55; size]].concat();
        packet::udp((self.inside, 9), (HOST, ECHO), &payload)
    }

    /// Whether the host behind the server answers a packet that is encrypted, with one that is, too.
    fn reaches(&mut self, size: usize) -> bool {
        let packet = self.datagram(size);
        let sealed = self.keys.as_mut().unwrap().seal(&packet);
        let back = self.ask(COMPRESSED, &sealed);
        assert!(back.iter().all(|(protocol, _)| *protocol != Protocol::Ipv4), "in the clear");
        let keys = self.keys.as_mut().unwrap();
        let sealed = back.iter().filter(|(protocol, _)| *protocol == COMPRESSED);
        let opened: Vec<Vec<u8>> = sealed.filter_map(|(_, octets)| keys.open(octets).ok().flatten()).collect();
        opened.iter().any(|ip| ip.windows(12).any(|octets| octets == b"in the clear"))
    }
}

#[test]
fn a_client_that_asks_for_it_gets_every_size_of_key_and_everything_is_encrypted_within() {
    for key in [Bits::BITS_40, Bits::BITS_56, Bits::BITS_128] {
        for bits in [key | STATELESS, key] {
            let mut link = Link::up(ALLOWED);
            link.agree(bits);
            for _ in 0..300 {
                assert!(link.reaches(100), "{bits:x}");
            }
            assert!(link.world.told("[L2TP] TUNNEL[1] PPP/CCP up  (MPPE"), "{:#?}", link.world.log());
            assert_eq!(link.world.totals().dropped(Drop::Unveiled), 0);
        }
    }
}

#[test]
fn what_is_to_be_encrypted_does_not_come_in_the_clear_and_what_was_lost_costs_only_itself() {
    let mut link = Link::up(REQUIRED);
    link.agree(Bits::BITS_128 | STATELESS);
    let packet = link.datagram(10);
    let before = link.world.totals().ip.in_packets;
    link.ask(Protocol::Ipv4, &packet);
    assert_eq!(link.world.totals().ip.in_packets, before);
    assert_eq!(link.world.totals().dropped(Drop::Unveiled), 1);
    for _ in 0..20 {
        link.keys.as_mut().unwrap().seal(&packet);
    }
    assert!(link.reaches(10), "the key is changed for the lost ones, too");
}

#[test]
fn a_packet_that_was_overtaken_is_dropped_and_the_next_is_read() {
    let mut link = Link::up(ALLOWED);
    link.agree(Bits::BITS_128 | STATELESS);
    let packet = link.datagram(10);
    let late = link.keys.as_mut().unwrap().seal(&packet);
    assert!(link.reaches(10));
    let before = link.world.totals().ip.in_packets;
    link.ask(COMPRESSED, &late);
    assert_eq!(link.world.totals().ip.in_packets, before, "its key is gone");
    assert!(link.reaches(10));
}

#[test]
fn data_is_numbered_from_the_agreement_on_so_that_the_client_can_drop_what_was_overtaken() {
    let mut link = Link::up(ALLOWED);
    assert!(link.numbers.iter().all(Option::is_none));
    link.agree(Bits::BITS_128 | STATELESS);
    link.numbers.clear();
    for _ in 0..5 {
        assert!(link.reaches(10));
    }
    assert_eq!(link.numbers.len(), 5);
    assert!(link.numbers.windows(2).all(|pair| pair[1] == pair[0].map(|n| n + 1)), "{:?}", link.numbers);
    assert_eq!(link.world.totals().dropped(Drop::OutOfSequence), 0);
}

#[test]
fn with_state_either_side_may_ask_the_other_to_begin_anew() {
    let mut link = Link::up(ALLOWED);
    link.agree(Bits::BITS_128);
    assert!(link.reaches(10));
    let packet = link.datagram(10);
    // Lost on the way to the server, which cannot read what follows and says so.
    link.keys.as_mut().unwrap().seal(&packet);
    let sealed = link.keys.as_mut().unwrap().seal(&packet);
    let answer = link.ask(COMPRESSED, &sealed);
    assert!(answer.iter().any(|(protocol, octets)| *protocol == CCP && octets[0] == u8::from(RESET_REQUEST)));
    link.keys.as_mut().unwrap().flush();
    assert!(link.reaches(10));
    // Lost on the way to the client.
    link.world.tun_receives(&packet::udp((HOST, ECHO), (link.inside, 9), b"lost"));
    link.world.run_for(Duration::from_millis(100));
    link.read = link.world.crossings.len();
    let sealed = link.keys.as_mut().unwrap().seal(&packet);
    let back = link.ask(COMPRESSED, &sealed);
    let unread = back.iter().find(|(protocol, _)| *protocol == COMPRESSED).expect("an answer");
    assert!(matches!(link.keys.as_mut().unwrap().open(&unread.1), Err(ResetRequest)));
    link.ask(CCP, &Packet::encode(RESET_REQUEST, 3, &[]));
    assert!(link.reaches(10));
    link.ask(CCP, &Packet::encode(RESET_ACK, 3, &[]));
    assert!(link.reaches(10));
}

#[test]
fn a_packet_from_the_lan_fits_the_clients_mru_with_what_encryption_adds() {
    let mut link = Link::up(ALLOWED);
    link.agree(Bits::BITS_128 | STATELESS);
    for size in [1330, 1370, 1400, 2900] {
        let whole = packet::udp((HOST, ECHO), (link.inside, 9), &vec![7; size]);
        link.world.tun_receives(&whole);
        let back = link.ask(Protocol::Lcp, &Packet::encode(Code::EchoRequest, 9, &[0; 4]));
        let longest = back.iter().filter(|(p, _)| *p == COMPRESSED).map(|(_, octets)| octets.len()).max();
        assert!(longest.is_some_and(|longest| longest <= 1400), "{size}: {longest:?}");
        let keys = link.keys.as_mut().unwrap();
        for (_, octets) in back.iter().filter(|(p, _)| *p == COMPRESSED) {
            keys.open(octets).unwrap().expect("IP");
        }
    }
}

#[test]
fn a_client_whose_acknowledgement_in_ccp_was_lost_is_not_taken_down_again() {
    let mut link = Link::up(REQUIRED);
    link.agree_but_for_the_acknowledgement(Bits::BITS_128 | STATELESS);
    // What is sent at once tells the server that the client is open; the first of it cannot be read.
    let packet = link.datagram(10);
    let sealed = link.keys.as_mut().unwrap().seal(&packet);
    let answers = link.ask(COMPRESSED, &sealed);
    assert!(answers.is_empty(), "{answers:?}");
    assert!(link.reaches(10));
    link.world.run_for(Duration::from_secs(10));
    assert!(link.reaches(10), "the request was not repeated");
}

#[test]
fn where_it_is_not_allowed_or_not_asked_for_ccp_is_rejected_and_ip_passes_under_esp_alone() {
    for (extra, bits) in [(&[][..], Bits::BITS_128 | STATELESS), (ALLOWED, 1), (REQUIRED, 1)] {
        let mut link = Link::up(extra);
        let options = encode_options(&[Bits(bits).option()]);
        let answers = link.ask(CCP, &Packet::encode(Code::ConfigureRequest, 1, &options));
        let rejected = answers.iter().any(|(p, octets)| *p == Protocol::Lcp && octets[0] == 8);
        assert!(rejected, "{answers:?}");
        let packet = link.datagram(10);
        let back = link.ask(Protocol::Ipv4, &packet);
        assert!(back.iter().any(|(protocol, _)| *protocol == Protocol::Ipv4));
    }
}

#[test]
fn ccp_negotiated_anew_ends_the_call_and_does_not_let_packets_out_in_the_clear() {
    let mut link = Link::up(ALLOWED);
    link.agree(Bits::BITS_128 | STATELESS);
    assert!(link.reaches(10));
    let options = encode_options(&[Bits(Bits::BITS_128 | STATELESS).option()]);
    link.ask(CCP, &Packet::encode(Code::ConfigureRequest, 77, &options));
    link.world.tun_receives(&packet::udp((HOST, ECHO), (link.inside, 9), b"in the clear"));
    let back = link.ask(Protocol::Lcp, &Packet::encode(Code::EchoRequest, 9, &[0; 4]));
    assert!(back.iter().all(|(protocol, _)| *protocol != Protocol::Ipv4));
    link.world.run_for(Duration::from_secs(30));
    assert!(link.world.told("CCP was negotiated anew or ended"), "{:#?}", link.world.log());
}
