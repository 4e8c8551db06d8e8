//! The client's ESP: pairs of SAs, sealed and opened one packet at a time.

use crypto::esp::{Ivs, Open, OpenError, OpenKey, Seal, SealKey, Suite, open, seal};
use std::collections::BTreeSet;

struct Pair {
    inbound: u32,
    outbound: u32,
    udp: bool,
    suite: Suite,
    open: OpenKey,
    seal: SealKey,
    sequence: u32,
    seen: BTreeSet<u32>,
    octets: u64,
}

/// All pairs of a client; the last one is sent on.
pub(super) struct Esp {
    pairs: Vec<Pair>,
    /// Deleted, but what is under way is still read.
    lingering: Vec<Pair>,
    ivs: Ivs,
    stays_on_old: bool,
    pub(super) rejected: u64,
}

impl Esp {
    pub(super) fn new(seed: u64) -> Self {
        let mut iv_seed = [0; 32];
        iv_seed[..8].copy_from_slice(&seed.to_be_bytes());
        Self { pairs: vec![], lingering: vec![], ivs: Ivs::new(iv_seed), stays_on_old: false, rejected: 0 }
    }

    pub(super) fn stay_on_old(&mut self, stay: bool) {
        self.stays_on_old = stay;
    }

    pub(super) fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Octets that the newest pair has carried, both ways.
    pub(super) fn carried(&self) -> u64 {
        self.pairs.last().map_or(0, |p| p.octets)
    }

    pub(super) fn outbound(&self) -> Option<(u32, u32)> {
        self.pairs.last().map(|p| (p.outbound, p.sequence))
    }

    pub(super) fn inbound_spis(&self) -> Vec<u32> {
        self.pairs.iter().map(|p| p.inbound).collect()
    }

    pub(super) fn install(&mut self, inbound: u32, outbound: u32, suite: Suite, keys: (&[u8], &[u8]), udp: bool) {
        let (Some(open), Some(seal)) = (OpenKey::new(suite, keys.0), SealKey::new(suite, keys.1)) else {
            return;
        };
        self.pairs.push(Pair {
            inbound,
            outbound,
            udp,
            suite,
            open,
            seal,
            sequence: 0,
            seen: BTreeSet::new(),
            octets: 0,
        });
    }

    /// Forgets all pairs but the newest; gives their inbound SPIs.
    pub(super) fn forget_old(&mut self) -> Vec<u32> {
        let keep = self.pairs.len().saturating_sub(1);
        self.lingering = self.pairs.drain(..keep).collect();
        self.lingering.iter().map(|p| p.inbound).collect()
    }

    /// Forgets all pairs; gives their inbound SPIs.
    pub(super) fn forget_all(&mut self) -> Vec<u32> {
        self.pairs.drain(..).map(|p| p.inbound).collect()
    }

    pub(super) fn deleted(&mut self, outbound: u32) {
        self.pairs.retain(|p| p.outbound != outbound);
    }

    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.lingering.clear();
    }

    /// A UDP datagram as an ESP packet; `true`: in UDP.
    pub(super) fn seal(&mut self, payload: &[u8]) -> Option<(Vec<u8>, bool)> {
        let pair = if self.stays_on_old { self.pairs.first_mut()? } else { self.pairs.last_mut()? };
        pair.sequence += 1;
        pair.octets += payload.len() as u64;
        let mut packet = vec![0; pair.suite.padded_len(payload.len())];
        packet.get_mut(..4)?.copy_from_slice(&pair.outbound.to_be_bytes());
        packet.get_mut(4..8)?.copy_from_slice(&pair.sequence.to_be_bytes());
        let start = 8 + pair.suite.cipher.iv_len();
        packet.get_mut(start..start + payload.len())?.copy_from_slice(payload);
        seal(
            &mut [Seal { key: &pair.seal, packet: &mut packet, payload_len: payload.len(), next_header: 17 }],
            &mut self.ivs,
        );
        Some((packet, pair.udp))
    }

    /// The payload of an ESP packet that is authentic and has not come before.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let spi = wire::esp::spi_of(bytes)?;
        let sequence = wire::esp::sequence_of(bytes)?;
        let Some(pair) = self.pairs.iter_mut().chain(&mut self.lingering).find(|p| p.inbound == spi) else {
            self.rejected += 1;
            return None;
        };
        let mut packet = bytes.to_vec();
        let mut batch = [Open { key: &pair.open, packet: &mut packet, result: Err(OpenError::NotTried) }];
        open(&mut batch);
        let [Open { result, .. }] = batch;
        let opened = match result {
            Ok(o) if pair.seen.insert(sequence) && o.next_header == 17 => {
                pair.octets += o.len as u64;
                o
            }
            Ok(_) | Err(_) => {
                self.rejected += 1;
                return None;
            }
        };
        Some(packet.get(opened.start..opened.start + opened.len)?.to_vec())
    }
}
