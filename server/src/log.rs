//! The log: one line an event, in the router's form, written by a thread of its own so that no reader of it can stall the server.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Lines that may wait for a slow reader; what comes beyond is counted and left out.
const WAITING: usize = 4096;

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// Everything before this has been written when the answer comes.
    Flush(SyncSender<()>),
}

impl Log {
    /// Starts writing to the standard error stream.
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_into(io::stderr()).map(|(log, _)| log)
    }

    fn start_into(mut sink: impl Write + Send + 'static) -> io::Result<(Self, JoinHandle<()>)> {
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Self { lines, lost: lost.clone() };
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || {
            for message in waiting {
                match message {
                    // A reader that went away must not stop the server.
                    Message::Line(line) => drop(sink.write_all(line.as_bytes())),
                    Message::Flush(done) => drop(done.send(())),
                }
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let line = format!(
                        "{}: {lost} lines of the log were lost: they came faster than they could be written\n",
                        stamp()
                    );
                    drop(sink.write_all(line.as_bytes()));
                }
            }
        })?;
        Ok((log, thread))
    }

    /// Writes one line with the time before it.
    pub(crate) fn line(&self, what: impl Display) {
        let line = one_line(&format!("{}: {what}", stamp()));
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything so far has been written, or half a second.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(std::time::Duration::from_millis(500));
        }
    }
}

/// The local time as the router writes it: `2026/04/14 09:30:00`.
fn stamp() -> impl Display {
    jiff::Zoned::now().strftime("%Y/%m/%d %H:%M:%S").to_string()
}

/// Exactly one line: what a peer put into a name cannot begin another or speak to the terminal.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { '.' } else { c }).collect();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
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
        let sink = Sink::default();
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

    #[test]
    fn a_reader_that_stalls_loses_lines_and_stalls_nobody() {
        struct Stalled(std::sync::mpsc::Receiver<()>, Sink);
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
        let sink = Sink::default();
        let (log, thread) = Log::start_into(Stalled(gate, sink.clone())).unwrap();
        for n in 0..WAITING + 100 {
            log.line(n);
        }
        drop(go);
        drop(log);
        thread.join().unwrap();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("lines of the log were lost"), "{}", text.len());
    }
}
