//! Key pairs of both sides; cheap ones where worlds are counted by the million.

use core::cell::Cell;
use crypto::{Group, KeyPair};

thread_local! {
    static CHEAP: Cell<bool> = const { Cell::new(false) };
}

/// From here on, key pairs of this thread's worlds have exponents of nine bits where the group has a prime. All that is
/// computed and checked stays the same but for its length; who fuzzes does not wait for arithmetic.
pub fn cheap_pairs() {
    CHEAP.set(true);
}

/// A pair made of octets; the same octets make the same pair.
pub(crate) fn pair(group: Group, entropy: &[u8; 64]) -> KeyPair {
    let is_curve = matches!(group, Group::Ecp256 | Group::Ecp384 | Group::Ecp521 | Group::Curve25519);
    if CHEAP.get() && !is_curve {
        return cheap(group, entropy[0]);
    }
    KeyPair::generate(group, entropy)
}

/// The exponent is 256 and an octet, so that the public value needs no arithmetic: it is smaller than the prime.
fn cheap(group: Group, low: u8) -> KeyPair {
    let mut public = vec![0_u8; group.public_len()];
    let bit = 256 + usize::from(low);
    let place = public.len() - 1 - bit / 8;
    public[place] = 1 << (bit % 8);
    let record = postcard::to_allocvec(&(group, vec![1, low], public)).expect("plain values");
    postcard::from_bytes(&record).expect("a key pair is its group, exponent and public value")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn cheap_pairs_agree_with_dear_ones() {
        for group in [Group::Modp1024, Group::Modp2048] {
            let (cheap, dear) = (cheap(group, 0xfe), KeyPair::generate(group, &[7; 64]));
            assert_eq!(cheap.public().len(), group.public_len());
            let (one, other) = (cheap.shared(dear.public()).unwrap(), dear.shared(cheap.public()).unwrap());
            assert_eq!(one.expose(), other.expose(), "{group:?}");
        }
    }
}
