//! ISAKMP fragments (payload 132): parts of one message, put together again within bounds.

use crate::time::Instant;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use wire::isakmp::{Fragment, Header, PayloadType};

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
