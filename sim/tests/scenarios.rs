//! What a simulated client should be able to play: stories that are longer than one trap.

use core::time::Duration;
use sim::{Faults, Manner, Stage, Way, World, config, manners};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn count(w: &World, c: usize, words: &str) -> usize {
    w.peers[c].dialogue().iter().filter(|(_, l)| l.contains(words)).count()
}

#[test]
fn windows_whose_sccrq_is_lost_begins_quick_modes_then_deletes_all_and_redials() {
    let mut w = World::new(config(4, &[]), 1);
    let c = w.add_natted(true, manners::windows());
    w.filter = Some(Box::new(|way, p| way == Way::ToServer && p.is_esp()));
    w.dial(c);
    assert!(w.run_until(seconds(60), |w| matches!(w.peers[c].stage(), Stage::Ended(_))), "{}", w.story(c));
    assert_eq!(count(&w, c, "-> quick mode 1"), 6, "{}", w.story(c));
    assert!(count(&w, c, "-> delete Esp") >= 6 && count(&w, c, "-> delete Isakmp") == 1, "{}", w.story(c));
    w.run_for(milliseconds(100));
    assert_eq!(w.engine.pairs().count(), 0, "{}", w.story(c));
    w.filter = None;
    w.dial(c);
    assert!(w.run_until(seconds(10), |w| w.peers[c].is_up()), "{}", w.story(c));
    assert!(w.reaches(c), "{}", w.story(c));
    assert_eq!(w.engine.client_ids().count(), 1, "{}", w.story(c));
}

/// The client's renewal falls at each moment around the server's own.
#[test]
fn a_renewal_of_the_clients_that_collides_with_the_servers_loses_nothing() {
    for manner in [manners::windows(), manners::apple(), manners::libreswan()] {
        for early in (0..80).step_by(10) {
            let mut w = World::new(config(4, &[]), early);
            let c = w.add_natted(true, Manner { renews: false, ..manner.clone() });
            w.connect(c);
            // The server begins at 98 of 100 of the life.
            let life = u64::from(manner.lives.1);
            let _ = w.traffic(c, seconds(10), seconds(life * 98 / 100 - 60));
            w.run_until(seconds(120), |w| count(w, c, "<- quick mode 1") > 0);
            w.act(c, |p, now| p.rekey_esp(now));
            let lost = w.traffic(c, milliseconds(10), seconds(10));
            assert_eq!(lost, 0, "{} {early}:\n{}", manner.name, w.story(c));
            assert!(w.peers[c].is_up() && !w.told("Disconnected"), "{} {early}:\n{}", manner.name, w.story(c));
            w.check_thoroughly();
        }
    }
}

#[test]
fn renewals_by_volume_every_two_seconds_lose_nothing() {
    for manner in [manners::windows(), manners::windows_7()] {
        let mut w = World::new(config(4, &[]), 1);
        let c = w.add_natted(true, Manner { renews_after_octets: Some(1_000_000), ..manner });
        w.connect(c);
        for _ in 0..4000 {
            w.echo(c, 1300);
            w.run_for(milliseconds(4));
        }
        w.run_for(seconds(1));
        assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
        assert!(w.lines("respond IPsec phase").len() >= 10, "{}", w.lines("respond IPsec phase").len());
        assert!(w.engine.pairs().count() <= 2);
        w.check_thoroughly();
    }
}

#[test]
fn phase_1_is_renewed_on_500_and_on_4500() {
    for rekeys_on_500 in [true, false] {
        for natted in [true, false] {
            let mut w = World::new(config(4, &[]), 1);
            let c = w.add_natted(natted, Manner { rekeys_on_500, ..manners::apple() });
            w.connect(c);
            for _ in 0..3 {
                w.act(c, |p, now| p.rekey_ike(now));
                assert_eq!(w.traffic(c, milliseconds(10), seconds(8)), 0, "{}", w.story(c));
            }
            assert_eq!(w.engine.client_ids().count(), 1, "{}", w.story(c));
        }
    }
}

/// What a tunnel's secret makes of each client: Android has a field for it, Apple cannot answer a challenge.
#[test]
fn a_secret_of_the_tunnel_is_shown_by_those_who_have_one_and_told_of_the_others() {
    let line = "tunnel select 1\n l2tp tunnel auth on open-sesame\n tunnel select none";
    let secret = |s: &str| Some(s.as_bytes().to_vec());
    for manner in [manners::android_4(), manners::network_manager()] {
        let mut w = World::new(config(1, &[line]), 1);
        let c = w.add_natted(true, Manner { l2tp_secret: secret("open-sesame"), ..manner.clone() });
        w.connect(c);
        assert!(w.reaches(c), "{}:\n{}", manner.name, w.story(c));
        let mut w = World::new(config(1, &[line]), 1);
        let c = w.add_natted(true, Manner { l2tp_secret: secret("open-sesam"), ..manner.clone() });
        w.dial(c);
        w.run_for(seconds(60));
        assert!(matches!(w.peers[c].stage(), Stage::Ended(_)), "{}:\n{}", manner.name, w.story(c));
    }
    // One that asks for a proof that the server has no secret for.
    let mut w = World::new(config(1, &[]), 1);
    let c = w.add_natted(true, Manner { l2tp_secret: secret("open-sesame"), ..manners::android_4() });
    w.dial(c);
    w.run_for(seconds(60));
    assert!(matches!(w.peers[c].stage(), Stage::Ended(_)), "{}", w.story(c));
    let mut w = World::new(config(1, &[line]), 1);
    let c = w.add_natted(true, manners::apple());
    w.dial(c);
    w.run_for(seconds(60));
    assert!(count(&w, c, "there is no secret to answer it with") > 0, "{}", w.story(c));
    assert!(w.routes.is_empty(), "{}", w.story(c));
    assert!(w.log().iter().any(|l| l.contains("secret") || l.contains("authentic")), "{}", w.log().join("\n"));
}

/// Every single packet of a connect is lost, comes twice, or comes late.
#[test]
fn each_packet_of_each_clients_connect_may_be_lost_or_doubled_or_late() {
    for manner in manners::all() {
        let name = manner.name;
        let mut w = World::new(config(4, &[]), 1);
        let c = w.add_natted(true, manner.clone());
        w.connect(c);
        let packets = w.crossed();
        for n in 1..=packets {
            let mut w = World::new(config(4, &[]), 1);
            let c = w.add_natted(true, manner.clone());
            w.lose(n);
            w.dial(c);
            assert!(w.run_until(seconds(60), |w| w.peers[c].is_up()), "{name}, packet {n} lost:\n{}", w.story(c));
            // The packet that is lost may be the echo itself.
            let served = w.reaches(c) || w.reaches(c);
            assert!(served, "{name}, packet {n} lost:\n{}", w.story(c));
            assert_eq!(w.routes.len(), 1, "{name}, packet {n} lost:\n{}", w.story(c));
        }
        for seed in 0..8 {
            let mut w = World::new(config(4, &[]), seed);
            w.faults =
                Faults { duplicate: 500, reorder: 300, jitter: milliseconds(40), delay: milliseconds(30), loss: 0 };
            let c = w.add_natted(true, manner.clone());
            w.dial(c);
            assert!(w.run_until(seconds(60), |w| w.peers[c].is_up()), "{name}, weather {seed}:\n{}", w.story(c));
            w.run_for(seconds(3));
            assert_eq!(w.traffic(c, milliseconds(50), seconds(3)), 0, "{name}, weather {seed}:\n{}", w.story(c));
        }
    }
}

#[test]
fn a_router_with_3des_md5_and_group_2_is_served_unless_one_of_them_is_refused() {
    let mut w = World::new(config(4, &[]), 1);
    let c = w.add_natted(true, manners::tp_link());
    w.connect(c);
    assert!(w.reaches(c), "{}", w.story(c));
    assert!(w.told("uses weak algorithms"), "{}", w.log().join("\n"));
    for word in ["3des-cbc", "md5", "modp1024"] {
        let mut w = World::new(config(4, &[&format!("ipsec ike refuse {word}")]), 1);
        let c = w.add_natted(true, manners::tp_link());
        w.dial(c);
        w.run_for(seconds(30));
        assert_eq!(w.peers[c].stage(), &Stage::Ended("no proposal chosen".to_owned()), "{word}:\n{}", w.story(c));
        assert!(w.told(word), "{}", w.log().join("\n"));
    }
}
