//! PPP: frames, the packets of LCP and the NCPs, PAP, CHAP and EAP.

mod auth;
mod control;
mod eap;
mod frame;

pub use auth::{ChapValue, PapReply, PapRequest};
pub use control::{Code, MAX_OPTION_DATA, MAX_OPTIONS, Opt, Packet, decode_options, encode_options};
pub use eap::{Eap, EapMsChap, EapType, MsChapOp};
pub use frame::{Protocol, decode_frame, encode_frame};
