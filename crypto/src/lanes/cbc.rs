//! AES-CBC encryption of many packets: each lane of a kernel takes one, under its own key, and the next when it ends.

use zeroize::Zeroize;

/// One block of AES.
pub(super) type Block = [u8; 16];

/// An expanded AES key: its round keys as octets in memory, in the order of use.
#[derive(Clone, Zeroize)]
pub(super) struct Schedule {
    pub(super) rounds: Rounds,
    pub(super) keys: [u128; 15],
}

impl Schedule {
    pub(super) const ZERO: Self = Self { rounds: Rounds::Ten, keys: [0; 15] };
}

/// How many rounds AES takes, which follows from the key's length.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub(super) enum Rounds {
    /// 128 bits of key.
    Ten,
    /// 192 bits of key.
    Twelve,
    /// 256 bits of key.
    Fourteen,
}

impl Zeroize for Rounds {
    /// The length of a key is no secret.
    fn zeroize(&mut self) {}
}

impl Rounds {
    pub(super) const fn of_key(octets: usize) -> Option<Self> {
        match octets {
            16 => Some(Self::Ten),
            24 => Some(Self::Twelve),
            32 => Some(Self::Fourteen),
            _ => None,
        }
    }

    pub(super) const fn count(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Twelve => 12,
            Self::Fourteen => 14,
        }
    }
}

/// The round keys of `L` lanes, round by round.
#[repr(C, align(64))]
pub(super) struct Table<const L: usize>(pub(super) [[u128; L]; 15]);

impl<const L: usize> Table<L> {
    /// Wipes so many round keys of every lane: as one slice, since number by number it takes as long as a block.
    pub(super) fn wipe(&mut self, rows: usize) {
        if let Some(used) = self.0.as_flattened_mut().get_mut(..rows * L) {
            used.zeroize();
        }
    }
}

/// What a kernel encrypts: the chaining value of each lane and its blocks, none in an idle lane.
pub(super) struct Lanes<'a, const L: usize> {
    pub(super) chains: [u128; L],
    pub(super) blocks: [&'a mut [Block]; L],
}

/// A packet to encrypt in place.
pub(super) struct Job<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) iv: &'a Block,
    pub(super) blocks: &'a mut [Block],
}

/// Encrypts packets whose keys take the same number of rounds.
///
/// The kernel encrypts so many blocks of every lane that has some, but no more than the shortest of them has. Jobs are
/// best given from the longest to the shortest.
pub(super) fn encrypt<'a, const L: usize>(
    mut jobs: impl Iterator<Item = Job<'a>>,
    kernel: impl Fn(&Table<L>, &mut Lanes<'_, L>, usize),
) {
    let mut table = Table([[0; L]; 15]);
    let mut chains = [0; L];
    let mut left: [&mut [Block]; L] = core::array::from_fn(|_| <&mut [Block]>::default());
    let mut rows = 0;
    let mut waiting = true;
    loop {
        for (lane, (left, chain)) in left.iter_mut().zip(&mut chains).enumerate() {
            while waiting && left.is_empty() {
                let Some(job) = jobs.next() else {
                    waiting = false;
                    break;
                };
                rows = job.schedule.rounds.count() + 1;
                for (row, key) in table.0.iter_mut().zip(&job.schedule.keys).take(rows) {
                    if let Some(to) = row.get_mut(lane) {
                        *to = *key;
                    }
                }
                *chain = u128::from_ne_bytes(*job.iv);
                *left = job.blocks;
            }
        }
        let busy = left.iter().map(|left| left.len()).filter(|blocks| *blocks > 0);
        let Some(blocks) = busy.min() else {
            break;
        };
        let mut lanes = Lanes { chains, blocks: left.each_mut().map(|left| &mut **left) };
        kernel(&table, &mut lanes, blocks);
        chains = lanes.chains;
        for left in &mut left {
            *left = core::mem::take(left).split_at_mut_checked(blocks).map_or(&mut [], |(_, rest)| rest);
        }
    }
    table.wipe(rows);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::units::{AesNi, Vaes256, Vaes512};
    use super::*;
    use crate::IkeCipher;
    use crate::testing::hex;

    const CIPHERS: [IkeCipher; 3] = [IkeCipher::Aes128, IkeCipher::Aes192, IkeCipher::Aes256];

    /// FIPS 197, Appendix A: the last round key of each.
    #[test]
    fn keys_are_expanded_as_in_fips_197() {
        let Some(aes) = AesNi::detect() else {
            return;
        };
        for (key, last) in [
            ("2b7e151628aed2a6abf7158809cf4f3c", "d014f9a8c9ee2589e13f0cc8b6630ca6"),
            ("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "e98ba06f448c773c8ecc720401002202"),
            ("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "fe4890d1e6188d0b046df344706c631e"),
        ] {
            let schedule = aes.expand(&hex(key)).unwrap();
            let found = schedule.keys[schedule.rounds.count()].to_ne_bytes();
            assert_eq!(found.to_vec(), hex(last));
        }
        for len in [0, 15, 17, 31, 33, 64] {
            assert!(aes.expand(&vec![0; len]).is_none());
        }
    }

    fn key(cipher: IkeCipher, at: usize) -> Vec<u8> {
        (0..cipher.key_len()).map(|i| (at * 17 + i * 3) as u8).collect()
    }

    fn texts(blocks: &[usize]) -> Vec<Vec<Block>> {
        let block = |at: usize, i: usize| core::array::from_fn(|octet| (at + i * 5 + octet * 11) as u8);
        let text = |(at, count): (usize, &usize)| (0..*count).map(|i| block(at, i)).collect();
        blocks.iter().enumerate().map(text).collect()
    }

    /// Packets of so many blocks, each under its own key, against the plain cipher.
    fn encrypts<const L: usize>(
        cipher: IkeCipher,
        blocks: &[usize],
        kernel: impl Fn(&Table<L>, &mut Lanes<'_, L>, usize),
    ) {
        let aes = AesNi::detect().unwrap();
        let schedules: Vec<Schedule> = (0..blocks.len()).map(|at| aes.expand(&key(cipher, at)).unwrap()).collect();
        let ivs: Vec<Block> = (0..blocks.len()).map(|at| [at as u8; 16]).collect();
        let mut found = texts(blocks);
        let jobs = found.iter_mut().zip(schedules.iter().zip(&ivs)).map(|(blocks, (schedule, iv))| Job {
            schedule,
            iv,
            blocks,
        });
        encrypt(jobs, kernel);
        for (at, (found, mut expected)) in found.iter().zip(texts(blocks)).enumerate() {
            cipher.encrypt(&key(cipher, at), &ivs[at], expected.as_flattened_mut()).unwrap();
            assert!(*found == expected, "{cipher:?} {L} lanes, {at}: {} blocks", expected.len());
        }
    }

    #[test]
    fn every_kernel_encrypts_like_the_plain_cipher() {
        let every: Vec<usize> = (0..130).collect();
        let wild: Vec<usize> = (0..50).map(|at| at * at * 37 % 127).collect();
        let sets: [&[usize]; 6] = [&[], &[1], &[89; 16], &[7; 37], &every, &wild];
        for (cipher, rounds) in CIPHERS.into_iter().zip([Rounds::Ten, Rounds::Twelve, Rounds::Fourteen]) {
            for blocks in sets {
                if let Some(aes) = AesNi::detect() {
                    encrypts(cipher, blocks, |table, lanes, count| aes.encrypt(rounds, table, lanes, count));
                }
                if let Some(vaes) = Vaes256::detect() {
                    encrypts(cipher, blocks, |table, lanes, count| vaes.encrypt(rounds, table, lanes, count));
                }
                if let Some(vaes) = Vaes512::detect() {
                    encrypts(cipher, blocks, |table, lanes, count| vaes.encrypt(rounds, table, lanes, count));
                }
            }
        }
    }

    #[test]
    fn every_kernel_decrypts_like_the_plain_cipher() {
        let Some(aes) = AesNi::detect() else {
            return;
        };
        for cipher in CIPHERS {
            let mut schedule = aes.expand(&key(cipher, 1)).unwrap();
            aes.invert(&mut schedule);
            for clear in texts(&(0..130).collect::<Vec<usize>>()) {
                let mut text = clear.clone();
                let iv = [9; 16];
                cipher.encrypt(&key(cipher, 1), &iv, text.as_flattened_mut()).unwrap();
                let mut found = text.clone();
                aes.decrypt(&schedule, &iv, &mut found);
                assert!(found == clear, "{cipher:?} AES-NI, {} blocks", clear.len());
                if let Some(vaes) = Vaes256::detect() {
                    let mut found = text.clone();
                    vaes.decrypt(&schedule, &iv, &mut found);
                    assert!(found == clear, "{cipher:?} VAES on 256 bits, {} blocks", clear.len());
                }
                if let Some(vaes) = Vaes512::detect() {
                    vaes.decrypt(&schedule, &iv, &mut text);
                    assert!(text == clear, "{cipher:?} VAES on 512 bits, {} blocks", clear.len());
                }
            }
        }
    }
}
