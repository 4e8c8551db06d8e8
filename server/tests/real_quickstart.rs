//! `sekisho quickstart` as a new user meets it: a machine with nothing prepared, one screen, and a client that connects
//! with what stands on it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::client::Client;
use common::field::{ECHO, Field, OUTSIDE, SERVER};
use common::namespace::assert_same;
use common::server::Room;
use sim::Manner;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    common::run(&[("quickstart_says_all_that_a_client_needs", quickstart_says_all_that_a_client_needs)])
}

fn quickstart_says_all_that_a_client_needs() {
    let (field, room) = (Field::open(), Room::new("quickstart"));
    // Nothing is prepared: the machine forwards nothing, and the host behind it knows only its own network.
    field.server.set("net/ipv4/ip_forward", "0");
    field.server.run("ip route add default via 198.18.0.2");
    let before = field.server.state();
    let server = room.quickstart(&field.server);
    let screen = screen_of(&server);
    let length = screen.lines().count();
    assert!((20..=40).contains(&length), "{length} lines:\n{screen}");
    // The paths of this test are longer than a user's.
    let has_path = |line: &str| line.contains(env!("CARGO_BIN_EXE_sekisho")) || line.contains("quickstart.conf");
    assert!(screen.lines().all(|line| line.chars().count() <= 80 || has_path(line)), "{screen}");
    for part in ["Windows", "iPhone", "Mac", "Linux", "show status pp anonymous"] {
        assert!(screen.contains(part), "{part} is not on the screen:\n{screen}");
    }
    assert_eq!(word(&screen, "Server address"), SERVER.to_string());

    let mut client = Client::new(&field.clients, OUTSIDE[0], typed(&screen), 1);
    client.connect();
    assert!(client.reaches(ECHO), "{}", client.story());
    let told = room.sekisho(&field.server, &["show", "status", "pp", "anonymous"]);
    assert!(told.out.contains(&format!("Remote: {}", client.inside())), "{told:?}");
    server.tell_to_stop();
    client.until(Duration::from_secs(2), |c| c.ended().is_some());
    server.stop();
    assert_same(&before, &field.server.state());

    let server = room.quickstart(&field.server);
    let again = screen_of(&server);
    assert_eq!(again, screen, "the credentials are kept");
    server.stop();
    assert_same(&before, &field.server.state());
}

/// The screen is complete a moment after the server has begun to serve.
fn screen_of(server: &common::server::Server) -> String {
    let start = std::time::Instant::now();
    while !server.printed().contains("End: Ctrl-C") {
        assert!(start.elapsed() < Duration::from_secs(5), "no screen:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    server.printed()
}

/// The word behind a label.
fn word(screen: &str, label: &str) -> String {
    let line = screen.lines().find_map(|line| line.trim().strip_prefix(label));
    line.and_then(|rest| rest.split_whitespace().next()).unwrap().to_owned()
}

/// A client into which the screen was typed.
fn typed(screen: &str) -> Manner {
    Manner {
        psk: word(screen, "Pre-shared key").into_bytes(),
        user: word(screen, "User name"),
        password: word(screen, "Password"),
        ..Manner::default()
    }
}
