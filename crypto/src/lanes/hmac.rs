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

/// What a kernel is to hash in each lane: so many blocks of a text and of what follows it, none in an idle lane.
pub(super) struct Work<'a, const L: usize> {
    pub(super) texts: [&'a [Block]; L],
    pub(super) blocks: usize,
    pub(super) tails: [&'a [Block]; L],
    pub(super) ends: usize,
    /// The chaining values to go on from with the digest of all that, if it is to be hashed in turn.
    pub(super) outer: Option<&'a Chains<L>>,
}

impl<'a, const L: usize> Work<'a, L> {
    /// Texts only.
    pub(super) const fn texts(texts: [&'a [Block]; L], blocks: usize) -> Self {
        Self { texts, blocks, tails: [&[]; L], ends: 0, outer: None }
    }

    /// In which slices block `at` of all lies, and at which place.
    #[inline(always)]
    pub(super) const fn block(&self, at: usize) -> (&[&'a [Block]; L], usize) {
        if at < self.blocks { (&self.texts, at) } else { (&self.tails, at - self.blocks) }
    }
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

/// Writes the last blocks of a message: what is left of `text` after whole blocks, mark, zeros and the length in bits;
/// tells how many blocks.
///
/// Sixteen octets are written at once, and once: kernels read as much or more, and what was written in small pieces a
/// moment ago is slow to read.
fn close(digest: Digest, text: &[u8], total: usize, tail: &mut [Block; 2]) -> usize {
    let (_, rest) = text.as_chunks::<BLOCK>();
    let (whole, left) = rest.as_chunks::<16>();
    let left_bits = 8 * left.len() as u32;
    let last = match text.last_chunk() {
        Some(last) => u128::from_le_bytes(*last).checked_shr(128 - left_bits).unwrap_or(0),
        None => left.iter().rev().fold(0, |last, octet| last << 8 | u128::from(*octet)),
    };
    let length = u128::from(u64::from_le_bytes(digest.length_field(total as u64 * 8))) << 64;
    // The mark is one octet and the length field eight.
    let blocks = if rest.len() < BLOCK - 8 { 1 } else { 2 };
    let parts = tail.as_flattened_mut().as_chunks_mut().0;
    for (at, to) in parts.iter_mut().enumerate().take(blocks * BLOCK / 16) {
        let mut part = match whole.get(at) {
            Some(octets) => u128::from_le_bytes(*octets),
            None if at == whole.len() => last | 0x80 << left_bits,
            None => 0,
        };
        if at + 1 == blocks * BLOCK / 16 {
            part |= length;
        }
        *to = part.to_le_bytes();
    }
    blocks
}

/// Whether the messages `0..count`, at least one, are of as many blocks, and end in as many more with mark and length.
pub(super) fn alike<'a>(message: impl Fn(usize) -> Option<Message<'a>>, count: usize) -> bool {
    let blocks = |at| message(at).map(|message| (message.text.len() / BLOCK, (message.text.len() + 8) / BLOCK));
    let first = blocks(0);
    first.is_some() && (1..count).all(|at| blocks(at) == first)
}

/// Computes the authenticators of the messages `0..out.len()` as chaining values, `L` at a time: together while they are
/// alike, then each beside whichever is not done. Messages are best given from the longest to the shortest.
pub(super) fn authenticate<'a, const L: usize>(
    digest: Digest,
    message: impl Fn(usize) -> Option<Message<'a>>,
    out: &mut [[u32; 8]],
    kernel: impl Fn(&mut Chains<L>, &Work<'_, L>),
) {
    let (mut done, mut left) = (0, out);
    while !left.is_empty() {
        let rest = |at: usize| message(done + at);
        let count = left.len().min(L);
        if !alike(rest, count) {
            return authenticate_uneven(digest, rest, left, kernel);
        }
        let (some, others) = left.split_at_mut(count);
        together(digest, rest, some, &kernel);
        (done, left) = (done + count, others);
    }
}

/// Computes the authenticators of at most `L` messages, which are [`alike`]: without the book-keeping of lanes that end
/// one after another, and in one call of the kernel.
pub(super) fn together<'a, const L: usize>(
    digest: Digest,
    message: impl Fn(usize) -> Option<Message<'a>>,
    out: &mut [[u32; 8]],
    kernel: impl Fn(&mut Chains<L>, &Work<'_, L>),
) {
    let (mut chains, mut outer) = (Chains::ZERO, Chains::ZERO);
    let mut texts: [&[Block]; L] = [&[]; L];
    let mut tails = [[[0; BLOCK]; 2]; L];
    let (mut blocks, mut ends) = (0, 0);
    for (index, (text, tail)) in texts.iter_mut().zip(&mut tails).enumerate().take(out.len()) {
        if let Some(message) = message(index) {
            chains.set(index, message.inner);
            outer.set(index, message.outer);
            (*text, _) = message.text.as_chunks();
            blocks = text.len();
            ends = close(digest, message.text, message.before + message.text.len(), tail);
        }
    }
    let tails = tails.each_ref().map(<[Block; 2]>::as_slice);
    kernel(&mut chains, &Work { texts, blocks, tails, ends, outer: Some(&outer) });
    for (index, out) in out.iter_mut().enumerate() {
        *out = chains.get(index);
    }
    chains.0.as_flattened_mut().zeroize();
    outer.0.as_flattened_mut().zeroize();
}

/// Computes the authenticators of messages of any lengths: a lane takes the next message when its own has ended.
///
/// The kernel hashes so many blocks of every lane that has some; it is called with at least one such lane, and with no
/// more blocks than the shortest of them has.
pub(super) fn authenticate_uneven<'a, const L: usize>(
    digest: Digest,
    message: impl Fn(usize) -> Option<Message<'a>>,
    out: &mut [[u32; 8]],
    kernel: impl Fn(&mut Chains<L>, &Work<'_, L>),
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
        kernel(&mut chains, &Work::texts(at, blocks));
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
pub(super) fn plain(digest: Digest, chains: &mut Chains<1>, work: &Work<'_, 1>) {
    let mut words = chains.get(0);
    for ([text], blocks) in [(&work.texts, work.blocks), (&work.tails, work.ends)] {
        compress(digest, &mut words, text.get(..blocks).unwrap_or(text));
    }
    if let Some(outer) = work.outer {
        let inner = digest.octets(&words);
        let (inner, _) = inner.split_at(digest.output_len());
        let mut tail = [[0; BLOCK]; 2];
        let blocks = close(digest, inner, BLOCK + inner.len(), &mut tail);
        words = outer.get(0);
        compress(digest, &mut words, tail.get(..blocks).unwrap_or_default());
    }
    chains.set(0, &words);
}

fn compress(digest: Digest, words: &mut [u32; 8], text: &[Block]) {
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
        Digest::Sha256 => sha2::block_api::compress256(words, text),
    }
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
        let mut words = initial;
        compress(digest, &mut words, &[block]);
        words
    }

    /// Messages of the lengths given, each under its own key, against the plain function: as they come, and with lanes
    /// that end one after another.
    fn agrees<const L: usize>(
        digest: Digest,
        hash: Hash,
        lens: &[usize],
        kernel: impl Fn(&mut Chains<L>, &Work<'_, L>),
    ) {
        with(digest, hash, lens, |message, out| authenticate(digest, message, out, &kernel));
        with(digest, hash, lens, |message, out| authenticate_uneven(digest, message, out, &kernel));
    }

    type Messages<'m> = &'m dyn Fn(usize) -> Option<Message<'m>>;

    fn with(digest: Digest, hash: Hash, lens: &[usize], compute: impl Fn(Messages<'_>, &mut [[u32; 8]])) {
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
        compute(&message, &mut out);
        for ((key, text, _), words) in messages.iter().zip(&out) {
            let expected = hash.mac(key, &[text]);
            assert_eq!(
                digest.octets(words)[..expected.len()],
                expected,
                "{digest:?}, {} of {}",
                text.len(),
                lens.len()
            );
        }
    }

    #[test]
    fn every_kernel_computes_the_authenticators_of_the_plain_function() {
        let every: Vec<usize> = (0..260).collect();
        let falling: Vec<usize> = (0..40).map(|at| 2000 - 50 * at).collect();
        let wild: Vec<usize> = (0..70).map(|at| at * at * 37 % 1999).collect();
        let alike: Vec<usize> = (0..130).flat_map(|len| [len; 16]).collect();
        let sets: [&[usize]; 9] = [&[], &[0], &[1460], &[1460; 16], &[64; 33], &every, &falling, &wild, &alike];
        for (digest, hash) in DIGESTS {
            for lens in sets {
                agrees::<1>(digest, hash, lens, |chains, work| plain(digest, chains, work));
                if let Some(sha) = ShaNi::detect().filter(|sha| sha.knows(digest)) {
                    agrees::<1>(digest, hash, lens, |chains, work| sha.hash(digest, chains, work));
                    agrees::<2>(digest, hash, lens, |chains, work| sha.hash(digest, chains, work));
                }
                if let Some(avx2) = Avx2::detect() {
                    agrees(digest, hash, lens, |chains, work| avx2.hash(digest, chains, work));
                }
                if let Some(avx512) = Avx512::detect() {
                    agrees(digest, hash, lens, |chains, work| avx512.hash(digest, chains, work));
                }
            }
        }
    }

    /// The plain kernel on each of three lanes: the scheduler without any instruction of its own.
    #[test]
    fn lanes_are_refilled_whatever_the_kernel() {
        for (digest, hash) in DIGESTS {
            agrees::<3>(digest, hash, &[200, 0, 64, 55, 56, 119, 120, 1000, 300, 300, 300, 300], |chains, work| {
                for lane in 0..3 {
                    let (mut one, mut outer) = (Chains::ZERO, Chains::ZERO);
                    one.set(0, &chains.get(lane));
                    if let Some(of_all) = work.outer {
                        outer.set(0, &of_all.get(lane));
                    }
                    let of_lane = Work {
                        texts: [work.texts[lane]],
                        blocks: work.blocks.min(work.texts[lane].len()),
                        tails: [work.tails[lane]],
                        ends: work.ends,
                        outer: work.outer.map(|_| &outer),
                    };
                    plain(digest, &mut one, &of_lane);
                    chains.set(lane, &one.get(0));
                }
            });
        }
    }
}
