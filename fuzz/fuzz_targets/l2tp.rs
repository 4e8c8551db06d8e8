//! L2TP: the input once as a message, once as AVPs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::l2tp::{AvpType, Header, ResultCode, decode_avps, encode_avps};

fuzz_target!(|data: &[u8]| {
    if let Ok((header, payload)) = Header::decode(data) {
        let written = header.encode(payload);
        assert_eq!(Header::decode(&written), Ok((header, payload)));
        if header.control {
            avps(payload);
        } else {
            let _ = wire::ppp::decode_frame(payload);
        }
    }
    avps(data);
});

fn avps(bytes: &[u8]) {
    let Ok(avps) = decode_avps(bytes) else { return };
    let again = decode_avps(&encode_avps(&avps)).expect("what was written can be read");
    assert_eq!(again.len(), avps.len());
    for (one, other) in avps.iter().zip(&again) {
        // A reserved bit makes a kind unknown and is not written, so numbers are compared.
        assert_eq!((one.mandatory, one.hidden, one.vendor), (other.mandatory, other.hidden, other.vendor));
        assert_eq!((u16::from(one.kind), &one.value), (u16::from(other.kind), &other.value));
        one.as_u16();
        one.as_u32();
        if one.kind == AvpType::ResultCode {
            result_code(&one.value);
        }
    }
}

fn result_code(value: &[u8]) {
    let Ok(code) = ResultCode::decode(value) else { return };
    // What is not UTF-8 grows to three octets; a message that is cut is not the same any more.
    if value.len() < 300 {
        let again = ResultCode::decode(&code.encode()).expect("what was written can be read");
        assert_eq!(
            (again.result, again.error, again.message),
            (code.result, Some(code.error.unwrap_or(0)), code.message)
        );
    }
}
