//! Transcripts compared with text files: a changed dialogue shows in review as one.

use crate::world::World;
use engine::time::Instant;
use std::path::PathBuf;

impl World {
    /// The decrypted conversation of a client and what the server told meanwhile, one line a message, time first, in
    /// hundredths of a second; random identifiers are blotted out.
    pub fn transcript(&self, who: usize) -> String {
        let mut lines: Vec<(Instant, String)> =
            self.peers[who].dialogue().iter().map(|(t, l)| (*t, format!("client  {l}"))).collect();
        lines.extend(self.events.iter().map(|(t, e)| (*t, format!("server  {}", blot(&e.to_string())))));
        lines.sort_by_key(|l| l.0);
        let start = lines.first().map(|l| l.0).unwrap_or_default();
        lines.iter().map(|(t, l)| format!("{:8.2}  {l}\n", t.since(start).as_secs_f64())).collect()
    }
}

/// Numbers that are drawn at random: `id=`, `tid=` and the like, and long ones that are no part of an address.
fn blot(line: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = line.chars().collect();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let run = chars.iter().skip(at).take_while(|c| c.is_ascii_digit()).count();
        if run == 0 {
            out.push(*c);
            at += 1;
            continue;
        }
        let digits: String = chars.iter().skip(at).take(run).collect();
        let is_id = digits.len() >= 4 && digits != "1701" && digits != "4500";
        out.push_str(if is_id { "#" } else { &digits });
        at += run;
    }
    out
}

/// Compares a transcript with `tests/snapshots/NAME.txt`, or writes that file if the environment says `UPDATE=1`.
pub fn assert_snapshot(name: &str, transcript: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "snapshots", &format!("{name}.txt")].iter().collect();
    if std::env::var_os("UPDATE").is_some_and(|v| v == "1") {
        std::fs::write(&path, transcript).expect("the snapshot can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(transcript.lines()).position(|(a, b)| a != b);
    let longest = expected.lines().count().max(transcript.lines().count());
    let at = differs.unwrap_or_else(|| expected.lines().count().min(transcript.lines().count()));
    assert!(
        expected == transcript,
        "the dialogue '{name}' has changed at line {} of {longest}; if that is meant, run with UPDATE=1 and look at the \
         difference:\n- {}\n+ {}\n\n{transcript}",
        at + 1,
        expected.lines().nth(at).unwrap_or(""),
        transcript.lines().nth(at).unwrap_or(""),
    );
}
