//! L2TP: header, attribute value pairs, message types and result codes.

mod avp;
mod header;
mod message;

pub use avp::{Avp, AvpType, MAX_AVPS, MAX_VALUE, decode_avps, encode_avps, find};
pub use header::{DATA_HEADER_LEN, Header, PORT, data_header};
pub use message::{DisconnectCause, MessageType, ResultCode};
