//! The data path's own work in instructions, counted under callgrind: what a batch takes less the arithmetic in it.
//!
//! Instructions do not waver with the machine's other work, so that a change of a few per cent is seen. Arithmetic is
//! left out, since callgrind's processor has AVX2 and AES-NI, and none of the instructions that are faster.

use crate::path::Path;
use serde_json::{Value, json};
use std::process::Command;

/// By how much a count may be above the one written down, in hundredths of it.
const TOLERANCE: f64 = 3.0;
/// Batches of the shorter run, and of the longer one; the difference leaves out start and end.
const FEW: usize = 20;
const MANY: usize = 60;

/// The file with the counts that were found good, beside this crate's manifest.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/own.json");

/// Does a part of the work so many times, for callgrind to count; the packets that passed.
pub(crate) fn work(part: &str, batches: usize) -> usize {
    let Some(mut path) = Path::new() else {
        return 0;
    };
    match part {
        "in" => path.inward(batches),
        "open" => path.open(batches),
        "out" => path.outward(batches),
        "seal" => path.seal(batches),
        _ => 0,
    }
}

/// The instructions of one run of this program.
fn count(part: &str, batches: usize) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["work", part, &batches.to_string()])
        .env(crypto::lanes::VARIABLE, "aesni")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let counted = told.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    counted.filter(|_| output.status.success()).ok_or_else(|| format!("valgrind: {told}"))
}

/// The instructions of each packet of one part.
fn each(part: &str) -> Result<f64, String> {
    let packets = (work(part, 1) * (MANY - FEW)) as f64;
    Ok((count(part, MANY)? - count(part, FEW)?) / packets)
}

/// Counts, and compares with what is kept, or writes that anew.
pub(crate) fn measure(keep: bool) -> Result<Value, String> {
    let inward = each("in")? - each("open")?;
    let outward = each("out")? - each("seal")?;
    let found = json!({ "in": inward.round(), "out": outward.round() });
    println!("own work in instructions a packet: in {inward:.0}, out {outward:.0}");
    if keep {
        std::fs::write(KEPT, format!("{found:#}\n")).map_err(|error| format!("{KEPT}: {error}"))?;
        return Ok(found);
    }
    let kept = std::fs::read_to_string(KEPT).map_err(|error| format!("{KEPT}: {error}"))?;
    let kept: Value = serde_json::from_str(&kept).map_err(|error| format!("{KEPT}: {error}"))?;
    for (way, found) in [("in", inward), ("out", outward)] {
        let right = kept[way].as_f64().ok_or_else(|| format!("{KEPT} has no number for '{way}'"))?;
        let off = (found / right - 1.0) * 100.0;
        println!("{way}: {off:+.1} % of the {right:.0} that are kept");
        if off > TOLERANCE {
            return Err(format!(
                "the own work {way} has grown by {off:.1} %; if that is meant, write it down with 'bench own keep'"
            ));
        }
        if off < -TOLERANCE {
            println!("{way} has become less: write it down with 'bench own keep'");
        }
    }
    Ok(found)
}
