//! HMAC with the key's two blocks hashed beforehand, so that a packet pays for its own octets only (RFC 2104 §4).

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::lanes::{Digest, Pads};

/// The longest digest, in octets: that of SHA-512.
const LONGEST: usize = 64;

/// A chaining value and its compression of blocks of `B` octets.
pub(super) trait State<const B: usize>: Copy + Zeroize {
    const INITIAL: Self;
    /// The octets of the digest.
    const OUTPUT: usize;
    fn compress(&mut self, blocks: &[[u8; B]]);
    /// Writes the chaining value as a digest.
    fn write(&self, out: &mut [u8; LONGEST]);
    /// Writes the length of the message at the end of its last block.
    fn write_length(bits: u64, block: &mut [u8; B]);
}

/// HMAC's inner and outer chaining values after the padded key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Hmac<S: Zeroize, const B: usize> {
    inner: S,
    outer: S,
}

impl<S: State<B>, const B: usize> Hmac<S, B> {
    /// Hashes the two pads of a key of at most `B` octets; octets beyond would be lost, and ESP's keys are shorter.
    pub(super) fn new(key: &[u8]) -> Self {
        debug_assert!(key.len() <= B, "a longer key would have to be hashed first");
        let keyed = |pad: u8| {
            let mut block = [pad; B];
            block.iter_mut().zip(key).for_each(|(to, from)| *to ^= *from);
            let mut state = S::INITIAL;
            state.compress(&[block]);
            block.zeroize();
            state
        };
        Self { inner: keyed(0x36), outer: keyed(0x5c) }
    }

    /// Computes the authenticator of a message; its first octets are the ICV.
    pub(super) fn mac(&self, message: &[u8]) -> [u8; LONGEST] {
        let mut digest = [0; LONGEST];
        finish(self.inner, message).write(&mut digest);
        let (digest, _) = digest.split_at(S::OUTPUT);
        let mut out = [0; LONGEST];
        finish(self.outer, digest).write(&mut out);
        out
    }
}

impl<S: Words + Zeroize> Hmac<S, 64> {
    /// The chaining values as words, for kernels that hash many messages at once.
    pub(super) fn pads(&self) -> Pads {
        Pads { digest: S::DIGEST, inner: self.inner.words(), outer: self.outer.words() }
    }
}

/// A chaining value of at most eight words, of a hash that the kernels know.
pub(super) trait Words {
    const DIGEST: Digest;
    /// The words; those beyond the hash's own are zero.
    fn words(&self) -> [u32; 8];
}

macro_rules! words {
    ($($name:ident)*) => {
        $(impl Words for $name {
            const DIGEST: Digest = Digest::$name;

            fn words(&self) -> [u32; 8] {
                let mut words = [0; 8];
                words.iter_mut().zip(&self.0).for_each(|(to, word)| *to = *word);
                words
            }
        })*
    };
}

words!(Md5 Sha1 Sha256);

/// Hashes what follows one block already hashed.
fn finish<S: State<B>, const B: usize>(mut state: S, message: &[u8]) -> S {
    let (blocks, tail) = message.as_chunks::<B>();
    state.compress(blocks);
    let bits = (message.len() as u64 + B as u64) * 8;
    let mut last = [[0; B]; 2];
    let octets = last.as_flattened_mut();
    octets.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    if let Some(end) = octets.get_mut(tail.len()) {
        *end = 0x80;
    }
    // The mark is one octet and the length field an eighth of a block.
    let [first, second] = &mut last;
    if tail.len() < B - B / 8 {
        S::write_length(bits, first);
        state.compress(core::slice::from_ref(first));
    } else {
        S::write_length(bits, second);
        state.compress(&last);
    }
    state
}

macro_rules! state {
    ($(#[$doc:meta])* $name:ident, $word:ty, $words:literal, $block:literal, $output:literal, $compress:path, $put:ident, $initial:expr) => {
        $(#[$doc])*
        #[derive(Copy, Clone, Zeroize)]
        pub(super) struct $name([$word; $words]);

        impl State<$block> for $name {
            const INITIAL: Self = Self($initial);
            const OUTPUT: usize = $output;

            fn compress(&mut self, blocks: &[[u8; $block]]) {
                $compress(&mut self.0, blocks);
            }

            fn write(&self, out: &mut [u8; LONGEST]) {
                let words = out.as_chunks_mut::<{ size_of::<$word>() }>().0;
                words.iter_mut().zip(&self.0).for_each(|(to, word)| *to = word.$put());
            }

            fn write_length(bits: u64, block: &mut [u8; $block]) {
                if let Some(end) = block.last_chunk_mut() {
                    *end = bits.$put();
                }
            }
        }
    };
}

state!(
    /// MD5 (RFC 1321 §3.3).
    Md5, u32, 4, 64, 16, md5::block_api::compress, to_le_bytes,
    [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
);

state!(
    /// SHA-1 (RFC 3174 §6.1).
    Sha1, u32, 5, 64, 20, sha1::block_api::compress, to_be_bytes,
    [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
);

state!(
    /// SHA-256 (FIPS 180-4 §5.3.3).
    Sha256, u32, 8, 64, 32, sha2::block_api::compress256, to_be_bytes,
    [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
);

state!(
    /// SHA-384 (FIPS 180-4 §5.3.4).
    Sha384, u64, 8, 128, 48, sha2::block_api::compress512, to_be_bytes,
    [
        0xcbbb_9d5d_c105_9ed8, 0x629a_292a_367c_d507, 0x9159_015a_3070_dd17, 0x152f_ecd8_f70e_5939,
        0x6733_2667_ffc0_0b31, 0x8eb4_4a87_6858_1511, 0xdb0c_2e0d_64f9_8fa7, 0x47b5_481d_befa_4fa4,
    ]
);

state!(
    /// SHA-512 (FIPS 180-4 §5.3.5).
    Sha512, u64, 8, 128, 64, sha2::block_api::compress512, to_be_bytes,
    [
        0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
    ]
);
