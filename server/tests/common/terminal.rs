//! A terminal in front of the real binary: what is typed there, and what stands on its screen in the end.

use super::namespace::Namespace;
use super::server::Room;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long an answer may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal of 200 columns with a program in it; killed when it is dropped.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// All that was shown.
    shown: String,
    /// How much of it was looked at.
    seen: usize,
}

impl Terminal {
    /// Runs the program with these words at a terminal.
    pub(crate) fn open(room: &Room, place: &Namespace, words: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let mut command = room.command(words);
        command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(Stdio::from(theirs));
        let child = place.enter(|| command.spawn()).unwrap();
        let keyboard = File::from(ours);
        let mut reading = keyboard.try_clone().unwrap();
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The other end is closed with an error.
            while let Ok(length) = reading.read(&mut buffer) {
                if length == 0 || send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, screen, shown: String::new(), seen: 0 }
    }

    /// Types.
    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until these words have been shown behind what was waited for last.
    pub(crate) fn wait_for(&mut self, words: &str) {
        self.wait(|text| text.find(words).map(|at| at + words.len()), words);
    }

    /// Waits for a prompt at the end of what is shown.
    pub(crate) fn wait_for_prompt(&mut self) {
        self.wait_for_prompt_with("");
    }

    /// The same, where something stands behind the prompt already.
    pub(crate) fn wait_for_prompt_with(&mut self, typed: &str) {
        let at_end = |text: &str| {
            let plain = plain(text);
            let signs = ["# ", "> "].map(|sign| format!("{sign}{typed}"));
            signs.iter().any(|end| plain.ends_with(end.as_str())).then_some(text.len())
        };
        self.wait(at_end, "a prompt");
    }

    fn wait(&mut self, so: impl Fn(&str) -> Option<usize>, what: &str) {
        let start = Instant::now();
        let mut octets = self.shown.clone().into_bytes();
        loop {
            self.shown = String::from_utf8_lossy(&octets).into_owned();
            if let Some(length) = so(&self.shown[self.seen..]) {
                self.seen += length;
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{what} does not come:\n{}", plain(&self.shown));
            if let Ok(more) = self.screen.recv_timeout(Duration::from_millis(100)) {
                octets.extend(more);
            }
        }
    }

    /// Waits until the program ends, and gives all that was shown, as plain text.
    pub(crate) fn end(mut self) -> String {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "the console does not end:\n{}", plain(&self.shown));
            self.shown += &self.pending();
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(50));
        self.shown += &self.pending();
        plain(&self.shown)
    }

    fn pending(&self) -> String {
        let octets: Vec<u8> = self.screen.try_iter().flatten().collect();
        String::from_utf8_lossy(&octets).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands on the screen: each line as it was drawn last.
fn plain(shown: &str) -> String {
    let mut text = String::new();
    for line in shown.replace("\r\n", "\n").split_inclusive('\n') {
        let last = line.rsplit_once('\r').map_or(line, |(_, last)| last);
        let mut rest = last;
        while let Some(at) = rest.find("\x1b[") {
            text.push_str(&rest[..at]);
            let behind = &rest[at + 2..];
            let end = behind.find(|c: char| c.is_ascii_alphabetic()).map_or(behind.len(), |end| end + 1);
            rest = &behind[end..];
        }
        text.push_str(rest);
    }
    text
}

/// A record without what is different each time: dates, times, counts and the room's name.
pub(crate) fn blot(record: &str, room: &Room) -> String {
    let folder = room.configuration();
    let record = record.replace(&folder.parent().unwrap().display().to_string(), "ROOM");
    let mut text = String::new();
    for line in record.lines() {
        let head = ["# Reporting Date:", "通信時間:", "受信:", "送信:", "Received:", "Transmitted:"];
        let blotted = head.iter().find(|head| line.trim_start().starts_with(*head)).map(|head| format!("{head} …"));
        let blotted = blotted.or_else(|| line.ends_with("  connection.").then(|| "…  connection.".to_owned()));
        text.push_str(blotted.as_deref().unwrap_or(line).trim_end());
        text.push('\n');
    }
    text
}
