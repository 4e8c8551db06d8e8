//! HMAC over many messages: each lane of a kernel hashes one, and takes the next when it has ended (RFC 2104).

use zeroize::Zeroize;

use super::Digest;

/// The octets of a block of MD5, SHA-1 and SHA-256.
pub(super) const BLOCK: usize = 64;

/// One block.
pub(super) type Block = [u8; BLOCK];

/// The chaining values of `L` lanes, word by word; a hash with fewer words than eight leaves the last ones alone.
#[repr(C, align(64))]
pub(super) struct Chains<const L: usize>(pub(super) [[u32; L]; 8]);

impl<const L: usize> Chains<L> {
    pub(super) const ZERO: Self = Self([[0; L]; 8]);

    pub(super) fn set(&mut self, lane: usize, words: &[u32; 8]) {
        for (row, word) in self.0.iter_mut().zip(words) {
            if let Some(to) = row.get_mut(lane) {
                *to = *word;
            }
        }
    }

    pub(super) fn get(&self, lane: usize) -> [u32; 8] {
        let mut words = [0; 8];
        for (row, word) in self.0.iter().zip(&mut words) {
            *word = row.get(lane).copied().unwrap_or_default();
        }
        words
    }
}

/// A message to authenticate, or what is left of one.
pub(super) struct Message<'a> {
    /// The octets to hash.
    pub(super) text: &'a [u8],
    /// How many octets were hashed before, the padded key's block included: whole blocks.
    pub(super) before: usize,
    /// The chaining value after those.
    pub(super) inner: &'a [u32; 8],
    /// The chaining value after the outer padded key.
    pub(super) outer: &'a [u32; 8],
}

/// What a lane is hashing.
#[derive(Copy, Clone, Eq, PartialEq)]
enum Stage {
    /// Nothing.
    Idle,
    /// The whole blocks of its message.
    Text,
    /// The end of its message with mark and length.
    Tail,
    /// The inner digest.
    Outer,
}

#[derive(Copy, Clone)]
struct Lane<'a> {
    stage: Stage,
    text: &'a [Block],
    rest: &'a [u8],
    total: usize,
    outer: &'a [u32; 8],
    /// Which message it is.
    message: usize,
    /// The blocks done and left of the stage.
    done: usize,
    left: usize,
}

impl<'a> Lane<'a> {
    const IDLE: Self =
        Self { stage: Stage::Idle, text: &[], rest: &[], total: 0, outer: &[0; 8], message: 0, done: 0, left: 0 };

    fn new(index: usize, message: &Message<'a>) -> Self {
        let (text, rest) = message.text.as_chunks();
        Self {
            stage: Stage::Text,
            text,
            rest,
            total: message.before + message.text.len(),
            outer: message.outer,
            message: index,
            done: 0,
            left: text.len(),
        }
    }

    /// The blocks to hash next: none when idle.
    fn blocks<'b>(&'b self, tail: &'b [Block; 2]) -> &'b [Block] {
        let all: &[Block] = match self.stage {
            Stage::Idle => &[],
            Stage::Text => self.text,
            Stage::Tail | Stage::Outer => tail,
        };
        all.get(self.done..).unwrap_or_default()
    }

    fn enter(&mut self, stage: Stage, blocks: usize) {
        self.stage = stage;
        self.done = 0;
        self.left = blocks;
    }
}

/// Writes what follows `octets` in the last blocks: mark, zeros and the length in bits; tells how many blocks.
fn close(digest: Digest, octets: &[u8], total: usize, tail: &mut [Block; 2]) -> usize {
    *tail = [[0; BLOCK]; 2];
    let bits = digest.length_field(total as u64 * 8);
    let flat = tail.as_flattened_mut();
    // Word by word: the octets are few, and a call for each packet costs more than it copies.
    let (words, rest) = octets.as_chunks::<8>();
    let (to_words, _) = flat.as_chunks_mut::<8>();
    to_words.iter_mut().zip(words).for_each(|(to, word)| *to = *word);
    if let Some(to) = flat.get_mut(8 * words.len()..) {
        to.iter_mut().zip(rest).for_each(|(to, octet)| *to = *octet);
    }
    if let Some(mark) = flat.get_mut(octets.len()) {
        *mark = 0x80;
    }
    // The mark is one octet and the length field eight.
    let [first, second] = tail;
    let (end, blocks) = if octets.len() < BLOCK - 8 { (first, 1) } else { (second, 2) };
    if let Some(field) = end.last_chunk_mut() {
        *field = bits;
    }
    blocks
}

/// Computes the authenticators of the messages `0..out.len()` as chaining values.
///
/// The kernel hashes so many blocks of every lane that has some; it is called with at least one such lane, and with no
/// more blocks than the shortest of them has. Messages are best given from the longest to the shortest.
pub(super) fn authenticate<'a, const L: usize>(
    digest: Digest,
    message: impl Fn(usize) -> Option<Message<'a>>,
    out: &mut [[u32; 8]],
    kernel: impl Fn(&mut Chains<L>, &[&[Block]; L], usize),
) {
    let mut chains = Chains::ZERO;
    let mut tails = [[[0; BLOCK]; 2]; L];
    let mut lanes = [Lane::IDLE; L];
    let mut next = 0;
    let mut refill = |index: usize, lane: &mut Lane<'a>, chains: &mut Chains<L>| {
        *lane = Lane::IDLE;
        if let Some(message) = message(next) {
            chains.set(index, message.inner);
            *lane = Lane::new(next, &message);
            next += 1;
        }
    };
    for (index, lane) in lanes.iter_mut().enumerate() {
        refill(index, lane, &mut chains);
    }
    loop {
        for (index, (lane, tail)) in lanes.iter_mut().zip(&mut tails).enumerate() {
            while lane.left == 0 && lane.stage != Stage::Idle {
                advance(digest, index, lane, tail, &mut chains, out);
                if lane.stage == Stage::Idle {
                    refill(index, lane, &mut chains);
                }
            }
        }
        let busy = lanes.iter().filter(|lane| lane.stage != Stage::Idle);
        let Some(blocks) = busy.map(|lane| lane.left).min() else {
            break;
        };
        let mut at: [&[Block]; L] = [&[]; L];
        for (at, (lane, tail)) in at.iter_mut().zip(lanes.iter().zip(&tails)) {
            *at = lane.blocks(tail);
        }
        kernel(&mut chains, &at, blocks);
        for lane in lanes.iter_mut().filter(|lane| lane.stage != Stage::Idle) {
            lane.done += blocks;
            lane.left -= blocks;
        }
    }
    chains.0.as_flattened_mut().zeroize();
}

/// Takes a lane whose stage has ended to the next one, at last to idleness.
fn advance<const L: usize>(
    digest: Digest,
    index: usize,
    lane: &mut Lane<'_>,
    tail: &mut [Block; 2],
    chains: &mut Chains<L>,
    out: &mut [[u32; 8]],
) {
    match lane.stage {
        Stage::Idle => {}
        Stage::Text => {
            let blocks = close(digest, lane.rest, lane.total, tail);
            lane.enter(Stage::Tail, blocks);
        }
        Stage::Tail => {
            let inner = digest.octets(&chains.get(index));
            let (inner, _) = inner.split_at(digest.output_len());
            let blocks = close(digest, inner, BLOCK + inner.len(), tail);
            chains.set(index, lane.outer);
            lane.enter(Stage::Outer, blocks);
        }
        Stage::Outer => {
            if let Some(to) = out.get_mut(lane.message) {
                *to = chains.get(index);
            }
            lane.enter(Stage::Idle, 0);
        }
    }
}

/// The kernel of one lane for every processor.
pub(super) fn plain(digest: Digest, chains: &mut Chains<1>, at: &[&[Block]; 1], blocks: usize) {
    let [text] = at;
    let text = text.get(..blocks).unwrap_or(text);
    let mut words = chains.get(0);
    match digest {
        Digest::Md5 => {
            if let Some(words) = words.first_chunk_mut() {
                md5::block_api::compress(words, text);
            }
        }
        Digest::Sha1 => {
            if let Some(words) = words.first_chunk_mut() {
                sha1::block_api::compress(words, text);
            }
        }
        Digest::Sha256 => sha2::block_api::compress256(&mut words, text),
    }
    chains.set(0, &words);
}

#[cfg(test)]
mod tests {
    use super::super::units::{Avx2, Avx512, ShaNi};
    use super::*;
    use crate::Hash;

    const DIGESTS: [(Digest, Hash); 3] =
        [(Digest::Md5, Hash::Md5), (Digest::Sha1, Hash::Sha1), (Digest::Sha256, Hash::Sha256)];

    /// The chaining value after a key padded with `pad`.
    fn padded(digest: Digest, key: &[u8], pad: u8) -> [u32; 8] {
        let initial: [u32; 8] = match digest {
            Digest::Sha256 => {
                [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]
            }
            _ => [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0, 0, 0, 0],
        };
        let mut block = [pad; BLOCK];
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= *from);
        let mut chains = Chains::ZERO;
        chains.set(0, &initial);
        plain(digest, &mut chains, &[&[block]], 1);
        chains.get(0)
    }

    /// Messages of the lengths given, each under its own key, against the plain function.
    fn agrees<const L: usize>(
        digest: Digest,
        hash: Hash,
        lens: &[usize],
        kernel: impl Fn(&mut Chains<L>, &[&[Block]; L], usize),
    ) {
        type Given = (Vec<u8>, Vec<u8>, [[u32; 8]; 2]);
        let messages: Vec<Given> = lens
            .iter()
            .enumerate()
            .map(|(at, len)| {
                let key: Vec<u8> = (0..20).map(|i| (at * 31 + i) as u8).collect();
                let text = (0..*len).map(|i| (i * 7 + at) as u8).collect();
                let pads = [padded(digest, &key, 0x36), padded(digest, &key, 0x5c)];
                (key, text, pads)
            })
            .collect();
        let mut out = vec![[0; 8]; lens.len()];
        let message = |at: usize| {
            let (_, text, [inner, outer]) = messages.get(at)?;
            Some(Message { text, before: BLOCK, inner, outer })
        };
        authenticate(digest, message, &mut out, kernel);
        for ((key, text, _), words) in messages.iter().zip(&out) {
            let expected = hash.mac(key, &[text]);
            assert_eq!(digest.octets(words)[..expected.len()], expected, "{digest:?} {L} lanes, {}", text.len());
        }
    }

    #[test]
    fn every_kernel_computes_the_authenticators_of_the_plain_function() {
        let every: Vec<usize> = (0..260).collect();
        let falling: Vec<usize> = (0..40).map(|at| 2000 - 50 * at).collect();
        let wild: Vec<usize> = (0..70).map(|at| at * at * 37 % 1999).collect();
        let sets: [&[usize]; 8] = [&[], &[0], &[1460], &[1460; 16], &[64; 33], &every, &falling, &wild];
        for (digest, hash) in DIGESTS {
            for lens in sets {
                agrees::<1>(digest, hash, lens, |chains, at, blocks| plain(digest, chains, at, blocks));
                if let Some(sha) = ShaNi::detect().filter(|sha| sha.knows(digest)) {
                    agrees::<1>(digest, hash, lens, |chains, at, blocks| sha.hash(digest, chains, at, blocks));
                    agrees::<2>(digest, hash, lens, |chains, at, blocks| sha.hash(digest, chains, at, blocks));
                }
                if let Some(avx2) = Avx2::detect() {
                    agrees(digest, hash, lens, |chains, at, blocks| avx2.hash(digest, chains, at, blocks));
                }
                if let Some(avx512) = Avx512::detect() {
                    agrees(digest, hash, lens, |chains, at, blocks| avx512.hash(digest, chains, at, blocks));
                }
            }
        }
    }

    /// The plain kernel on each of three lanes: the scheduler without any instruction of its own.
    #[test]
    fn lanes_are_refilled_whatever_the_kernel() {
        for (digest, hash) in DIGESTS {
            agrees::<3>(digest, hash, &[200, 0, 64, 55, 56, 119, 120, 1000], |chains, at, blocks| {
                for (lane, text) in at.iter().enumerate() {
                    let mut one = Chains::ZERO;
                    one.set(0, &chains.get(lane));
                    plain(digest, &mut one, &[text], blocks);
                    chains.set(lane, &one.get(0));
                }
            });
        }
    }
}
