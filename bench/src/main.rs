//! What the data path costs, each figure beside its control in the same run: `cargo run --release -p bench -- esp`.

mod bare;
mod esp;
mod handshake;
mod keys;
mod own;
mod path;
mod rounds;
mod table;

use serde_json::Value;
use std::process::ExitCode;

const USAGE: &str = "\
bench esp [SUITE]   sealing and opening by every level of kernels, beside RustCrypto; of one suite as in 'ipsec sa
                    policy' (aes256-cbc sha256-hmac), of all with a cipher (aes-cbc), or of all
bench path          the data path in memory, beside the arithmetic in it alone
bench scale         two workers on two processors, beside one
bench own [keep]    the data path's own work in instructions, against what is kept (needs valgrind)
bench keys          the responder's arithmetic of Main Mode
bench handshake ADDRESS PROCESS GROUP EXCHANGES
                    Main Mode with a responder at ADDRESS: what each exchange costs PROCESS
bench bare up|down DEVICE PORT SOURCE SINK:PORT SIZE LENGTH
                    forwards constant bytes between a port and a TUN device, until it is ended: the bare limit of the
                    lab, for 'bare-up' and 'bare-down' of interop/run.py
bench write         all that needs nothing else, into the tables of docs/performance.md
Each prints a line a figure; with BENCH_JSON=FILE the figures go into that file as well.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["esp", ref suite @ ..] => esp::measure(suite),
        ["path"] => Ok(path::measure()),
        ["scale"] => Ok(path::scale()),
        ["own"] => own::measure(false),
        ["own", "keep"] => own::measure(true),
        ["keys"] => Ok(keys::measure()),
        ["handshake", address, process, group, exchanges] => handshake::measure(address, process, group, exchanges),
        ["bare", ref words @ ..] => bare::run(words),
        ["write"] => table::write(),
        // What callgrind counts; of no use by hand.
        ["work", part, batches] => Ok(Value::from(batches.parse().map_or(0, |batches| own::work(part, batches)))),
        _ => Err(USAGE.to_owned()),
    };
    let figures = match outcome {
        Ok(figures) => figures,
        Err(sentence) => {
            eprintln!("{sentence}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(file) = std::env::var_os("BENCH_JSON")
        && let Err(error) = std::fs::write(&file, format!("{figures:#}\n"))
    {
        eprintln!("{}: {error}", file.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
