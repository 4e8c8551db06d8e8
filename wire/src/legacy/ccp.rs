//! CCP's numbers (RFC 1962), its option for MPPE, and the two octets before an encrypted packet (RFC 3078).

use crate::error::Error;
use crate::ppp::{Code, Opt, Protocol};
use crate::reader::Reader;

/// The protocol number of CCP, RFC 1962 §2.
pub const CCP: Protocol = Protocol::Unknown(0x80fd);
/// The protocol number of what CCP has agreed to change, RFC 1962 §2.
pub const COMPRESSED: Protocol = Protocol::Unknown(0x00fd);
/// The code of a Reset-Request, RFC 1962 §3.
pub const RESET_REQUEST: Code = Code::Unknown(14);
/// The code of a Reset-Ack, RFC 1962 §3.
pub const RESET_ACK: Code = Code::Unknown(15);
/// The number of the option for MPPC and MPPE, RFC 3078 §2.1.
pub const OPTION: u8 = 18;

/// The octets before the encrypted ones, RFC 3078 §3.1.
pub const HEADER_LEN: usize = 2;
/// The coherency count has so many values.
pub const COUNTS: u16 = 0x1000;

const FLUSHED: u16 = 0x8000;
const ENCRYPTED: u16 = 0x1000;

/// The supported bits of the option, RFC 3078 §2.1.
///
/// ```text
///              3                   2                   1
///  1 0 9 8 7 6 5 4 3 2 1 0 9 8 7 6 5 4 3 2 1 0 9 8 7 6 5 4 3 2 1 0
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |             |H|                               |M|S|L|D|     |C|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug, Default)]
pub struct Bits(pub u32);

impl Bits {
    /// H: a new key for each packet.
    pub const STATELESS: u32 = 0x0100_0000;
    /// M: keys of 56 bits.
    pub const BITS_56: u32 = 0x80;
    /// S: keys of 128 bits.
    pub const BITS_128: u32 = 0x40;
    /// L: keys of 40 bits.
    pub const BITS_40: u32 = 0x20;
    /// All three sizes of keys.
    pub const KEYS: u32 = Self::BITS_40 | Self::BITS_56 | Self::BITS_128;

    /// Reads the option; nothing where it is another one or of another length.
    #[must_use]
    pub fn of(option: &Opt) -> Option<Self> {
        let data: [u8; 4] = option.data.as_slice().try_into().ok()?;
        (option.kind == OPTION).then(|| Self(u32::from_be_bytes(data)))
    }

    /// The option with these bits.
    #[must_use]
    pub fn option(self) -> Opt {
        Opt { kind: OPTION, data: self.0.to_be_bytes().to_vec() }
    }
}

/// What stands before an encrypted packet, RFC 3078 §3.1.
///
/// ```text
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |A|B|C|D|    Coherency Count    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Header {
    /// A: the key's tables were made anew for this packet.
    pub flushed: bool,
    /// D: the packet is encrypted.
    pub encrypted: bool,
    /// The packet's number, modulo [`COUNTS`].
    pub count: u16,
}

impl Header {
    /// Reads the header and returns it with what follows.
    pub fn decode(packet: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("MPPE header", packet);
        let word = reader.u16("coherency count")?;
        let header = Self {
            flushed: word & FLUSHED != 0,
            encrypted: word & ENCRYPTED != 0,
            count: word & COUNTS.wrapping_sub(1),
        };
        Ok((header, reader.rest()))
    }

    /// The header's octets.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let mut word = self.count & COUNTS.wrapping_sub(1);
        if self.flushed {
            word |= FLUSHED;
        }
        if self.encrypted {
            word |= ENCRYPTED;
        }
        word.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_option_has_its_bits_where_the_rfc_draws_them() {
        let bits = Bits(Bits::STATELESS | Bits::BITS_128);
        let option = bits.option();
        assert_eq!((option.kind, option.data.as_slice()), (18, &[1, 0, 0, 0x40][..]));
        assert_eq!(Bits::of(&option), Some(bits));
        assert_eq!(Bits::of(&Opt { kind: 17, ..option.clone() }), None);
        assert_eq!(Bits::of(&Opt { data: vec![1, 0, 0], ..option }), None);
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        let header = Header { flushed: true, encrypted: true, count: 0x0abc };
        assert_eq!(header.encode(), [0x9a, 0xbc]);
        assert_eq!(Header::decode(&[0x9a, 0xbc, 1]).unwrap(), (header, &[1][..]));
        let plain = Header { flushed: false, encrypted: false, count: 0xfff };
        assert_eq!(Header::decode(&plain.encode()).unwrap(), (plain, &[][..]));
        assert!(Header::decode(&[0x90]).is_err());
    }
}
