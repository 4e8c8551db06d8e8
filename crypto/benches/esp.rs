//! Sealing and opening of ESP packets with every level of kernels; the portable one, RustCrypto's, is the control.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use crypto::esp::{EspAuth, EspCipher, Ivs, Open, OpenError, OpenKey, Seal, SealKey, Suite, open_with, seal_with};
use crypto::lanes::{Level, Units};

const SUITES: [(EspCipher, EspAuth); 5] = [
    (EspCipher::Aes128, EspAuth::HmacSha1_96),
    (EspCipher::Aes256, EspAuth::HmacSha1_96),
    (EspCipher::Aes128, EspAuth::HmacSha256_128),
    (EspCipher::Aes256, EspAuth::HmacSha256_128),
    (EspCipher::Aes128, EspAuth::HmacMd5_96),
];

const LEVELS: [(&str, Level); 3] = [("portable", Level::Portable), ("aesni", Level::AesNi), ("avx512", Level::Avx512)];

/// What L2TP, UDP and PPP add to an IP packet before ESP, in octets.
const INNER_HEADERS: usize = 22;

/// Packets of one size, each of its own SA.
struct Traffic {
    suite: Suite,
    payload_len: usize,
    seal_keys: [Vec<SealKey>; 2],
    open_keys: [Vec<OpenKey>; 2],
    packets: Vec<Vec<u8>>,
    ivs: Ivs,
}

/// Keys are expanded for one packet at a time, or for many.
const FORMS: [Level; 2] = [Level::Portable, Level::Avx512];

/// Which of them these units use.
fn form(units: Units) -> usize {
    usize::from(units.level() > Level::Portable)
}

impl Traffic {
    fn new(suite: Suite, octets: usize, batch: usize) -> Self {
        let keymats: Vec<Vec<u8>> =
            (0..batch).map(|sa| (0..suite.key_material_len()).map(|at| (at * 7 + sa) as u8).collect()).collect();
        let payload_len = octets + INNER_HEADERS;
        Self {
            suite,
            payload_len,
            seal_keys: FORMS.map(|form| {
                keymats.iter().filter_map(|keymat| SealKey::for_units(Units::up_to(form), suite, keymat)).collect()
            }),
            open_keys: FORMS.map(|form| {
                keymats.iter().filter_map(|keymat| OpenKey::for_units(Units::up_to(form), suite, keymat)).collect()
            }),
            packets: vec![vec![0; suite.padded_len(payload_len)]; batch],
            ivs: Ivs::new([0; 32]),
        }
    }

    fn seal(&mut self, units: Units) {
        let mut batch: Vec<Seal<'_>> = self
            .packets
            .iter_mut()
            .zip(&self.seal_keys[form(units)])
            .map(|(packet, key)| Seal { key, packet, payload_len: self.payload_len, next_header: 17 })
            .collect();
        seal_with(units, &mut batch, &mut self.ivs);
    }

    /// Opens copies of the packets, since a packet opens once, and tells how long the opening took.
    fn open(&self, units: Units, copies: &mut [Vec<u8>]) -> Duration {
        for (copy, packet) in copies.iter_mut().zip(&self.packets) {
            copy.copy_from_slice(packet);
        }
        let start = Instant::now();
        let mut batch: Vec<Open<'_>> = copies
            .iter_mut()
            .zip(&self.open_keys[form(units)])
            .map(|(packet, key)| Open { key, packet, result: Err(OpenError::NotTried) })
            .collect();
        open_with(units, &mut batch);
        let taken = start.elapsed();
        assert!(batch.iter().all(|item| item.result.is_ok()), "{}: packets open", self.suite);
        taken
    }
}

fn suites(criterion: &mut Criterion) {
    for (cipher, auth) in SUITES {
        let suite = Suite { cipher, auth };
        for octets in [1400, 576, 64] {
            for batch in [1, 8, 32] {
                let mut traffic = Traffic::new(suite, octets, batch);
                let mut copies = traffic.packets.clone();
                traffic.seal(Units::up_to(Level::Portable));
                let mut group = criterion.benchmark_group(format!("{suite}/{octets}x{batch}"));
                group.throughput(Throughput::Bytes((octets * batch) as u64));
                for (name, level) in LEVELS {
                    let units = Units::up_to(level);
                    // A level that the processor lacks would be measured under a false name.
                    if units.level() < level {
                        continue;
                    }
                    group.bench_function(BenchmarkId::new("open", name), |bencher| {
                        bencher.iter_custom(|times| (0..times).map(|_| traffic.open(units, &mut copies)).sum());
                    });
                    group.bench_function(BenchmarkId::new("seal", name), |bencher| {
                        bencher.iter(|| traffic.seal(units));
                    });
                    traffic.seal(Units::up_to(Level::Portable));
                }
                group.finish();
            }
        }
    }
}

fn main() {
    println!("units of this processor: {}", Units::up_to(Level::Avx512));
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20)
        .configure_from_args();
    suites(&mut criterion);
    criterion.final_summary();
}
