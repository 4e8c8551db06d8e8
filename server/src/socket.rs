//! The control socket, server side: each operator who comes gets a thread.
//!
//! A Unix stream socket for root alone; whoever wants others to come in changes the file's group and mode.

use crate::wake::Alarm;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many operators may be there at once.
const MOST: usize = 32;

/// The socket's file; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
}

/// Counts one operator for as long as it lives.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let seat = Self(taken.clone());
        (taken.fetch_add(1, Ordering::Relaxed) < MOST).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    /// Binds the socket and lets operators in, each on a thread of its own.
    ///
    /// A file left by a server that died is replaced; one behind which a server answers is not ([`io::ErrorKind::AddrInUse`]).
    pub(crate) fn open(
        path: &Path,
        alarm: &Alarm,
        serve: impl Fn(UnixStream) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if UnixStream::connect(path).is_ok() {
                    return Err(error);
                }
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            other => other?,
        };
        let door = Self { path: path.into() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let watch = alarm.watch("control socket");
        let alarm = alarm.clone();
        let serve = Arc::new(serve);
        let taken = Arc::new(AtomicUsize::new(0));
        std::thread::Builder::new().name("socket".into()).spawn(move || {
            let _watch = watch;
            loop {
                let Ok((stream, _)) = listener.accept() else {
                    // Out of descriptors, for one; it must not spin.
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                };
                // One too many is let go without an answer, and so is one for whom there is no thread.
                let Some(seat) = Seat::take(&taken) else { continue };
                let (serve, watch) = (serve.clone(), alarm.watch("operator"));
                let _ = std::thread::Builder::new().name("operator".into()).spawn(move || {
                    let (_watch, _seat) = (watch, seat);
                    serve(stream);
                });
            }
        })?;
        Ok(door)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::wake::Wake;
    use std::io::{BufRead as _, BufReader, Write as _};

    fn call(path: &Path, line: &str) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        // One who is let go at once may not even get this far.
        let _ = stream.write_all(line.as_bytes());
        let mut text = String::new();
        let _ = BufReader::new(stream).read_line(&mut text);
        text
    }

    #[test]
    fn operators_come_at_once_and_a_second_server_is_not_let_in_and_a_dead_ones_file_is_replaced() {
        let folder = std::env::temp_dir().join(format!("sekisho-socket-{}", std::process::id()));
        let path = folder.join("control");
        let alarm = Alarm::new(Arc::new(Wake::new().unwrap()));
        let echo = |mut stream: UnixStream| {
            let mut line = String::new();
            if BufReader::new(&stream).read_line(&mut line).is_ok() {
                let _ = stream.write_all(format!("asked: {line}").as_bytes());
            }
        };
        let door = Door::open(&path, &alarm, echo).unwrap();
        let idle = UnixStream::connect(&path).unwrap();
        assert_eq!(call(&path, "show status l2tp\n"), "asked: show status l2tp\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Door::open(&path, &alarm, echo).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(call(&path, "again\n"), "asked: again\n");
        drop((door, idle));
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Door::open(&path, &alarm, echo).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_operator_too_many_is_let_go() {
        let folder = std::env::temp_dir().join(format!("sekisho-seats-{}", std::process::id()));
        let path = folder.join("control");
        let alarm = Alarm::new(Arc::new(Wake::new().unwrap()));
        let echo = |mut stream: UnixStream| {
            let mut line = String::new();
            while BufReader::new(&stream).read_line(&mut line).is_ok_and(|read| read > 0) {
                let _ = stream.write_all(line.as_bytes());
                line.clear();
            }
        };
        let _door = Door::open(&path, &alarm, echo).unwrap();
        let mut all: Vec<UnixStream> = (0..MOST).map(|_| UnixStream::connect(&path).unwrap()).collect();
        for stream in &mut all {
            stream.write_all(b"here\n").unwrap();
            let mut line = String::new();
            BufReader::new(&*stream).read_line(&mut line).unwrap();
            assert_eq!(line, "here\n");
        }
        assert_eq!(call(&path, "me too\n"), "");
        drop(all);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
