//! The tables in docs/performance.md, written anew from what has just been measured.

use crate::{esp, keys, path};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The document, beside this crate's folder.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
/// Between these lines the document belongs to this program.
const BEGIN: &str = "<!-- measured by `cargo run --release -p bench -- write`; do not edit by hand -->";
const END: &str = "<!-- end of what is measured -->";

/// Measures everything that needs neither root nor valgrind, and writes it down.
pub(crate) fn write() -> Result<Value, String> {
    let figures =
        json!({ "esp": esp::measure(&[])?, "path": path::measure(), "scale": path::scale(), "keys": keys::measure() });
    let trouble = |error: std::io::Error| format!("{DOCUMENT}: {error}");
    let text = std::fs::read_to_string(DOCUMENT).map_err(trouble)?;
    let text = replaced(&text, &tables(&figures))
        .ok_or_else(|| format!("{DOCUMENT} lacks the lines '{BEGIN}' and '{END}'"))?;
    std::fs::write(DOCUMENT, text).map_err(trouble)?;
    Ok(figures)
}

/// The document with other tables.
fn replaced(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))
}

fn tables(figures: &Value) -> String {
    let mut out = format!("{}\n\n", machine());
    out += "Nanoseconds a packet, seal / open; in brackets how many times faster than RustCrypto.\n\n";
    out += "| suite, octets × batch | RustCrypto | AES-NI, SHA-NI, AVX2 | AVX-512 |\n| --- | --- | --- | --- |\n";
    for figure in figures["esp"].as_array().into_iter().flatten() {
        let name = |key: &str| figure[key].as_str().unwrap_or_default().to_owned();
        let _ = write!(out, "| {}, {} × {} |", name("suite"), name("octets"), figure["batch"]);
        for level in ["portable", "aesni", "avx512"] {
            let ratio = |way: &str| {
                let (found, control) = (figure[level][way].as_f64()?, figure["portable"][way].as_f64()?);
                Some(if level == "portable" {
                    format!("{found:.0}")
                } else {
                    format!("{found:.0} ({:.2})", control / found)
                })
            };
            match ratio("seal_ns").zip(ratio("open_ns")) {
                Some((seal, open)) => drop(write!(out, " {seal} / {open} |")),
                None => out.push_str(" – |"),
            }
        }
        out.push('\n');
    }
    let number = |path: &str| figures.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let _ = writeln!(
        out,
        "\n| the data path in memory, ns a packet | whole | of it arithmetic | own work |\n| --- | --- | --- | --- |\n\
         | in: batches of 64 | {:.0} | {:.0} | {:.0} |\n| out: super-packets of 44 | {:.0} | {:.0} | {:.0} |\n\n\
         Two workers, each on a processor of its own, carry {:.2} times as much as one ({:.2} to {:.2} in \
         eight of ten rounds); the arithmetic in them alone {:.2} times.",
        number("/path/in_ns"),
        number("/path/open_ns"),
        number("/path/in_own_ns"),
        number("/path/out_ns"),
        number("/path/seal_ns"),
        number("/path/out_own_ns"),
        number("/scale/two_of_one"),
        number("/scale/least"),
        number("/scale/most"),
        number("/scale/arithmetic"),
    );
    out += "\n| arithmetic of a handshake, ms | with both exponentiations | with the pair made ahead |\n| --- | --- | --- |\n";
    for figure in figures["keys"].as_array().into_iter().flatten() {
        let number = |key: &str| figure[key].as_f64().unwrap_or(f64::NAN);
        let group = figure["group"].as_str().unwrap_or_default();
        let _ = writeln!(out, "| group {group} | {:.3} | {:.3} |", number("whole_ms"), number("made_ahead_ms"));
    }
    out
}

/// What it was measured on: processor, kernel, mitigations.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = processor.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        line.and_then(|line| line.split(':').nth(1)).unwrap_or_default().trim().to_owned()
    };
    let processors = processor.lines().filter(|line| line.starts_with("processor")).count();
    let mitigations = read("/sys/devices/system/cpu/vulnerabilities/spectre_v2");
    format!(
        "{} (family {}, model {}), {processors} processors; {}; Linux {}; spectre_v2: {}.",
        field("model name"),
        field("cpu family"),
        field("model"),
        crypto::lanes::Units::in_use(),
        read("/proc/sys/kernel/osrelease").trim(),
        mitigations.trim(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_written_anew() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replaced(&text, "table");
        assert_eq!(new.as_deref(), Some(&*format!("before\n{BEGIN}\n\ntable\n{END}\nafter\n")));
        assert_eq!(
            new.and_then(|new| replaced(&new, "table")),
            Some(format!("before\n{BEGIN}\n\ntable\n{END}\nafter\n"))
        );
        assert_eq!(replaced("without marks", "table"), None);
    }

    #[test]
    fn a_level_that_was_not_measured_has_no_figure() {
        let esp = json!([{ "suite": "S", "octets": "64", "batch": 8,
            "portable": { "seal_ns": 200.0, "open_ns": 100.0 }, "aesni": { "seal_ns": 100.0, "open_ns": 80.0 } }]);
        let text = tables(&json!({ "esp": esp, "keys": [] }));
        assert!(text.contains("| S, 64 × 8 | 200 / 100 | 100 (2.00) / 80 (1.25) | – |"), "{text}");
    }
}
