//! PPP: the input as a frame, and its payload as each kind of packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::ppp::{ChapValue, Packet, PapReply, PapRequest, decode_frame, decode_options, encode_frame, encode_options};

fuzz_target!(|data: &[u8]| {
    let Ok((protocol, payload)) = decode_frame(data) else {
        return;
    };
    let written = encode_frame(protocol, payload);
    assert!(written.ends_with(payload));
    assert_eq!(decode_frame(&written), Ok((protocol, payload)));
    let Ok(packet) = Packet::decode(payload) else { return };
    let written = Packet::encode(packet.code, packet.id, packet.data);
    assert!(payload.starts_with(&written));
    if let Ok(options) = decode_options(packet.data) {
        assert_eq!(encode_options(&options), packet.data);
    }
    if let Ok(request) = PapRequest::decode(packet.data) {
        assert!(packet.data.starts_with(&request.encode()));
    }
    if let Ok(reply) = PapReply::decode(packet.data) {
        assert!(packet.data.is_empty() || packet.data.starts_with(&reply.encode()));
    }
    if let Ok(value) = ChapValue::decode(packet.data) {
        assert_eq!(value.encode(), packet.data);
    }
});
