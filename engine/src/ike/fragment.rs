//! ISAKMP fragments (payload 132): parts of one message, put together again within bounds.

use crate::time::Instant;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use wire::isakmp::{Flags, Fragment, Header, PayloadType, encode_chain};

/// Messages under assembly at once.
const MAX_MESSAGES: usize = 256;
/// Messages under assembly for one address and port.
const MAX_PER_PEER: usize = 4;
/// Longest message that is put together, octets.
const MAX_LENGTH: usize = 16 * 1024;
/// Most fragments of a message.
const MAX_FRAGMENTS: u8 = 64;
/// How long the parts of a message are kept; Windows gives up after 90 s, no client waits that long for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A message longer than this is cut for a client that takes fragments, octets: with the headers of UDP and IPv6 it just
/// passes where every path does.
const LONGEST_WHOLE: usize = 1200;
/// The data of a fragment, octets: with all headers it fits the 576 octets that every host takes (RFC 791 §3.1).
const PIECE: usize = 480;

/// A message as it is sent: whole, or in fragments if it is long and the client takes them. `id` names the message.
#[must_use]
pub fn pieces(message: Vec<u8>, takes_fragments: bool, id: u16) -> Vec<Vec<u8>> {
    let head = Header::decode(&message).ok().map(|(head, _)| head);
    let Some(head) = head.filter(|_| takes_fragments && message.len() > LONGEST_WHOLE) else {
        return vec![message];
    };
    let count = message.chunks(PIECE).count();
    let head = Header { next: PayloadType::Fragment, flags: Flags(0), ..head };
    let piece = |(at, data): (usize, &[u8])| {
        let number = u8::try_from(at + 1).unwrap_or(u8::MAX);
        let body = Fragment { id, number, last: at + 1 == count, data: data.to_vec() }.encode();
        head.encode(&encode_chain(&[(PayloadType::Fragment, body)]))
    };
    message.chunks(PIECE).enumerate().map(piece).collect()
}

#[derive(Default)]
struct Assembly {
    parts: BTreeMap<u8, Vec<u8>>,
    last: Option<u8>,
    length: usize,
    since: Instant,
}

/// A datagram that is no fragment, and so a whole message already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoFragment;

/// All messages of which some fragments have come.
#[derive(Default)]
pub struct Fragments {
    open: BTreeMap<(SocketAddr, [u8; 16], u16), Assembly>,
}

impl Fragments {
    /// Takes a datagram. `Ok(None)`: it was a fragment and more are needed. `Ok(Some(m))`: this message is whole now.
    /// `Err`: not a fragment at all.
    pub fn take(
        &mut self,
        peer: SocketAddr,
        header: &Header,
        body: &[u8],
        now: Instant,
    ) -> Result<Option<Vec<u8>>, NoFragment> {
        if header.next != PayloadType::Fragment {
            return Err(NoFragment);
        }
        let Some(fragment) = wire::isakmp::chain(header.next, body)
            .ok()
            .and_then(|c| c.first().and_then(|raw| Fragment::decode(raw.body).ok()))
        else {
            return Ok(None);
        };
        if fragment.number == 0 || fragment.number > MAX_FRAGMENTS {
            return Ok(None);
        }
        self.open.retain(|_, a| now.since(a.since) < PATIENCE);
        let mut cookies = [0; 16];
        cookies[..8].copy_from_slice(&header.initiator.0);
        cookies[8..].copy_from_slice(&header.responder.0);
        let key = (peer, cookies, fragment.id);
        if !self.open.contains_key(&key) {
            let of_peer = self.open.range((peer, [0; 16], 0)..=(peer, [255; 16], u16::MAX)).count();
            if self.open.len() >= MAX_MESSAGES || of_peer >= MAX_PER_PEER {
                return Ok(None);
            }
        }
        let assembly = self.open.entry(key).or_default();
        if assembly.parts.is_empty() {
            assembly.since = now;
        }
        if fragment.last {
            assembly.last = Some(fragment.number);
        }
        if assembly.length + fragment.data.len() > MAX_LENGTH {
            self.open.remove(&key);
            return Ok(None);
        }
        assembly.length += fragment.data.len();
        if let Some(old) = assembly.parts.insert(fragment.number, fragment.data) {
            assembly.length = assembly.length.saturating_sub(old.len());
        }
        let whole = assembly.last.is_some_and(|last| (1..=last).all(|n| assembly.parts.contains_key(&n)));
        if !whole {
            return Ok(None);
        }
        let Some(done) = self.open.remove(&key) else {
            return Ok(None);
        };
        Ok(Some(done.parts.into_values().flatten().collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use wire::isakmp::{Cookie, ExchangeType};

    fn message(octets: usize) -> Vec<u8> {
        let head = Header {
            initiator: Cookie([1; 8]),
            responder: Cookie([2; 8]),
            next: PayloadType::KeyExchange,
            version: 0x10,
            exchange: ExchangeType::MainMode,
            flags: Flags(0),
            message_id: 0,
            length: 0,
        };
        let body: Vec<u8> = (0..octets).map(|n| n.to_le_bytes()[0]).collect();
        head.encode(&encode_chain(&[(PayloadType::KeyExchange, body)]))
    }

    #[test]
    fn a_long_message_is_cut_for_who_takes_fragments_and_is_whole_again_in_any_order() {
        let peer = "192.0.2.1:500".parse().unwrap();
        for octets in [1200, 2000, 5000] {
            let whole = message(octets);
            let pieces = pieces(whole.clone(), true, 7);
            assert!(pieces.len() > 1 && pieces.iter().all(|p| p.len() <= 576 - 40), "{octets}");
            let mut together = Fragments::default();
            let mut last = None;
            for piece in pieces.iter().rev() {
                let (header, body) = Header::decode(piece).unwrap();
                last = together.take(peer, &header, body, Instant::default()).unwrap();
            }
            assert_eq!(last, Some(whole));
        }
    }

    #[test]
    fn short_messages_and_those_for_other_clients_stay_whole() {
        assert_eq!(pieces(message(1000), true, 7), [message(1000)]);
        assert_eq!(pieces(message(5000), false, 7), [message(5000)]);
    }
}
