//! The dialogues as they are, compared with text files; `UPDATE=1` writes them anew.

use core::time::Duration;
use sim::snapshot::assert_snapshot;
use sim::{Manner, World, config};

#[test]
fn a_plain_connect() {
    let mut w = World::new(config(2, &[]), 1);
    let c = w.add(Manner::default());
    w.connect(c);
    assert_snapshot("connect", &w.transcript(c));
}

#[test]
fn a_connect_behind_a_nat() {
    let mut w = World::new(config(2, &[]), 2);
    let nat = w.add_nat();
    let c = w.add_behind(nat, Manner::default());
    w.connect(c);
    assert_snapshot("connect_behind_nat", &w.transcript(c));
}

#[test]
fn a_rekeying_of_each_phase() {
    let mut w = World::new(config(2, &[]), 3);
    let nat = w.add_nat();
    let c = w.add_behind(nat, Manner { pfs: Some(14), ..Manner::default() });
    w.connect(c);
    w.run_for(Duration::from_secs(1));
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(Duration::from_secs(5));
    w.act(c, |p, now| p.rekey_ike(now));
    w.run_for(Duration::from_secs(15));
    assert_snapshot("rekey", &w.transcript(c));
}

#[test]
fn a_wrong_password() {
    let mut w = World::new(config(2, &[]), 4);
    let c = w.add(Manner { password: "guessed".into(), ..Manner::default() });
    w.dial(c);
    w.run_for(Duration::from_secs(120));
    assert_snapshot("wrong_password", &w.transcript(c));
}

#[test]
fn a_client_that_hangs_up() {
    let mut w = World::new(config(2, &[]), 5);
    let c = w.add(Manner::default());
    w.connect(c);
    w.run_for(Duration::from_secs(25));
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(120));
    assert_snapshot("hang_up", &w.transcript(c));
}

#[test]
fn a_server_that_stops() {
    let mut w = World::new(config(2, &[]), 6);
    let c = w.add(Manner::default());
    w.connect(c);
    w.shut_down();
    w.run_for(Duration::from_secs(10));
    assert_snapshot("server_stops", &w.transcript(c));
}
