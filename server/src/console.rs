//! The operator's side of the control socket: a console at a terminal, lines from a pipe, or lines of the shell.

mod editor;
mod pager;
mod pipeline;

use std::io::{self, BufReader, ErrorKind, IsTerminal as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use self::editor::{Editor, Typed};
use self::pipeline::Pipeline;
use crate::protocol::{self, Asked, LONGEST_TOLD, Manner, Ready, Told};
use crate::setup::Failure;

/// How long an answer may take where nobody is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The connection to the running server.
struct Line {
    reader: BufReader<UnixStream>,
    stream: UnixStream,
}

impl Line {
    fn open(socket: &Path, manner: Manner, json: bool) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket).map_err(|error| not_reached(socket, &error))?;
        let reading = stream.try_clone().map_err(|error| broken(&error))?;
        let mut this = Self { reader: BufReader::new(reading), stream };
        this.set_patience(Some(PATIENCE))?;
        this.ask(&Asked::Begin { manner, json })?;
        Ok(this)
    }

    fn set_patience(&self, patience: Option<Duration>) -> Result<(), Failure> {
        self.stream.set_read_timeout(patience).map_err(|error| broken(&error))
    }

    fn ask(&mut self, asked: &Asked) -> Result<(), Failure> {
        protocol::write(&mut self.stream, asked).map_err(|error| broken(&error))
    }

    /// What the server says next; the end is a goodbye.
    fn hear(&mut self) -> Result<Told, Failure> {
        match protocol::read(&mut self.reader, LONGEST_TOLD) {
            Ok(told) => Ok(told.unwrap_or(Told::Bye)),
            Err(error) => Err(broken(&error)),
        }
    }
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Failure::new("the server does not answer; look at its log, or restart it")
        }
        ErrorKind::InvalidData => {
            Failure::new("what answers is not a Sekisho server of this version; restart the server")
        }
        _ => Failure::new(format!("the connection to the server broke: {error}; it may have ended just now")),
    }
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

/// Has lines done, one after the other, and prints what they show; ends at the first that is refused.
pub(crate) fn exec(socket: &Path, lines: &[String], json: bool) -> Result<(), Failure> {
    let mut server = Line::open(socket, Manner::Exec, json)?;
    let mut waiting = lines.iter();
    let mut pipeline = Pipeline::default();
    loop {
        match server.hear()? {
            Told::Ready(_) => {
                let Some(line) = waiting.next() else { return Ok(()) };
                pipeline = Pipeline::of(line).map_err(Failure::new)?;
                server.ask(&Asked::Line(pipeline.line.clone()))?;
            }
            Told::Say(text) => crate::say(&pipeline.through(&text).map_err(Failure::new)?)?,
            Told::Refuse(why) => return Err(Failure::new(why.strip_prefix("Error: ").unwrap_or(&why))),
            Told::Ask { .. } => return Err(Failure::new("the line asks for an answer; use 'sekisho console'")),
            Told::Completed { .. } => {}
            Told::Bye => return Ok(()),
        }
    }
}

/// A console: with an editor at a terminal, else a line of the input after the other.
pub(crate) fn run(socket: &Path) -> Result<(), Failure> {
    let mut server = Line::open(socket, Manner::Console, false)?;
    let mut console = Console {
        editor: None,
        ready: Ready::default(),
        pipeline: Pipeline::default(),
        all_done: true,
        begun: Default::default(),
    };
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        console.editor = Some(Editor::new());
    }
    let outcome = console.serve(&mut server);
    let _ = server.stream.shutdown(Shutdown::Both);
    outcome?;
    // At a terminal somebody has seen it; a script must know.
    if console.all_done || console.editor.is_some() { Ok(()) } else { Err(Failure::silent()) }
}

struct Console {
    /// None where lines come from a pipe.
    editor: Option<Editor>,
    ready: Ready,
    /// What the line in hand does with what is shown.
    pipeline: Pipeline,
    all_done: bool,
    /// What was half typed when the server had something to say.
    begun: (String, String),
}

/// What to do next.
enum Next {
    Hear,
    Leave,
}

impl Console {
    fn serve(&mut self, server: &mut Line) -> Result<(), Failure> {
        loop {
            let next = match server.hear()? {
                Told::Say(text) => {
                    self.show(&text)?;
                    Next::Hear
                }
                Told::Refuse(why) => {
                    self.show_plainly(&format!("{why}\n"))?;
                    Next::Hear
                }
                Told::Ready(ready) => {
                    self.all_done &= ready.done;
                    self.ready = ready;
                    self.pipeline = Pipeline::default();
                    self.next_line(server)?
                }
                Told::Ask { prompt, hidden } => self.answer(server, &prompt, hidden)?,
                Told::Completed { .. } => Next::Hear,
                Told::Bye => Next::Leave,
            };
            if matches!(next, Next::Leave) {
                return Ok(());
            }
        }
    }

    fn show_plainly(&self, text: &str) -> Result<(), Failure> {
        crate::say(text)
    }

    /// Shows text through what stands behind the line: patterns, a file, pages.
    fn show(&self, text: &str) -> Result<(), Failure> {
        if self.pipeline.searches() && self.editor.is_some() {
            self.show_plainly("Searching ...\n")?;
        }
        let shown = match self.pipeline.through(text) {
            Ok(shown) => shown,
            Err(why) => return self.show_plainly(&format!("Error: {why}\n")),
        };
        let page = if self.pipeline.pages { self.ready.lines.or(Some(24)) } else { self.ready.lines };
        match (&self.editor, page) {
            (Some(_), Some(lines)) => {
                pager::show(&shown, lines as usize, self.ready.columns as usize, self.ready.japanese)
                    .map_err(|error| broken(&error))
            }
            _ => self.show_plainly(&shown),
        }
    }

    /// Reads the next line and sends it.
    fn next_line(&mut self, server: &mut Line) -> Result<Next, Failure> {
        let mut begun = std::mem::take(&mut self.begun);
        loop {
            let typed = match &mut self.editor {
                None => piped()?,
                Some(editor) => {
                    editor.line(&self.ready.prompt, &begun, Some(&server.stream)).map_err(|error| broken(&error))?
                }
            };
            match typed {
                Typed::End => return Ok(Next::Leave),
                // The server has something to say: lines of the log, or that the session ends.
                Typed::Interrupted(before, behind) => {
                    self.begun = (before, behind);
                    return Ok(Next::Hear);
                }
                Typed::GivenUp => begun = Default::default(),
                Typed::Line(line) => match Pipeline::of(&line) {
                    Ok(pipeline) => {
                        self.pipeline = pipeline;
                        server.ask(&Asked::Line(self.pipeline.line.clone()))?;
                        // An answer comes soon, but a question behind it may wait long.
                        return Ok(Next::Hear);
                    }
                    Err(why) => {
                        self.all_done = false;
                        self.show_plainly(&format!("Error: {why}\n"))?;
                        begun = Default::default();
                    }
                },
                Typed::Help(before, behind) => {
                    server.ask(&Asked::Help(before.clone()))?;
                    self.listen(server)?;
                    begun = (before, behind);
                }
                Typed::Tab(before, behind) => {
                    server.ask(&Asked::Complete(before.clone()))?;
                    let (added, choices) = self.listen(server)?;
                    if choices.len() > 1 && added.is_empty() {
                        self.show_plainly(&format!("\n{}\n", choices.join(" ")))?;
                    }
                    begun = (before + &added, behind);
                }
            }
        }
    }

    /// What the server says to `?` or TAB.
    fn listen(&mut self, server: &mut Line) -> Result<(String, Vec<String>), Failure> {
        let mut completed = (String::new(), Vec::new());
        loop {
            match server.hear()? {
                Told::Say(text) => self.show(&text)?,
                Told::Completed { added, choices } => completed = (added, choices),
                Told::Ready(ready) => {
                    self.ready = ready;
                    return Ok(completed);
                }
                Told::Refuse(_) | Told::Ask { .. } | Told::Bye => return Ok(completed),
            }
        }
    }

    /// Reads the answer to a question and sends it.
    fn answer(&mut self, server: &mut Line, prompt: &str, hidden: bool) -> Result<Next, Failure> {
        let typed = match &mut self.editor {
            None => piped()?,
            Some(editor) => editor.answer(prompt, hidden, &server.stream).map_err(|error| broken(&error))?,
        };
        match typed {
            Typed::Line(answer) => {
                server.ask(&Asked::Line(answer))?;
                Ok(Next::Hear)
            }
            Typed::Interrupted(..) => Ok(Next::Hear),
            Typed::End | Typed::GivenUp | Typed::Help(..) | Typed::Tab(..) => Ok(Next::Leave),
        }
    }
}

/// The next line of a pipe.
fn piped() -> Result<Typed, Failure> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(0) => Ok(Typed::End),
        Ok(_) => Ok(Typed::Line(line.trim_end_matches(['\n', '\r']).to_owned())),
        Err(error) => Err(Failure::new(format!("cannot read the input: {error}"))),
    }
}

/// Writes to the terminal at once.
fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn without_a_server_the_sentence_says_how_to_start_one() {
        let path = std::env::temp_dir().join(format!("sekisho-console-none-{}", std::process::id()));
        let told = exec(&path, &["show config".to_owned()], false).unwrap_err();
        assert!(told.sentence.contains("no Sekisho server is running here"), "{}", told.sentence);
        assert!(told.sentence.contains("sekisho quickstart"), "{}", told.sentence);
    }
}
