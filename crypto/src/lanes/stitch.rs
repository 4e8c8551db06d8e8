//! Sealing of one or two packets: each is hashed while the octets that follow are encrypted.

use super::cbc::{self, Schedule};
use super::hmac::{self, Message};
use super::units::{AesNi, ShaNi};
use super::{Digest, HEADER, IV, Packet};

/// Blocks that are encrypted before a step, so that the 64 octets to hash are all ciphertext.
const AHEAD: usize = 3;

/// How far after the octets it hashes a step encrypts.
pub(super) const FIRST: usize = HEADER + IV + 16 * AHEAD;

/// A packet on its way; each of its steps hashes 64 octets and encrypts 64.
pub(super) struct Lane<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) chain: u128,
    pub(super) hash: [u32; 8],
    /// What the ICV covers.
    pub(super) message: &'a mut [u8],
    /// The steps done.
    pub(super) steps: usize,
}

impl Lane<'_> {
    const fn blocks(&self) -> usize {
        self.message.len().saturating_sub(HEADER + IV) / 16
    }

    /// The steps to do; the last one ends within the message.
    pub(super) const fn steps_left(&self) -> usize {
        (self.blocks().saturating_sub(AHEAD) / 4).saturating_sub(self.steps)
    }

    /// Encrypts the blocks before the first step, or those after the last.
    fn encrypt(&mut self, aes: AesNi, from: usize, to: usize) {
        let blocks = self.message.get_mut(HEADER + IV..).unwrap_or_default().as_chunks_mut().0;
        if let Some(blocks) = blocks.get_mut(from..to) {
            aes.encrypt_one(self.schedule, &mut self.chain, blocks);
        }
    }
}

/// Seals packets of one suite.
pub(super) fn seal<const K: usize>(aes: AesNi, sha: ShaNi, digest: Digest, packets: &mut [Packet<'_>; K]) {
    let mut digests = [[0; 8]; K];
    let outers = packets.each_ref().map(|packet| &packet.keys.outer);
    let Some(rounds) = packets.first().map(|packet| packet.keys.schedule.rounds) else {
        return;
    };
    let mut lanes = packets.each_mut().map(|packet| {
        let keys = packet.keys;
        let chain = packet.iv().map_or(0, |iv: cbc::Block| u128::from_ne_bytes(iv));
        Lane { schedule: &keys.schedule, chain, hash: keys.inner, message: packet.message_mut(), steps: 0 }
    });
    for lane in &mut lanes {
        lane.encrypt(aes, 0, AHEAD.min(lane.blocks()));
    }
    if K > 1 {
        sha.stitch(digest, rounds, &mut lanes);
    }
    for lane in &mut lanes {
        sha.stitch(digest, rounds, core::array::from_mut(lane));
        lane.encrypt(aes, AHEAD + 4 * lane.steps, lane.blocks());
    }
    let message = |at: usize| {
        let (lane, outer) = lanes.get(at).zip(outers.get(at))?;
        Some(Message {
            text: lane.message.get(hmac::BLOCK * lane.steps..)?,
            before: hmac::BLOCK * (1 + lane.steps),
            inner: &lane.hash,
            outer,
        })
    };
    hmac::authenticate::<K>(digest, message, &mut digests, |chains, at, blocks| {
        sha.hash(digest, chains, at, blocks);
    });
    for (packet, digest) in packets.iter_mut().zip(&digests) {
        packet.put_icv(digest);
    }
}
