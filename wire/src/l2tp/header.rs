//! The L2TP header of control and data messages.

use crate::error::{Error, Why};
use crate::reader::{Reader, Writer, length_u16};

/// The UDP port of L2TP, RFC 2661 §8.1.
pub const PORT: u16 = 1701;

/// Octets of the header that [`data_header`] writes.
pub const DATA_HEADER_LEN: usize = 8;

const TYPE: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const PRIORITY: u16 = 0x0100;
const VERSION: u16 = 0x000f;
const VERSION_2: u16 = 2;

/// The header of every L2TP message, RFC 2661 §3.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |T|L|x|x|S|x|O|P|x|x|x|x|  Ver  |          Length (opt)         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           Tunnel ID           |           Session ID          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |             Ns (opt)          |             Nr (opt)          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Offset Size (opt)        |    Offset pad... (opt)
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Header {
    /// Whether this is a control message; else it carries a PPP frame.
    pub control: bool,
    /// Octets of the whole message; always there in a control message.
    pub length: Option<u16>,
    /// The receiver's name for the tunnel; 0 where it has not given one.
    pub tunnel_id: u16,
    /// The receiver's name for the session; 0 for the tunnel itself.
    pub session_id: u16,
    /// The message's own number; always there in a control message.
    pub ns: Option<u16>,
    /// The number of the next message expected; there whenever `ns` is.
    pub nr: Option<u16>,
    /// Octets of padding between header and payload.
    pub offset: Option<u16>,
    /// Whether a data message should go first.
    pub priority: bool,
}

impl Header {
    /// Reads the header and returns it with the payload, cut to the length that the header tells.
    ///
    /// A version other than 2, a length that is impossible, and a control message without length or sequence numbers
    /// are errors.
    pub fn decode(message: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("L2TP header", message);
        let start = reader.clone();
        let flags = reader.u16("flags and version")?;
        if flags & VERSION != VERSION_2 {
            return Err(start.error("version", Why::Value(u64::from(flags & VERSION))));
        }
        let control = flags & TYPE != 0;
        if control && flags & (LENGTH | SEQUENCE) != LENGTH | SEQUENCE {
            return Err(start.error("flags of a control message", Why::Value(u64::from(flags))));
        }
        let before_length = reader.clone();
        let length = if flags & LENGTH != 0 { Some(reader.u16("length")?) } else { None };
        let tunnel_id = reader.u16("tunnel id")?;
        let session_id = reader.u16("session id")?;
        let (ns, nr) =
            if flags & SEQUENCE != 0 { (Some(reader.u16("Ns")?), Some(reader.u16("Nr")?)) } else { (None, None) };
        let offset = if flags & OFFSET != 0 { Some(reader.u16("offset size")?) } else { None };
        if let Some(padding) = offset {
            reader.take(usize::from(padding), "offset pad")?;
        }
        let mut payload = reader.rest();
        if let Some(length) = length {
            let told = usize::from(length);
            let Some(cut) = told.checked_sub(reader.offset()).and_then(|payload_len| payload.get(..payload_len)) else {
                return Err(before_length.error("length", Why::Length(told)));
            };
            payload = cut;
        }
        let priority = flags & PRIORITY != 0;
        Ok((Self { control, length, tunnel_id, session_id, ns, nr, offset, priority }, payload))
    }

    /// Writes the header and the payload.
    ///
    /// A control message always has length, Ns and Nr (`0xc802`; what is missing is written as 0). Where there is a
    /// length it is computed, whatever [`Self::length`] says.
    pub fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let mut flags = VERSION_2;
        let with_length = self.control || self.length.is_some();
        let with_sequence = self.control || self.ns.is_some() || self.nr.is_some();
        for (flag, set) in [
            (TYPE, self.control),
            (LENGTH, with_length),
            (SEQUENCE, with_sequence),
            (OFFSET, self.offset.is_some()),
            (PRIORITY, self.priority),
        ] {
            if set {
                flags |= flag;
            }
        }
        let mut writer = Writer::new();
        writer.u16(flags);
        if with_length {
            writer.u16(0);
        }
        writer.u16(self.tunnel_id);
        writer.u16(self.session_id);
        if with_sequence {
            writer.u16(self.ns.unwrap_or(0));
            writer.u16(self.nr.unwrap_or(0));
        }
        if let Some(padding) = self.offset {
            writer.u16(padding);
            writer.bytes(&vec![0; usize::from(padding)]);
        }
        writer.bytes(payload);
        if with_length {
            writer.patch_u16(2, length_u16(writer.len()));
        }
        writer.into_vec()
    }
}

/// The header of a data message with length and without sequence numbers, as this server sends it.
///
/// `None` where the message would be longer than the length field can tell.
pub fn data_header(tunnel_id: u16, session_id: u16, payload_len: usize) -> Option<[u8; DATA_HEADER_LEN]> {
    let length = u16::try_from(payload_len.checked_add(DATA_HEADER_LEN)?).ok()?;
    let [l0, l1] = length.to_be_bytes();
    let [t0, t1] = tunnel_id.to_be_bytes();
    let [s0, s1] = session_id.to_be_bytes();
    let [f0, f1] = (LENGTH | VERSION_2).to_be_bytes();
    Some([f0, f1, l0, l1, t0, t1, s0, s1])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const CONTROL: [u8; 14] = [0xc8, 0x02, 0, 14, 0x12, 0x34, 0, 0, 0, 1, 0, 2, 0xaa, 0xbb];

    #[test]
    fn a_control_message_always_has_length_and_numbers() {
        let (header, payload) = Header::decode(&CONTROL).unwrap();
        assert_eq!((header.tunnel_id, header.session_id), (0x1234, 0));
        assert_eq!((header.length, header.ns, header.nr), (Some(14), Some(1), Some(2)));
        assert_eq!(payload, [0xaa, 0xbb]);
        assert_eq!(header.encode(payload), CONTROL);
        let bare = Header { length: None, ns: None, nr: None, ..header };
        assert_eq!(bare.encode(&[])[..4], [0xc8, 0x02, 0, 12]);
        for first in [0x80, 0x88, 0xc0] {
            let mut message = CONTROL;
            message[0] = first;
            assert_eq!(Header::decode(&message).unwrap_err().field, "flags of a control message");
        }
    }

    #[test]
    fn reserved_bits_are_not_looked_at() {
        let plain = Header::decode(&CONTROL).unwrap();
        let mut message = CONTROL;
        (message[0], message[1]) = (message[0] | 0x34, message[1] | 0xf0);
        assert_eq!(Header::decode(&message).unwrap(), plain);
        assert_eq!(plain.0.encode(plain.1), CONTROL, "and not set in what is written");
    }

    #[test]
    fn other_versions_are_refused() {
        for version in [0, 1, 3] {
            let mut message = CONTROL;
            message[1] = version;
            assert_eq!(Header::decode(&message).unwrap_err().why, Why::Value(u64::from(version)));
        }
    }

    #[test]
    fn a_length_beyond_the_message_or_within_the_header_is_an_error() {
        for length in [0, 11, 15, 255] {
            let mut message = CONTROL;
            message[3] = length;
            let error = Header::decode(&message).unwrap_err();
            assert_eq!((error.offset, error.why), (2, Why::Length(usize::from(length))));
        }
        let mut message = CONTROL;
        message[3] = 13;
        assert_eq!(Header::decode(&message).unwrap().1, [0xaa], "what is behind the length is padding");
    }

    #[test]
    fn the_offset_of_a_data_message_is_skipped() {
        let message = [0x02, 0x02, 0, 1, 0, 2, 0, 3, 9, 9, 9, 0xff, 0x03];
        let (header, payload) = Header::decode(&message).unwrap();
        assert_eq!((header.control, header.offset), (false, Some(3)));
        assert_eq!(payload, [0xff, 0x03]);
        assert!(Header::decode(&message[..10]).is_err());
    }

    #[test]
    fn the_header_for_data_is_read_as_a_header() {
        let message = [&data_header(7, 8, 3).unwrap()[..], b"abc"].concat();
        let (header, payload) = Header::decode(&message).unwrap();
        assert_eq!((header.control, header.length, header.ns), (false, Some(11), None));
        assert_eq!((header.tunnel_id, header.session_id, payload), (7, 8, &b"abc"[..]));
        assert_eq!(data_header(7, 8, 65_527).map(|header| [header[2], header[3]]), Some([0xff, 0xff]));
        assert_eq!(data_header(7, 8, 65_528), None);
    }
}
