//! The opening of a tunnel: what an SCCRQ must say, the SCCRP that answers it, the StopCCN that refuses it.

use super::log::{Slip, received_lines, sent_lines};
use super::message::{Fault, Received, challenge_response, error};
use super::reliable::{DEFAULT_WINDOW, Kind, Leaving, RECEIVE_WINDOW};
use super::tunnel::{encode, message_type};
use super::{L2tpLog, Reason, Refusal, Settings, stop};
use wire::l2tp::{Avp, AvpType, Header, MessageType, ResultCode, encode_avps};

/// Version 1, revision 0 (RFC 2661 §4.4.3).
const PROTOCOL_VERSION: u16 = 0x0100;
/// Synchronous framing (RFC 2661 §4.4.3).
const FRAMING_SYNC: u32 = 1;
const FIRMWARE: u16 = 0x0100;
const VENDOR_NAME: &[u8] = b"Sekisho";

/// What an SCCRQ tells.
pub(super) struct CheckedSccrq {
    pub(super) peer_tunnel_id: u16,
    pub(super) peer_window: u16,
}

/// Why an SCCRQ is not acceptable, and what the client is told.
pub(super) struct RefusedSccrq {
    reason: Reason,
    result: u16,
    error: u16,
}

impl From<Fault> for RefusedSccrq {
    fn from(fault: Fault) -> Self {
        Self { error: fault.error(), reason: Reason::Malformed(fault.to_string()), result: stop::ERROR }
    }
}

impl RefusedSccrq {
    pub(super) fn refusal(self, sccrq: &Received, local_tunnel_id: u16, settings: &Settings) -> Refusal {
        let message = match &self.reason {
            Reason::Malformed(text) => text.clone(),
            Reason::NotSccrq | Reason::Version | Reason::NoSecret => String::new(),
        };
        let code = ResultCode { result: self.result, error: Some(self.error), message };
        let body = encode_avps(&[
            message_type(MessageType::StopCcn),
            Avp::u16(AvpType::AssignedTunnelId, local_tunnel_id),
            Avp::bytes(AvpType::ResultCode, &code.encode()),
        ]);
        let stopccn = Leaving { ns: 0, nr: 1, session_id: 0, body, kind: Kind::Stop, again: false };
        let mut log = vec![];
        if settings.log_messages {
            log.extend(received_lines(sccrq, "idle", settings));
        }
        if self.reason == Reason::NoSecret {
            log.push(L2tpLog::AuthenticationError { id: local_tunnel_id });
            let Settings { number, peer, .. } = *settings;
            log.push(L2tpLog::WrongSecret { number, peer, slip: Slip::Unasked });
        }
        if settings.log_messages {
            log.extend(sent_lines(&stopccn, settings));
        }
        // Before a tunnel id is known, the header bears 0 (RFC 2661 §4.4.3).
        let peer_tunnel_id = sccrq.u16(AvpType::AssignedTunnelId).unwrap_or(0);
        Refusal { reason: self.reason, reply: Some(encode(peer_tunnel_id, &stopccn)), log }
    }
}

pub(super) fn read_sccrq(message: &[u8], settings: &Settings) -> Result<Received, Refusal> {
    let not_sccrq = || Refusal { reason: Reason::NotSccrq, reply: None, log: vec![] };
    let (header, payload) = Header::decode(message).map_err(|_| not_sccrq())?;
    // RFC 2661 §5.8: "The message sequence number, Ns, begins at 0."
    if !header.control || header.tunnel_id != 0 || header.ns != Some(0) {
        return Err(not_sccrq());
    }
    let received = Received::read(payload, settings.secret.as_ref()).map_err(|_| not_sccrq())?;
    if received.kind != MessageType::Sccrq {
        return Err(not_sccrq());
    }
    Ok(received)
}

/// RFC 2661 §6.1: what must be present, and what it must say.
pub(super) fn check_sccrq(sccrq: &Received, settings: &Settings) -> Result<CheckedSccrq, RefusedSccrq> {
    let version = sccrq.u16(AvpType::ProtocolVersion).unwrap_or(PROTOCOL_VERSION);
    if version >> 8 != PROTOCOL_VERSION >> 8 {
        return Err(RefusedSccrq { reason: Reason::Version, result: stop::VERSION, error: PROTOCOL_VERSION });
    }
    if let Some(fault) = &sccrq.fault {
        return Err(fault.clone().into());
    }
    for kind in [AvpType::ProtocolVersion, AvpType::FramingCapabilities, AvpType::HostName] {
        sccrq.need(kind)?;
    }
    let assigned = sccrq.need(AvpType::AssignedTunnelId)?;
    let peer_tunnel_id = assigned.as_u16().ok_or(Fault::Length(AvpType::AssignedTunnelId))?;
    if sccrq.find(AvpType::Challenge).is_some() && settings.secret.is_none() {
        return Err(RefusedSccrq { reason: Reason::NoSecret, result: stop::NOT_AUTHORIZED, error: error::NONE });
    }
    let peer_window = sccrq.u16(AvpType::ReceiveWindowSize).unwrap_or(DEFAULT_WINDOW);
    Ok(CheckedSccrq { peer_tunnel_id, peer_window })
}

/// Exactly the AVPs that the router sends, in its order; 11 and 13 only with tunnel authentication.
pub(super) fn sccrp(
    settings: &Settings,
    local_tunnel_id: u16,
    challenge: Option<[u8; 16]>,
    peer_challenge: Option<&Avp>,
) -> Vec<Avp> {
    let mut avps = vec![
        message_type(MessageType::Sccrp),
        Avp::u16(AvpType::ProtocolVersion, PROTOCOL_VERSION),
        Avp::u32(AvpType::FramingCapabilities, FRAMING_SYNC),
        Avp::u32(AvpType::BearerCapabilities, 0),
        Avp::u16(AvpType::FirmwareRevision, FIRMWARE).optional(),
        Avp::bytes(AvpType::HostName, settings.hostname.as_bytes()),
        Avp::bytes(AvpType::VendorName, VENDOR_NAME).optional(),
        Avp::u16(AvpType::AssignedTunnelId, local_tunnel_id),
        Avp::u16(AvpType::ReceiveWindowSize, settings.receive_window.clamp(1, RECEIVE_WINDOW)),
    ];
    if let Some(challenge) = challenge {
        avps.push(Avp::bytes(AvpType::Challenge, &challenge));
    }
    if let (Some(theirs), Some(secret)) = (peer_challenge, &settings.secret) {
        let response = challenge_response(MessageType::Sccrp, secret, &theirs.value);
        avps.push(Avp::bytes(AvpType::ChallengeResponse, &response));
    }
    avps
}
