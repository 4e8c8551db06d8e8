//! The control socket, server side: an operator's line in, its answer out.
//!
//! A Unix stream socket for root alone. A client sends one line of the command language and reads until the end: first
//! a line `ok` or `error`, then the text to show.

use crate::wake::Alarm;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest line that is read, in octets.
const LONGEST: u64 = 4096;
/// How long a client may take to send its line or to read the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The socket's file; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
}

impl Door {
    /// Binds the socket and answers on a thread of its own.
    ///
    /// A file left by a server that died is replaced; one behind which a server answers is not ([`io::ErrorKind::AddrInUse`]).
    /// `ask` gets each line and says what to answer, or why not.
    pub(crate) fn open(
        path: &Path,
        alarm: &Alarm,
        ask: impl Fn(&str) -> Result<String, String> + Send + 'static,
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
        std::thread::Builder::new().name("socket".into()).spawn(move || {
            let _watch = watch;
            loop {
                match listener.accept() {
                    // An operator who went away gets no answer.
                    Ok((stream, _)) => drop(answer(stream, &ask)),
                    // Out of descriptors, for one; it must not spin.
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
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

fn answer(stream: UnixStream, ask: &impl Fn(&str) -> Result<String, String>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(LONGEST)).read_line(&mut line)?;
    let (status, mut text) = match ask(line.trim()) {
        Ok(text) => ("ok", text),
        Err(text) => ("error", text),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    (&stream).write_all(format!("{status}\n{text}").as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::wake::Wake;
    use std::sync::Arc;

    fn call(path: &Path, line: &str) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_line_is_answered_and_a_second_server_is_not_let_in_and_a_dead_ones_file_is_replaced() {
        let folder = std::env::temp_dir().join(format!("sekisho-socket-{}", std::process::id()));
        let path = folder.join("control");
        let alarm = Alarm::new(Arc::new(Wake::new().unwrap()));
        let echo = |line: &str| {
            if line.is_empty() { Err("nothing asked".into()) } else { Ok(format!("asked: {line}")) }
        };
        let door = Door::open(&path, &alarm, echo).unwrap();
        assert_eq!(call(&path, "show status l2tp\n"), "ok\nasked: show status l2tp\n");
        assert_eq!(call(&path, ""), "error\nnothing asked\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Door::open(&path, &alarm, echo).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(call(&path, "again\n"), "ok\nasked: again\n");
        drop(door);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Door::open(&path, &alarm, echo).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
