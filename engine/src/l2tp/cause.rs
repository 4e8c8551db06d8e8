//! Why PPP ended, in words (RFC 3145 §3).

use super::message::Received;
use wire::l2tp::{AvpType, DisconnectCause};

/// What a code means, said of the client's end by the client; nothing for one that says nothing.
pub(super) fn words(code: u16, direction: u8) -> Option<&'static str> {
    Some(match (code, direction) {
        (1, _) => "its administrator ended the call",
        (2, _) => "it expects the server to negotiate LCP anew",
        (3, 1) => "its PPP was told to end by the server",
        (3, _) => "its PPP ended the call",
        (4, _) => "the two sides do not agree on encryption within PPP",
        (5, _) => "its LCP had no answer",
        (6, _) => "it got no LCP packet that it could read",
        (7, _) => "its LCP found the link looped back",
        (8, _) => "its LCP echoes had no answer",
        (9..=11 | 14, _) => "it misses its bundle of links",
        (12, _) => "the two sides do not agree on a callback",
        (13, _) => "its authentication had no answer",
        (15, _) => "the two sides have no way of authentication in common: see 'pp auth request'",
        (16, 1) => "it does not accept how the server proved itself",
        (16, _) => "name or password was not accepted",
        (17, _) => "its IPCP had no answer",
        (18, _) => "the two sides have no network protocol in common",
        (19, _) => "the two sides did not agree on addresses",
        (20, _) => "it does not accept the addresses that it was given",
        _ => return None,
    })
}

/// The cause that a CDN names.
pub(super) fn of(received: &Received) -> Option<DisconnectCause> {
    DisconnectCause::decode(&received.find(AvpType::PppDisconnectCause)?.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_the_rfc_but_0_has_words() {
        for code in 1..=20 {
            for direction in 0..=3 {
                assert!(words(code, direction).is_some_and(|w| !w.is_empty()), "{code} {direction}");
            }
        }
        assert_eq!((words(0, 0), words(21, 0), words(u16::MAX, u8::MAX)), (None, None, None));
    }
}
