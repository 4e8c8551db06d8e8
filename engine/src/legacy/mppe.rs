//! MPPE in motion (RFC 3078): which packet is encrypted under which key, and how both sides stay in step.

use super::encryption::strength;
use crate::path::Protection;
use crypto::mppe::Stream;
use wire::legacy::ccp::{Bits, COUNTS, HEADER_LEN, Header};

/// What is sent.
pub(super) struct Sender {
    stream: Stream,
    stateless: bool,
    count: u16,
    flush: bool,
}

/// What is received.
pub(super) struct Receiver {
    stream: Stream,
    stateless: bool,
    /// The count of the next packet.
    count: u16,
    /// The number that carried the packet before.
    sequence: Option<u32>,
    /// In stateful mode: a packet was lost, and nothing can be read before the client has begun its stream anew.
    waiting: bool,
}

/// Why a packet could not be decrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotOpened {
    /// It is none of MPPE's, or it cannot be what the client has sent at this place.
    Wrong,
    /// Packets are missing: the client must be asked to begin anew with a Reset-Request.
    OutOfStep,
}

/// Both directions of a call.
pub(super) struct Mppe {
    pub(super) send: Sender,
    pub(super) receive: Receiver,
}

impl Mppe {
    pub(super) fn new(how: Protection) -> Self {
        let Protection { bits, send, receive } = how;
        let strength = strength(bits);
        let stateless = bits & Bits::STATELESS != 0;
        let stream = Stream::new(receive, strength);
        Self {
            send: Sender { stream: Stream::new(send, strength), stateless, count: 0, flush: false },
            receive: Receiver { stream, stateless, count: 0, sequence: None, waiting: false },
        }
    }
}

/// Whether the key changes before this packet in stateful mode (RFC 3078 §7.2).
fn is_flag(count: u16) -> bool {
    count & 0xff == 0xff
}

fn next(count: u16) -> u16 {
    (count + 1) % COUNTS
}

impl Sender {
    /// The client has lost packets: the stream begins anew with the next one (RFC 3078 §8.2).
    pub(super) fn flush(&mut self) {
        self.flush = !self.stateless;
    }

    /// Encrypts a packet behind its protocol field; what comes out stands behind protocol 00fd.
    pub(super) fn seal(&mut self, protocol: u16, packet: &[u8]) -> Vec<u8> {
        let flushed = self.stateless || is_flag(self.count) || self.flush;
        if self.stateless || is_flag(self.count) {
            self.stream.change_key();
        } else if self.flush {
            self.stream.rewind();
        }
        self.flush = false;
        let header = Header { flushed, encrypted: true, count: self.count };
        self.count = next(self.count);
        let mut sealed = [&header.encode()[..], &protocol.to_be_bytes(), packet].concat();
        if let Some(octets) = sealed.get_mut(HEADER_LEN..) {
            self.stream.apply(octets);
        }
        sealed
    }
}

impl Receiver {
    /// Decrypts a packet; what comes out begins with its protocol field. `sequence` is the number that the carrier gave
    /// the packet, if it numbers them; if not, it has authenticated it.
    pub(super) fn open(&mut self, packet: &[u8], sequence: Option<u32>) -> Result<Vec<u8>, NotOpened> {
        let (header, octets) = Header::decode(packet).map_err(|_| NotOpened::Wrong)?;
        if !header.encrypted || octets.is_empty() {
            return Err(NotOpened::Wrong);
        }
        let ahead = header.count.wrapping_sub(self.count) % COUNTS;
        // Every encrypted packet has a number of its own, so no more of them can be missing than numbers are: one that
        // was forged must not carry the key away.
        let any = u32::from(COUNTS);
        let missing = match (self.sequence, sequence) {
            (Some(last), Some(sequence)) => sequence.wrapping_sub(last).saturating_sub(1),
            (None, Some(_)) => any,
            // What seems to be half a turn ahead has been overtaken, and its key is gone.
            (_, None) => any / 2,
        };
        if u32::from(ahead) > missing {
            return Err(NotOpened::Wrong);
        }
        if self.stateless {
            if !header.flushed {
                return Err(NotOpened::Wrong);
            }
            (0..=ahead).for_each(|_| self.stream.change_key());
        } else {
            self.step(header, ahead)?;
        }
        self.count = next(header.count);
        self.sequence = sequence;
        let mut octets = octets.to_vec();
        self.stream.apply(&mut octets);
        Ok(octets)
    }

    /// Stateful mode: the key changes at flags, also at those that were lost, and a lost packet stops everything until
    /// the stream begins anew.
    fn step(&mut self, header: Header, ahead: u16) -> Result<(), NotOpened> {
        if (ahead > 0 || self.waiting) && !header.flushed {
            self.waiting = true;
            return Err(NotOpened::OutOfStep);
        }
        let passed = (0..=ahead).map(|n| (self.count + n) % COUNTS).filter(|count| is_flag(*count)).count();
        (0..passed).for_each(|_| self.stream.change_key());
        if header.flushed {
            self.stream.rewind();
            self.waiting = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crypto::Secret;

    fn pair(bits: u32) -> (Sender, Receiver) {
        let length = if bits & Bits::BITS_128 == 0 { 8 } else { 16 };
        let key = || Secret::new(vec![7; length]);
        let mppe = Mppe::new(Protection { bits, send: key(), receive: key() });
        (mppe.send, mppe.receive)
    }

    const ALL: [u32; 3] = [Bits::BITS_40, Bits::BITS_56, Bits::BITS_128];

    fn text(n: u32) -> Vec<u8> {
        [&[0, 0x21][..], format!("packet {n}").as_bytes()].concat()
    }

    #[test]
    fn thousands_of_packets_stay_in_step_in_both_modes() {
        for key in ALL {
            for bits in [key, key | Bits::STATELESS] {
                let (mut send, mut receive) = pair(bits);
                for n in 0..9000 {
                    let sealed = send.seal(0x21, format!("packet {n}").as_bytes());
                    assert_eq!(receive.open(&sealed, Some(n)), Ok(text(n)), "{bits:x} {n}");
                }
            }
        }
    }

    #[test]
    fn without_state_lost_packets_cost_nothing_but_themselves() {
        for key in ALL {
            let (mut send, mut receive) = pair(key | Bits::STATELESS);
            for n in 0..20_000_u32 {
                let sealed = send.seal(0x21, format!("packet {n}").as_bytes());
                let is_lost = n % 7 == 3 || (500..4000).contains(&n);
                if !is_lost {
                    assert_eq!(receive.open(&sealed, Some(n)), Ok(text(n)), "{n}");
                }
            }
        }
    }

    #[test]
    fn with_state_a_lost_packet_stops_the_others_until_the_stream_begins_anew() {
        for lost in [1_u32, 254, 255, 256, 600, 1023] {
            let (mut send, mut receive) = pair(Bits::BITS_128);
            for n in 0..lost {
                let sealed = send.seal(0x21, format!("packet {n}").as_bytes());
                assert_eq!(receive.open(&sealed, Some(n)), Ok(text(n)));
            }
            let _ = send.seal(0x21, b"lost");
            for n in 1..4 {
                let sealed = send.seal(0x21, b"in vain");
                let flagged = is_flag(((lost + n) % 4096) as u16);
                let outcome = receive.open(&sealed, Some(lost + n));
                // A flag begins anew by itself.
                assert_eq!(outcome.is_err(), !flagged, "{lost} {n}");
                if flagged {
                    break;
                }
            }
            send.flush();
            for n in lost + 4..lost + 700 {
                let sealed = send.seal(0x21, format!("packet {n}").as_bytes());
                assert_eq!(receive.open(&sealed, Some(n)), Ok(text(n)), "{lost} {n}");
            }
        }
    }

    #[test]
    fn a_forged_packet_does_not_carry_the_key_away() {
        let (mut send, mut receive) = pair(Bits::STATELESS | Bits::BITS_128);
        let first = send.seal(0x21, b"packet 0");
        assert!(receive.open(&first, Some(0)).is_ok());
        for count in [0, 2, 5, 4095] {
            let forged = [&Header { flushed: true, encrypted: true, count }.encode()[..], b"forged"].concat();
            assert_eq!(receive.open(&forged, Some(1)), Err(NotOpened::Wrong), "{count}");
        }
        let sealed = send.seal(0x21, b"packet 1");
        assert_eq!(receive.open(&sealed, Some(1)), Ok(text(1)));
    }

    #[test]
    fn what_is_not_encrypted_or_too_short_is_refused() {
        let (_, mut receive) = pair(Bits::STATELESS | Bits::BITS_128);
        let plain = Header { flushed: true, encrypted: false, count: 0 }.encode();
        for packet in [&[][..], &[0x90], &[0x90, 0], &[&plain[..], b"plain"].concat()] {
            assert_eq!(receive.open(packet, Some(0)), Err(NotOpened::Wrong), "{packet:x?}");
        }
    }
}
