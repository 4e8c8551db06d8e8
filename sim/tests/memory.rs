//! What clients took is given back when they go: octets, and the pieces that they lay in, since one that stays behind
//! keeps a whole page of memory from going back to the system.

#![allow(unsafe_code, reason = "a counting allocator cannot be had without")]

use core::time::Duration;
use engine::{Input, Outbox};
use sim::{Manner, World, config};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    /// Pieces and octets that this thread holds: a test is one thread, and others run beside it.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(pieces: isize, layout: Layout) {
    let (all, octets) = HELD.get();
    HELD.set((all + pieces, octets + pieces * layout.size().cast_signed()));
}

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-1, layout);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Pieces and octets that the server holds, beyond those of one that has just begun.
fn held(mut w: World) -> (isize, isize) {
    let before = HELD.get();
    w.restart_from_nothing();
    let after = HELD.get();
    (before.0 - after.0, before.1 - after.1)
}

/// A world in which so many clients have come, each with a user of its own.
fn with(clients: usize) -> World {
    let mut lines = vec!["pp select anonymous".to_owned(), " ip pp remote address pool 10.1.0.1-10.1.3.254".to_owned()];
    lines.extend((0..clients).map(|n| format!(" pp auth username user{n} Passw0rd-{n}")));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut w = World::new(config(256, &lines), 1);
    for n in 0..clients {
        let (user, password) = (format!("user{n}"), format!("Passw0rd-{n}"));
        let c = w.add(Manner { user, password, ..Manner::default() });
        w.connect(c);
        assert!(w.reaches(c));
    }
    w
}

/// All of them hang up, and everything that is forgotten after a while is forgotten.
fn empty(mut w: World) -> World {
    for c in 0..w.peers.len() {
        w.act(c, |peer, now| peer.hang_up(now));
        w.run_for(Duration::from_millis(5));
    }
    w.run_for(Duration::from_secs(300));
    assert_eq!((w.engine.clients(), w.quiet()), (0, Ok(())));
    w
}

#[test]
fn of_clients_that_have_gone_no_piece_of_memory_is_kept() {
    let (few, many) = (held(empty(with(16))), held(empty(with(192))));
    // What is remembered of users and addresses for later lies in few pieces, which grow.
    assert!(many.0 < few.0 + 16, "{} pieces are left of 192 clients and {} of 16", many.0, few.0);
    let octets = (many.1 - few.1) / (192 - 16);
    assert!(octets < 200, "{octets} octets are left of each client");
}

#[test]
fn an_idle_session_takes_less_than_seven_and_a_half_kilobytes_of_memory() {
    let (few, many) = (held(with(16)), held(with(192)));
    let (pieces, octets) = ((many.0 - few.0) / (192 - 16), (many.1 - few.1) / (192 - 16));
    assert!(octets + 16 * pieces < 7_500, "{octets} octets in {pieces} pieces, each with 16 around it");
}

#[test]
fn all_that_was_to_go_at_once_went_into_one_box() {
    let pool = "pp select anonymous\n ip pp remote address pool 192.168.100.20-192.168.100.250\n pp select none";
    let mut w = World::new(config(200, &[pool]), 5);
    for _ in 0..150 {
        let c = w.add(Manner { phase1: vec![(7, Some(128), 2, 2)], ..Manner::default() });
        w.connect(c);
    }
    assert_eq!(w.engine.clients_up(), 150);
    // The server has not had its turn for hours, and then each minute.
    let (mut most, mut turns) = (0, 0);
    for minute in 600..660 {
        let now = w.now().after(Duration::from_secs(60 * minute));
        while w.engine.poll_timeout().is_some_and(|(at, _)| now.reached(at)) {
            let mut out = Outbox::new();
            w.engine.handle(Input::Timeout, now, &mut out);
            most = most.max(out.drain().count());
            turns += 1;
            assert!(turns < 10_000, "timers are served and still due: {:?}", w.engine.poll_timeout());
        }
    }
    assert_eq!(w.engine.clients_up(), 0);
    assert!(most < 500, "{most} things to do at once");
}
