//! A week of each client, as its manners have it: keys are renewed by time and by volume, and nothing is lost that the
//! network has not lost.

use core::time::Duration;
use sim::{Manner, World, config, manners};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const WEEK: u64 = 7 * 24 * 3600;

/// Bursts of echoes for a week: each must reach the host behind the server and come back.
fn a_week(seed: u64, natted: bool, manner: Manner) {
    let name = manner.name;
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner);
    w.connect(c);
    let address = w.peers[c].inside();
    let end = w.now().after(seconds(WEEK));
    let mut day = 0;
    while w.now() < end {
        // Short bursts in both directions, which fall on every moment of a renewal in the end.
        for _ in 0..4 {
            w.echo(c, 40 + (w.now().0 / 1_000_003 % 1300) as usize);
            w.run_for(Duration::from_millis(7));
        }
        w.run_for(seconds(91));
        day += 1;
        if day % 500 == 0 {
            assert_eq!(w.lost_echoes(c), 0, "{name}:\n{}", w.story(c));
            w.check_thoroughly();
        }
    }
    w.run_for(seconds(2));
    assert!(w.echoes[c].asked.len() > 25_000, "{} echoes", w.echoes[c].asked.len());
    assert_eq!(w.lost_echoes(c), 0, "{name}:\n{}", w.story(c));
    assert!(w.peers[c].is_up() && w.peers[c].inside() == address, "{name}:\n{}", w.story(c));
    assert!(!w.told("Disconnected") && !w.told("Down"), "{name}:\n{}", w.story(c));
    let renewals = w.lines("respond IPsec phase").len() as u64;
    let (_, life) = w.peers[c].manner_mut().lives;
    assert!(renewals >= WEEK / u64::from(life), "{name}: {renewals} renewals");
    assert_eq!(w.engine.client_ids().count(), 1, "{name}");
    assert!(w.engine.pairs().count() <= 4, "{name}: {} pairs", w.engine.pairs().count());
    w.check_thoroughly();
}

fn of(manner: Manner) {
    a_week(1, true, manner.clone());
    a_week(2, false, manner);
}

#[test]
fn of_windows() {
    of(manners::windows());
}
#[test]
fn of_windows_7() {
    of(manners::windows_7());
}
#[test]
fn of_apple() {
    of(manners::apple());
}
#[test]
fn of_apple_in_2011() {
    of(manners::apple_2011());
}
#[test]
fn of_android_2() {
    of(manners::android_2());
}
#[test]
fn of_android_4() {
    of(manners::android_4());
}
#[test]
fn of_android_11() {
    of(manners::android_11());
}
#[test]
fn of_chromeos() {
    of(manners::chromeos());
}
#[test]
fn of_network_manager() {
    of(manners::network_manager());
}
#[test]
fn of_strongswan() {
    of(manners::strongswan());
}
#[test]
fn of_libreswan() {
    of(manners::libreswan());
}
#[test]
fn of_routeros() {
    of(manners::routeros());
}
#[test]
fn of_a_tp_link() {
    of(manners::tp_link());
}
#[test]
fn of_yamahas_client() {
    of(manners::yamaha());
}
#[test]
fn of_a_seil() {
    of(manners::seil());
}
