//! What PAP and CHAP packets carry behind code, id and length.

use core::fmt;

use crate::error::Error;
use crate::reader::{Reader, Writer, at_most};

/// The data of a PAP Authenticate-Request, RFC 1334 §2.2.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Code      |  Identifier   |            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Peer-ID Length|  Peer-Id ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+
/// | Passwd-Length |  Password  ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// Its `Debug` form leaves the password out.
#[derive(Clone, Eq, PartialEq)]
pub struct PapRequest {
    /// The user's name, at most 255 octets.
    pub name: Vec<u8>,
    /// The password, at most 255 octets.
    pub password: Vec<u8>,
}

impl PapRequest {
    /// Reads the data of an Authenticate-Request.
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("PAP Authenticate-Request", data);
        let name = counted(&mut reader, "Peer-ID")?;
        let password = counted(&mut reader, "Password")?;
        Ok(Self { name, password })
    }

    /// Writes the data of an Authenticate-Request; more than 255 octets of name or password are cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        write_counted(&mut writer, &self.name);
        write_counted(&mut writer, &self.password);
        writer.into_vec()
    }
}

impl fmt::Debug for PapRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PapRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The data of a PAP Authenticate-Ack or -Nak, RFC 1334 §2.2.2.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Msg-Length   |  Message  ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct PapReply {
    /// A text for the user, at most 255 octets.
    pub message: Vec<u8>,
}

impl PapReply {
    /// Reads the data of an answer; no data at all is an empty message, as some servers send it.
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("PAP answer", data);
        let message = if reader.is_empty() { Vec::new() } else { counted(&mut reader, "Message")? };
        Ok(Self { message })
    }

    /// Writes the data of an answer; more than 255 octets are cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        write_counted(&mut writer, &self.message);
        writer.into_vec()
    }
}

/// The data of a CHAP Challenge or Response, RFC 1994 §4.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Code      |  Identifier   |            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Value-Size   |  Value ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Name ...
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct ChapValue {
    /// The challenge or the response, at most 255 octets.
    pub value: Vec<u8>,
    /// Who sends it: everything behind the value.
    pub name: Vec<u8>,
}

impl ChapValue {
    /// Reads the data of a Challenge or Response.
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("CHAP value", data);
        let value = counted(&mut reader, "Value")?;
        Ok(Self { value, name: reader.rest().to_vec() })
    }

    /// Writes the data of a Challenge or Response; a value of more than 255 octets is cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        write_counted(&mut writer, &self.value);
        writer.bytes(&self.name);
        writer.into_vec()
    }
}

/// Reads an octet that counts, and what it counts.
fn counted(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<u8>, Error> {
    let count = usize::from(reader.u8(field)?);
    Ok(reader.take(count, field)?.to_vec())
}

/// Writes an octet that counts, and what it counts.
fn write_counted(writer: &mut Writer, bytes: &[u8]) {
    let bytes = at_most(bytes, usize::from(u8::MAX));
    writer.u8(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    writer.bytes(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_password_is_read_but_never_shown() {
        let request = PapRequest { name: b"alice".to_vec(), password: b"0penSesame".to_vec() };
        assert_eq!(request.encode(), b"\x05alice\x0a0penSesame");
        assert_eq!(PapRequest::decode(&request.encode()).unwrap(), request);
        assert_eq!(format!("{request:?}"), format!("PapRequest {{ name: {:?}, .. }}", b"alice"));
        assert!(PapRequest::decode(b"\x05alice\x0a0pen").is_err());
        assert!(PapRequest::decode(b"\x05alice").is_err());
    }

    #[test]
    fn an_answer_may_have_no_message() {
        assert_eq!(PapReply::decode(&[]).unwrap(), PapReply { message: vec![] });
        assert_eq!(PapReply::decode(b"\x02no").unwrap(), PapReply { message: b"no".to_vec() });
        assert_eq!(PapReply { message: vec![b'x'; 300] }.encode().len(), 256);
    }

    #[test]
    fn a_chap_name_is_what_stands_behind_the_value() {
        let challenge = ChapValue { value: vec![1, 2, 3], name: b"sekisho".to_vec() };
        assert_eq!(challenge.encode(), b"\x03\x01\x02\x03sekisho");
        assert_eq!(ChapValue::decode(&challenge.encode()).unwrap(), challenge);
        assert!(ChapValue::decode(&[]).is_err());
        assert!(ChapValue::decode(&[2, 1]).is_err());
    }
}
