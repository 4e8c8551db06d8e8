//! RESPONDER-LIFETIME: telling the other side of a shorter life than it asked for (RFC 2407 §4.6.3.1).

use super::informational::DOI;
use core::time::Duration;
use wire::isakmp::{Attribute, Notification, NotifyType, Protocol};

/// The attributes of a life (RFC 2407 §4.5), for SAs of both kinds.
const LIFE_TYPE: u16 = 1;
const LIFE_DURATION: u16 = 2;
const SECONDS: u16 = 1;
const KILOBYTES: u16 = 2;

/// A limit on an SA: a time, and an amount in kilobytes.
pub(super) type Limits = (Option<Duration>, Option<u64>);

/// The body of the notification: what of `limits` is set.
pub(super) fn notification(protocol: Protocol, spi: Vec<u8>, limits: Limits) -> Vec<u8> {
    let seconds = limits.0.map(|life| (SECONDS, life.as_secs()));
    let kilobytes = limits.1.map(|amount| (KILOBYTES, amount));
    let mut data = vec![];
    for (kind, amount) in seconds.into_iter().chain(kilobytes) {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        data.extend(Attribute::encode_all(&[
            Attribute::short(LIFE_TYPE, kind),
            Attribute::long(LIFE_DURATION, amount),
        ]));
    }
    Notification { doi: DOI, protocol, spi, kind: NotifyType::ResponderLifetime, data }.encode()
}

/// What such a notification says; nothing if it is another.
pub(super) fn told(n: &Notification) -> Limits {
    let mut limits = (None, None);
    if n.kind != NotifyType::ResponderLifetime {
        return limits;
    }
    let mut what = u64::from(SECONDS);
    for a in Attribute::decode_all(&n.data).unwrap_or_default() {
        let Some(number) = a.as_u64().filter(|n| *n > 0) else { continue };
        if a.kind == LIFE_TYPE {
            what = number;
        } else if a.kind == LIFE_DURATION && what == u64::from(SECONDS) {
            limits.0 = Some(Duration::from_secs(number));
        } else if a.kind == LIFE_DURATION && what == u64::from(KILOBYTES) {
            limits.1 = Some(number);
        }
    }
    limits
}

/// The smaller of what the client says and what is allowed; whether that shortens anything.
pub(super) fn shorten<T: PartialOrd + Copy>(said: &mut T, allowed: Option<T>) -> Option<T> {
    let shorter = allowed.filter(|allowed| *allowed < *said)?;
    *said = shorter;
    Some(shorter)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_told_is_read_again() {
        for limits in [
            (Some(Duration::from_secs(3600)), Some(250_000)),
            (Some(Duration::from_secs(300)), None),
            (None, Some(100)),
        ] {
            let body = notification(Protocol::Esp, vec![1, 2, 3, 4], limits);
            let read = Notification::decode(&body).unwrap();
            assert_eq!((told(&read), read.spi), (limits, vec![1, 2, 3, 4]));
        }
    }

    #[test]
    fn a_life_is_only_shortened() {
        let mut life = 3600;
        assert_eq!((shorten(&mut life, Some(7200)), shorten(&mut life, None)), (None, None));
        assert_eq!((shorten(&mut life, Some(600)), life), (Some(600), 600));
    }
}
