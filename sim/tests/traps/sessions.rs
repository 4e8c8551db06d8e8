//! Traps of whole sessions.

use super::*;
use sim::{Stage, manners};

#[test]
fn a_client_that_leaves_after_half_an_hour_of_silence_is_no_error() {
    for manner in [manners::android_2(), manners::android_4(), manners::android_11()] {
        let (mut w, c) = connected(true, Manner { answers_hellos: true, ..manner });
        w.run_for(seconds(1800));
        assert!(w.peers[c].is_up() && !w.told("fell silent"), "{}", w.story(c));
        w.act(c, |p, now| p.hang_up(now));
        w.run_for(seconds(1));
        let line = &w.lines("Disconnected")[0];
        assert!(line.contains("User request") || line.contains("client"), "{line}");
        assert!(!w.told("fell silent"), "{}", w.story(c));
    }
}

#[test]
fn a_client_that_redials_before_its_old_session_died_is_not_kept_out_by_it() {
    for manner in manners::all() {
        let (mut w, mut c) = connected(true, manner.clone());
        for n in 0..4 {
            c = if n % 2 == 0 { w.replace(c, manner.clone()) } else { w.replace_in_place(c, manner.clone()) };
            w.dial(c);
            let up = w.run_until(seconds(10), |w| w.peers[c].is_up());
            assert!(up && w.reaches(c), "{}, time {n}:\n{}", manner.name, w.story(c));
        }
    }
}

#[test]
fn a_restart_of_the_server_is_noticed_by_no_client() {
    for manner in manners::all() {
        let (mut w, c) = connected(true, manner.clone());
        for _ in 0..3 {
            assert_eq!(w.restart_from_records().expect("good records"), 1);
            assert_eq!(w.traffic(c, Duration::from_millis(50), seconds(2)), 0, "{}:\n{}", manner.name, w.story(c));
            w.act(c, |p, now| p.rekey_esp(now));
            assert_eq!(w.traffic(c, Duration::from_millis(50), seconds(2)), 0, "{}:\n{}", manner.name, w.story(c));
        }
        w.check_thoroughly();
    }
}

#[test]
fn every_dialler_is_answered_long_before_its_patience_ends() {
    for manner in manners::all() {
        // Apple 10 s to the first answer, ChromeOS 30 s and Android 60 s in all: over a slow and lossy network.
        let mut w = World::new(config(4, &[]), 3);
        w.faults = sim::Faults { delay: Duration::from_millis(300), loss: 50, ..sim::Faults::default() };
        let c = w.add_natted(true, manner.clone());
        w.dial(c);
        let up = w.run_until(seconds(30), |w| w.peers[c].is_up());
        assert!(up && *w.peers[c].stage() == Stage::Up, "{}:\n{}", manner.name, w.story(c));
    }
}
