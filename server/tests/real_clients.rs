//! The simulated client over real sockets against the real binary: connecting, data, renewal, and what an operator sees.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::client::{Client, until};
use common::field::{ECHO, ECHO_WHOLE, Field, HOME, NAT, OUTSIDE, SERVER};
use common::server::Room;
use sim::Manner;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    common::run(&[
        ("a_client_without_nat_connects_over_plain_esp", a_client_without_nat_connects_over_plain_esp),
        ("clients_behind_one_nat_are_served_at_once", clients_behind_one_nat_are_served_at_once),
        (
            "clients_are_spread_over_data_threads_and_keep_their_order",
            clients_are_spread_over_data_threads_and_keep_their_order,
        ),
        ("a_client_goes_on_from_elsewhere_across_data_threads", a_client_goes_on_from_elsewhere_across_data_threads),
        ("both_phases_are_renewed_under_traffic", both_phases_are_renewed_under_traffic),
        ("a_client_that_vanished_comes_back", a_client_that_vanished_comes_back),
        ("what_exceeds_the_mru_is_cut_or_answered_with_icmp", what_exceeds_the_mru_is_cut_or_answered_with_icmp),
        ("an_operator_sees_who_is_on_and_hangs_up", an_operator_sees_who_is_on_and_hangs_up),
        ("l2tp_outside_esp_gets_no_answer", l2tp_outside_esp_gets_no_answer),
        ("clients_connect_over_ipv6", clients_connect_over_ipv6),
    ])
}

fn a_client_without_nat_connects_over_plain_esp() {
    let (field, room) = (Field::open(), Room::new("plain"));
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    let start = Instant::now();
    client.connect();
    // Nothing had to be sent twice: LCP's timer alone is three seconds.
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
    assert_eq!(client.inside().to_string(), "192.168.100.200");
    assert_eq!(client.peer.dns(), [*ECHO.ip()]);
    assert!(client.reaches(ECHO), "{}", client.story());
    // The host found the client by ARP: the server answers for it.
    let neighbour = field.host.run("ip neigh show 192.168.100.200");
    assert!(neighbour.contains("lladdr"), "{neighbour}");
    let told = room.sekisho(&field.server, &["show", "ipsec", "sa"]);
    assert!(told.out.starts_with("Total: isakmp:1 send:1 recv:1"), "{told:?}");
    client.act(|peer, now| peer.hang_up_call(now));
    let route = || field.server.run("ip route show 192.168.100.200");
    assert!(client.until(Duration::from_secs(2), |_| route().is_empty()), "{}", route());
    server.stop();
}

fn clients_behind_one_nat_are_served_at_once() {
    let (field, room) = (Field::behind_nat(), Room::new("nat"));
    let server = room.serve(&field.server);
    let second = Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() };
    let mut one = Client::new(&field.clients, HOME[0], Manner::default(), 1);
    let mut two = Client::new(&field.clients, HOME[1], second, 2);
    one.act(|peer, now| peer.dial(now));
    two.act(|peer, now| peer.dial(now));
    let both = &mut [&mut one, &mut two];
    let up = until(both, Duration::from_secs(10), |c| c.iter().all(|c| c.peer.is_up()));
    assert!(up, "{}\n{}", both[0].story(), both[1].story());
    assert_ne!(both[0].inside(), both[1].inside());
    let mut asked = 0;
    let answered = until(both, Duration::from_secs(5), |clients| {
        if asked < 200 {
            asked += 1;
            for client in clients.iter_mut() {
                client.ask(ECHO, 600);
            }
        }
        asked == 200 && clients.iter().all(|c| c.unanswered() == 0)
    });
    assert!(answered, "{} and {} lost", both[0].unanswered(), both[1].unanswered());
    let told = room.sekisho(&field.server, &["show", "status", "pp", "anonymous"]);
    let outside = format!("Outside address: {NAT}:");
    assert_eq!(told.out.matches(&outside).count(), 2, "{}", told.out);
    server.stop();
}

/// What each data thread has done, once they are told by the running server.
fn shares(room: &Room, field: &Field) -> Vec<u64> {
    let told = room.sekisho(&field.server, &["show", "status", "fastpath", "--json"]);
    let (_, list) = told.out.split_once("\"packets_by_thread\":").unwrap_or_else(|| panic!("{told:?}"));
    let list = list.trim_start().trim_start_matches('[').split(']').next().unwrap();
    list.split(',').map(|share| share.trim().parse().unwrap()).collect()
}

fn clients_are_spread_over_data_threads_and_keep_their_order() {
    let (field, room) = (Field::open(), Room::new("spread"));
    let server = room.serve_by(&field.server, 2);
    let second =
        Manner { user: "second".to_owned(), password: "Second-2".to_owned(), pretends_nat: true, ..Manner::default() };
    // One comes as IP protocol 50, the other in UDP.
    let mut one = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    let mut two = Client::new(&field.clients, OUTSIDE[1], second, 2);
    one.connect();
    two.connect();
    for (client, asked) in [(&mut one, 300), (&mut two, 200)] {
        let before = shares(&room, &field);
        client.inner.clear();
        for _ in 0..asked {
            client.ask(ECHO, 600);
            if client.unanswered() > 16 {
                client.until(Duration::from_secs(2), |c| c.unanswered() <= 16);
            }
        }
        let answered = client.until(Duration::from_secs(5), |c| c.unanswered() == 0);
        assert!(answered, "{} lost", client.unanswered());
        let numbers: Vec<u64> = client
            .inner
            .iter()
            .filter_map(|packet| sim::packet::read_udp(packet)?.2.first_chunk::<8>().map(|n| u64::from_be_bytes(*n)))
            .collect();
        assert_eq!(numbers.len(), asked);
        assert!(numbers.is_sorted(), "{numbers:?}");
        // There and back, by one thread alone.
        let grown: Vec<u64> = shares(&room, &field).iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!((grown.iter().max(), grown.iter().min()), (Some(&(2 * asked as u64)), Some(&0)), "{grown:?}");
    }
    let shares = shares(&room, &field);
    assert!(shares.len() == 2 && shares.iter().all(|share| *share >= 400), "{shares:?}");
    // A second server does not slip in beside the first.
    assert_eq!(field.server.enter(|| UdpSocket::bind("0.0.0.0:4500")).unwrap_err().kind(), ErrorKind::AddrInUse);
    server.stop();
}

fn a_client_goes_on_from_elsewhere_across_data_threads() {
    let (field, room) = (Field::open(), Room::new("across"));
    let server = room.serve_by(&field.server, 2);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    let inside = client.inside();
    assert!(client.reaches(ECHO), "{}", client.story());
    // The server takes it for a newcomer, whose number and SAs are the other thread's, till it names its tunnel.
    client.change_network(&field.clients, OUTSIDE[1]);
    let back = client.until(Duration::from_secs(10), |c| c.reaches(ECHO));
    assert!(back, "{}\n{}", client.story(), server.log());
    assert_eq!(client.inside(), inside);
    for _ in 0..50 {
        assert!(client.reaches(ECHO), "{}", client.story());
    }
    client.act(|peer, now| peer.rekey_esp(now));
    client.rest(Duration::from_secs(1));
    assert!(client.reaches(ECHO), "{}", client.story());
    server.stop();
}

fn both_phases_are_renewed_under_traffic() {
    let (field, room) = (Field::open(), Room::new("renewal"));
    let server = room.serve(&field.server);
    // What is under way on an SA when it is deleted is lost, whoever deletes it.
    let manner = Manner { deletes_old: false, ..Manner::default() };
    let mut client = Client::new(&field.clients, OUTSIDE[0], manner, 1);
    client.connect();
    let inside = client.inside();
    for phase in [2, 1, 2] {
        let old = client.peer.outbound().map(|(spi, _)| spi);
        traffic(&mut client, Duration::from_millis(100));
        client.act(|peer, now| match phase {
            1 => peer.rekey_ike(now),
            _ => peer.rekey_esp(now),
        });
        let start = Instant::now();
        while client.peer.outbound().map(|(spi, _)| spi) == old {
            assert!(start.elapsed() < Duration::from_secs(5), "no new SA:\n{}", client.story());
            traffic(&mut client, Duration::from_millis(10));
        }
        traffic(&mut client, Duration::from_millis(200));
        client.until(Duration::from_secs(1), |c| c.unanswered() == 0);
        client.act(|peer, now| peer.delete_old_esp(now));
    }
    assert!(client.reaches(ECHO), "{}", client.story());
    assert_eq!(client.unanswered(), 0, "{}", client.story());
    assert_eq!((client.inside(), client.peer.pairs()), (inside, 1));
    server.stop();
}

/// A question every few milliseconds.
fn traffic(client: &mut Client, time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        client.ask(ECHO, 200);
        client.rest(Duration::from_millis(3));
    }
}

fn a_client_that_vanished_comes_back() {
    let (field, room) = (Field::open(), Room::new("vanished"));
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.reaches(ECHO));
    drop(client);
    let mut again = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 2);
    again.connect();
    assert!(again.reaches(ECHO), "{}", again.story());
    let told = room.sekisho(&field.server, &["show", "status", "pp", "anonymous"]);
    assert!(told.out.contains(&format!("Remote: {}", again.inside())), "{}", told.out);
    server.stop();
}

fn what_exceeds_the_mru_is_cut_or_answered_with_icmp() {
    let (field, room) = (Field::open(), Room::new("mru"));
    let server = room.serve(&field.server);
    let manner = Manner { mru: Some(1200), ..Manner::default() };
    let mut client = Client::new(&field.clients, OUTSIDE[0], manner, 1);
    client.connect();
    let fits = |packet: &Vec<u8>| packet.len() <= 1200;

    client.ask(ECHO, 1300);
    client.until(Duration::from_secs(1), |c| c.inner.len() >= 2);
    let octets: usize = client.inner.iter().map(|packet| packet.len() - 20).sum();
    assert_eq!((client.inner.len(), octets), (2, 1308), "two fragments of one datagram");
    assert!(client.inner.iter().all(fits));

    client.inner.clear();
    client.ask(ECHO_WHOLE, 1300);
    client.rest(Duration::from_millis(200));
    assert_eq!(client.inner, Vec::<Vec<u8>>::new(), "what may not be cut does not come");
    let route = field.host.run(&format!("ip route get {}", client.inside()));
    assert!(route.contains("mtu 1200"), "the host learnt the MTU: {route}");
    // From here on, the host cuts by itself.
    client.ask(ECHO_WHOLE, 1300);
    client.until(Duration::from_secs(1), |c| c.inner.len() >= 2);
    assert_eq!(client.inner.len(), 2);
    assert!(client.inner.iter().all(fits));
    server.stop();
}

fn an_operator_sees_who_is_on_and_hangs_up() {
    let (field, room) = (Field::open(), Room::new("operator"));
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    let show = || room.sekisho(&field.server, &["show", "status", "pp", "anonymous"]).out;
    let told = show();
    let inside = client.inside();
    for part in [
        "PP[ANONYMOUS01]:",
        "session status is Connected",
        "User: vpnuser",
        &format!("Outside address: {}", OUTSIDE[0]),
        &format!("Remote: {inside}"),
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    let tunnels = room.sekisho(&field.server, &["show", "status", "l2tp"]).out;
    assert!(tunnels.contains("Tunnel Control: 1, Session Control: 1"), "{tunnels}");
    let other = room.sekisho(&field.server, &["disconnect", "anonymous2"]);
    assert_ne!(other.status, 0, "{other:?}");
    let done = room.sekisho(&field.server, &["disconnect", "anonymous1"]);
    assert_eq!((done.status, done.err.as_str()), (0, ""), "{done:?}");
    client.until(Duration::from_secs(1), |c| c.ended().is_some());
    assert!(client.ended().is_some(), "{}", client.story());
    let nobody = |_: &mut Client| show().contains("nobody is connected");
    assert!(client.until(Duration::from_secs(3), nobody), "{}", show());
    server.stop();
}

fn l2tp_outside_esp_gets_no_answer() {
    let (field, room) = (Field::open(), Room::new("outside"));
    let server = room.serve(&field.server);
    let (l2tp, closed) = field.clients.enter(|| {
        let socket = |port| {
            let socket = UdpSocket::bind((OUTSIDE[0], 0)).unwrap();
            socket.connect((SERVER, port)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            socket
        };
        (socket(1701), socket(1702))
    });
    // SCCRQ: message type, protocol version, framing, host name, tunnel id, window.
    let sccrq =
        b"\xc8\x02\x00\x3f\0\0\0\0\0\0\0\0\x80\x08\0\0\0\0\0\x01\x80\x08\0\0\0\x02\x01\0\x80\x0a\0\0\0\x03\0\0\0\x03\
        \x80\x09\0\0\0\x07sim\x80\x08\0\0\0\x09\0\x07\x80\x08\0\0\0\x0a\0\x04";
    assert_eq!(usize::from(sccrq[3]), sccrq.len());
    let mut buffer = [0; 100];
    let mut answer = |socket: &UdpSocket| {
        socket.send(sccrq).unwrap();
        socket.recv(&mut buffer).map_err(|error| error.kind())
    };
    // A closed port shows that an ICMP message would be seen.
    assert_eq!(answer(&closed), Err(ErrorKind::ConnectionRefused));
    for _ in 0..2 {
        assert_eq!(answer(&l2tp), Err(ErrorKind::WouldBlock));
    }
    let tunnels = room.sekisho(&field.server, &["show", "status", "l2tp"]).out;
    assert!(tunnels.contains("Tunnel Control: 0, Session Control: 0"), "{tunnels}");
    server.stop();
}

fn clients_connect_over_ipv6() {
    let (field, room) = (Field::open(), Room::new("ipv6"));
    for (place, device, address) in
        [(&field.server, "wan0", "2001:db8:1::1/64"), (&field.clients, "eth0", "2001:db8:1::2/64")]
    {
        place.set(&format!("net/ipv6/conf/{device}/disable_ipv6"), "0");
        place.run(&format!("ip -6 addr add {address} dev {device} nodad"));
    }
    field.clients.run("ip -6 addr add 2001:db8:1::3/64 dev eth0 nodad");
    let server = room.serve(&field.server);
    let dialled: IpAddr = "2001:db8:1::1".parse().unwrap();
    // One over plain ESP, one that pretends a NAT and so sends ESP in UDP, whose checksum IPv6 demands.
    let clients = [("2001:db8:1::2", false), ("2001:db8:1::3", true)];
    for (seed, (address, pretends_nat)) in (1..).zip(clients) {
        let manner = Manner { pretends_nat, ..Manner::default() };
        let mut client = Client::dialling(&field.clients, address.parse().unwrap(), dialled, manner, seed);
        client.connect();
        assert!(client.reaches(ECHO), "{}", client.story());
        // Longer than the outer path: both families cut the outer packet.
        client.ask(ECHO, 1300);
        // What is still on its way to a client that deletes its SAs is lost.
        client.until(Duration::from_secs(2), |c| c.unanswered() == 0);
        let old = client.peer.outbound().map(|(spi, _)| spi);
        client.act(|peer, now| peer.rekey_ike(now));
        client.until(Duration::from_secs(5), |c| c.peer.outbound().map(|(spi, _)| spi) != old);
        client.ask(ECHO, 1300);
        client.until(Duration::from_secs(2), |c| c.unanswered() == 0);
        assert_eq!(client.unanswered(), 0, "{}", client.story());
        let told = room.sekisho(&field.server, &["show", "status", "pp", "anonymous"]);
        assert!(told.out.contains(&format!("Outside address: [{address}]:")), "{}", told.out);
    }
    server.stop();
}
