//! What real clients send: the octets of `fixtures/`, by client and message.

use std::path::Path;
use wire::isakmp::{Header, PayloadType, Raw, SecurityAssociation, chain};
use wire::l2tp::Avp;
use wire::ppp::{Opt, Packet, Protocol};

/// The octets of `fixtures/CLIENT/MESSAGE.hex`, constructed or not.
pub fn fixture(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let read = |ending: &str| std::fs::read_to_string(root.join(format!("{name}{ending}")));
    let text = read(".hex").or_else(|_| read(".constructed.hex")).unwrap_or_else(|e| panic!("fixture {name}: {e}"));
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits")).collect()
}

/// The payloads of an ISAKMP message in the clear: their kinds and bodies.
pub fn payloads(name: &str) -> Vec<(PayloadType, Vec<u8>)> {
    let bytes = fixture(name);
    let (header, body) = Header::decode(&bytes).expect("an ISAKMP message");
    owned(chain(header.next, body).expect("its payloads"))
}

/// The payloads of a message whose header is not in the file.
pub fn bodies(name: &str, first: PayloadType) -> Vec<(PayloadType, Vec<u8>)> {
    owned(chain(first, &fixture(name)).expect("payloads"))
}

fn owned(payloads: Vec<Raw<'_>>) -> Vec<(PayloadType, Vec<u8>)> {
    payloads.into_iter().map(|p| (p.kind, p.body.to_vec())).collect()
}

/// The proposals among payloads.
pub fn offer(payloads: &[(PayloadType, Vec<u8>)]) -> SecurityAssociation {
    let (_, body) = payloads.iter().find(|(kind, _)| *kind == PayloadType::Sa).expect("an SA payload");
    SecurityAssociation::decode(body).expect("proposals")
}

/// The SA payload of a file that holds nothing else and names another kind as the next.
pub fn lone_offer(name: &str) -> SecurityAssociation {
    SecurityAssociation::decode(fixture(name).get(4..).expect("a payload's header")).expect("proposals")
}

/// The vendor IDs among payloads.
pub fn vendor_ids(payloads: &[(PayloadType, Vec<u8>)]) -> Vec<Vec<u8>> {
    payloads.iter().filter(|(kind, _)| *kind == PayloadType::VendorId).map(|(_, body)| body.clone()).collect()
}

/// The AVPs of an L2TP control message.
pub fn avps(name: &str) -> Vec<Avp> {
    let bytes = fixture(name);
    let (_, payload) = wire::l2tp::Header::decode(&bytes).expect("an L2TP message");
    wire::l2tp::decode_avps(payload).expect("its AVPs")
}

/// AVPs without the header of a message.
pub fn bare_avps(name: &str) -> Vec<Avp> {
    wire::l2tp::decode_avps(&fixture(name)).expect("AVPs")
}

/// The protocol and the packet of a PPP frame.
pub fn frame(name: &str) -> (Protocol, Vec<u8>) {
    let bytes = fixture(name);
    let (protocol, payload) = wire::ppp::decode_frame(&bytes).expect("a PPP frame");
    (protocol, payload.to_vec())
}

/// The options of a Configure-Request.
pub fn options(name: &str) -> Vec<Opt> {
    let (_, packet) = frame(name);
    wire::ppp::decode_options(Packet::decode(&packet).expect("a packet").data).expect("options")
}
