//! The log: one line an event, in the router's form, written by a thread of its own so that no reader of it can stall the server.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use command::Syslog;
use engine::event::Level;
use jiff::civil::DateTime;
use serde::Serialize;

use crate::syslog::Collector;

/// Lines that may wait for a slow reader; what comes beyond is counted and left out.
const WAITING: usize = 4096;
/// How long lines are gathered before they are written: where many come, to wake the thread for each would cost more than
/// the line.
const TOGETHER: Duration = Duration::from_millis(5);
/// Octets of room for lines that are kept between writings.
const SMALL: usize = 8 << 10;
/// Lines that `show log` remembers.
pub(crate) const REMEMBERED: usize = 10_000;

/// Octets of a line, as a rule.
const USUAL: usize = 80;

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    memory: Arc<Mutex<Memory>>,
    collector: Collector,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// Everything before this has been written when the answer comes.
    Flush(SyncSender<()>),
}

/// A line as `show log` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remembered {
    pub(crate) time: String,
    pub(crate) text: String,
}

/// Writes a line to the standard error stream of a program; one that takes nothing (a full disk, a reader that has gone) stops
/// nobody, as `eprintln!` would.
pub(crate) fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "sekisho: {what}");
}

/// Where lines go, and how many it has not taken since it last took one.
struct Sink<W> {
    to: W,
    lost: u64,
    /// Half a line stands at its end.
    is_torn: bool,
}

impl<W: Write> Sink<W> {
    /// Writes whole lines. The error is given once: not again before a line was written.
    fn write(&mut self, lines: &str) -> Option<io::Error> {
        let mut text = String::new();
        if self.lost > 0 {
            let end = if self.is_torn { "\n" } else { "" };
            text = format!("{end}{}: {} lines of the log could not be written\n", stamp(now()), self.lost);
        }
        let told = text.len();
        text.push_str(lines);
        let mut rest = text.as_bytes();
        let error = loop {
            if rest.is_empty() {
                break None;
            }
            match self.to.write(rest) {
                Ok(0) => break Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
        };
        let done = text.len() - rest.len();
        let is_first = self.lost == 0 || done > told;
        if done > 0 {
            self.is_torn = text.as_bytes().get(done - 1) != Some(&b'\n');
        }
        if done >= told {
            self.lost = 0;
        }
        let unwritten = text.as_bytes().get(done.max(told)..).unwrap_or_default();
        self.lost += unwritten.iter().filter(|octet| **octet == b'\n').count() as u64;
        error.filter(|_| is_first)
    }
}

/// A line as it is kept: when it was told, and the octets of its text.
#[derive(Debug)]
struct Kept {
    at: DateTime,
    len: u32,
}

impl Kept {
    fn len(&self) -> usize {
        self.len as usize
    }
}

/// The lines that `show log` prints: the latest [`REMEMBERED`]. A line that comes again is counted.
#[derive(Debug)]
struct Memory {
    lines: VecDeque<Kept>,
    /// Their texts, one behind the other: pieces of their own would lie between what clients leave, and keep it from going
    /// back to the system.
    texts: VecDeque<u8>,
    /// How many lines have come in all.
    came: u64,
    /// How often the last line came again, and when it did last.
    again: u64,
    again_at: DateTime,
    settings: Syslog,
}

impl Memory {
    /// With all the room that lines of the usual length take, and that is taken at once: no client is what the server
    /// grows by when it fills up.
    fn new() -> Self {
        let mut texts = VecDeque::from(vec![b' '; REMEMBERED * USUAL]);
        let mut lines: VecDeque<Kept> = (0..=REMEMBERED).map(|_| Kept { at: DateTime::default(), len: 0 }).collect();
        texts.clear();
        lines.clear();
        Self { lines, texts, came: 0, again: 0, again_at: DateTime::default(), settings: Syslog::default() }
    }

    fn keep(&mut self, at: DateTime, text: &str) {
        if self.is_last(text) {
            self.again += 1;
            self.again_at = at;
            return;
        }
        let repeated = self.repeated();
        self.again = 0;
        self.came += 1 + u64::from(repeated.is_some());
        if let Some((at, text)) = repeated {
            self.push(at, &text);
        }
        self.push(at, text);
    }

    fn is_last(&self, text: &str) -> bool {
        let is_as_long = self.lines.back().is_some_and(|last| last.len() == text.len());
        is_as_long && self.texts.iter().rev().take(text.len()).eq(text.as_bytes().iter().rev())
    }

    fn push(&mut self, at: DateTime, text: &str) {
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.texts.extend(text.as_bytes().iter().take(len as usize));
        self.lines.push_back(Kept { at, len });
        while self.lines.len() > REMEMBERED {
            let oldest = self.lines.pop_front().map_or(0, |line| line.len());
            self.texts.drain(..oldest.min(self.texts.len()));
        }
    }

    /// The line that stands for those that came again.
    fn repeated(&self) -> Option<(DateTime, String)> {
        (self.again > 0).then(|| (self.again_at, format!("same message repeated {} times", self.again)))
    }

    /// The latest lines, at most so many, oldest first.
    fn latest(&self, most: usize) -> Vec<Remembered> {
        let first = self.lines.len().saturating_sub(most);
        let mut texts = self.texts.iter().skip(self.lines.iter().take(first).map(|line| line.len()).sum());
        let told = |line: &Kept| {
            let text: Vec<u8> = texts.by_ref().take(line.len()).copied().collect();
            Remembered { time: stamp(line.at), text: String::from_utf8_lossy(&text).into_owned() }
        };
        self.lines.range(first..).map(told).collect()
    }
}

impl Log {
    /// Starts writing to the standard error stream.
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_into(io::stderr()).map(|(log, _)| log)
    }

    fn start_into(to: impl Write + Send + 'static) -> io::Result<(Self, JoinHandle<()>)> {
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let memory = Arc::new(Mutex::new(Memory::new()));
        let log = Self { lines, lost: lost.clone(), memory, collector: Collector::start()? };
        let (memory, collector) = (log.memory.clone(), log.collector.clone());
        let mut sink = Sink { to, lost: 0, is_torn: false };
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || {
            let mut lines = String::new();
            while let Ok(first) = waiting.recv() {
                if matches!(first, Message::Line(_)) {
                    std::thread::sleep(TOGETHER);
                }
                let flushed: Vec<_> = std::iter::once(first)
                    .chain(waiting.try_iter().take(WAITING))
                    .filter_map(|message| match message {
                        Message::Line(line) => {
                            lines.push_str(&line);
                            None
                        }
                        Message::Flush(done) => Some(done),
                    })
                    .collect();
                // A full disk, or a reader that went away, must not stop the server.
                if let Some(error) = sink.write(&lines) {
                    let text = format!("the log cannot be written: {error}; 'show log' has its latest lines");
                    tell(&mut lock(&memory), &collector, Level::Info, &text);
                }
                lines.clear();
                lines.shrink_to(SMALL);
                for done in flushed {
                    let _ = done.send(());
                }
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let line = format!(
                        "{}: {lost} lines of the log were lost: they came faster than they could be written\n",
                        stamp(now())
                    );
                    drop(sink.write(&line));
                }
            }
        })?;
        Ok((log, thread))
    }

    /// Follows other lines of `syslog …` from here on.
    pub(crate) fn configure(&self, settings: &Syslog) {
        self.memory().settings = settings.clone();
        self.collector.configure(settings);
    }

    /// Writes one line of the life of connections with the time before it.
    pub(crate) fn line(&self, what: impl Display) {
        self.tell(Level::Info, what);
    }

    /// Writes one line, if `syslog notice` and `syslog debug` let it; lines of the life of connections are always kept, and
    /// sent unless `syslog info off` is written.
    pub(crate) fn tell(&self, level: Level, what: impl Display) {
        let mut memory = self.memory();
        if !is_told(&memory.settings, level) {
            return;
        }
        let text = one_line(&what.to_string());
        let at = tell(&mut memory, &self.collector, level, &text);
        drop(memory);
        let line = format!("{}: {text}\n", stamp(at));
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is remembered, oldest first.
    pub(crate) fn remembered(&self) -> Vec<Remembered> {
        let memory = self.memory();
        let again = memory.repeated().map(|(at, text)| Remembered { time: stamp(at), text });
        memory.latest(REMEMBERED).into_iter().chain(again).collect()
    }

    /// How many lines have come so far.
    pub(crate) fn came(&self) -> u64 {
        self.memory().came
    }

    /// The lines that have come behind the first so many, at most the latest `most`, and how many have come now.
    pub(crate) fn since(&self, seen: u64, most: usize) -> (Vec<Remembered>, u64) {
        let memory = self.memory();
        let new = usize::try_from(memory.came.saturating_sub(seen)).unwrap_or(usize::MAX).min(most);
        (memory.latest(new), memory.came)
    }

    /// Forgets what is remembered.
    pub(crate) fn clear(&self) {
        let mut memory = self.memory();
        memory.lines.clear();
        memory.texts.clear();
        memory.again = 0;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// Waits until everything so far has been written, or half a second.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_millis(500));
        }
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether lines of a level are told at all.
fn is_told(settings: &Syslog, level: Level) -> bool {
    match level {
        Level::Notice => settings.notice,
        Level::Info => true,
        Level::Debug => settings.debug,
    }
}

/// Remembers a line, and sends it to other hosts where that is asked for; gives its time.
fn tell(memory: &mut Memory, collector: &Collector, level: Level, text: &str) -> DateTime {
    let at = now();
    let sent = level != Level::Info || memory.settings.info;
    if sent && !memory.settings.hosts.is_empty() {
        collector.send(level, text);
    }
    memory.keep(at, text);
    at
}

/// The local time.
fn now() -> DateTime {
    jiff::Zoned::now().datetime()
}

/// A time as the router writes it: `2026/04/14 09:30:00`.
fn stamp(at: DateTime) -> String {
    at.strftime("%Y/%m/%d %H:%M:%S").to_string()
}

/// Exactly one line: what a peer put into a name cannot begin another or speak to the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_begins_with_the_time_and_is_one_line_whatever_a_peer_put_in() {
        let sink = Paper::default();
        let (log, thread) = Log::start_into(sink.clone()).unwrap();
        log.line("[L2TP] TUNNEL[1] user \"a\nb\x1b[31m\"");
        log.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let (stamp, rest) = text.split_at(21);
        assert_eq!(rest, "[L2TP] TUNNEL[1] user \"a.b.[31m\"\n");
        let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(shape, "9999/99/99 99:99:99: ");
        drop(log);
        thread.join().unwrap();
    }

    /// Room for so many octets.
    struct Disk {
        room: usize,
        octets: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.octets.extend(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_full_disk_did_not_take_were_lost_without_a_word() {
        let mut sink = Sink { to: Disk { room: 7, octets: vec![] }, lost: 0, is_torn: false };
        assert!(sink.write("one\ntwo\nthree\n").is_some_and(|error| error.kind() == io::ErrorKind::StorageFull));
        assert!(sink.write("four\n").is_none(), "told once");
        sink.to.room = 3;
        assert!(sink.write("five\n").is_none());
        assert_eq!(sink.lost, 4, "two, three, four, five");
        sink.to.room = 1000;
        assert!(sink.write("six\n").is_none());
        assert!(sink.write("seven\n").is_none());
        let text = String::from_utf8(sink.to.octets).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1]), ("one", "two"), "{text}");
        assert!(lines[3].ends_with(": 4 lines of the log could not be written"), "{text}");
        assert_eq!(lines[4..], ["six", "seven"]);
        let mut full = Sink { to: Disk { room: 0, octets: vec![] }, lost: 0, is_torn: false };
        assert!(full.write("one\n").is_some() && full.write("two\n").is_none());
        full.to.room = 100;
        assert!(full.write("three\n").is_none());
        full.to.room = 0;
        assert!(full.write("four\n").is_some(), "told again after a line was written");
    }

    #[test]
    fn a_line_that_comes_again_is_counted_and_the_oldest_are_forgotten() {
        let mut memory = Memory::new();
        for text in ["up", "up", "up", "down"] {
            memory.keep(DateTime::default(), text);
        }
        let texts = |memory: &Memory| memory.latest(REMEMBERED).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(texts(&memory), ["up", "same message repeated 2 times", "down"]);
        assert_eq!(memory.came, 3);
        for n in 0..REMEMBERED + 5 {
            memory.keep(DateTime::default(), &n.to_string());
        }
        assert_eq!(memory.lines.len(), REMEMBERED);
        let kept = texts(&memory);
        assert_eq!((kept.first().unwrap().as_str(), kept.last().unwrap().as_str()), ("5", "10004"));
        assert_eq!(memory.texts.len(), kept.iter().map(String::len).sum::<usize>(), "forgotten texts are gone");
        assert_eq!(memory.latest(1)[0].text, "10004");
    }

    #[test]
    fn what_connections_live_through_is_always_kept_and_the_rest_where_it_is_asked_for() {
        let (log, _thread) = Log::start_into(Paper::default()).unwrap();
        log.tell(Level::Info, "one");
        log.tell(Level::Debug, "two");
        log.configure(&Syslog { debug: true, info: false, ..Syslog::default() });
        log.tell(Level::Debug, "three");
        log.tell(Level::Info, "four");
        let texts: Vec<String> = log.remembered().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["one", "three", "four"]);
        let (new, came) = log.since(2, 100);
        assert_eq!((new.len(), new[0].text.as_str(), came), (1, "four", 3));
        assert_eq!(log.since(0, 2).0.len(), 2);
        log.clear();
        assert!(log.remembered().is_empty() && log.since(came, 100).0.is_empty());
    }

    #[test]
    fn a_reader_that_stalls_loses_lines_and_stalls_nobody() {
        struct Stalled(std::sync::mpsc::Receiver<()>, Paper);
        impl Write for Stalled {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                self.1.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (go, gate) = std::sync::mpsc::channel();
        let sink = Paper::default();
        let (log, thread) = Log::start_into(Stalled(gate, sink.clone())).unwrap();
        // As many as wait, and as many again that the thread may have taken to write them together.
        for n in 0..2 * WAITING + 100 {
            log.line(n);
        }
        drop(go);
        drop(log);
        thread.join().unwrap();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("lines of the log were lost"), "{}", text.len());
    }
}
