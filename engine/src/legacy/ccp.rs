//! CCP (RFC 1962) with the one option that matters: MPPE (RFC 3078 §2).

use crate::ppp::Fault;
use crate::ppp::negotiation::{Judgement, Options};
use crate::rng::Rng;
use wire::legacy::ccp::{Bits, OPTION};
use wire::ppp::Opt;

/// How often a client that asks for no encryption, or for keys that depend on all packets before, is told otherwise.
const MAX_HINTS: u8 = 2;

/// The best size of keys among these bits, as its bit alone.
fn best(bits: u32) -> Option<u32> {
    [Bits::BITS_128, Bits::BITS_56, Bits::BITS_40].into_iter().find(|key| bits & key != 0)
}

/// The options of CCP, ours and the client's.
#[derive(Clone, Debug)]
pub(super) struct Mppe {
    /// Sizes of keys that may be agreed on.
    allowed: u32,
    /// What we ask for: what we can receive.
    ours: u32,
    /// What the client has asked for and was granted: what it can receive.
    peer: Option<u32>,
    peer_mru: u16,
    hints: u8,
}

impl Mppe {
    /// The options at the start, with the sizes of keys that the operator allows.
    pub(super) fn new(keys: &[u8], peer_mru: u16) -> Self {
        let bit = |key: &u8| match key {
            128 => Bits::BITS_128,
            56 => Bits::BITS_56,
            _ => Bits::BITS_40,
        };
        let allowed = keys.iter().map(bit).fold(0, |all, bit| all | bit);
        Self { allowed, ours: allowed | Bits::STATELESS, peer: None, peer_mru, hints: 0 }
    }

    /// What was agreed on, for sending and for receiving: one size of keys each.
    pub(super) fn agreed(&self) -> Option<(u32, u32)> {
        let receive = self.ours;
        let one = |bits: u32| (bits & Bits::KEYS).count_ones() == 1;
        self.peer.filter(|send| one(*send) && one(receive)).map(|send| (send, receive))
    }
}

impl Options for Mppe {
    fn request(&self) -> Vec<Opt> {
        vec![Bits(self.ours).option()]
    }

    fn judge(&mut self, asked: &[Opt], _rng: &mut Rng) -> Judgement {
        self.peer = None;
        let others: Vec<Opt> = asked.iter().filter(|option| Bits::of(option).is_none()).cloned().collect();
        if !others.is_empty() {
            return Judgement::Reject(others);
        }
        let hint = self.hints < MAX_HINTS;
        let Some(Bits(bits)) = asked.first().and_then(Bits::of) else {
            if !hint {
                return Judgement::Ack;
            }
            // RFC 1661 §5.3 lets a Nak name an option that the peer should ask for.
            self.hints += 1;
            return Judgement::Nak(vec![Bits(best(self.allowed).unwrap_or_default() | Bits::STATELESS).option()]);
        };
        let key = best(bits & self.allowed).or_else(|| best(self.allowed)).unwrap_or_default();
        // With keys that depend on the packets before, one that is lost stops the others.
        let stateless = if hint { Bits::STATELESS } else { bits & Bits::STATELESS };
        if bits == key | stateless {
            self.peer = Some(bits);
            self.allowed = key;
            return Judgement::Ack;
        }
        self.hints = self.hints.saturating_add(u8::from(bits == key));
        Judgement::Nak(vec![Bits(key | stateless).option()])
    }

    fn on_nak(&mut self, wanted: &[Opt], _rng: &mut Rng) -> Result<(), Fault> {
        let Some(Bits(bits)) = wanted.iter().find_map(Bits::of) else { return Ok(()) };
        let key = best(bits & self.allowed).ok_or(Fault::Insists(OPTION))?;
        self.allowed = key;
        self.ours = key | (bits & Bits::STATELESS);
        Ok(())
    }

    fn on_reject(&mut self, refused: &[Opt]) -> Result<(), Fault> {
        if refused.iter().any(|option| option.kind == OPTION) { Err(Fault::Refused(OPTION)) } else { Ok(()) }
    }

    fn may_reject(_kind: u8) -> bool {
        true
    }

    fn peer_mru(&self) -> u16 {
        self.peer_mru
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn judged(mppe: &mut Mppe, bits: u32) -> Judgement {
        mppe.judge(&[Bits(bits).option()], &mut Rng::new([1; 32]))
    }

    fn nak(bits: u32) -> Judgement {
        Judgement::Nak(vec![Bits(bits).option()])
    }

    const H: u32 = Bits::STATELESS;

    #[test]
    fn the_best_common_size_is_chosen_and_must_stand_alone() {
        let mut mppe = Mppe::new(&[128, 56, 40], 1500);
        assert_eq!(mppe.request(), [Bits(H | Bits::KEYS).option()]);
        assert_eq!(judged(&mut mppe, H | Bits::BITS_40 | Bits::BITS_128), nak(H | Bits::BITS_128));
        assert_eq!(judged(&mut mppe, H | Bits::BITS_128), Judgement::Ack);
        assert_eq!(mppe.agreed(), None, "ours is not settled");
        mppe.on_nak(&[Bits(H | Bits::BITS_128).option()], &mut Rng::new([1; 32])).unwrap();
        assert_eq!(mppe.agreed(), Some((H | Bits::BITS_128, H | Bits::BITS_128)));
    }

    #[test]
    fn a_size_that_is_not_allowed_is_never_agreed_to() {
        let mut mppe = Mppe::new(&[128], 1500);
        assert_eq!(judged(&mut mppe, H | Bits::BITS_40), nak(H | Bits::BITS_128));
        let weak = [Bits(H | Bits::BITS_40).option()];
        assert_eq!(mppe.on_nak(&weak, &mut Rng::new([1; 32])), Err(Fault::Insists(OPTION)));
        assert_eq!(mppe.agreed(), None);
    }

    #[test]
    fn compression_is_rejected_alone_and_mppe_with_compression_suggested_without() {
        let mut mppe = Mppe::new(&[128], 1500);
        let deflate = Opt { kind: 26, data: vec![0x78, 0] };
        let asked = [deflate.clone(), Bits(H | Bits::BITS_128).option()];
        assert_eq!(mppe.judge(&asked, &mut Rng::new([1; 32])), Judgement::Reject(vec![deflate]));
        assert_eq!(judged(&mut mppe, H | Bits::BITS_128 | 1), nak(H | Bits::BITS_128));
    }

    #[test]
    fn a_client_without_mppe_is_told_twice_and_then_let_be_without_agreement() {
        let mut mppe = Mppe::new(&[128], 1500);
        for _ in 0..MAX_HINTS {
            assert_eq!(mppe.judge(&[], &mut Rng::new([1; 32])), nak(H | Bits::BITS_128));
        }
        assert_eq!(mppe.judge(&[], &mut Rng::new([1; 32])), Judgement::Ack);
        assert_eq!(mppe.agreed(), None);
    }

    #[test]
    fn keys_that_depend_on_all_packets_before_are_taken_from_who_insists() {
        let mut mppe = Mppe::new(&[128], 1500);
        for _ in 0..MAX_HINTS {
            assert_eq!(judged(&mut mppe, Bits::BITS_128), nak(H | Bits::BITS_128));
        }
        assert_eq!(judged(&mut mppe, Bits::BITS_128), Judgement::Ack);
        mppe.on_nak(&[Bits(Bits::BITS_128).option()], &mut Rng::new([1; 32])).unwrap();
        assert_eq!(mppe.agreed(), Some((Bits::BITS_128, Bits::BITS_128)));
    }
}
