//! A line typed at a terminal: editing, history, `?` and TAB.
//!
//! It waits for the keyboard and for the server at once, since the server ends a session that is idle.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::put;

/// How many lines can be called back.
const REMEMBERED: usize = 500;
/// The longest line that can be typed, in characters (yamaha.md §2.3).
const LONGEST: usize = 4095;
/// How long the rest of a key's sequence may take.
const SEQUENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Line(String),
    /// `?`, with what stands before and behind it.
    Help(String, String),
    /// TAB, likewise.
    Tab(String, String),
    /// Ctrl-C.
    GivenUp,
    /// Ctrl-D in an empty line, or the end of the input.
    End,
    /// The server had something to say first; with what stands before and behind the cursor.
    Interrupted(String, String),
}

/// The terminal hands over each key at once, until this is dropped.
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// The next octet of the keyboard; none at its end.
pub(super) fn key() -> io::Result<Option<u8>> {
    let mut octet = [0];
    loop {
        match rustix::io::read(io::stdin(), &mut octet) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(octet[0])),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How many columns a text takes on the screen.
pub(super) fn columns_of(text: &str) -> usize {
    text.chars().map(columns).sum()
}

fn columns(c: char) -> usize {
    match u32::from(c) {
        0..=0x1f | 0x7f..=0x9f | 0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A line and the cursor in it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Buffer {
    text: Vec<char>,
    /// How many characters stand before the cursor.
    at: usize,
}

impl Buffer {
    fn of(before: &str, behind: &str) -> Self {
        let at = before.chars().count();
        Self { text: before.chars().chain(behind.chars()).collect(), at }
    }

    fn halves(&self) -> (String, String) {
        let (before, behind) = self.text.split_at(self.at.min(self.text.len()));
        (before.iter().collect(), behind.iter().collect())
    }

    fn insert(&mut self, c: char) {
        if self.text.len() < LONGEST {
            self.text.insert(self.at.min(self.text.len()), c);
            self.at += 1;
        }
    }

    fn left(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    fn right(&mut self) {
        self.at = (self.at + 1).min(self.text.len());
    }

    fn delete(&mut self) {
        if self.at < self.text.len() {
            self.text.remove(self.at);
        }
    }

    fn rub_out(&mut self) {
        if self.at > 0 {
            self.left();
            self.delete();
        }
    }

    /// The word before the cursor goes.
    fn rub_out_word(&mut self) {
        let is_blank = |this: &Self| this.at > 0 && this.text.get(this.at - 1) == Some(&' ');
        while is_blank(self) {
            self.rub_out();
        }
        while self.at > 0 && !is_blank(self) {
            self.rub_out();
        }
    }

    /// Whether a `?` typed here belongs to a word: behind a backslash, or in quotes.
    fn is_quoted(&self) -> bool {
        let (mut quote, mut escaped) = (None, false);
        for c in self.text.iter().take(self.at) {
            match (c, quote) {
                _ if escaped => escaped = false,
                ('\\', _) => escaped = true,
                ('\'' | '"', None) => quote = Some(*c),
                (c, Some(open)) if *c == open => quote = None,
                _ => {}
            }
        }
        escaped || quote.is_some()
    }
}

/// A key, whatever the terminal makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Letter(char),
    Enter,
    Tab,
    Cancel,
    EndOfInput,
    RubOut,
    RubOutWord,
    RubOutLine,
    RubOutRest,
    Delete,
    Left,
    Right,
    Begin,
    End,
    Earlier,
    Later,
    Redraw,
    Other,
    /// The server had something to say first.
    Interrupted,
}

/// Reads keys from the keyboard, while the server is silent.
fn next_key(server: Option<&dyn AsFdDyn>) -> io::Result<Key> {
    if !wait(server, None)? {
        return Ok(Key::Interrupted);
    }
    let Some(octet) = key()? else { return Ok(Key::EndOfInput) };
    Ok(match octet {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        1 => Key::Begin,
        2 => Key::Left,
        3 => Key::Cancel,
        4 => Key::EndOfInput,
        5 => Key::End,
        6 => Key::Right,
        8 | 127 => Key::RubOut,
        11 => Key::RubOutRest,
        12 | 18 => Key::Redraw,
        14 => Key::Later,
        16 => Key::Earlier,
        21 => Key::RubOutLine,
        23 => Key::RubOutWord,
        27 => sequence()?,
        0..=31 => Key::Other,
        _ => letter(octet)?,
    })
}

/// A character of UTF-8 whose first octet has come.
fn letter(first: u8) -> io::Result<Key> {
    let length = match first {
        0..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return Ok(Key::Other),
    };
    let mut octets = vec![first];
    while octets.len() < length {
        octets.extend(key()?);
    }
    let text = String::from_utf8_lossy(&octets);
    Ok(text.chars().next().filter(|c| *c != char::REPLACEMENT_CHARACTER).map_or(Key::Other, Key::Letter))
}

/// What stands behind an ESC: the key of an arrow and the like.
fn sequence() -> io::Result<Key> {
    let mut octets = Vec::new();
    while octets.len() < 8 && wait(None, Some(&SEQUENCE))? {
        let Some(octet) = key()? else { break };
        octets.push(octet);
        if octets.len() > 1 && (octet.is_ascii_alphabetic() || octet == b'~') {
            break;
        }
    }
    Ok(match octets.as_slice() {
        b"[A" | b"OA" => Key::Earlier,
        b"[B" | b"OB" => Key::Later,
        b"[C" | b"OC" => Key::Right,
        b"[D" | b"OD" => Key::Left,
        b"[H" | b"OH" | b"[1~" => Key::Begin,
        b"[F" | b"OF" | b"[4~" => Key::End,
        b"[3~" => Key::Delete,
        _ => Key::Other,
    })
}

/// Something that can be waited for.
pub(super) trait AsFdDyn {
    fn fd(&self) -> std::os::fd::BorrowedFd<'_>;
}

impl<T: AsFd> AsFdDyn for T {
    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.as_fd()
    }
}

/// Waits for the keyboard; false if the server speaks first, or the time is over.
fn wait(server: Option<&dyn AsFdDyn>, longest: Option<&Timespec>) -> io::Result<bool> {
    let stdin = io::stdin();
    loop {
        let mut fds = vec![PollFd::new(&stdin, PollFlags::IN)];
        let server = server.map(AsFdDyn::fd);
        fds.extend(server.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        match poll(&mut fds, longest) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The editor with its history. Answers to questions are not kept.
#[derive(Debug)]
pub(super) struct Editor {
    history: Vec<String>,
}

impl Editor {
    pub(super) fn new() -> Self {
        Self { history: Vec::new() }
    }

    /// Reads a line behind a prompt; some of it may have been typed already.
    pub(super) fn line(
        &mut self,
        prompt: &str,
        (before, behind): &(String, String),
        server: Option<&dyn AsFdDyn>,
    ) -> io::Result<Typed> {
        let raw = Raw::enter()?;
        let mut buffer = Buffer::of(before, behind);
        let mut place = self.history.len();
        let mut newest = Buffer::default();
        draw(prompt, &buffer)?;
        let typed = loop {
            let key = next_key(server)?;
            match key {
                Key::Letter('?') if !buffer.is_quoted() => {
                    put("?\r\n")?;
                    let (before, behind) = buffer.halves();
                    break Typed::Help(before, behind);
                }
                Key::Tab => {
                    let (before, behind) = buffer.halves();
                    break Typed::Tab(before, behind);
                }
                Key::Earlier | Key::Later => {
                    if place == self.history.len() {
                        newest = buffer.clone();
                    }
                    place = match key {
                        Key::Earlier => place.saturating_sub(1),
                        _ => (place + 1).min(self.history.len()),
                    };
                    buffer = self.history.get(place).map_or_else(|| newest.clone(), |line| Buffer::of(line, ""));
                    draw(prompt, &buffer)?;
                }
                key => {
                    if let Some(typed) = edit(&mut buffer, key, prompt, true)? {
                        break typed;
                    }
                }
            }
        };
        drop(raw);
        if let Typed::Line(line) = &typed
            && !line.trim().is_empty()
            && self.history.last() != Some(line)
        {
            if self.history.len() >= REMEMBERED {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        Ok(typed)
    }

    /// Reads the answer to a question; a hidden one is not shown.
    pub(super) fn answer(&mut self, prompt: &str, hidden: bool, server: &dyn AsFdDyn) -> io::Result<Typed> {
        let raw = Raw::enter()?;
        let mut buffer = Buffer::default();
        put(prompt)?;
        let typed = loop {
            if let Some(typed) = edit(&mut buffer, next_key(Some(server))?, prompt, !hidden)? {
                break typed;
            }
        };
        drop(raw);
        Ok(typed)
    }
}

/// Does what a key asks for; gives what was typed, if that ends the line.
fn edit(buffer: &mut Buffer, key: Key, prompt: &str, shown: bool) -> io::Result<Option<Typed>> {
    match key {
        Key::Letter(c) => {
            buffer.insert(c);
            let whole = columns_of(prompt) + columns_of(&buffer.halves().0);
            // At the end of a line that fits, the letter alone is enough.
            if shown && buffer.at == buffer.text.len() && whole < width() {
                put(&c.to_string())?;
                return Ok(None);
            }
        }
        Key::Enter => {
            put("\r\n")?;
            return Ok(Some(Typed::Line(buffer.text.iter().collect())));
        }
        Key::Cancel => {
            put("^C\r\n")?;
            return Ok(Some(Typed::GivenUp));
        }
        Key::EndOfInput if buffer.text.is_empty() => {
            put("\r\n")?;
            return Ok(Some(Typed::End));
        }
        Key::Interrupted => {
            put("\r\n")?;
            let (before, behind) = buffer.halves();
            return Ok(Some(Typed::Interrupted(before, behind)));
        }
        Key::RubOut => buffer.rub_out(),
        Key::RubOutWord => buffer.rub_out_word(),
        Key::RubOutLine => *buffer = Buffer::default(),
        Key::RubOutRest => buffer.text.truncate(buffer.at),
        Key::Delete | Key::EndOfInput => buffer.delete(),
        Key::Left => buffer.left(),
        Key::Right => buffer.right(),
        Key::Begin => buffer.at = 0,
        Key::End => buffer.at = buffer.text.len(),
        Key::Redraw => {}
        Key::Tab | Key::Earlier | Key::Later | Key::Other => return Ok(None),
    }
    if shown {
        draw(prompt, buffer)?;
    }
    Ok(None)
}

/// Columns of the screen.
fn width() -> usize {
    let columns = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { 80 } else { columns }
}

/// Draws the line anew, and the cursor in it. Of a line that is too long, what is around the cursor is drawn.
fn draw(prompt: &str, buffer: &Buffer) -> io::Result<()> {
    put(&drawn(prompt, buffer, width()))
}

fn drawn(prompt: &str, buffer: &Buffer, width: usize) -> String {
    let room = width.saturating_sub(columns_of(prompt) + 1).max(8);
    let mut start = 0;
    while buffer.text.iter().take(buffer.at).skip(start).map(|c| columns(*c)).sum::<usize>() > room {
        start += 1;
    }
    let mut shown = String::new();
    let mut taken = 0;
    let mut behind = 0;
    for (at, c) in buffer.text.iter().enumerate().skip(start) {
        taken += columns(*c);
        if taken > room {
            break;
        }
        if at >= buffer.at {
            behind += columns(*c);
        }
        shown.push(*c);
    }
    let back = if behind > 0 { format!("\x1b[{behind}D") } else { String::new() };
    format!("\r{prompt}{shown}\x1b[K{back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_where_the_cursor_stands() {
        let mut buffer = Buffer::of("show stat", "us");
        buffer.insert('!');
        buffer.rub_out();
        assert_eq!(buffer.halves(), ("show stat".to_owned(), "us".to_owned()));
        buffer.delete();
        buffer.left();
        assert_eq!(buffer.halves(), ("show sta".to_owned(), "ts".to_owned()));
        buffer.rub_out_word();
        assert_eq!(buffer.halves(), ("show ".to_owned(), "ts".to_owned()));
        buffer.rub_out_word();
        buffer.rub_out();
        assert_eq!(buffer.halves(), (String::new(), "ts".to_owned()));
        buffer.right();
        buffer.right();
        buffer.right();
        buffer.delete();
        assert_eq!(buffer.at, 2);
    }

    #[test]
    fn a_question_mark_in_quotes_belongs_to_the_word() {
        for quoted in ["a 'b", "a \"b c", "a\\", "a 'b\"c"] {
            assert!(Buffer::of(quoted, "").is_quoted(), "{quoted}");
        }
        for plain in ["", "show ", "a 'b' ", "a\\\\", "a \"it's\" "] {
            assert!(!Buffer::of(plain, "").is_quoted(), "{plain}");
        }
    }

    #[test]
    fn a_long_line_is_drawn_around_the_cursor() {
        assert_eq!(drawn("# ", &Buffer::of("ab", "cd"), 80), "\r# abcd\x1b[K\x1b[2D");
        let long = drawn("# ", &Buffer::of(&"x".repeat(200), "yz"), 40);
        assert_eq!(long.matches('x').count(), 37);
        assert!(!long.contains('y'));
        assert_eq!(columns_of("つづく"), 6);
        assert_eq!(columns_of("e\u{301}"), 1);
    }
}
