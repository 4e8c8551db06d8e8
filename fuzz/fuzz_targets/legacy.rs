//! PPTP's control messages, enhanced GRE, and CCP's option and headers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::legacy::ccp::{self, Bits};
use wire::legacy::{gre, pptp};
use wire::ppp::decode_options;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 3 {
        0 => {
            // A stream: message behind message, until it is out of step or something is missing.
            let mut rest = data;
            while let Ok(Some(length)) = pptp::length(rest) {
                assert!((pptp::HEADER_LEN..=pptp::MAX_LEN).contains(&length));
                let Some((message, behind)) = rest.split_at_checked(length) else { break };
                if let Ok(read) = pptp::Message::decode(message) {
                    let written = read.encode();
                    assert_eq!(pptp::Message::decode(&written), Ok(read));
                }
                rest = behind;
            }
        }
        1 => {
            if let Ok((header, payload)) = gre::Header::decode(data) {
                let written = header.encode(payload);
                assert_eq!(gre::Header::decode(&written), Ok((header, payload)));
                assert!(written.len() <= data.len());
            }
        }
        _ => {
            if let Ok((header, rest)) = ccp::Header::decode(data) {
                assert_eq!(ccp::Header::decode(&[&header.encode()[..], rest].concat()), Ok((header, rest)));
            }
            for option in decode_options(data).unwrap_or_default() {
                if let Some(bits) = Bits::of(&option) {
                    assert_eq!(bits.option(), option);
                }
            }
        }
    }
});
