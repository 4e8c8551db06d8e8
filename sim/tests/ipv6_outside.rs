//! IPv6 as the outer protocol: the same as IPv4, with and without UDP around ESP.

use core::time::Duration;
use sim::{Manner, World, config};

fn serves(w: &mut World, c: usize) {
    w.connect(c);
    for n in 0..4 {
        w.act(c, |p, now| if n % 2 == 0 { p.rekey_esp(now) } else { p.rekey_ike(now) });
        let lost = w.traffic(c, Duration::from_millis(10), Duration::from_secs(2));
        assert_eq!(lost, 0, "{}", w.story(c));
    }
    assert!(w.peers[c].is_up() && !w.told("Disconnected"), "{}", w.story(c));
    w.check_thoroughly();
}

fn in_udp(w: &World, c: usize) -> bool {
    w.peers[c].dialogue().iter().any(|(_, l)| l.contains("in UDP)"))
}

#[test]
fn esp_goes_as_protocol_50_without_a_nat_and_in_udp_with_one_or_by_force() {
    for (pretends_nat, line, udp) in
        [(false, "", false), (true, "", true), (false, "ipsec ike nat-traversal 1 on force=on", true)]
    {
        let mut w = World::new(config(4, &[line]), 1);
        let c = w.add_over_ipv6(Manner { pretends_nat, ..Manner::default() });
        serves(&mut w, c);
        assert_eq!(in_udp(&w, c), udp, "{}", w.story(c));
    }
}

#[test]
fn clients_of_both_families_are_served_at_once() {
    let mut w = World::new(config(4, &[]), 2);
    let old = w.add_natted(true, Manner::default());
    let second = Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() };
    let new = w.add_over_ipv6(second);
    serves(&mut w, old);
    serves(&mut w, new);
    assert!(w.reaches(old), "{}", w.story(old));
}

#[test]
fn a_gateway_may_name_an_address_of_ipv6() {
    for (address, served) in [("2001:db8:64::a", true), ("2001:db8:64::ff", false)] {
        let line = format!("ipsec ike remote address 1 {address}");
        let mut w = World::new(config(1, &[&line]), 3);
        let c = w.add_over_ipv6(Manner::default());
        w.dial(c);
        w.run_for(Duration::from_secs(10));
        assert_eq!(w.peers[c].is_up(), served, "{}", w.story(c));
    }
}

#[test]
fn aggressive_mode_is_served_too() {
    let mut w = World::new(config(4, &["ipsec ike remote name 1 client1 fqdn"]), 4);
    let c = w.add_over_ipv6(Manner { aggressive: Some((2, b"client1".to_vec())), ..Manner::default() });
    serves(&mut w, c);
}
