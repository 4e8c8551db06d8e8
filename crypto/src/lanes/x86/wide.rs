//! MD5, SHA-1 and SHA-256 over a message per vector element; macros, as 8 and 16 lanes differ in instructions only.
//!
//! Who expands [`kernels`] brings `Vector`, `load`, `store`, `splat`, `words` and the operations of the rounds. All is
//! written out by macros and plain loops: a closure handed to a function without the features would not be inlined.

/// SHA-256's round constants (FIPS 180-4 §4.2.2).
pub(super) static SHA256: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

/// MD5's round constants (RFC 1321 §3.4).
pub(super) static MD5: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8,
    0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
    0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87,
    0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
    0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039,
    0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
    0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
    0xeb86d391,
];

/// A round of SHA-1 (RFC 3174 §6.1): `e` becomes the new `a`; the names turn instead of the values.
macro_rules! sha1_round {
    ($t:expr, $f:ident, $k:ident, $w:ident, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
        if $t >= 16 {
            let mixed = xor3($w[($t + 13) & 15], $w[($t + 8) & 15], $w[($t + 2) & 15]);
            $w[$t & 15] = rol::<1, 31>(xor(mixed, $w[$t & 15]));
        }
        $e = add(add($e, $w[$t & 15]), add($f($b, $c, $d), $k));
        $e = add($e, rol::<5, 27>($a));
        $b = rol::<30, 2>($b);
    };
}

/// What there is to do between rounds for whoever hashes only.
macro_rules! nothing {
    ($t:expr) => {};
}

/// SHA-1 of one block; after each five rounds, what else there is to do.
macro_rules! sha1_eighty {
    ($also:ident, $w:ident, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
        let before = ($a, $b, $c, $d, $e);
        let k = splat(0x5a82_7999);
        sha1_twenty!(0, $also, choose, k, $w, $a $b $c $d $e);
        let k = splat(0x6ed9_eba1);
        sha1_twenty!(20, $also, xor3, k, $w, $a $b $c $d $e);
        let k = splat(0x8f1b_bcdc);
        sha1_twenty!(40, $also, majority, k, $w, $a $b $c $d $e);
        let k = splat(0xca62_c1d6);
        sha1_twenty!(60, $also, xor3, k, $w, $a $b $c $d $e);
        $a = add($a, before.0);
        $b = add($b, before.1);
        $c = add($c, before.2);
        $d = add($d, before.3);
        $e = add($e, before.4);
    };
}

macro_rules! sha1_twenty {
    ($t:literal, $also:ident, $f:ident, $k:ident, $w:ident, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
        sha1_five!($t, $f, $k, $w, $a $b $c $d $e);
        $also!($t);
        sha1_five!($t + 5, $f, $k, $w, $a $b $c $d $e);
        $also!($t + 5);
        sha1_five!($t + 10, $f, $k, $w, $a $b $c $d $e);
        $also!($t + 10);
        sha1_five!($t + 15, $f, $k, $w, $a $b $c $d $e);
        $also!($t + 15);
    };
}

macro_rules! sha1_five {
    ($t:expr, $f:ident, $k:ident, $w:ident, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
        sha1_round!($t, $f, $k, $w, $a $b $c $d $e);
        sha1_round!($t + 1, $f, $k, $w, $e $a $b $c $d);
        sha1_round!($t + 2, $f, $k, $w, $d $e $a $b $c);
        sha1_round!($t + 3, $f, $k, $w, $c $d $e $a $b);
        sha1_round!($t + 4, $f, $k, $w, $b $c $d $e $a);
    };
}

/// A round of SHA-256 (FIPS 180-4 §6.2.2): `d` and `h` become the new `e` and `a`.
macro_rules! sha256_round {
    ($t:expr, $w:ident, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        if $t >= 16 {
            let (early, late) = ($w[($t + 1) & 15], $w[($t + 14) & 15]);
            let early = xor3(rol::<25, 7>(early), rol::<14, 18>(early), shr::<3>(early));
            let late = xor3(rol::<15, 17>(late), rol::<13, 19>(late), shr::<10>(late));
            $w[$t & 15] = add(add($w[$t & 15], $w[($t + 9) & 15]), add(early, late));
        }
        let big = xor3(rol::<26, 6>($e), rol::<21, 11>($e), rol::<7, 25>($e));
        let input = add($h, add($w[$t & 15], splat(wide::SHA256[$t])));
        let first = add(input, add(big, choose($e, $f, $g)));
        let big = xor3(rol::<30, 2>($a), rol::<19, 13>($a), rol::<10, 22>($a));
        $d = add($d, first);
        $h = add(first, add(big, majority($a, $b, $c)));
    };
}

macro_rules! sha256_eight {
    ($t:literal, $w:ident, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        sha256_round!($t, $w, $a $b $c $d $e $f $g $h);
        sha256_round!($t + 1, $w, $h $a $b $c $d $e $f $g);
        sha256_round!($t + 2, $w, $g $h $a $b $c $d $e $f);
        sha256_round!($t + 3, $w, $f $g $h $a $b $c $d $e);
        sha256_round!($t + 4, $w, $e $f $g $h $a $b $c $d);
        sha256_round!($t + 5, $w, $d $e $f $g $h $a $b $c);
        sha256_round!($t + 6, $w, $c $d $e $f $g $h $a $b);
        sha256_round!($t + 7, $w, $b $c $d $e $f $g $h $a);
    };
}

/// A round of MD5 (RFC 1321 §3.4): the word is `times * t + plus`, turned left by `l`.
macro_rules! md5_round {
    ($t:expr, $f:ident, $times:literal, $plus:literal, $l:literal, $r:literal, $w:ident,
     $a:ident $b:ident $c:ident $d:ident) => {
        let word = add($w[($times * $t + $plus) & 15], splat(wide::MD5[$t]));
        $a = add(add($a, word), $f($b, $c, $d));
        $a = add(rol::<$l, $r>($a), $b);
    };
}

macro_rules! md5_four {
    ($t:expr, $f:ident, $times:literal, $plus:literal, $w:ident, [$($l:literal $r:literal),*],
     $a:ident $b:ident $c:ident $d:ident) => {
        md5_four!(@ $t, $f, $times, $plus, $w, $a $b $c $d, $($l $r)*);
    };
    (@ $t:expr, $f:ident, $times:literal, $plus:literal, $w:ident, $a:ident $b:ident $c:ident $d:ident,
     $l1:literal $r1:literal $l2:literal $r2:literal $l3:literal $r3:literal $l4:literal $r4:literal) => {
        md5_round!($t, $f, $times, $plus, $l1, $r1, $w, $a $b $c $d);
        md5_round!($t + 1, $f, $times, $plus, $l2, $r2, $w, $d $a $b $c);
        md5_round!($t + 2, $f, $times, $plus, $l3, $r3, $w, $c $d $a $b);
        md5_round!($t + 3, $f, $times, $plus, $l4, $r4, $w, $b $c $d $a);
    };
}

macro_rules! md5_sixteen {
    ($t:literal, $f:ident, $times:literal, $plus:literal, $w:ident, $turns:tt, $a:ident $b:ident $c:ident $d:ident) => {
        md5_four!($t, $f, $times, $plus, $w, $turns, $a $b $c $d);
        md5_four!($t + 4, $f, $times, $plus, $w, $turns, $a $b $c $d);
        md5_four!($t + 8, $f, $times, $plus, $w, $turns, $a $b $c $d);
        md5_four!($t + 12, $f, $times, $plus, $w, $turns, $a $b $c $d);
    };
}

/// An octet that lies where a line of the cache begins.
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "it is there for its place")] u8);

/// Makes the compiler align the stack of a kernel, where vectors wait for want of registers: by itself it finds out too
/// late that it will need that, and a vector that lies in two lines of the cache takes twice as long.
#[inline(always)]
pub(super) fn align_stack() {
    core::hint::black_box(&mut Line(0));
}

/// The three kernels for so many lanes; a lane without blocks is fed zeros.
macro_rules! kernels {
    ($features:literal, $lanes:literal) => {
        /// The words of a block of every lane.
        #[inline]
        #[target_feature(enable = $features)]
        fn text_words(work: &Work<'_, $lanes>, block: usize) -> [Vector; 16] {
            let (at, block) = work.block(block);
            words(at, block)
        }

        /// The same for a hash that reads the higher octets first.
        #[inline]
        #[target_feature(enable = $features)]
        fn number_words(work: &Work<'_, $lanes>, block: usize) -> [Vector; 16] {
            let mut w = text_words(work, block);
            for word in &mut w {
                *word = swap_octets(*word);
            }
            w
        }

        /// The words of a block that holds a digest, after the block of a padded key: mark, zeros, length in bits.
        #[inline]
        #[target_feature(enable = $features)]
        fn closed<const N: usize>(digest: [Vector; N], mark: u32) -> [Vector; 16] {
            let mut w = [splat(0); 16];
            w[..N].copy_from_slice(&digest);
            w[N] = splat(mark);
            w[15] = splat((64 + 4 * N as u32) * 8);
            w
        }

        /// MD5.
        #[target_feature(enable = $features)]
        pub(super) fn md5(chains: &mut Chains<$lanes>, work: &Work<'_, $lanes>) {
            wide::align_stack();
            let [h0, h1, h2, h3, ..] = &mut chains.0;
            let (mut a, mut b, mut c, mut d) = (load(h0), load(h1), load(h2), load(h3));
            let blocks = work.blocks + work.ends;
            for block in 0..blocks + usize::from(work.outer.is_some()) {
                let w = match work.outer {
                    Some(outer) if block == blocks => {
                        let [h0, h1, h2, h3, ..] = &outer.0;
                        // The length lies in the last word but one, its lower half first.
                        let mut w = closed([a, b, c, d], 0x80);
                        w.swap(14, 15);
                        (a, b, c, d) = (load(h0), load(h1), load(h2), load(h3));
                        w
                    }
                    _ => text_words(work, block),
                };
                let before = (a, b, c, d);
                md5_sixteen!(0, choose, 1, 0, w, [7 25, 12 20, 17 15, 22 10], a b c d);
                md5_sixteen!(16, choose_by_last, 5, 1, w, [5 27, 9 23, 14 18, 20 12], a b c d);
                md5_sixteen!(32, xor3, 3, 5, w, [4 28, 11 21, 16 16, 23 9], a b c d);
                md5_sixteen!(48, or_not, 7, 0, w, [6 26, 10 22, 15 17, 21 11], a b c d);
                a = add(a, before.0);
                b = add(b, before.1);
                c = add(c, before.2);
                d = add(d, before.3);
            }
            store(h0, a);
            store(h1, b);
            store(h2, c);
            store(h3, d);
        }

        /// SHA-1.
        #[target_feature(enable = $features)]
        pub(super) fn sha1(chains: &mut Chains<$lanes>, work: &Work<'_, $lanes>) {
            wide::align_stack();
            let [h0, h1, h2, h3, h4, ..] = &mut chains.0;
            let (mut a, mut b, mut c, mut d, mut e) = (load(h0), load(h1), load(h2), load(h3), load(h4));
            let blocks = work.blocks + work.ends;
            for block in 0..blocks + usize::from(work.outer.is_some()) {
                let mut w = match work.outer {
                    Some(outer) if block == blocks => {
                        let [h0, h1, h2, h3, h4, ..] = &outer.0;
                        let w = closed([a, b, c, d, e], 0x8000_0000);
                        (a, b, c, d, e) = (load(h0), load(h1), load(h2), load(h3), load(h4));
                        w
                    }
                    _ => number_words(work, block),
                };
                sha1_eighty!(nothing, w, a b c d e);
            }
            store(h0, a);
            store(h1, b);
            store(h2, c);
            store(h3, d);
            store(h4, e);
        }

        /// SHA-256.
        #[target_feature(enable = $features)]
        pub(super) fn sha256(chains: &mut Chains<$lanes>, work: &Work<'_, $lanes>) {
            wide::align_stack();
            let [h0, h1, h2, h3, h4, h5, h6, h7] = &mut chains.0;
            let (mut a, mut b, mut c, mut d) = (load(h0), load(h1), load(h2), load(h3));
            let (mut e, mut f, mut g, mut h) = (load(h4), load(h5), load(h6), load(h7));
            let blocks = work.blocks + work.ends;
            for block in 0..blocks + usize::from(work.outer.is_some()) {
                let mut w = match work.outer {
                    Some(outer) if block == blocks => {
                        let [h0, h1, h2, h3, h4, h5, h6, h7] = &outer.0;
                        let w = closed([a, b, c, d, e, f, g, h], 0x8000_0000);
                        (a, b, c, d) = (load(h0), load(h1), load(h2), load(h3));
                        (e, f, g, h) = (load(h4), load(h5), load(h6), load(h7));
                        w
                    }
                    _ => number_words(work, block),
                };
                let before = (a, b, c, d, e, f, g, h);
                sha256_eight!(0, w, a b c d e f g h);
                sha256_eight!(8, w, a b c d e f g h);
                sha256_eight!(16, w, a b c d e f g h);
                sha256_eight!(24, w, a b c d e f g h);
                sha256_eight!(32, w, a b c d e f g h);
                sha256_eight!(40, w, a b c d e f g h);
                sha256_eight!(48, w, a b c d e f g h);
                sha256_eight!(56, w, a b c d e f g h);
                a = add(a, before.0);
                b = add(b, before.1);
                c = add(c, before.2);
                d = add(d, before.3);
                e = add(e, before.4);
                f = add(f, before.5);
                g = add(g, before.6);
                h = add(h, before.7);
            }
            store(h0, a);
            store(h1, b);
            store(h2, c);
            store(h3, d);
            store(h4, e);
            store(h5, f);
            store(h6, g);
            store(h7, h);
        }
    };
}

pub(super) use {
    kernels, md5_four, md5_round, md5_sixteen, nothing, sha1_eighty, sha1_five, sha1_round, sha1_twenty, sha256_eight,
    sha256_round,
};
