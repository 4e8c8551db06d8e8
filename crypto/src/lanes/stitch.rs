//! Sealing of one or two packets, or of as many as a vector has elements: each is hashed while the octets that follow
//! are encrypted.

use super::cbc::{self, Schedule, Table};
use super::hmac::{self, Message};
use super::units::{AesNi, ShaNi};
use super::{Digest, HEADER, IV, Packet, Units, authenticate, authenticate_narrow, encrypt_jobs};

/// Blocks that are encrypted before the first 64 octets are hashed: these end in the last of the blocks.
const NEAR: usize = 3;

/// The same where many packets are hashed side by side. What has just been written block by block is slow to read as
/// vectors want it; a step later it lies in the cache.
pub(super) const AHEAD: usize = 7;

/// A packet on its way; each step hashes 64 octets of it and encrypts 64 that come later.
pub(super) struct Lane<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) chain: u128,
    pub(super) hash: [u32; 8],
    /// What the ICV covers.
    message: &'a mut [u8],
    /// The steps done.
    pub(super) steps: usize,
    /// The blocks encrypted.
    pub(super) encrypted: usize,
}

impl<'a> Lane<'a> {
    fn new(packet: &'a mut Packet<'_>) -> Self {
        let keys = packet.keys;
        let chain = packet.iv().map_or(0, |iv: cbc::Block| u128::from_ne_bytes(iv));
        let message = packet.message_mut();
        Self { schedule: &keys.schedule, chain, hash: keys.inner, message, steps: 0, encrypted: 0 }
    }

    /// The blocks to encrypt: so many lie at the second of [`Self::places`].
    pub(super) const fn blocks_left(&self) -> usize {
        (self.message.len().saturating_sub(HEADER + IV) / 16).saturating_sub(self.encrypted)
    }

    /// The steps to do: so many times 64 octets lie at each of [`Self::places`].
    pub(super) fn steps_left(&self) -> usize {
        (self.blocks_left() / 4).min((self.message.len() / hmac::BLOCK).saturating_sub(self.steps))
    }

    /// The steps to do after which there is a block to encrypt.
    pub(super) fn steps_before_last(&self) -> usize {
        (self.blocks_left().saturating_sub(1) / 4).min(self.steps_left())
    }

    /// Where the octets to hash begin, and those to encrypt.
    pub(super) const fn places(&mut self) -> (*mut hmac::Block, *mut cbc::Block) {
        let message = self.message.as_mut_ptr();
        let text = message.wrapping_add(hmac::BLOCK * self.steps);
        (text.cast(), message.wrapping_add(HEADER + IV + 16 * self.encrypted).cast())
    }

    /// The 16 octets of which the last eight are the first to hash; zeros before the packet.
    pub(super) fn before(&self) -> u128 {
        let mut octets = [0; 16];
        match (hmac::BLOCK * self.steps).checked_sub(HEADER) {
            Some(from) => {
                if let Some(found) = self.message.get(from..).and_then(<[u8]>::first_chunk) {
                    octets = *found;
                }
            }
            None => {
                if let (Some(header), Some(to)) = (self.message.first_chunk::<HEADER>(), octets.last_chunk_mut()) {
                    *to = *header;
                }
            }
        }
        u128::from_ne_bytes(octets)
    }

    fn rest(&mut self) -> &mut [cbc::Block] {
        let blocks = self.message.get_mut(HEADER + IV..).unwrap_or_default().as_chunks_mut().0;
        blocks.get_mut(self.encrypted..).unwrap_or_default()
    }

    /// Encrypts so many blocks, or as many as there are.
    fn encrypt(&mut self, aes: AesNi, count: usize) {
        let (schedule, mut chain) = (self.schedule, self.chain);
        let rest = self.rest();
        let count = count.min(rest.len());
        if let Some(blocks) = rest.get_mut(..count) {
            aes.encrypt_one(schedule, &mut chain, blocks);
        }
        self.chain = chain;
        self.encrypted += count;
    }

    /// What is left to encrypt, after `iv`, which is set.
    fn job<'b>(&'b mut self, iv: &'b mut cbc::Block) -> cbc::Job<'b> {
        *iv = self.chain.to_ne_bytes();
        cbc::Job { schedule: self.schedule, iv, blocks: self.rest() }
    }
}

/// Seals packets of one suite.
pub(super) fn seal<const K: usize>(aes: AesNi, sha: ShaNi, digest: Digest, packets: &mut [Packet<'_>; K]) {
    let mut digests = [[0; 8]; K];
    let outers = packets.each_ref().map(|packet| &packet.keys.outer);
    let Some(rounds) = packets.first().map(|packet| packet.keys.schedule.rounds) else {
        return;
    };
    let mut lanes = packets.each_mut().map(Lane::new);
    for lane in &mut lanes {
        lane.encrypt(aes, NEAR);
    }
    if K > 1 {
        sha.stitch(digest, rounds, &mut lanes);
    }
    for lane in &mut lanes {
        sha.stitch(digest, rounds, core::array::from_mut(lane));
        lane.encrypt(aes, usize::MAX);
    }
    let message = |at: usize| lanes.get(at).zip(outers.get(at)).and_then(|(lane, outer)| left(lane, outer));
    authenticate_narrow(sha, digest, message, &mut digests);
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

/// Seals `L` packets of AES-CBC with HMAC-SHA-1, best of one length, whose keys take the same number of rounds.
///
/// The kernel encrypts [`AHEAD`] blocks of each lane, goes as many steps with each as the shortest has, and encrypts as
/// many blocks more.
pub(super) fn seal_many<const L: usize>(
    units: Units,
    packets: &mut [Packet<'_>; L],
    kernel: impl Fn(cbc::Rounds, &Table<L>, &mut [Lane<'_>; L]),
) {
    let outers = packets.each_ref().map(|packet| &packet.keys.outer);
    let Some(rounds) = packets.first().map(|packet| packet.keys.schedule.rounds) else {
        return;
    };
    let mut table = Table([[0; L]; 15]);
    for (row, at) in table.0.iter_mut().zip(0..=rounds.count()) {
        for (to, packet) in row.iter_mut().zip(&*packets) {
            *to = packet.keys.schedule.keys.get(at).copied().unwrap_or_default();
        }
    }
    let mut lanes = packets.each_mut().map(Lane::new);
    kernel(rounds, &table, &mut lanes);
    table.wipe(rounds.count() + 1);
    if lanes.iter().any(|lane| lane.blocks_left() > 0) {
        let mut ivs = [[0; 16]; L];
        encrypt_jobs(units, rounds, L, lanes.iter_mut().zip(&mut ivs).map(|(lane, iv)| lane.job(iv)));
    }
    let mut digests = [[0; 8]; L];
    let message = |at: usize| lanes.get(at).zip(outers.get(at)).and_then(|(lane, outer)| left(lane, outer));
    authenticate(units, Digest::Sha1, message, &mut digests);
    for (packet, digest) in packets.iter_mut().zip(&digests) {
        packet.put_icv(digest);
    }
}
