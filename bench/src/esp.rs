//! Sealing and opening of ESP by every level of kernels, beside RustCrypto, which is the portable level.

use crate::rounds::{Candidate, alternate};
use crypto::esp::{EspAuth, EspCipher, Ivs, Open, OpenError, OpenKey, Seal, SealKey, Suite, open_with, seal_with};
use crypto::lanes::{Level, Units};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// The suites that clients choose, the usual one first, each as `ipsec sa policy` has it.
const SUITES: [(&str, EspCipher, EspAuth); 7] = [
    ("aes-cbc sha-hmac", EspCipher::Aes128, EspAuth::HmacSha1_96),
    ("aes256-cbc sha-hmac", EspCipher::Aes256, EspAuth::HmacSha1_96),
    ("aes-cbc sha256-hmac", EspCipher::Aes128, EspAuth::HmacSha256_128),
    ("aes256-cbc sha256-hmac", EspCipher::Aes256, EspAuth::HmacSha256_128),
    ("aes-cbc md5-hmac", EspCipher::Aes128, EspAuth::HmacMd5_96),
    ("3des-cbc sha-hmac", EspCipher::TripleDes, EspAuth::HmacSha1_96),
    ("aes-gcm", EspCipher::Aes128Gcm, EspAuth::None),
];

/// The sizes of inner packets, in octets; no number stands for six sizes in turn.
const SIZES: [Option<usize>; 4] = [Some(1400), Some(576), Some(64), None];
const MIXED: [usize; 6] = [1400, 64, 576, 1400, 128, 900];
const BATCHES: [usize; 3] = [1, 8, 32];

/// What L2TP, UDP and PPP add to an IP packet before ESP, in octets.
const INNER_HEADERS: usize = 22;

/// Packets each under a key of its own, and copies of them, since a packet opens once.
struct Traffic {
    lens: Vec<usize>,
    seal_keys: [Vec<SealKey>; 2],
    open_keys: [Vec<OpenKey>; 2],
    packets: Vec<Vec<u8>>,
    copies: Vec<Vec<u8>>,
    ivs: Ivs,
}

/// Keys are expanded for one packet at a time, or for many.
const FORMS: [Level; 2] = [Level::Portable, Level::Avx512];

/// Which of them these units use.
fn form(units: Units) -> usize {
    usize::from(units.level() > Level::Portable)
}

impl Traffic {
    fn new(suite: Suite, octets: Option<usize>, batch: usize) -> Self {
        let lens: Vec<usize> =
            MIXED.iter().cycle().take(batch).map(|mixed| octets.unwrap_or(*mixed) + INNER_HEADERS).collect();
        let keymats: Vec<Vec<u8>> =
            (0..batch).map(|sa| (0..suite.key_material_len()).map(|at| (at * 7 + sa) as u8).collect()).collect();
        let packets: Vec<Vec<u8>> = lens.iter().map(|len| vec![0; suite.padded_len(*len)]).collect();
        let mut this = Self {
            lens,
            seal_keys: FORMS.map(|form| {
                keymats.iter().filter_map(|keymat| SealKey::for_units(Units::up_to(form), suite, keymat)).collect()
            }),
            open_keys: FORMS.map(|form| {
                keymats.iter().filter_map(|keymat| OpenKey::for_units(Units::up_to(form), suite, keymat)).collect()
            }),
            copies: packets.clone(),
            packets,
            ivs: Ivs::new([0; 32]),
        };
        this.seal(Units::up_to(Level::Portable), 1);
        this
    }

    fn seal(&mut self, units: Units, times: usize) -> Duration {
        let keys = self.lens.iter().zip(&self.seal_keys[form(units)]);
        let packets = self.packets.iter_mut().zip(keys);
        let mut batch: Vec<Seal<'_>> = packets
            .map(|(packet, (payload_len, key))| Seal { key, packet, payload_len: *payload_len, next_header: 17 })
            .collect();
        let start = Instant::now();
        for _ in 0..times {
            seal_with(units, &mut batch, &mut self.ivs);
        }
        start.elapsed()
    }

    fn open(&mut self, units: Units, times: usize) -> Duration {
        let mut taken = Duration::ZERO;
        for _ in 0..times {
            for (copy, packet) in self.copies.iter_mut().zip(&self.packets) {
                copy.copy_from_slice(packet);
            }
            let packets = self.copies.iter_mut().zip(&self.open_keys[form(units)]);
            let mut batch: Vec<Open<'_>> =
                packets.map(|(packet, key)| Open { key, packet, result: Err(OpenError::NotTried) }).collect();
            let start = Instant::now();
            open_with(units, &mut batch);
            taken += start.elapsed();
            assert!(batch.iter().all(|item| item.result.is_ok()), "packets open");
        }
        taken
    }
}

/// Whether a suite is meant by these words of its name, which are the first of it; no words mean every suite.
fn is_meant(name: &str, words: &[&str]) -> bool {
    let mut of_name = name.split(' ');
    words.iter().all(|word| of_name.next() == Some(word))
}

/// Measures the suites that these words mean; prints a line each and gives the figures.
pub(crate) fn measure(words: &[&str]) -> Result<Value, String> {
    let meant: Vec<_> = SUITES.into_iter().filter(|(name, ..)| is_meant(name, words)).collect();
    if meant.is_empty() {
        let names = SUITES.map(|(name, ..)| name).join(", ");
        return Err(format!("'{}' is none of the suites: {names}", words.join(" ")));
    }
    let levels: Vec<(&str, Units)> =
        [("portable", Level::Portable), ("aesni", Level::AesNi), ("avx512", Level::Avx512)]
            .into_iter()
            .map(|(name, level)| (name, level, Units::up_to(level)))
            // A level that the processor lacks would be measured under a false name.
            .filter(|(_, level, units)| units.level() == *level)
            .map(|(name, _, units)| (name, units))
            .collect();
    println!("units of this processor: {}", Units::up_to(Level::Avx512));
    println!("nanoseconds a packet, seal / open; in brackets how many times faster than RustCrypto");
    let mut figures = Vec::new();
    for (name, cipher, auth) in meant {
        let suite = Suite { cipher, auth };
        for octets in SIZES {
            for batch in BATCHES.into_iter().filter(|batch| octets.is_some() || *batch == 32) {
                let figure = one((name, suite), octets, batch, &levels);
                figures.push(figure);
            }
        }
    }
    Ok(Value::from(figures))
}

fn one((name, suite): (&str, Suite), octets: Option<usize>, batch: usize, levels: &[(&str, Units)]) -> Value {
    let traffic = RefCell::new(Traffic::new(suite, octets, batch));
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for (_, units) in levels {
        let (traffic, units) = (&traffic, *units);
        candidates.push(Box::new(move |times| traffic.borrow_mut().seal(units, times)));
        candidates.push(Box::new(move |times| traffic.borrow_mut().open(units, times)));
    }
    let medians: Vec<f64> = alternate(&mut candidates).iter().map(|median| median / batch as f64).collect();
    let size = octets.map_or_else(|| "mixed".to_owned(), |octets| octets.to_string());
    let mut line = format!("{name}, {size} x {batch}:");
    let mut figure = json!({ "suite": name, "octets": size, "batch": batch });
    let control: Vec<f64> = medians.iter().copied().take(2).collect();
    for ((name, _), pair) in levels.iter().zip(medians.chunks(2)) {
        let (&[seal, open], &[seal_control, open_control]) = (pair, &control[..]) else {
            continue;
        };
        line += &format!("  {name} {seal:.0}");
        if *name != "portable" {
            line += &format!(" ({:.2})", seal_control / seal);
        }
        line += &format!(" / {open:.0}");
        if *name != "portable" {
            line += &format!(" ({:.2})", open_control / open);
        }
        figure[*name] = json!({ "seal_ns": seal, "open_ns": open });
    }
    println!("{line}");
    figure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_named_as_in_the_configuration() {
        let meant = |words: &[&str]| SUITES.iter().filter(|(name, ..)| is_meant(name, words)).count();
        assert_eq!(meant(&[]), SUITES.len());
        assert_eq!(meant(&["aes-cbc"]), 3);
        assert_eq!(meant(&["aes-cbc", "sha-hmac"]), 1);
        assert_eq!([meant(&["aes"]), meant(&["sha-hmac"]), meant(&["aes-cbc", "sha-hmac", "more"])], [0; 3]);
    }
}
