//! Sealing of one or two packets, or of eight: each is hashed while the octets that follow are encrypted.

use super::cbc::{self, Schedule, Table};
use super::hmac::{self, Message};
use super::units::{AesNi, ShaNi, Vaes256};
use super::{Digest, HEADER, IV, Packet, Units, encrypt_jobs};
use zeroize::Zeroize;

/// Blocks that are encrypted before a step. Three would make the 64 octets to hash ciphertext, but what has just been
/// written block by block is slow to read otherwise; a step later it lies in the cache.
const AHEAD: usize = 7;

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

    /// The blocks before the first step, or those after the last, and how their chaining values go on.
    fn job<'b>(&'b mut self, iv: &'b mut cbc::Block, from: usize, to: usize) -> cbc::Job<'b> {
        *iv = self.chain.to_ne_bytes();
        let blocks = self.message.get_mut(HEADER + IV..).unwrap_or_default().as_chunks_mut().0;
        cbc::Job { schedule: self.schedule, iv, blocks: blocks.get_mut(from..to).unwrap_or_default() }
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
    let message = |at: usize| lanes.get(at).zip(outers.get(at)).and_then(|(lane, outer)| left(lane, outer));
    hmac::authenticate::<K>(digest, message, &mut digests, |chains, at, blocks| {
        sha.hash(digest, chains, at, blocks);
    });
    for (packet, digest) in packets.iter_mut().zip(&digests) {
        packet.put_icv(digest);
    }
}

/// What is left to hash of a packet.
fn left<'a>(lane: &'a Lane<'_>, outer: &'a [u32; 8]) -> Option<Message<'a>> {
    Some(Message {
        text: lane.message.get(hmac::BLOCK * lane.steps..)?,
        before: hmac::BLOCK * (1 + lane.steps),
        inner: &lane.hash,
        outer,
    })
}

/// Seals eight packets of AES-CBC with HMAC-SHA-1, best of one length, whose keys take the same number of rounds.
pub(super) fn seal_eight(units: Units, vaes: Vaes256, packets: &mut [Packet<'_>; 8]) {
    let outers = packets.each_ref().map(|packet| &packet.keys.outer);
    let rounds = packets[0].keys.schedule.rounds;
    let mut table = Table([[0; 8]; 15]);
    for (at, packet) in packets.iter().enumerate() {
        for (row, key) in table.0.iter_mut().zip(&packet.keys.schedule.keys) {
            row[at] = *key;
        }
    }
    let mut lanes = packets.each_mut().map(|packet| {
        let keys = packet.keys;
        let chain = packet.iv().map_or(0, |iv: cbc::Block| u128::from_ne_bytes(iv));
        Lane { schedule: &keys.schedule, chain, hash: keys.inner, message: packet.message_mut(), steps: 0 }
    });
    let mut ivs = [[0; 16]; 8];
    let firsts = lanes.iter_mut().zip(&mut ivs).map(|(lane, iv)| {
        let ahead = AHEAD.min(lane.blocks());
        lane.job(iv, 0, ahead)
    });
    encrypt_jobs(units, rounds, 8, firsts);
    for lane in &mut lanes {
        let ahead = AHEAD.min(lane.blocks());
        let last = lane.message.get(HEADER + 16 * ahead..).and_then(<[u8]>::first_chunk);
        lane.chain = last.map_or(lane.chain, |last: &cbc::Block| u128::from_ne_bytes(*last));
    }
    vaes.stitch_sha1(rounds, &table, &mut lanes);
    let lasts = lanes.iter_mut().zip(&mut ivs).map(|(lane, iv)| {
        let (from, to) = (AHEAD + 4 * lane.steps, lane.blocks());
        lane.job(iv, from, to)
    });
    encrypt_jobs(units, rounds, 8, lasts);
    let mut digests = [[0; 8]; 8];
    let message = |at: usize| lanes.get(at).zip(outers.get(at)).and_then(|(lane, outer)| left(lane, outer));
    super::authenticate(units, Digest::Sha1, message, &mut digests);
    for (packet, digest) in packets.iter_mut().zip(&digests) {
        packet.put_icv(digest);
    }
    table.0.as_flattened_mut().iter_mut().for_each(Zeroize::zeroize);
}
