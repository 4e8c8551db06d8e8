//! Text page by page, at a terminal: SPACE for the next page, ENTER for the next line, `q` or Ctrl-C for the end.

use std::io;

use super::editor::{Raw, columns_of, key};
use super::put;

/// Shows a text that may be longer than the screen has lines.
pub(super) fn show(text: &str, lines: usize, columns: usize, japanese: bool) -> io::Result<()> {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    if rows(&all, columns) < lines {
        return put(text);
    }
    let stop = if japanese { "--- つづく ---" } else { "---more---" };
    let raw = Raw::enter()?;
    let mut room = lines.saturating_sub(1);
    let mut waiting = all.iter().peekable();
    while let Some(line) = waiting.next() {
        put(&line.replace('\n', "\r\n"))?;
        room = room.saturating_sub(rows(&[line], columns));
        if room > 0 || waiting.peek().is_none() {
            continue;
        }
        put(stop)?;
        let wanted = wait_for_key(lines)?;
        put("\r\x1b[K")?;
        match wanted {
            Some(more) => room = more,
            None => break,
        }
    }
    drop(raw);
    Ok(())
}

/// How many lines come next; none for the end.
fn wait_for_key(lines: usize) -> io::Result<Option<usize>> {
    loop {
        match key()? {
            Some(b' ') => return Ok(Some(lines.saturating_sub(1))),
            Some(b'\r' | b'\n') => return Ok(Some(1)),
            Some(b'q' | b'Q' | 3) | None => return Ok(None),
            Some(_) => {}
        }
    }
}

/// How many rows of the screen some lines take.
fn rows(lines: &[&str], columns: usize) -> usize {
    lines.iter().map(|line| columns_of(line.trim_end_matches('\n')).max(1).div_ceil(columns.max(1))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_takes_several_rows() {
        assert_eq!(rows(&["\n", "abc\n"], 80), 2);
        assert_eq!(rows(&[&"x".repeat(81)], 80), 2);
        assert_eq!(rows(&[&"つ".repeat(40), &"つ".repeat(41)], 80), 3);
    }
}
