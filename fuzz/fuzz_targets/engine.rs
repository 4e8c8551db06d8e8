//! The engine's door: inputs one after the other, with time between them, at an engine that two clients are connected to.
//!
//! An input is a kind, an argument, a length of two octets and so many octets. What must hold is what the simulated world
//! looks at after every step; besides, nothing that comes from a stranger is answered with more than it had.
#![no_main]

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use engine::Input;
use engine::ike::Endpoint;
use engine::path::{ClientId, Note, Spi};
use libfuzzer_sys::fuzz_target;
use sim::{Carrier, Manner, Outer, Way, World};
use std::sync::OnceLock;
use wire::l2tp::Header;
use wire::ppp::{Opt, Protocol};

/// Inputs of one run.
const MOST: usize = 64;
const SERVER: IpAddr = IpAddr::V4(sim::world::SERVER);
/// Where strangers are; nobody else is in this network.
const STRANGERS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 0);

/// What is served beside the usual: IPv6 inside, names by Aggressive Mode, filters.
const SERVED: [&str; 6] = [
    "ipsec ike remote name 1 client1 fqdn",
    "ipv6 lan1 address 2001:db8:100::1/64",
    "dns server 192.168.100.10 2001:db8:100::10",
    "dns domain lan.test",
    "ip filter 1 pass * * * * *",
    "pp select anonymous\n ppp ipv6cp use on\n ipv6 pp remote prefix pool 2001:db8:200::/56\n ip pp secure filter in 1",
];

/// What operators say.
const LINES: [&str; 16] = [
    "show status l2tp",
    "show ipsec sa",
    "show status pp anonymous",
    "show config",
    "disconnect anonymous1",
    "disconnect all",
    "pp select anonymous",
    "pp auth request pap",
    "no pp enable anonymous",
    "pp enable anonymous",
    "ip pp remote address pool 192.168.100.240-192.168.100.241",
    "no l2tp service on",
    "l2tp service on",
    "no ipsec transport 1",
    "clear account all",
    "ip pp mtu 1280",
];

/// How long to wait, in milliseconds.
const PAUSES: [u64; 8] = [1, 100, 1000, 5000, 20_000, 60_000, 600_000, 3_600_000];

/// The configuration, and two clients that are up: their records, and the header of the next control message of each.
struct Start {
    config: command::Config,
    records: Vec<Vec<u8>>,
    headers: Vec<Header>,
    age: Duration,
}

fn start() -> &'static Start {
    static START: OnceLock<Start> = OnceLock::new();
    START.get_or_init(|| {
        let config = sim::config(4, &SERVED);
        let mut world = World::new(config.clone(), 1);
        let first = world.now();
        // It speaks IPv6, too.
        let others = vec![(Protocol::Ipv6cp, vec![Opt { kind: 1, data: 9_u64.to_be_bytes().to_vec() }])];
        let one = world.add(Manner { others, ..Manner::default() });
        let second = Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() };
        let two = world.add_natted(true, second);
        world.connect(one);
        world.connect(two);
        world.run_for(Duration::from_secs(1));
        let headers = [one, two].into_iter().filter_map(|n| world.peers[n].next_control()).collect();
        Start { config, records: world.records(), headers, age: world.now().since(first) }
    })
}

struct Door {
    world: World,
    headers: Vec<Header>,
    /// Octets that strangers have sent, and that were sent to them.
    asked: usize,
    answered: usize,
    /// The cookies of the last ISAKMP message to a stranger.
    cookies: Option<[u8; 16]>,
}

impl Door {
    fn new() -> Self {
        let start = start();
        let mut world = World::new(start.config.clone(), 2);
        world.run_for(start.age);
        for record in &start.records {
            world.import(record).expect("a good record");
        }
        world.watch = true;
        Self { world, headers: start.headers.clone(), asked: 0, answered: 0, cookies: None }
    }

    /// A client, by an octet, and one of its SAs.
    fn client(&self, argument: u8) -> (ClientId, Spi) {
        let pairs: Vec<(u32, u32)> = self.world.engine.pairs().collect();
        let chosen = pairs.get(usize::from(argument) % pairs.len().max(1));
        let (client, spi) = chosen.copied().unwrap_or((1 + u32::from(argument % 4), 0x1234_5678));
        (ClientId(client), Spi(spi))
    }

    fn isakmp(&mut self, argument: u8, octets: &[u8]) {
        let port = if argument & 1 == 0 { 500 } else { 4500 };
        let last = 1 + (argument >> 1 & 3);
        let peer = SocketAddr::from((Ipv4Addr::from(u32::from(STRANGERS) + u32::from(last)), port));
        let mut bytes = octets.to_vec();
        // It goes on with the exchange that was answered last, as somebody does who can read.
        if argument & 0x10 != 0
            && let (Some(cookies), Some(place)) = (self.cookies, bytes.get_mut(..16))
        {
            place.copy_from_slice(&cookies);
        }
        if argument & 0x20 != 0
            && let Some(place) = bytes.get_mut(24..28)
        {
            place.copy_from_slice(&(octets.len() as u32).to_be_bytes());
        }
        self.asked += bytes.len();
        let endpoint = Endpoint { local: SocketAddr::new(SERVER, port), peer };
        self.world.offer(Input::Isakmp { endpoint, bytes: &bytes });
    }

    /// A control message of a client's tunnel, with the numbers that are due; the octets are its AVPs.
    fn control(&mut self, argument: u8, octets: &[u8]) {
        let (client, spi) = self.client(argument);
        let which = usize::from(argument) % self.headers.len();
        let header = &mut self.headers[which];
        header.nr = header.nr.map(|nr| nr.wrapping_add(u16::from(argument >> 6)));
        let l2tp = header.encode(octets);
        if argument & 0x20 == 0 {
            header.ns = header.ns.map(|ns| ns.wrapping_add(1));
        }
        self.world.offer(Input::Note(Note::Control { client, spi, peer_port: 1701, l2tp }));
    }

    fn one(&mut self, kind: u8, argument: u8, octets: &[u8]) {
        let (client, spi) = self.client(argument);
        let stranger = SocketAddr::from((Ipv4Addr::from(u32::from(STRANGERS) + 9), 4500));
        let inside = octets.first_chunk().map_or(Ipv4Addr::new(192, 168, 100, 200), |four: &[u8; 4]| (*four).into());
        let note = match kind % 14 {
            0 | 1 => return self.isakmp(argument, octets),
            2 | 3 => return self.control(argument, octets),
            4 => Note::Control { client, spi, peer_port: 1701, l2tp: octets.to_vec() },
            5 => Note::Frame { client, ppp: octets.to_vec() },
            6 => {
                let pause = PAUSES[usize::from(argument) % PAUSES.len()];
                return self.world.run_for(Duration::from_millis(pause));
            }
            7 => {
                // What is refused, as in another scope, changes nothing.
                let _ = self.world.try_command(LINES[usize::from(argument) % LINES.len()]);
                return;
            }
            8 => Note::Used { client, spi },
            9 => match argument >> 4 & 3 {
                0 => Note::Moved { client, peer: stranger, local: SERVER },
                1 => Note::UnknownSpi { spi: Spi(u32::from(argument)), peer: stranger },
                2 => Note::Exhausted { client, spi },
                _ => Note::Volume { client, spi, octets: u64::MAX },
            },
            10 => {
                let (tunnel_id, session_id) = self.headers.first().map_or((0, 0), |h| (h.tunnel_id, h.session_id));
                let place = (stranger, SERVER);
                Note::Stray { client, spi, place, tunnel_id, session_id, ppp: octets.to_vec() }
            }
            11 => match argument >> 4 & 1 {
                0 => Note::Dhcp { client, packet: octets.to_vec() },
                _ => Note::Inside { client, packet: octets.to_vec() },
            },
            12 => return self.world.host_calls(inside),
            _ => {
                let from = SocketAddr::new(stranger.ip(), 0);
                let packet = Outer { carrier: Carrier::Esp, from, to: (SERVER, 0).into(), bytes: octets.to_vec() };
                return self.world.inject(packet);
            }
        };
        self.world.offer(Input::Note(note));
    }

    /// What has left for strangers since the last look.
    fn look(&mut self) {
        for crossing in self.world.crossings.drain(..).filter(|c| c.way == Way::ToNobody) {
            let packet = crossing.packet;
            let IpAddr::V4(to) = packet.to.ip() else { continue };
            // A client that was told to be elsewhere is no stranger.
            if to.octets()[..3] != STRANGERS.octets()[..3] || to.octets()[3] > 4 {
                continue;
            }
            let message = packet.bytes.strip_prefix(&[0; 4]).unwrap_or(&packet.bytes);
            self.answered += message.len();
            self.cookies = message.first_chunk().copied().or(self.cookies);
        }
        assert!(self.answered <= self.asked, "{} octets for {} of strangers", self.answered, self.asked);
        self.world.check_thoroughly();
    }
}

fuzz_target!(|data: &[u8]| {
    sim::cheap_pairs();
    let mut door = Door::new();
    let mut rest = data;
    for _ in 0..MOST {
        let Some(([kind, argument, high, low], behind)) = rest.split_first_chunk() else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (octets, behind) = behind.split_at(length);
        door.one(*kind, *argument, octets);
        door.look();
        rest = behind;
    }
    // Whatever was said: who does not answer is forgotten, and nothing is left of anybody.
    door.world.run_for(Duration::from_secs(10 * 3600));
    assert_eq!(door.world.quiet(), Ok(()), "something is left");
});
