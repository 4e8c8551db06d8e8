//! Keys are renewed while packets flow: where the network loses nothing, nothing is lost.

use core::time::Duration;
use sim::{Manner, World, config};

const OFTEN: Duration = Duration::from_millis(10);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn connected(seed: u64, natted: bool, manner: Manner) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner);
    w.connect(c);
    (w, c)
}

/// Nothing was lost, and it is still the same session.
fn unharmed(w: &mut World, c: usize, span: Duration) {
    assert_eq!(w.traffic(c, OFTEN, span), 0, "{}", w.story(c));
    assert!(w.peers[c].is_up() && !w.told("Disconnected"), "{}", w.story(c));
    assert_eq!(w.lines("PPP/IPCP up").len(), 1);
    w.check_thoroughly();
}

#[test]
fn phase_2_is_renewed_under_traffic_without_a_lost_packet() {
    for natted in [false, true] {
        let (mut w, c) = connected(1, natted, Manner::default());
        for _ in 0..10 {
            w.act(c, |p, now| p.rekey_esp(now));
            unharmed(&mut w, c, seconds(2));
            assert_eq!(w.peers[c].pairs(), 1);
        }
        assert_eq!(w.lines("respond IPsec phase").len(), 11);
        assert_eq!(w.lines("respond ISAKMP phase").len(), 1);
        assert!(w.echoes[c].slowest < Duration::from_millis(30), "{:?}", w.echoes[c].slowest);
    }
}

#[test]
fn phase_1_is_renewed_under_traffic_without_a_lost_packet() {
    for natted in [false, true] {
        for (rekeys_on_500, phase1_alone) in [(false, false), (true, false), (false, true), (true, true)] {
            let manner = Manner { rekeys_on_500, phase1_alone, ..Manner::default() };
            let (mut w, c) = connected(2, natted, manner);
            for _ in 0..5 {
                w.act(c, |p, now| p.rekey_ike(now));
                unharmed(&mut w, c, seconds(2));
                w.act(c, |p, now| p.rekey_esp(now));
                unharmed(&mut w, c, seconds(1));
            }
            assert_eq!(w.engine.client_ids().count(), 1, "{}", w.story(c));
        }
    }
}

#[test]
fn an_old_sa_that_is_used_on_for_seconds_still_carries_packets() {
    let (mut w, c) = connected(3, true, Manner { deletes_old: false, ..Manner::default() });
    w.peers[c].stay_on_old(true);
    w.act(c, |p, now| p.rekey_esp(now));
    unharmed(&mut w, c, seconds(25));
    w.peers[c].stay_on_old(false);
    unharmed(&mut w, c, seconds(5));
    w.act(c, sim::Peer::delete_old_esp);
    unharmed(&mut w, c, seconds(5));
}

#[test]
fn an_old_sa_that_is_never_deleted_goes_by_its_own_age() {
    let (mut w, c) = connected(4, true, Manner { deletes_old: false, lives: (28_800, 120), ..Manner::default() });
    for _ in 0..20 {
        w.run_for(seconds(100));
        w.act(c, |p, now| p.rekey_esp(now));
        unharmed(&mut w, c, seconds(1));
    }
    assert!(w.engine.pairs().count() <= 3, "{} pairs", w.engine.pairs().count());
}

#[test]
fn a_client_that_deletes_before_it_renews_keeps_its_session() {
    for natted in [false, true] {
        let (mut w, c) = connected(5, natted, Manner::default());
        let address = w.peers[c].inside();
        w.act(c, sim::Peer::delete_esp);
        w.run_for(seconds(5));
        w.act(c, |p, now| p.rekey_esp(now));
        w.run_for(seconds(1));
        w.count_echoes_anew(c);
        unharmed(&mut w, c, seconds(5));
        assert_eq!(w.peers[c].inside(), address);
    }
}

#[test]
fn esp_outlives_its_phase_1_and_the_next_one_takes_it_over() {
    for natted in [false, true] {
        let (mut w, c) = connected(6, natted, Manner::default());
        w.act(c, sim::Peer::delete_ike);
        unharmed(&mut w, c, seconds(100));
        w.act(c, |p, now| p.rekey_ike(now));
        unharmed(&mut w, c, seconds(5));
        assert_eq!(w.engine.client_ids().count(), 1, "{}", w.story(c));
    }
}

#[test]
fn many_renewals_at_once_leave_one_session_and_few_sas() {
    let (mut w, c) = connected(7, true, Manner { deletes_old: false, ..Manner::default() });
    for n in 0..30 {
        w.act(c, |p, now| if n % 3 == 0 { p.rekey_ike(now) } else { p.rekey_esp(now) });
        unharmed(&mut w, c, Duration::from_millis(100));
    }
    assert!(w.engine.pairs().count() <= 8, "{} pairs", w.engine.pairs().count());
    unharmed(&mut w, c, seconds(5));
}

#[test]
fn a_session_whose_client_never_renews_ends_when_its_sa_does_and_says_so() {
    let (mut w, c) = connected(8, true, Manner { lives: (28_800, 600), answers: false, ..Manner::default() });
    w.run_for(seconds(590));
    assert!(w.reaches(c), "{}", w.story(c));
    w.run_for(seconds(300));
    assert_eq!(w.quiet(), Ok(()), "{}", w.story(c));
    assert!(w.routes.is_empty(), "{}", w.story(c));
    assert!(w.told("Disconnected, cause ["), "{}", w.story(c));
}

#[test]
fn each_single_packet_of_a_renewal_by_the_server_may_be_lost_and_no_echo_is() {
    for lives in [(28_800, 120), (300, 3600)] {
        let span = seconds(u64::from(lives.0.min(lives.1)) + 25);
        let mut n = 1;
        loop {
            let (mut w, c) = connected(9, true, Manner { lives, pfs: Some(2), ..Manner::default() });
            let crossings = std::rc::Rc::new(core::cell::Cell::new(0));
            let count = crossings.clone();
            w.filter = Some(Box::new(move |_, p| {
                count.set(count.get() + u64::from(p.is_isakmp()));
                p.is_isakmp() && count.get() == n
            }));
            assert_eq!(w.traffic(c, Duration::from_millis(250), span), 0, "{lives:?}, packet {n}:\n{}", w.story(c));
            assert!(w.peers[c].is_up() && !w.told("Disconnected"), "{lives:?}, packet {n}:\n{}", w.story(c));
            w.check_thoroughly();
            if crossings.get() < n {
                break;
            }
            n += 1;
        }
        assert!(n > 3, "{lives:?}: only {n} packets");
    }
}

#[test]
fn a_pair_that_its_client_gave_up_is_not_sent_on_while_another_waits_for_its_user() {
    for at in 0..80 {
        let (mut w, c) = connected(9, true, Manner::default());
        // A Quick Mode in the old ISAKMP SA and one in the new: the client goes on with the second alone.
        w.act(c, |p, now| p.rekey_ike(now));
        for _ in 0..at {
            w.echo(c, 100);
            w.run_for(Duration::from_millis(1));
        }
        w.act(c, |p, now| p.rekey_esp(now));
        w.traffic(c, Duration::from_millis(1), seconds(2));
        assert_eq!(w.lost_echoes(c), 0, "a Quick Mode {at} ms after the Main Mode\n{}", w.story(c));
        assert!(w.peers[c].is_up() && !w.told("Disconnected"), "{}", w.story(c));
        w.check_thoroughly();
    }
}

#[test]
fn a_pair_that_its_client_never_took_ends_after_a_minute() {
    let (mut w, c) = connected(10, true, Manner::default());
    // The client forgets the first of two exchanges.
    w.act(c, |p, now| p.rekey_esp(now));
    w.act(c, |p, now| p.rekey_esp(now));
    unharmed(&mut w, c, seconds(30));
    assert_eq!((w.engine.pairs().count(), w.peers[c].pairs()), (2, 1), "{}", w.story(c));
    unharmed(&mut w, c, seconds(40));
    assert_eq!((w.engine.pairs().count(), w.peers[c].pairs()), (1, 1), "{}", w.story(c));
}

#[test]
fn a_pair_that_its_client_never_took_does_not_keep_a_session_that_no_new_sa_can_carry() {
    let mut w = World::new(config(4, &["pp select anonymous\n pp auth request pap"]), 11);
    let c = w.add_natted(true, Manner::default());
    w.connect(c);
    w.act(c, |p, now| p.rekey_esp(now));
    w.act(c, |p, now| p.rekey_esp(now));
    unharmed(&mut w, c, seconds(70));
    // Under a new ISAKMP SA: its user came in by PAP and cannot be asked again.
    w.act(c, |p, now| p.rekey_ike(now));
    w.run_for(seconds(5));
    assert!(w.routes.is_empty() && w.told("Disconnected"), "{}", w.story(c));
}
