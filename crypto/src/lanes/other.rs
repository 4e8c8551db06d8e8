//! Processors for which there are no kernels: none of these values exists.

use super::Digest;
use super::cbc::{self, Lanes, Rounds, Schedule, Table};
use super::hmac::{Chains, Work};
use super::stitch::Lane;
use super::sum::Line;
use crate::dh::digits::{Digits, Modulus};

macro_rules! unit {
    ($name:ident { $($method:ident $([$k:ident])? ($($argument:ty),*) $(-> $output:ty)?;)* }) => {
        #[derive(Copy, Clone, Debug)]
        pub(super) enum $name {}

        impl $name {
            pub(super) const fn detect() -> Option<Self> {
                None
            }

            $(pub(super) fn $method $(<const $k: usize>)? (self $(, _: $argument)*) $(-> $output)? {
                match self {}
            })*
        }
    };
}

unit!(AesNi {
    expand(&[u8]) -> Option<Schedule>;
    invert(&mut Schedule);
    encrypt(Rounds, &Table<8>, &mut Lanes<'_, 8>, usize);
    encrypt_one(&Schedule, &mut u128, &mut [cbc::Block]);
    decrypt(&Schedule, &cbc::Block, &mut [cbc::Block]);
});
unit!(Vaes256 {
    encrypt(Rounds, &Table<16>, &mut Lanes<'_, 16>, usize);
    decrypt(&Schedule, &cbc::Block, &mut [cbc::Block]);
    stitch_sha1(Rounds, &Table<8>, &mut [Lane<'_>; 8]);
});
unit!(Vaes512 {
    encrypt(Rounds, &Table<16>, &mut Lanes<'_, 16>, usize);
    decrypt(&Schedule, &cbc::Block, &mut [cbc::Block]);
    stitch_sha1(Rounds, &Table<16>, &mut [Lane<'_>; 16]);
});
unit!(ShaNi {
    knows(Digest) -> bool;
    hash[K](Digest, &mut Chains<K>, &Work<'_, K>);
    stitch[K](Digest, Rounds, &mut [Lane<'_>; K]);
});
unit!(Avx2 {
    hash(Digest, &mut Chains<8>, &Work<'_, 8>);
    sum_of(&[Line]) -> u64;
    sum_copied(&mut [Line], &[Line]) -> u64;
});
unit!(Avx512 {
    hash(Digest, &mut Chains<16>, &Work<'_, 16>);
    sum_of(&[Line]) -> u64;
    sum_copied(&mut [Line], &[Line]) -> u64;
});
unit!(Ifma {
    multiply[N](&mut Digits<N>, Option<&Digits<N>>, &Modulus);
    choose[N](&mut Digits<N>, &[Digits<N>], u64);
});
