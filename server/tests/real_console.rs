//! The console of the real binary: a session at a terminal compared with its record, pipes, scripts, changes, the file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::client::{Client, until};
use common::field::{ECHO, Field, OUTSIDE};
use common::server::{Room, Server};
use common::terminal::{Terminal, blot};
use sim::Manner;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    common::run(&[
        ("a_session_at_a_terminal_is_as_it_was_recorded", a_session_at_a_terminal_is_as_it_was_recorded),
        ("the_editor_completes_calls_back_and_gives_up", the_editor_completes_calls_back_and_gives_up),
        ("passwords_and_levels_hold", passwords_and_levels_hold),
        ("a_script_changes_what_runs_and_the_file", a_script_changes_what_runs_and_the_file),
        ("lines_may_come_from_a_pipe", lines_may_come_from_a_pipe),
        ("a_file_is_read_again_at_the_signal", a_file_is_read_again_at_the_signal),
        ("every_screen_is_there_in_both_languages_and_as_json", every_screen_is_there_in_both_languages_and_as_json),
        ("the_log_is_sent_to_another_host", the_log_is_sent_to_another_host),
        ("a_silent_console_is_closed", a_silent_console_is_closed),
        ("lines_of_the_log_appear_at_the_console_and_what_is_half_typed_stays", lines_of_the_log_appear),
        (
            "neighbours_that_were_learnt_are_forgotten_and_no_others",
            neighbours_that_were_learnt_are_forgotten_and_no_others,
        ),
        ("an_operator_ends_anothers_session_and_asks_what_was_typed", an_operator_ends_anothers_session),
    ])
}

/// What is configured in the record.
const CONFIGURATION: &str = "\
console prompt gate
ip lan1 address 192.168.100.1/24
ip lan1 proxyarp on
pp select anonymous
 pp bind tunnel1
 pp auth request mschap-v2
 pp auth username vpnuser vpn-Passw0rd
 ppp ipcp ipaddress on
 ppp ipcp msext on
 ip pp remote address pool 192.168.100.200-192.168.100.250
 pp enable anonymous
tunnel select 1
 tunnel encapsulation l2tp
 ipsec tunnel 1
  ipsec sa policy 1 1 esp aes-cbc sha-hmac
  ipsec ike nat-traversal 1 on
  ipsec ike pre-shared-key 1 text sim-psk
  ipsec ike remote address 1 any
 l2tp tunnel disconnect time off
 tunnel enable 1
ipsec transport 1 1 udp 1701
dns server 192.168.100.10
l2tp service on
";

fn serve(name: &str, text: &str) -> (Field, Room, Server) {
    let (field, room) = (Field::open(), Room::new(name));
    room.configure(text);
    let server = room.serve(&field.server);
    (field, room, server)
}

/// The record: what is typed stands in it behind a prompt, so that it is read like a session.
fn a_session_at_a_terminal_is_as_it_was_recorded() {
    for (language, code) in [("en", "en.ascii"), ("ja", "ja.utf8")] {
        let text = format!("login user taro Taro-1\nconsole character {code}\n{CONFIGURATION}");
        let (field, room, server) = serve(&format!("record-{language}"), &text);
        let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
        client.connect();
        let mut terminal = Terminal::open(&room, &field.server, &["console"]);
        for (asked, answer) in [("Password: ", ""), ("Username: ", "taro"), ("Password: ", "Taro-1")] {
            terminal.wait_for(asked);
            terminal.type_in(&format!("{answer}\r"));
        }
        for line in [
            "?",
            "sh st pp anon",
            "l2tp service off",
            "adm",
            "show status ?",
            "show status pp?",
            "shwo config",
            "tunnel select one",
            "tunnel select 1",
            "l2tp keepalive use on 10 99",
            "show config tunnel",
            "show config | grep username",
            "pp select anonymous",
            "pp auth username vpnuser vpn-Passw0rd 192.168.100.99",
            "save",
            "no pp select",
            "disconnect anonymous1",
            "disconnect anonymous1",
            "quit",
            "quit",
        ] {
            let key = line.ends_with('?');
            terminal.wait_for_prompt();
            terminal.type_in(if key { line.to_owned() } else { format!("{line}\r") }.as_str());
            if key {
                // What was typed before the key stands there again.
                terminal.wait_for("?");
                terminal.wait_for_prompt_with(line.trim_end_matches('?'));
                terminal.type_in("\x15\r");
            }
            client.rest(Duration::from_millis(300));
        }
        let record = blot(&terminal.end(), &room);
        assert!(client.until(Duration::from_secs(5), |c| !c.peer.is_up()), "{}", client.story());
        let saved = fs::read_to_string(room.configuration()).unwrap();
        assert!(saved.contains(" pp auth username vpnuser vpn-Passw0rd 192.168.100.99\n"), "{saved}");
        drop(client);
        let manner = Manner { initial_contact: true, ..Manner::default() };
        up_at(Client::new(&field.clients, OUTSIDE[0], manner, 2), "192.168.100.99");
        server.stop();
        compare(&format!("console.{language}.txt"), &record);
    }
}

fn up_at(mut client: Client, address: &str) {
    client.connect();
    assert_eq!(client.inside().to_string(), address);
}

/// Compares with the record, or writes it if the environment says `UPDATE=1`.
fn compare(name: &str, record: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records").join(name);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, record).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == record, "the session differs from {name}; if that is meant, run with UPDATE=1:\n{record}");
}

fn the_editor_completes_calls_back_and_gives_up() {
    let (field, room, server) = serve("editor", CONFIGURATION);
    let mut terminal = Terminal::open(&room, &field.server, &["console"]);
    terminal.wait_for_prompt();
    // TAB completes each word; a typed mistake is rubbed out; the cursor goes back and forth.
    terminal.type_in("sh\tstat\tl2x\x7f\t\r");
    terminal.wait_for("Tunnel Control: 0");
    terminal.wait_for_prompt();
    // An earlier line is called back and done again.
    terminal.type_in("\x1b[A\r");
    terminal.wait_for("show status l2tp");
    terminal.wait_for_prompt();
    terminal.type_in("show nonsense\x03");
    terminal.wait_for("^C");
    terminal.wait_for_prompt();
    terminal.type_in("environment\x01show \x05\r");
    terminal.wait_for("Sekisho Rev.");
    terminal.wait_for_prompt();
    terminal.type_in("show log | less\r");
    terminal.wait_for_prompt();
    // A page, a line, the end.
    terminal.type_in("show command\r");
    terminal.wait_for("---more---");
    terminal.type_in(" ");
    terminal.wait_for("---more---");
    terminal.type_in("q");
    terminal.wait_for_prompt();
    terminal.type_in("\x04");
    let told = terminal.end();
    assert!(!told.contains("Error"), "{told}");
    server.stop();
}

fn passwords_and_levels_hold() {
    let (field, room, server) = serve("levels", CONFIGURATION);
    let exec = |lines: &[&str]| room.sekisho(&field.server, &[&["exec"], lines].concat());
    let mut first = Terminal::open(&room, &field.server, &["console"]);
    for (wait, line) in [
        ("> ", "administrator"),
        ("# ", "administrator password"),
        ("New_Password: ", "Highest-1"),
        ("New_Password: ", "Highest-1"),
        ("# ", "login password"),
        ("New_Password: ", "Lower-22"),
        ("New_Password: ", "Lower-22"),
        ("# ", "login user alice Alice-333"),
        ("# ", "user attribute alice administrator=off"),
        ("# ", "save"),
        ("# ", "administrator password hunter2"),
        ("Insufficient or too many parameters", ""),
        ("# ", "show config | grep password"),
    ] {
        first.wait_for(wait);
        answer(&mut first, line);
    }
    first.wait_for("login password *");
    // Both are there at once; the second one must know the password.
    let mut second = Terminal::open(&room, &field.server, &["console"]);
    for (wait, line) in [
        ("Password: ", "wrong"),
        ("Incorrect password", ""),
        ("Password: ", "\r"),
        ("Username: ", "alice"),
        ("Password: ", "Alice-333"),
        ("> ", "show status user"),
        ("> ", "show config | grep pre-shared"),
        ("ipsec ike pre-shared-key 1 text *", ""),
        ("> ", "administrator"),
        ("Administrator use only", ""),
        ("> ", "syslog debug on"),
        ("Administrator use only", ""),
        ("> ", "quit"),
    ] {
        second.wait_for(wait);
        answer(&mut second, line);
    }
    let told = second.end();
    assert!(told.contains("*  alice"), "{told}");
    first.type_in("quit\rquit\r");
    let told = first.end();
    for secret in ["Highest-1", "Lower-22"] {
        assert!(!told.contains(secret), "{told}");
        assert!(!server.log().contains(secret));
        assert!(!fs::read_to_string(room.configuration()).unwrap().contains(secret));
    }
    // From root's shell nothing is asked.
    let told = exec(&["show config"]);
    assert!(told.out.contains("login password *\n") && told.out.contains("administrator password *\n"), "{told:?}");
    for line in [
        "Login succeeded for Console\n",
        "'administrator' succeeded for Console\n",
        "Login failed for Console",
        "Login succeeded for Console: alice\n",
        "'administrator' failed for Console: alice\n",
        "Logout from Console: alice\n",
    ] {
        assert!(server.log().contains(line), "{line}: {}", server.log());
    }
    server.stop();
}

/// Types a line; without one nothing is typed, and ENTER alone is one of its own.
fn answer(terminal: &mut Terminal, line: &str) {
    match line {
        "" => {}
        "\r" => terminal.type_in("\r"),
        line => terminal.type_in(&format!("{line}\r")),
    }
}

fn a_script_changes_what_runs_and_the_file() {
    let (field, room, server) = serve("script", CONFIGURATION);
    let exec = |lines: &[&str]| room.sekisho(&field.server, &[&["exec"], lines].concat());
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    let told = exec(&["pp select anonymous", "pp auth username second Second-2", "ip pp mtu 1400"]);
    assert_eq!((told.status, told.out.as_str(), told.err.as_str()), (0, "", ""));
    // The file is as it was until it is saved.
    assert!(!fs::read_to_string(room.configuration()).unwrap().contains("second"));
    let told = exec(&["pp auth username third Third-3", "save"]);
    assert_eq!(told.status, 1);
    assert!(told.err.starts_with("sekisho: Execute pp select command beforehand"), "{told:?}");
    assert!(!fs::read_to_string(room.configuration()).unwrap().contains("second"), "a script ends at a refused line");
    let told = exec(&["save"]);
    assert!(told.status == 0 && told.out.starts_with("Saving ... "), "{told:?}");
    let saved = fs::read_to_string(room.configuration()).unwrap();
    assert!(saved.contains(" pp auth username second Second-2\n") && saved.contains(" ip pp mtu 1400\n"), "{saved}");
    let backup = fs::read_to_string(room.configuration().with_extension("conf.bak")).unwrap();
    assert_eq!(backup, CONFIGURATION);
    // What would not start is not saved, and whoever is on stays on.
    let told = exec(&["no ipsec transport 1", "save"]);
    assert!(told.status == 1 && told.err.contains("would be refused, so it is not saved"), "{told:?}");
    let told = exec(&["ip lan1 address 10.99.0.1/24"]);
    assert!(told.status == 1 && told.err.contains("this host does not have that address"), "{told:?}");
    assert_eq!(exec(&["ipsec transport 1 1 udp 1701"]).status, 0);
    assert!(client.reaches(ECHO), "{}", client.story());
    let second = Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() };
    let told = exec(&["tunnel select 1", "tunnel disable 1"]);
    assert_eq!(told.status, 0, "{told:?}");
    assert!(client.until(Duration::from_secs(5), |c| !c.peer.is_up()), "{}", client.story());
    assert_eq!(exec(&["tunnel enable 1"]).status, 0);
    let mut client = Client::new(&field.clients, OUTSIDE[1], second, 2);
    client.connect();
    assert!(client.reaches(ECHO), "{}", client.story());
    server.stop();
}

fn lines_may_come_from_a_pipe() {
    let (field, room, server) = serve("pipe", CONFIGURATION);
    let told = room.piped(&field.server, &["console"], "administrator\nshow status l2tp | grep Control\nquit\nquit\n");
    assert_eq!((told.status, told.out.trim()), (0, "Sekisho Rev.0.1.0\n    Tunnel Control: 0, Session Control: 0"));
    let told = room.piped(&field.server, &["console"], "syslog debug on\n");
    assert!(told.status == 1 && told.out.contains("Error: Administrator use only"), "{told:?}");
    server.stop();
}

fn a_file_is_read_again_at_the_signal() {
    let (field, room, server) = serve("reload", CONFIGURATION);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    room.configure(&format!("{CONFIGURATION}syslog debug on\n"));
    server.signal(rustix::process::Signal::HUP);
    wait_for_log(&server, "Configuration read from");
    let told = room.sekisho(&field.server, &["show", "config"]);
    assert!(told.out.contains("syslog debug on\n"), "{told:?}");
    room.configure("tunnel selct 1\n");
    let told = room.sekisho(&field.server, &["reload"]);
    assert!(told.status == 1 && told.err.contains("did you mean select") && told.err.contains("line 1"), "{told:?}");
    assert!(client.reaches(ECHO), "{}", client.story());
    room.configure(&CONFIGURATION.replace("l2tp service on", "l2tp service off"));
    assert_eq!(room.sekisho(&field.server, &["reload"]).status, 0);
    assert!(client.until(Duration::from_secs(5), |c| !c.peer.is_up()), "{}", client.story());
    wait_for_log(&server, "[L2TP] closed port 1701/udp");
    server.stop();
}

fn wait_for_log(server: &Server, words: &str) {
    let start = Instant::now();
    while !server.log().contains(words) {
        assert!(start.elapsed() < Duration::from_secs(5), "'{words}' is not in the log:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

const SCREENS: [&str; 20] = [
    "show status l2tp",
    "show status l2tp tunnel 1",
    "show status pp anonymous",
    "show status tunnel 1",
    "show status tunnel up",
    "show status user",
    "show ipsec sa",
    "show ipsec sa gateway",
    "show ipsec sa gateway 1 detail",
    "show ip route",
    "show arp",
    "show log",
    "show log reverse",
    "show account",
    "show account pp anonymous",
    "show pp connect time anonymous",
    "show environment",
    "show config",
    "show config pp anonymous",
    "show config tunnel 1 expand",
];

/// More that can be shown; each has JSON.
const MORE: &[&str] = &[
    "show config 0",
    "show config list",
    "show config tunnel 1-5 expand",
    "show ip route summary",
    "show ip route 192.168.100.200",
    "show arp lan0",
    "show account tunnel",
    "show status tunnel name=nothing",
    "show status user history",
    "show ipsec sa 1",
    "show techinfo",
    "show command",
    "show command history",
    "show copyright",
    "help",
    "show status pptp",
];

fn every_screen_is_there_in_both_languages_and_as_json() {
    let (field, room, server) = serve("screens", CONFIGURATION);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.reaches(ECHO));
    let exec = |line: &str| room.sekisho(&field.server, &["exec", line]);
    let english: Vec<String> = SCREENS.iter().map(|line| exec(line).out).collect();
    let json: Vec<String> =
        SCREENS.iter().map(|line| room.sekisho(&field.server, &["exec", "--json", line]).out).collect();
    for (line, text) in SCREENS.iter().zip(&json) {
        let value: Result<serde_json::Value, _> = serde_json::from_str(text);
        assert!(value.is_ok_and(|value| value.is_array() || value.is_object()), "{line}: {text}");
    }
    assert!(json[2].contains("\"user\": \"vpnuser\""), "{}", json[2]);
    for line in MORE {
        let told = room.sekisho(&field.server, &["exec", "--json", line]);
        let value: Result<serde_json::Value, _> = serde_json::from_str(&told.out);
        assert!(told.status == 0 && value.is_ok_and(|v| v.is_array() || v.is_object()), "{line}: {told:?}");
        assert_eq!(exec(line).status, 0, "{line}");
    }
    assert!(exec("show account tunnel").out.contains("TUNNEL[1]:\n  Calls out: 0, Calls in: 1\n"));
    assert!(exec("show ip route summary").out.contains("temporary: 1\n"));
    assert!(exec("show ip route 192.168.100.200").out.contains("192.168.100.200/32 "));
    assert!(!exec("show ip route 192.168.100.200").out.contains("198.18."));
    assert!(exec("show arp lan0").out.contains("lan0 ") && !exec("show arp nowhere0").out.contains("lan0"));
    assert_eq!(exec("console character ja.utf8").status, 0);
    let japanese: Vec<String> = SCREENS.iter().map(|line| exec(line).out).collect();
    for ((line, english), japanese) in SCREENS.iter().zip(&english).zip(&japanese) {
        assert!(!english.is_empty() && english.is_ascii(), "{line}: {english}");
        let same = ["show ipsec sa", "show ipsec sa gateway", "show log", "show log reverse"];
        let is_told_in_english = same.contains(line) || line.starts_with("show config");
        assert!(is_told_in_english || !japanese.is_ascii(), "{line}: {japanese}");
    }
    let of = |texts: &[String], line: &str| texts[SCREENS.iter().position(|l| *l == line).unwrap()].clone();
    for (line, words) in [
        ("show status l2tp", "TUNNEL[1] Information\n  Tunnel State: established\n"),
        ("show status pp anonymous", "Current L2TP session status is Connected.\nUser: vpnuser\n"),
        ("show status tunnel 1", "  Interface type: L2TP/IPsec\n  Current status is Online.\n  from 20"),
        ("show ipsec sa", "2     1    1    tra[0001]esp  send "),
        ("show ipsec sa gateway", "1    U     198.18.0.1                    198.18.0.2       i:1 s:1 r:1\n"),
        ("show ipsec sa gateway 1 detail", "Protocol: ESP (Mode: transport)\n"),
        ("show ip route", "192.168.100.200/32  -                PP[ANONYMOUS01] temporary\n"),
        ("show arp", "lan0            192.168.100.10 "),
        ("show account", "PP[ANONYMOUS]:\n  Calls out: 0, Calls in: 1\n"),
        ("show pp connect time anonymous", "PP[ANONYMOUS01]: "),
        ("show status tunnel 1", "  Received:    (IPv4) "),
        ("show status tunnel 1", "               (IPv6) 0 packet [0 octet]\n  Transmitted: (IPv4) "),
        ("show environment", "L2TP tunnels: 1, users: 1\n"),
        ("show log", ": [L2TP] TUNNEL[1] connected from 198.18.0.2\n"),
        ("show config tunnel 1 expand", "tunnel select 1\n tunnel encapsulation l2tp\n"),
    ] {
        assert!(of(&english, line).contains(words), "{line}: {}", of(&english, line));
    }
    for (line, words) in [
        (
            "show status l2tp",
            "L2TP情報テーブル\n  L2TPトンネル数: 1, L2TPセッション数: 1\nTUNNEL[1]:\n  トンネルの状態: established\n",
        ),
        ("show status pp anonymous", "L2TPセッションは接続されています\n接続相手: vpnuser\n"),
        ("show status tunnel 1", "  トンネルインタフェースは接続されています\n  開始: 20"),
        ("show ipsec sa gateway 1 detail", "送受信方向: 送信\n"),
    ] {
        assert!(of(&japanese, line).contains(words), "{line}: {}", of(&japanese, line));
    }
    // Nothing secret is in what is handed to others.
    let techinfo = exec("show techinfo").out;
    assert!(techinfo.contains("# show ipsec sa\n") && techinfo.contains("# show log\n"), "{techinfo}");
    assert!(!techinfo.contains("sim-psk") && !techinfo.contains("vpn-Passw0rd"), "{techinfo}");
    server.stop();
}

/// `login-timer` of a user may be shorter here than a router takes it.
fn a_silent_console_is_closed() {
    let text = format!("login user taro Taro-1\nuser attribute taro login-timer=2\n{CONFIGURATION}");
    let (field, room, server) = serve("silent", &text);
    // With the log on the console, which wakes the session, and without.
    for info in ["off", "on"] {
        assert_eq!(room.sekisho(&field.server, &["exec", &format!("console info {info}")]).status, 0);
        let mut terminal = Terminal::open(&room, &field.server, &["console"]);
        for (asked, answer) in [("Password: ", ""), ("Username: ", "taro"), ("Password: ", "Taro-1")] {
            terminal.wait_for(asked);
            terminal.type_in(&format!("{answer}\r"));
        }
        terminal.wait_for_prompt();
        // A key is not enough, a line is.
        std::thread::sleep(Duration::from_millis(1200));
        terminal.type_in("\r");
        terminal.wait_for_prompt();
        let start = Instant::now();
        let told = terminal.end();
        let silent = start.elapsed();
        assert!((Duration::from_millis(1500)..Duration::from_secs(10)).contains(&silent), "{info}: {silent:?} {told}");
    }
    wait_for_log(&server, "Logout from Console: taro\n");
    server.stop();
}

fn lines_of_the_log_appear() {
    let text = format!("console info on\nsyslog execute command on\n{CONFIGURATION}");
    let (field, room, server) = serve("info", &text);
    let mut terminal = Terminal::open(&room, &field.server, &["console"]);
    terminal.wait_for_prompt();
    terminal.type_in("show env");
    terminal.wait_for("show env");
    assert_eq!(
        room.sekisho(&field.server, &["exec", "pp select anonymous", "pp auth username bob Hidden-9"]).status,
        0
    );
    terminal.wait_for("Command: pp select anonymous");
    terminal.wait_for("Command: pp auth username *");
    // The line goes on where it was.
    terminal.wait_for_prompt_with("show env");
    terminal.type_in("ironment\r");
    terminal.wait_for("CPU of the program: ");
    terminal.wait_for_prompt();
    terminal.type_in("quit\r");
    let told = terminal.end();
    assert!(!told.contains("Hidden-9") && !server.log().contains("Hidden-9"), "{told}");
    server.stop();
}

fn an_operator_ends_anothers_session() {
    let (field, room, server) = serve("others", &format!("login user taro Taro-1\n{CONFIGURATION}"));
    let exec = |line: &str| room.sekisho(&field.server, &["exec", line]);
    let mut terminal = Terminal::open(&room, &field.server, &["console"]);
    for (asked, answer) in [("Password: ", ""), ("Username: ", "taro"), ("Password: ", "Taro-1")] {
        terminal.wait_for(asked);
        terminal.type_in(&format!("{answer}\r"));
    }
    for (line, answer) in [
        ("show copyright", "Licence: "),
        ("show command history", "   1: show copyright"),
        ("show command history 1", "   3: show command history 1"),
    ] {
        terminal.wait_for_prompt();
        terminal.type_in(&format!("{line}\r"));
        terminal.wait_for(answer);
    }
    terminal.wait_for_prompt();
    assert_ne!(exec("disconnect user hanako").status, 0);
    assert_ne!(exec("disconnect user taro/console99").status, 0);
    assert_ne!(exec("disconnect user taro 99").status, 0);
    let told = exec("disconnect user taro/telnet");
    assert!(told.status != 0 && told.err.contains("operators are at the console"), "{told:?}");
    assert!(exec("show status user").out.contains("taro"), "nobody was ended by another's name");
    assert_eq!(exec("disconnect user taro/console1").status, 0);
    terminal.end();
    wait_for_log(&server, "Logout from Console: taro\n");
    let history = exec("show status user history").out;
    assert!(history.lines().last().is_some_and(|line| line.starts_with("taro            console1   20")), "{history}");
    for (line, words) in [
        ("ping 10.0.0.1", "the host has ping of its own"),
        ("show log saved", "journalctl"),
        ("save 3", "number 0"),
        ("show config 2", "number 0"),
    ] {
        let told = exec(line);
        assert!(told.status != 0 && told.err.contains(words), "{line}: {told:?}");
    }
    server.stop();
}

fn neighbours_that_were_learnt_are_forgotten_and_no_others() {
    let (field, room, server) = serve("arp", CONFIGURATION);
    let exec = |line: &str| room.sekisho(&field.server, &["exec", line]);
    for (address, state) in [("192.168.100.98", "permanent"), ("192.168.100.99", "stale")] {
        field.server.run(&format!("ip neigh replace {address} lladdr 02:00:00:00:00:09 dev lan0 nud {state}"));
    }
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    let proxied = || field.server.run("ip neigh show proxy").contains("192.168.100.200");
    assert!(proxied() && exec("show arp lan1").out.contains("192.168.100.99"), "{:?}", exec("show arp lan1"));
    assert!(!exec("show arp lan2").out.contains("192.168.100.99"));
    assert_eq!(exec("clear arp").status, 0);
    let left = exec("show arp lan1").out;
    assert!(!left.contains("192.168.100.99") && left.contains("192.168.100.98"), "{left}");
    // Clients are still answered for, and what is needed is learnt again.
    assert!(proxied() && client.reaches(ECHO), "{}", client.story());
    assert!(exec("show arp").out.contains("192.168.100.10 "));
    server.stop();
}

fn the_log_is_sent_to_another_host() {
    let (field, room) = (Field::open(), Room::new("syslog"));
    let collector = field.host.enter(|| UdpSocket::bind((*ECHO.ip(), 514))).unwrap();
    collector.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    room.configure(&format!("{CONFIGURATION}syslog host 192.168.100.10\nsyslog facility local5\n"));
    let server = room.serve(&field.server);
    let mut buffer = [0; 2048];
    let mut next = || {
        let (length, from) = collector.recv_from(&mut buffer).unwrap();
        (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
    };
    let (first, from) = next();
    assert!(first.starts_with("<174>") && from.to_string() == "192.168.100.1:514", "{first} from {from}");
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    let told: Vec<String> =
        std::iter::from_fn(|| Some(next().0)).take_while(|line| !line.contains("IPCP up")).collect();
    assert!(told.contains(&"<174>[L2TP] TUNNEL[1] connected from 198.18.0.2".to_owned()), "{told:?}");
    // Changed while it runs.
    let told = room.sekisho(&field.server, &["exec", "syslog format type rfc3164", "syslog format hostname text gate"]);
    assert_eq!(told.status, 0, "{told:?}");
    room.sekisho(&field.server, &["disconnect", "all"]);
    until(&mut [&mut client], Duration::from_secs(1), |_| false);
    let told: Vec<String> = std::iter::from_fn(|| Some(next().0))
        .take_while(|line| !line.contains(" gate [L2TP] TUNNEL[1] disconnect session"))
        .collect();
    assert!(told.iter().any(|line| line.contains(" gate PP[ANONYMOUS01] Disconnected, cause [")), "{told:?}");
    server.stop();
}
