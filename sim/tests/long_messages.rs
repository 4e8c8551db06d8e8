//! ISAKMP messages that are long, or carry what few clients send: fragments both ways, the commit bit.

use sim::{Manner, World, config};

fn connected(manner: Manner, natted: bool, seed: u64) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner);
    w.connect(c);
    assert!(w.reaches(c), "{}", w.story(c));
    (w, c)
}

fn heard(w: &World, c: usize, words: &str) -> bool {
    w.peers[c].dialogue().iter().any(|(_, l)| l.contains(words))
}

#[test]
fn a_long_answer_goes_in_fragments_to_a_client_that_takes_them() {
    for natted in [false, true] {
        let manner = Manner { pfs: Some(18), takes_fragments: true, ..Manner::default() };
        let (w, c) = connected(manner, natted, 1);
        assert!(heard(&w, c, "<- fragment 3"), "{}", w.story(c));
    }
}

#[test]
fn a_client_that_has_not_said_that_it_takes_fragments_gets_long_answers_whole() {
    let (w, c) = connected(Manner { pfs: Some(18), ..Manner::default() }, true, 2);
    assert!(!heard(&w, c, "fragment"), "{}", w.story(c));
}

#[test]
fn short_answers_are_never_cut() {
    let (w, c) = connected(Manner { takes_fragments: true, ..Manner::default() }, true, 3);
    assert!(!heard(&w, c, "fragment"), "{}", w.story(c));
}

#[test]
fn proposals_longer_than_a_packet_are_answered_whole_or_in_fragments() {
    // Sixty transforms of either phase, of which the last alone is known here.
    let mut phase1 = vec![(65_000, Some(256), 2, 14); 59];
    phase1.push((7, Some(256), 2, 14));
    let mut phase2 = vec![(200, Some(256), 2); 59];
    phase2.push((12, Some(256), 2));
    for fragment in [None, Some(500)] {
        let manner =
            Manner { phase1: phase1.clone(), phase2: phase2.clone(), fragment, pfs: Some(2), ..Manner::default() };
        let (mut w, c) = connected(manner, true, 4);
        w.act(c, |p, now| p.rekey_ike(now));
        w.run_for(core::time::Duration::from_secs(2));
        assert!(w.reaches(c), "{}", w.story(c));
    }
}

#[test]
fn a_client_that_sets_the_commit_bit_hears_that_its_sas_are_installed() {
    let (w, c) = connected(Manner { commit: true, ..Manner::default() }, true, 5);
    assert!(heard(&w, c, "<- notify Connected"), "{}", w.story(c));
    let (w, c) = connected(Manner::default(), true, 5);
    assert!(!heard(&w, c, "<- notify Connected"), "{}", w.story(c));
}
