//! Callers whose addresses a DHCP server of the LAN lends: `ip pp remote address pool dhcpc`.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::net::Ipv4Addr;
use core::time::Duration;
use sim::lan::{DhcpServer, Temper};
use sim::{Manner, World, config};
use wire::inside::dhcp::MessageType;

const DHCP: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 2);

fn lan(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 100, last)
}

/// A world whose callers get what a DHCP server with these addresses lends.
fn world(seed: u64, addresses: &[Ipv4Addr]) -> World {
    let mut w = World::new(config(4, &["pp select anonymous", " ip pp remote address pool dhcpc lan1"]), seed);
    w.dhcp = Some(DhcpServer::new(DHCP, addresses));
    w
}

fn second() -> Manner {
    Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() }
}

fn dhcp(w: &World) -> &DhcpServer {
    w.dhcp.as_ref().expect("a DHCP server")
}

fn behave(w: &mut World, temper: Temper) {
    w.dhcp.as_mut().expect("a DHCP server").temper = temper;
}

/// Dials in vain, and everything is given back.
fn is_refused(w: &mut World, who: usize, words: &str) {
    w.dial(who);
    let told = w.run_until(Duration::from_secs(60), |w| w.told(words));
    assert!(told, "{words}:\n{}", w.story(who));
    assert!(!w.peers[who].is_up() && w.routes.is_empty(), "{}", w.story(who));
    w.run_for(Duration::from_secs(300));
    w.check_thoroughly();
    assert_eq!((w.quiet(), dhcp(w).lent.len()), (Ok(()), 0), "{}", w.story(who));
}

#[test]
fn a_caller_gets_its_address_from_the_lan_keeps_it_and_gives_it_back() {
    let mut w = world(1, &[lan(50), lan(51)]);
    let c = w.add_natted(true, Manner::default());
    w.connect(c);
    assert_eq!(w.peers[c].inside(), Some(lan(50)));
    assert!(w.reaches(c) && w.told("DHCP server 192.168.100.2 on lan1 lends 192.168.100.50 to user 'vpnuser'"));
    w.check_thoroughly();
    // Many times the hour for which it was lent.
    w.run_for(Duration::from_secs(20_000));
    assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
    let asked = dhcp(&w).count(MessageType::Request);
    assert!((11..=14).contains(&asked), "asked {asked} times in five hours and a half");
    assert_eq!((dhcp(&w).count(MessageType::Discover), dhcp(&w).lent.len()), (1, 1));
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(180));
    assert_eq!((w.quiet(), dhcp(&w).count(MessageType::Release), dhcp(&w).lent.len()), (Ok(()), 1, 0));
}

#[test]
fn a_user_who_comes_again_is_known_to_the_dhcp_server() {
    let mut w = world(2, &[lan(50), lan(51), lan(52)]);
    let one = w.add(Manner::default());
    w.connect(one);
    let two = w.add(second());
    w.connect(two);
    assert_eq!((w.peers[one].inside(), w.peers[two].inside()), (Some(lan(50)), Some(lan(51))));
    for who in [one, two] {
        w.act(who, |p, now| p.hang_up(now));
    }
    w.run_for(Duration::from_secs(180));
    assert_eq!(w.quiet(), Ok(()));
    let again = w.add(second());
    w.connect(again);
    assert_eq!(w.peers[again].inside(), Some(lan(51)), "by whatever way it comes");
}

#[test]
fn two_sessions_of_one_user_have_two_addresses() {
    let mut w = world(3, &[lan(50), lan(51)]);
    let (one, two) = (w.add(Manner::default()), w.add(Manner::default()));
    w.connect(one);
    w.connect(two);
    w.run_for(Duration::from_secs(5));
    assert!(w.peers[one].is_up() && w.peers[two].is_up());
    assert_ne!(w.peers[one].inside(), w.peers[two].inside());
    assert!(w.reaches(one) && w.reaches(two));
    assert_eq!(dhcp(&w).lent.len(), 2);
}

#[test]
fn without_an_answer_the_caller_is_refused_and_the_log_says_what_to_do() {
    let mut w = world(4, &[lan(50)]);
    behave(&mut w, Temper::Silent);
    let c = w.add(Manner::default());
    is_refused(&mut w, c, "no DHCP server on lan1 lends an address to user 'vpnuser': see that one serves there");
    assert_eq!(dhcp(&w).count(MessageType::Discover), 3);
    assert!(w.told("Disconnected, cause [no address could be had by DHCP on lan1]"), "{}", w.story(c));
}

#[test]
fn a_slow_answer_is_waited_for() {
    let mut w = world(5, &[lan(50)]);
    behave(&mut w, Temper::Silent);
    let c = w.add(Manner::default());
    w.dial(c);
    assert!(w.run_until(Duration::from_secs(30), |w| dhcp(w).count(MessageType::Discover) == 2));
    behave(&mut w, Temper::Willing);
    assert!(w.run_until(Duration::from_secs(20), |w| w.peers[c].is_up()), "{}", w.story(c));
    assert_eq!(w.peers[c].inside(), Some(lan(50)));
}

#[test]
fn when_nothing_is_free_the_next_caller_is_refused_and_the_others_stay() {
    let mut w = world(6, &[lan(50)]);
    let (one, two) = (w.add(Manner::default()), w.add(second()));
    w.connect(one);
    w.dial(two);
    assert!(w.run_until(Duration::from_secs(60), |w| w.told("lends an address to user 'second'")));
    assert!(w.peers[one].is_up() && w.reaches(one) && !w.peers[two].is_up());
    // The first one leaves, and the other finds room.
    w.act(one, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(120));
    let again = w.add(second());
    w.connect(again);
    assert_eq!(w.peers[again].inside(), Some(lan(50)));
}

#[test]
fn a_server_that_breaks_its_word_is_told_of() {
    let mut w = world(7, &[lan(50)]);
    behave(&mut w, Temper::Fickle);
    let c = w.add(Manner::default());
    is_refused(&mut w, c, "DHCP server 192.168.100.2 on lan1 refuses user 'vpnuser' what it has offered (not yours)");
}

#[test]
fn an_address_that_no_caller_can_have_is_not_taken() {
    for (address, words) in [
        (Ipv4Addr::UNSPECIFIED, "outside of that LAN's network"),
        (Ipv4Addr::BROADCAST, "outside of that LAN's network"),
        (Ipv4Addr::new(10, 0, 0, 5), "outside of that LAN's network"),
        (lan(0), "stands for the network or for all of its hosts"),
        (lan(255), "stands for the network or for all of its hosts"),
        (lan(1), "this server's own"),
    ] {
        let mut w = world(8, &[]);
        behave(&mut w, Temper::Offering(address));
        let c = w.add(Manner::default());
        is_refused(&mut w, c, words);
        assert!(w.told(&format!("offers {address} to user 'vpnuser'")), "{}", w.story(c));
        assert_eq!(dhcp(&w).count(MessageType::Request), 0, "{address} was asked for");
    }
}

#[test]
fn an_address_that_another_caller_has_is_not_taken() {
    let mut w = world(9, &[lan(50)]);
    let (one, two) = (w.add(Manner::default()), w.add(second()));
    w.connect(one);
    behave(&mut w, Temper::Offering(lan(50)));
    w.dial(two);
    assert!(w.run_until(Duration::from_secs(60), |w| w.told("another caller has it")), "{}", w.story(two));
    assert!(w.peers[one].is_up() && w.reaches(one) && !w.peers[two].is_up());
    assert_eq!(dhcp(&w).lent.len(), 1);
}

#[test]
fn a_server_that_takes_an_address_away_ends_the_call() {
    let mut w = world(10, &[lan(50), lan(51)]);
    let c = w.add(Manner::default());
    w.connect(c);
    behave(&mut w, Temper::Stingy);
    let told =
        w.run_until(Duration::from_secs(1900), |w| w.told("takes the address of user 'vpnuser' away (not yours)"));
    assert!(told, "{}", w.story(c));
    w.run_for(Duration::from_secs(300));
    assert!(w.told("cause [the address is not lent any more by DHCP on lan1]"), "{}", w.story(c));
    assert_eq!(w.routes.len(), 0);
    assert_eq!(dhcp(&w).count(MessageType::Release), 0, "it is not ours any more");
}

#[test]
fn a_call_ends_with_its_lease_when_the_server_is_gone() {
    let mut w = world(11, &[lan(50)]);
    let c = w.add(Manner::default());
    w.connect(c);
    let start = w.now();
    behave(&mut w, Temper::Silent);
    assert!(w.run_until(Duration::from_secs(4000), |w| w.told("has prolonged the address of user 'vpnuser'")));
    assert!((3595..=3601).contains(&w.now().since(start).as_secs()), "{:?}", w.now().since(start));
    assert!(dhcp(&w).count(MessageType::Request) < 14, "{}", dhcp(&w).count(MessageType::Request));
    w.run_for(Duration::from_secs(60));
    assert!(w.routes.is_empty() && !w.peers[c].is_up());
}

#[test]
fn a_server_that_comes_back_in_time_is_enough() {
    let mut w = world(12, &[lan(50)]);
    let c = w.add(Manner::default());
    w.connect(c);
    behave(&mut w, Temper::Silent);
    w.run_for(Duration::from_secs(3000));
    behave(&mut w, Temper::Willing);
    w.run_for(Duration::from_secs(4000));
    assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
}

#[test]
fn a_user_with_an_address_of_its_own_asks_nobody() {
    let lines = [
        "pp select anonymous",
        " ip pp remote address pool dhcpc",
        " pp auth username vpnuser vpn-Passw0rd 192.168.100.77",
    ];
    let mut w = World::new(config(4, &lines), 13);
    w.dhcp = Some(DhcpServer::new(DHCP, &[lan(77), lan(50)]));
    let (one, two) = (w.add(Manner::default()), w.add(second()));
    w.connect(one);
    assert_eq!((w.peers[one].inside(), dhcp(&w).heard.len()), (Some(lan(77)), 0));
    // The DHCP server has the same address in its range: nobody is given it for that.
    w.dial(two);
    assert!(w.run_until(Duration::from_secs(60), |w| w.told("offers 192.168.100.77 to user 'second'")));
    assert!(!w.peers[two].is_up());
}

#[test]
fn a_server_that_takes_over_keeps_the_leases() {
    let mut w = world(14, &[lan(50), lan(51)]);
    let (one, two) = (w.add(Manner::default()), w.add(Manner::default()));
    w.connect(one);
    w.connect(two);
    for _ in 0..3 {
        w.run_for(Duration::from_secs(1500));
        assert_eq!(w.restart_from_records(), Ok(2));
        w.check_thoroughly();
    }
    assert!(w.peers[one].is_up() && w.peers[two].is_up() && w.reaches(one) && w.reaches(two));
    assert_eq!((dhcp(&w).count(MessageType::Discover), dhcp(&w).lent.len()), (2, 2));
    for who in [one, two] {
        w.act(who, |p, now| p.hang_up(now));
    }
    w.run_for(Duration::from_secs(180));
    assert_eq!((w.quiet(), dhcp(&w).lent.len()), (Ok(()), 0));
}

#[test]
fn a_server_that_stops_gives_everything_back() {
    let mut w = world(15, &[lan(50)]);
    let c = w.add(Manner::default());
    w.connect(c);
    w.shut_down();
    assert_eq!((dhcp(&w).count(MessageType::Release), dhcp(&w).lent.len()), (1, 0));
}

#[test]
fn a_caller_that_hangs_up_while_it_waits_leaves_nothing_behind() {
    let mut w = world(16, &[lan(50)]);
    behave(&mut w, Temper::Silent);
    let c = w.add(Manner::default());
    w.dial(c);
    assert!(w.run_until(Duration::from_secs(30), |w| dhcp(w).count(MessageType::Discover) == 1));
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(180));
    assert_eq!(w.quiet(), Ok(()), "{}", w.story(c));
}

#[test]
fn messages_for_others_and_junk_are_nobodys() {
    let mut w = world(17, &[lan(50)]);
    let c = w.add(Manner::default());
    w.connect(c);
    for junk in [vec![], vec![2; 100], vec![2; 300], vec![0xff; 1500], vec![2; 9000]] {
        w.lan_says(&junk);
    }
    assert!(w.peers[c].is_up() && w.reaches(c));
}

#[test]
fn where_the_lan_is_the_dialled_side_our_end_of_the_link_is_no_host_of_it() {
    let lines = ["ip lan1 address 198.51.100.1/24", "pp select anonymous", " ip pp remote address pool dhcpc lan1"];
    let mut w = World::new(config(4, &lines), 18);
    let address = Ipv4Addr::new(198, 51, 100, 50);
    w.dhcp = Some(DhcpServer::new(Ipv4Addr::new(198, 51, 100, 2), &[address]));
    let c = w.add(Manner::default());
    w.connect(c);
    assert_eq!(w.peers[c].inside(), Some(address));
    assert!(w.told("PPP/IPCP up  (Local: 192.0.0.8, Remote: 198.51.100.50)"), "{}", w.story(c));
}

#[test]
fn a_numbered_interface_asks_for_its_callers_address_too() {
    let text = "ip lan1 address 192.168.100.1/24\nip lan1 proxyarp on\npp select 1\n pp bind tunnel1\n \
         pp auth request mschap-v2\n pp auth username vpnuser vpn-Passw0rd\n ppp ipcp ipaddress on\n \
         ip pp remote address dhcpc\n pp enable 1\ntunnel select 1\n tunnel encapsulation l2tp\n ipsec tunnel 1\n  \
         ipsec sa policy 1 1 esp aes-cbc sha-hmac\n  ipsec ike pre-shared-key 1 text sim-psk\n  \
         ipsec ike remote address 1 any\n tunnel enable 1\nipsec transport 1 1 udp 1701\nl2tp service on\n";
    let (config, problems) = command::parse(text);
    assert!(problems.iter().all(|p| p.severity != command::Severity::Error), "{problems:?}");
    let mut w = World::new(config, 19);
    w.dhcp = Some(DhcpServer::new(DHCP, &[lan(50)]));
    let c = w.add(Manner::default());
    w.connect(c);
    assert_eq!(w.peers[c].inside(), Some(lan(50)));
    assert!(w.told("PP[01] DHCP server 192.168.100.2 on lan1 lends"), "{}", w.story(c));
}

#[test]
fn two_sessions_in_one_tunnel_have_a_lease_each() {
    let mut w = world(20, &[lan(50), lan(51)]);
    let c = w.add_natted(true, Manner::default());
    w.connect(c);
    w.act(c, |p, now| p.dial_further("second", "Second-2", now));
    w.run_for(Duration::from_secs(5));
    let second = w.peers[c].inside();
    w.peers[c].speak_on(0);
    assert_eq!((w.peers[c].inside(), second), (Some(lan(50)), Some(lan(51))), "{}", w.story(c));
    w.run_for(Duration::from_secs(4000));
    assert_eq!((dhcp(&w).lent.len(), w.routes.len()), (2, 2), "both are prolonged");
    w.peers[c].speak_on(1);
    w.act(c, |p, now| p.hang_up_line(now));
    w.run_for(Duration::from_secs(10));
    assert_eq!((dhcp(&w).count(MessageType::Release), dhcp(&w).lent.len()), (1, 1), "one goes back alone");
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(180));
    assert_eq!((w.quiet(), dhcp(&w).lent.len()), (Ok(()), 0));
}
