//! What a client's dialogue calls things: one line a message.

use wire::isakmp::{PayloadType, Raw};
use wire::l2tp::{Avp, AvpType, MessageType};
use wire::ppp::{Code, Packet, Protocol, decode_options};

fn name(kind: PayloadType) -> String {
    match kind {
        PayloadType::Sa => "SA".to_owned(),
        PayloadType::KeyExchange => "KE".to_owned(),
        PayloadType::Identification => "ID".to_owned(),
        PayloadType::Hash => "HASH".to_owned(),
        PayloadType::Nonce => "NONCE".to_owned(),
        PayloadType::VendorId => "VID".to_owned(),
        PayloadType::Notification => "N".to_owned(),
        PayloadType::Delete => "D".to_owned(),
        PayloadType::NatD => "NAT-D".to_owned(),
        PayloadType::NatOa => "NAT-OA".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The payloads of a message that is sent.
pub(super) fn names(payloads: &[(PayloadType, Vec<u8>)]) -> String {
    payloads.iter().map(|(kind, _)| name(*kind)).collect::<Vec<_>>().join(" ")
}

/// The payloads of a message that came.
pub(super) fn raw_names(payloads: &[Raw<'_>]) -> String {
    payloads.iter().map(|p| name(p.kind)).collect::<Vec<_>>().join(" ")
}

/// An L2TP control message: its type and the AVPs behind it; identifiers are random and left out.
pub(super) fn avps(avps: &[Avp]) -> String {
    let kind = avps.first().and_then(Avp::as_u16).map(MessageType::from);
    let mut line = kind.map_or_else(|| "?".to_owned(), |k| format!("{k:?}"));
    for avp in avps.iter().skip(1) {
        line.push(' ');
        line.push_str(&format!("{:?}", avp.kind));
        match avp.kind {
            AvpType::HostName | AvpType::VendorName => {
                line.push_str(&format!("={}", String::from_utf8_lossy(&avp.value)));
            }
            AvpType::ReceiveWindowSize | AvpType::ResultCode => {
                line.push('=');
                line.extend(avp.value.iter().map(|b| format!("{b:02x}")));
            }
            _ => {}
        }
    }
    line
}

/// A packet of LCP or IPCP with its options; the magic number is random and left out.
pub(super) fn ppp(protocol: Protocol, packet: &[u8]) -> String {
    let Ok(p) = Packet::decode(packet) else {
        return format!("{protocol:?} ?");
    };
    let mut line = format!("{protocol:?} {:?} {}", p.code, p.id);
    let has_options =
        matches!(p.code, Code::ConfigureRequest | Code::ConfigureAck | Code::ConfigureNak | Code::ConfigureReject);
    if let (true, Ok(options)) = (has_options, decode_options(p.data)) {
        for o in options {
            let hex: String = o.data.iter().map(|b| format!("{b:02x}")).collect();
            let is_magic = protocol == Protocol::Lcp && o.kind == 5;
            line.push_str(&if is_magic { " 5=magic".to_owned() } else { format!(" {}={hex}", o.kind) });
        }
    }
    line
}
