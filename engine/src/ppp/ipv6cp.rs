//! IPV6CP: the interface identifiers of both sides (RFC 5072 §4).

use super::negotiation::{Fault, Judgement, Options};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use wire::ppp::Opt;

/// The Interface-Identifier option (RFC 5072 §4.1); the only other one, compression, is rejected.
const IDENTIFIER: u8 = 1;

/// The bit that says that an identifier is unique in the whole world, which a random one is not (RFC 5072 §4.1).
const UNIVERSAL: u64 = 0x0200_0000_0000_0000;

/// How often a client that asks for no identifier is told that it should.
const MAX_HINTS: u8 = 2;

/// The options of IPV6CP, ours and the peer's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ipv6cp {
    ours: u64,
    /// Whether we ask for ours; not after the peer has rejected the option.
    asks: bool,
    peer: Option<u64>,
    peer_mru: u16,
    hints: u8,
}

impl Ipv6cp {
    /// The options at the start, with our identifier.
    pub(super) fn new(ours: u64, peer_mru: u16) -> Self {
        Self { ours, asks: true, peer: None, peer_mru, hints: 0 }
    }

    /// Our identifier; it may have changed for the peer's sake.
    pub(super) fn ours(&self) -> u64 {
        self.ours
    }

    /// The peer's identifier, if it has asked for one.
    pub(super) fn peer(&self) -> Option<u64> {
        self.peer
    }

    fn suggestion(&self, rng: &mut Rng) -> u64 {
        let drawn = identifier(rng);
        if drawn == self.ours { drawn ^ 1 } else { drawn }
    }
}

/// A random identifier: local, never zero.
pub(super) fn identifier(rng: &mut Rng) -> u64 {
    (rng.u64() & !UNIVERSAL).max(1)
}

fn option(identifier: u64) -> Opt {
    Opt { kind: IDENTIFIER, data: identifier.to_be_bytes().to_vec() }
}

/// The identifier in an option; nothing where its length is wrong.
fn value(option: &Opt) -> Option<u64> {
    option.data.as_slice().try_into().ok().map(u64::from_be_bytes)
}

impl Options for Ipv6cp {
    fn request(&self) -> Vec<Opt> {
        self.asks.then(|| option(self.ours)).into_iter().collect()
    }

    /// RFC 5072 §4.1: a zero identifier, or one that is ours, is answered with one to take instead.
    fn judge(&mut self, asked: &[Opt], rng: &mut Rng) -> Judgement {
        let rejects: Vec<Opt> = asked.iter().filter(|wish| wish.kind != IDENTIFIER).cloned().collect();
        if !rejects.is_empty() {
            return Judgement::Reject(rejects);
        }
        let Some(wish) = asked.first() else {
            self.peer = None;
            if self.hints >= MAX_HINTS {
                return Judgement::Ack;
            }
            // RFC 1661 §5.3 lets a Nak name an option that the peer should ask for.
            self.hints += 1;
            return Judgement::Nak(vec![option(self.suggestion(rng))]);
        };
        match value(wish) {
            Some(identifier) if identifier != 0 && identifier != self.ours => {
                self.peer = Some(identifier);
                Judgement::Ack
            }
            Some(_) | None => Judgement::Nak(vec![option(self.suggestion(rng))]),
        }
    }

    /// The peer has our identifier itself, or another reason: any will do that is not its own.
    fn on_nak(&mut self, wanted: &[Opt], rng: &mut Rng) -> Result<(), Fault> {
        let wish = wanted.iter().find(|o| o.kind == IDENTIFIER).and_then(value);
        let fits = |identifier: &u64| *identifier != 0 && Some(*identifier) != self.peer;
        self.ours = wish.filter(fits).unwrap_or_else(|| self.suggestion(rng));
        Ok(())
    }

    fn on_reject(&mut self, refused: &[Opt]) -> Result<(), Fault> {
        if refused.iter().any(|o| o.kind == IDENTIFIER) {
            self.asks = false;
        }
        Ok(())
    }

    fn may_reject(kind: u8) -> bool {
        kind != IDENTIFIER
    }

    fn peer_mru(&self) -> u16 {
        self.peer_mru
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    const OURS: u64 = 0x0011_2233_4455_6677;

    fn fresh() -> (Ipv6cp, Rng) {
        (Ipv6cp::new(OURS, 1500), Rng::new([3; 32]))
    }

    fn suggested(judgement: Judgement) -> u64 {
        match judgement {
            Judgement::Nak(options) => value(&options[0]).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_peers_identifier_is_accepted_unless_it_is_zero_or_ours() {
        let (mut ipv6cp, mut rng) = fresh();
        for bad in [0, OURS] {
            let instead = suggested(ipv6cp.judge(&[option(bad)], &mut rng));
            assert!(instead != 0 && instead != OURS && instead & UNIVERSAL == 0, "{instead:x}");
            assert_eq!(ipv6cp.peer(), None);
        }
        assert_eq!(ipv6cp.judge(&[option(9)], &mut rng), Judgement::Ack);
        assert_eq!(ipv6cp.peer(), Some(9));
        let short = Opt { kind: IDENTIFIER, data: vec![1, 2, 3] };
        assert_ne!(suggested(ipv6cp.judge(&[short], &mut rng)), 0);
    }

    #[test]
    fn compression_is_rejected_alone() {
        let (mut ipv6cp, mut rng) = fresh();
        let compression = Opt { kind: 2, data: vec![0, 0x61] };
        let judgement = ipv6cp.judge(&[option(9), compression.clone()], &mut rng);
        assert_eq!(judgement, Judgement::Reject(vec![compression]));
    }

    #[test]
    fn a_client_that_asks_for_nothing_is_told_twice_and_then_let_be() {
        let (mut ipv6cp, mut rng) = fresh();
        for _ in 0..MAX_HINTS {
            assert_ne!(suggested(ipv6cp.judge(&[], &mut rng)), 0);
        }
        assert_eq!((ipv6cp.judge(&[], &mut rng), ipv6cp.peer()), (Judgement::Ack, None));
    }

    #[test]
    fn our_identifier_gives_way_to_a_nak_and_is_kept_in_spite_of_a_reject() {
        let (mut ipv6cp, mut rng) = fresh();
        assert_eq!(ipv6cp.judge(&[option(9)], &mut rng), Judgement::Ack);
        ipv6cp.on_nak(&[option(8)], &mut rng).unwrap();
        assert_eq!((ipv6cp.ours(), ipv6cp.request()), (8, vec![option(8)]));
        for useless in [0, 9] {
            ipv6cp.on_nak(&[option(useless)], &mut rng).unwrap();
            assert!(![0, 8, 9].contains(&ipv6cp.ours()));
        }
        let ours = ipv6cp.ours();
        ipv6cp.on_reject(&[option(ours)]).unwrap();
        assert_eq!((ipv6cp.ours(), ipv6cp.request()), (ours, vec![]));
    }

    #[test]
    fn drawn_identifiers_are_local_and_not_zero() {
        let mut rng = Rng::new([1; 32]);
        for _ in 0..1000 {
            let drawn = identifier(&mut rng);
            assert!(drawn != 0 && drawn & UNIVERSAL == 0);
        }
    }
}
