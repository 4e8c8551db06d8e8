//! A piece of an IKE message that was too large for one datagram.

use crate::error::Error;
use crate::reader::{Reader, Writer};

/// Bit 0 of the flags: the last piece.
const LAST: u8 = 1;

/// The payload of a fragment, as Microsoft describes it in \[MS-IKEE\].
///
/// It is the only payload of its message and stands in the clear; the pieces together are a whole message with its own
/// header.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ! Next Payload  !   RESERVED    !         Payload Length        !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !          Fragment ID          ! Fragment Nr.  !     Flags     !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                         Fragment Data                         ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Fragment {
    /// The same for all pieces of a message.
    pub id: u16,
    /// The place of this piece, from 1.
    pub number: u8,
    /// Whether no piece follows.
    pub last: bool,
    /// The piece: the whole message begins with its ISAKMP header.
    pub data: Vec<u8>,
}

impl Fragment {
    /// Reads the payload's body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Fragment payload", body);
        let id = reader.u16("fragment ID")?;
        let number = reader.u8("fragment number")?;
        let last = reader.u8("flags")? & LAST != 0;
        Ok(Self { id, number, last, data: reader.rest().to_vec() })
    }

    /// Writes the payload's body.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u16(self.id);
        writer.u8(self.number);
        writer.u8(if self.last { LAST } else { 0 });
        writer.bytes(&self.data);
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_fragment_is_read_as_it_was_written() {
        let fragment = Fragment { id: 0x0102, number: 3, last: true, data: vec![9, 8] };
        assert_eq!(fragment.encode(), [1, 2, 3, 1, 9, 8]);
        assert_eq!(Fragment::decode(&fragment.encode()).unwrap(), fragment);
        assert!(!Fragment::decode(&[0, 1, 1, 0xfe]).unwrap().last, "other flags mean nothing");
        assert!(Fragment::decode(&[0, 1, 1]).is_err());
    }
}
