//! The operator's side of the control socket: one line to the running server, its answer, the exit status.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::setup::Failure;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in octets.
const MAX_ANSWER: u64 = 64 << 20;

/// Sends one line and gives the text of the answer.
///
/// The server answers with a first line `ok` or `error` and then the text, and closes.
pub(crate) fn ask(socket: &Path, line: &str) -> Result<String, Failure> {
    let mut stream = UnixStream::connect(socket).map_err(|error| not_reached(socket, &error))?;
    let answer = exchange(&mut stream, line).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Failure::new("the server does not answer; look at its log, or restart it")
        }
        _ => Failure::new(format!("the connection to the server broke: {error}; it may have ended just now")),
    })?;
    let (verdict, text) = answer.split_once('\n').unwrap_or((&answer, ""));
    match verdict.trim_end() {
        "ok" => Ok(text.to_owned()),
        "error" => Err(Failure::new(text.trim_end())),
        _ => Err(Failure::new(format!("what answers at {} is not a Sekisho server", socket.display()))),
    }
}

fn exchange(stream: &mut UnixStream, line: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut octets = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

fn not_reached(socket: &Path, error: &io::Error) -> Failure {
    let shown = socket.display();
    Failure::new(match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
            "no Sekisho server is running here (nothing answers at {shown}); start one with 'sekisho quickstart' or \
             'sekisho run --config FILE'"
        ),
        ErrorKind::PermissionDenied => format!("you may not talk to the server ({shown}); use sudo"),
        _ => format!("cannot talk to the server at {shown}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("sekisho-console-{name}-{}", std::process::id()))
    }

    /// A server that answers one line.
    fn answering(name: &str, answer: &'static str) -> (PathBuf, std::thread::JoinHandle<String>) {
        let path = path(name);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            (&stream).write_all(answer.as_bytes()).unwrap();
            line
        });
        (path, thread)
    }

    #[test]
    fn the_answer_is_what_stands_behind_ok() {
        let (path, server) = answering("ok", "ok\none\ntwo\n");
        assert_eq!(ask(&path, "show config").unwrap(), "one\ntwo\n");
        assert_eq!(server.join().unwrap(), "show config\n");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_error_of_the_server_is_a_failure_with_its_words() {
        let (path, server) = answering("error", "error\nanonymous9 is not connected\n");
        assert_eq!(ask(&path, "disconnect anonymous9").unwrap_err(), Failure::new("anonymous9 is not connected"));
        server.join().unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_server_the_sentence_says_how_to_start_one() {
        let told = ask(&path("none"), "show config").unwrap_err();
        assert!(told.sentence.contains("no Sekisho server is running here"), "{}", told.sentence);
        assert!(told.sentence.contains("sekisho quickstart"), "{}", told.sentence);
    }
}
