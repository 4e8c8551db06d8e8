//! PPTP's control messages (RFC 2637 §2), which follow one another in a TCP stream.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer, at_most, length_u16};

/// The TCP port of PPTP, RFC 2637 §2.
pub const PORT: u16 = 1723;
/// The version that is spoken, 1.0.
pub const VERSION: u16 = 0x0100;
/// Octets before the body of every message.
pub const HEADER_LEN: usize = 12;
/// The longest message that there is, in octets: the Incoming-Call-Request, RFC 2637 §2.9.
pub const MAX_LEN: usize = 220;

const MAGIC_COOKIE: u32 = 0x1a2b_3c4d;
/// A management message would be 2, and there are none.
const CONTROL: u16 = 1;
/// Octets of a name in Start-Control-Connection messages, and of a number that is dialled.
const NAME_LEN: usize = 64;
/// Octets of the statistics in a Call-Disconnect-Notify.
const STATISTICS_LEN: usize = 128;

number! {
    /// What a message says, RFC 2637 §1.4.
    pub enum Kind: u16 {
        StartRequest = 1,
        StartReply = 2,
        StopRequest = 3,
        StopReply = 4,
        EchoRequest = 5,
        EchoReply = 6,
        OutgoingCallRequest = 7,
        OutgoingCallReply = 8,
        CallClearRequest = 12,
        CallDisconnectNotify = 13,
        WanErrorNotify = 14,
        SetLinkInfo = 15,
    }
}

/// What both Start-Control-Connection messages tell, RFC 2637 §2.1 and §2.2.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Start {
    /// 1.0 is 0x0100.
    pub version: u16,
    /// In the reply: 1 is success, others tell why not.
    pub result: u8,
    /// In the reply: a general error, RFC 2637 §2.16.
    pub error: u8,
    /// 1: asynchronous, 2: synchronous.
    pub framing: u32,
    /// 1: analogue, 2: digital.
    pub bearer: u32,
    /// How many calls the sender can have, 0 if it calls itself.
    pub channels: u16,
    /// The sender's revision.
    pub firmware: u16,
    /// The sender's name, without the zeros behind it.
    pub host: Vec<u8>,
    /// Who made it.
    pub vendor: Vec<u8>,
}

/// Outgoing-Call-Request, RFC 2637 §2.7.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct OutgoingCallRequest {
    /// The sender's name for the call, which packets to it carry.
    pub call_id: u16,
    /// A number for logs.
    pub serial: u16,
    /// The slowest acceptable speed, in bits a second.
    pub minimum_speed: u32,
    /// The fastest.
    pub maximum_speed: u32,
    /// As in [`Start`].
    pub bearer: u32,
    /// As in [`Start`].
    pub framing: u32,
    /// How many packets the sender takes before it has acknowledged any.
    pub window: u16,
    /// Its processing delay, in tenths of a second.
    pub delay: u16,
    /// The number to dial, at most 64 octets.
    pub phone: Vec<u8>,
}

/// Outgoing-Call-Reply, RFC 2637 §2.8.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Default)]
pub struct OutgoingCallReply {
    /// The sender's name for the call.
    pub call_id: u16,
    /// The receiver's name for it.
    pub peer_call_id: u16,
    /// 1: connected; 2: general error; 7: do not accept.
    pub result: u8,
    /// A general error, RFC 2637 §2.16.
    pub error: u8,
    /// Further cause.
    pub cause: u16,
    /// In bits a second.
    pub speed: u32,
    /// How many packets the sender takes before it has acknowledged any.
    pub window: u16,
    /// Its processing delay, in tenths of a second.
    pub delay: u16,
    /// A number for logs.
    pub channel: u32,
}

/// A control message.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum Message {
    /// Opens the control connection.
    StartRequest(Start),
    /// Answers it.
    StartReply(Start),
    /// Closes the control connection. 1: general, 2: version, 3: shutting down.
    StopRequest {
        /// Why.
        reason: u8,
    },
    /// Answers it.
    StopReply {
        /// 1: well.
        result: u8,
        /// A general error.
        error: u8,
    },
    /// Asks whether the peer is there.
    EchoRequest {
        /// To be repeated in the answer.
        id: u32,
    },
    /// Answers it.
    EchoReply {
        /// The question's.
        id: u32,
        /// 1: well.
        result: u8,
        /// A general error.
        error: u8,
    },
    /// Begins a call.
    OutgoingCallRequest(OutgoingCallRequest),
    /// Answers it.
    OutgoingCallReply(OutgoingCallReply),
    /// The client ends a call.
    CallClearRequest {
        /// The sender's name for it.
        call_id: u16,
    },
    /// A call has ended.
    CallDisconnectNotify {
        /// The sender's name for it.
        call_id: u16,
        /// 1: lost carrier, 2: general error, 3: by the administrator, 4: as requested.
        result: u8,
        /// A general error.
        error: u8,
        /// Further cause.
        cause: u16,
        /// Text for logs, without the zeros behind it.
        statistics: Vec<u8>,
    },
    /// Errors of a serial line, which is not there.
    WanErrorNotify {
        /// The receiver's name for the call.
        peer_call_id: u16,
        /// CRC, framing, hardware, buffer, time-out and alignment errors.
        errors: [u32; 6],
    },
    /// The character maps that were agreed on.
    SetLinkInfo {
        /// The receiver's name for the call.
        peer_call_id: u16,
        /// For what is sent.
        send: u32,
        /// For what is received.
        receive: u32,
    },
    /// Something else, whole and unread.
    Unknown {
        /// Its number.
        kind: u16,
        /// What stands behind the header.
        body: Vec<u8>,
    },
}

/// The length of the message at the beginning of a stream, as soon as that can be told.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |            Length             |      PPTP Message Type        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Magic Cookie                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Control Message Type      |           Reserved0           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// # Errors
///
/// The stream is out of step, or not PPTP at all: by RFC 2637 §1.4 it must be closed.
pub fn length(stream: &[u8]) -> Result<Option<usize>, Error> {
    let mut reader = Reader::new("PPTP header", stream);
    let start = reader.clone();
    let Ok(length) = reader.u16("length") else { return Ok(None) };
    let length = usize::from(length);
    if !(HEADER_LEN..=MAX_LEN).contains(&length) {
        return Err(start.error("length", Why::Length(length)));
    }
    let before = reader.clone();
    let Ok(kind) = reader.u16("message type") else { return Ok(Some(length)) };
    if kind != CONTROL {
        return Err(before.error("message type", Why::Value(u64::from(kind))));
    }
    let before = reader.clone();
    let Ok(cookie) = reader.u32("magic cookie") else { return Ok(Some(length)) };
    if cookie != MAGIC_COOKIE {
        return Err(before.error("magic cookie", Why::Value(u64::from(cookie))));
    }
    Ok(Some(length))
}

impl Message {
    /// Which message it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::StartRequest(_) => Kind::StartRequest,
            Self::StartReply(_) => Kind::StartReply,
            Self::StopRequest { .. } => Kind::StopRequest,
            Self::StopReply { .. } => Kind::StopReply,
            Self::EchoRequest { .. } => Kind::EchoRequest,
            Self::EchoReply { .. } => Kind::EchoReply,
            Self::OutgoingCallRequest(_) => Kind::OutgoingCallRequest,
            Self::OutgoingCallReply(_) => Kind::OutgoingCallReply,
            Self::CallClearRequest { .. } => Kind::CallClearRequest,
            Self::CallDisconnectNotify { .. } => Kind::CallDisconnectNotify,
            Self::WanErrorNotify { .. } => Kind::WanErrorNotify,
            Self::SetLinkInfo { .. } => Kind::SetLinkInfo,
            Self::Unknown { kind, .. } => Kind::from(*kind),
        }
    }

    /// Reads a whole message, of the length that [`length`] tells. Reserved fields are not looked at, nor is what lies
    /// behind the fields that are known.
    pub fn decode(message: &[u8]) -> Result<Self, Error> {
        let told = length(message)?;
        let mut reader = Reader::new("PPTP message", message);
        let start = reader.clone();
        if told != Some(message.len()) {
            return Err(start.error("length", Why::Length(message.len())));
        }
        reader.take(8, "header")?;
        let kind = Kind::from(reader.u16("control message type")?);
        reader.u16("reserved")?;
        Ok(match kind {
            Kind::StartRequest => Self::StartRequest(start_of(&mut reader, Kind::StartRequest)?),
            Kind::StartReply => Self::StartReply(start_of(&mut reader, Kind::StartReply)?),
            Kind::StopRequest => Self::StopRequest { reason: reader.u8("reason")? },
            Kind::StopReply => Self::StopReply { result: reader.u8("result code")?, error: reader.u8("error code")? },
            Kind::EchoRequest => Self::EchoRequest { id: reader.u32("identifier")? },
            Kind::EchoReply => Self::EchoReply {
                id: reader.u32("identifier")?,
                result: reader.u8("result code")?,
                error: reader.u8("error code")?,
            },
            Kind::OutgoingCallRequest => Self::OutgoingCallRequest(outgoing_call(&mut reader)?),
            Kind::OutgoingCallReply => Self::OutgoingCallReply(OutgoingCallReply {
                call_id: reader.u16("call id")?,
                peer_call_id: reader.u16("peer's call id")?,
                result: reader.u8("result code")?,
                error: reader.u8("error code")?,
                cause: reader.u16("cause code")?,
                speed: reader.u32("connect speed")?,
                window: reader.u16("window size")?,
                delay: reader.u16("processing delay")?,
                channel: reader.u32("physical channel")?,
            }),
            Kind::CallClearRequest => Self::CallClearRequest { call_id: reader.u16("call id")? },
            Kind::CallDisconnectNotify => {
                let call_id = reader.u16("call id")?;
                let (result, error) = (reader.u8("result code")?, reader.u8("error code")?);
                let cause = reader.u16("cause code")?;
                reader.u16("reserved")?;
                let statistics = text(reader.take(STATISTICS_LEN, "statistics")?);
                Self::CallDisconnectNotify { call_id, result, error, cause, statistics }
            }
            Kind::WanErrorNotify => {
                let peer_call_id = reader.u16("peer's call id")?;
                reader.u16("reserved")?;
                let mut errors = [0; 6];
                for error in &mut errors {
                    *error = reader.u32("errors")?;
                }
                Self::WanErrorNotify { peer_call_id, errors }
            }
            Kind::SetLinkInfo => {
                let peer_call_id = reader.u16("peer's call id")?;
                reader.u16("reserved")?;
                Self::SetLinkInfo { peer_call_id, send: reader.u32("send ACCM")?, receive: reader.u32("receive ACCM")? }
            }
            Kind::Unknown(kind) => Self::Unknown { kind, body: reader.rest().to_vec() },
        })
    }

    /// Writes the message; names that are too long are cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u16(0);
        writer.u16(CONTROL);
        writer.u32(MAGIC_COOKIE);
        writer.u16(self.kind().into());
        writer.u16(0);
        self.encode_body(&mut writer);
        let length = length_u16(writer.len());
        writer.patch_u16(0, length);
        writer.into_vec()
    }

    fn encode_body(&self, writer: &mut Writer) {
        match self {
            Self::StartRequest(start) => write_start(writer, start, [0, 0]),
            Self::StartReply(start) => write_start(writer, start, [start.result, start.error]),
            Self::StopRequest { reason } => writer.bytes(&[*reason, 0, 0, 0]),
            Self::StopReply { result, error } => writer.bytes(&[*result, *error, 0, 0]),
            Self::EchoRequest { id } => writer.u32(*id),
            Self::EchoReply { id, result, error } => {
                writer.u32(*id);
                writer.bytes(&[*result, *error, 0, 0]);
            }
            Self::OutgoingCallRequest(call) => write_outgoing_call(writer, call),
            Self::OutgoingCallReply(reply) => {
                writer.u16(reply.call_id);
                writer.u16(reply.peer_call_id);
                writer.bytes(&[reply.result, reply.error]);
                writer.u16(reply.cause);
                writer.u32(reply.speed);
                writer.u16(reply.window);
                writer.u16(reply.delay);
                writer.u32(reply.channel);
            }
            Self::CallClearRequest { call_id } => {
                writer.u16(*call_id);
                writer.u16(0);
            }
            Self::CallDisconnectNotify { call_id, result, error, cause, statistics } => {
                writer.u16(*call_id);
                writer.bytes(&[*result, *error]);
                writer.u16(*cause);
                writer.u16(0);
                write_text(writer, statistics, STATISTICS_LEN);
            }
            Self::WanErrorNotify { peer_call_id, errors } => {
                writer.u16(*peer_call_id);
                writer.u16(0);
                errors.iter().for_each(|error| writer.u32(*error));
            }
            Self::SetLinkInfo { peer_call_id, send, receive } => {
                writer.u16(*peer_call_id);
                writer.u16(0);
                writer.u32(*send);
                writer.u32(*receive);
            }
            Self::Unknown { body, .. } => writer.bytes(at_most(body, MAX_LEN.saturating_sub(HEADER_LEN))),
        }
    }
}

/// A text in a field of fixed length: what stands before its first zero.
fn text(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|octet| *octet != 0).collect()
}

fn write_text(writer: &mut Writer, text: &[u8], length: usize) {
    let text = at_most(text, length);
    writer.bytes(text);
    (text.len()..length).for_each(|_| writer.u8(0));
}

fn start_of(reader: &mut Reader<'_>, kind: Kind) -> Result<Start, Error> {
    let version = reader.u16("protocol version")?;
    let (result, error) = (reader.u8("result code")?, reader.u8("error code")?);
    // In the request the same two octets are reserved.
    let (result, error) = if kind == Kind::StartReply { (result, error) } else { (0, 0) };
    Ok(Start {
        version,
        result,
        error,
        framing: reader.u32("framing capabilities")?,
        bearer: reader.u32("bearer capabilities")?,
        channels: reader.u16("maximum channels")?,
        firmware: reader.u16("firmware revision")?,
        host: text(reader.take(NAME_LEN, "host name")?),
        vendor: text(reader.take(NAME_LEN, "vendor")?),
    })
}

fn write_start(writer: &mut Writer, start: &Start, result: [u8; 2]) {
    writer.u16(start.version);
    writer.bytes(&result);
    writer.u32(start.framing);
    writer.u32(start.bearer);
    writer.u16(start.channels);
    writer.u16(start.firmware);
    write_text(writer, &start.host, NAME_LEN);
    write_text(writer, &start.vendor, NAME_LEN);
}

fn outgoing_call(reader: &mut Reader<'_>) -> Result<OutgoingCallRequest, Error> {
    let mut call = OutgoingCallRequest {
        call_id: reader.u16("call id")?,
        serial: reader.u16("call serial number")?,
        minimum_speed: reader.u32("minimum speed")?,
        maximum_speed: reader.u32("maximum speed")?,
        bearer: reader.u32("bearer type")?,
        framing: reader.u32("framing type")?,
        window: reader.u16("window size")?,
        delay: reader.u16("processing delay")?,
        phone: Vec::new(),
    };
    // The length of the number is told as well, and clients that dial none leave it wrong.
    reader.u16("phone number length")?;
    reader.u16("reserved")?;
    call.phone = text(reader.take(NAME_LEN, "phone number")?);
    reader.take(NAME_LEN, "subaddress")?;
    Ok(call)
}

fn write_outgoing_call(writer: &mut Writer, call: &OutgoingCallRequest) {
    writer.u16(call.call_id);
    writer.u16(call.serial);
    writer.u32(call.minimum_speed);
    writer.u32(call.maximum_speed);
    writer.u32(call.bearer);
    writer.u32(call.framing);
    writer.u16(call.window);
    writer.u16(call.delay);
    writer.u16(length_u16(at_most(&call.phone, NAME_LEN).len()));
    writer.u16(0);
    write_text(writer, &call.phone, NAME_LEN);
    write_text(writer, &[], NAME_LEN);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn all() -> Vec<(Message, usize)> {
        let start = Start {
            version: VERSION,
            result: 0,
            error: 0,
            framing: 3,
            bearer: 3,
            channels: 0,
            firmware: 1,
            host: b"host".to_vec(),
            vendor: b"vendor".to_vec(),
        };
        let call = OutgoingCallRequest {
            call_id: 1,
            serial: 2,
            minimum_speed: 300,
            maximum_speed: 100_000_000,
            bearer: 3,
            framing: 3,
            window: 64,
            delay: 0,
            phone: b"555".to_vec(),
        };
        let reply = OutgoingCallReply { call_id: 7, peer_call_id: 1, result: 1, window: 32, ..Default::default() };
        vec![
            (Message::StartRequest(start.clone()), 156),
            (Message::StartReply(Start { result: 1, error: 2, ..start }), 156),
            (Message::StopRequest { reason: 1 }, 16),
            (Message::StopReply { result: 1, error: 0 }, 16),
            (Message::EchoRequest { id: 0x0102_0304 }, 16),
            (Message::EchoReply { id: 5, result: 1, error: 0 }, 20),
            (Message::OutgoingCallRequest(call), 168),
            (Message::OutgoingCallReply(reply), 32),
            (Message::CallClearRequest { call_id: 1 }, 16),
            (
                Message::CallDisconnectNotify { call_id: 1, result: 4, error: 0, cause: 0, statistics: b"x".to_vec() },
                148,
            ),
            (Message::WanErrorNotify { peer_call_id: 1, errors: [1, 2, 3, 4, 5, 6] }, 40),
            (Message::SetLinkInfo { peer_call_id: 1, send: u32::MAX, receive: 0 }, 24),
            (Message::Unknown { kind: 9, body: vec![5; 208] }, 220),
        ]
    }

    #[test]
    fn every_message_has_the_length_of_its_drawing_and_is_read_as_it_was_written() {
        for (message, right) in all() {
            let octets = message.encode();
            assert_eq!(octets.len(), right, "{message:?}");
            assert_eq!(length(&octets), Ok(Some(right)));
            assert_eq!(Message::decode(&octets).unwrap(), message);
        }
    }

    #[test]
    fn a_message_cut_short_anywhere_is_no_message() {
        for (message, _) in all() {
            let octets = message.encode();
            for cut in 0..octets.len() {
                assert!(Message::decode(&octets[..cut]).is_err(), "{message:?} at {cut}");
                assert!(matches!(length(&octets[..cut]), Ok(None | Some(_))), "it may still come");
            }
        }
    }

    #[test]
    fn a_stream_that_is_something_else_is_refused_at_the_first_octets_that_show_it() {
        assert!(length(b"GET / HTTP/1.1\r\n").is_err());
        assert!(length(&[0, 11]).is_err());
        assert!(length(&[0, 221]).is_err());
        assert!(length(&[0, 16, 0, 2]).is_err());
        assert!(length(&[0, 16, 0, 1, 0x1a, 0x2b, 0x3c, 0x4e]).is_err());
        assert_eq!(length(&[0]), Ok(None));
        assert_eq!(length(&[0, 16, 0, 1, 0x1a]), Ok(Some(16)));
    }

    #[test]
    fn a_name_that_fills_its_field_has_no_zero_behind_it() {
        let start = Start { host: vec![b'a'; 64], vendor: vec![b'b'; 70], ..Start::default() };
        let Message::StartRequest(read) = Message::decode(&Message::StartRequest(start).encode()).unwrap() else {
            unreachable!("it was a request")
        };
        assert_eq!((read.host.len(), read.vendor.len()), (64, 64));
    }
}
