//! Why PPP has ended, as L2TP tells it to the client (RFC 3145).

use crate::ppp::{Cause, Fault, Phase};
use wire::l2tp::DisconnectCause;
use wire::ppp::Protocol;

/// Of neither side, of the client, of ours (RFC 3145 §2).
const GLOBAL: u8 = 0;
const PEER: u8 = 1;
const LOCAL: u8 = 2;

/// What the CDN says of it; `method` is the protocol of authentication. RFC 3145 §5: whether it was the name or the
/// password that was wrong stays here.
pub(super) fn of(cause: &Cause, method: u16) -> DisconnectCause {
    let (lcp, ipcp) = (u16::from(Protocol::Lcp), u16::from(Protocol::Ipcp));
    let (code, protocol, direction) = match cause {
        Cause::WrongPassword { .. }
        | Cause::UnknownUser { .. }
        | Cause::NoPassword { .. }
        | Cause::TooMany { .. }
        | Cause::LanManagerOnly { .. } => (16, method, PEER),
        Cause::MethodRefused { .. } | Cause::NegotiationFailed { phase: Phase::Authentication, .. } => {
            (15, method, PEER)
        }
        Cause::AlreadyConnected { .. } | Cause::NoMethod | Cause::Closed { .. } => (1, 0, GLOBAL),
        Cause::PoolEmpty | Cause::NoLease { .. } => (20, ipcp, LOCAL),
        Cause::PeerTerminated { .. } => (3, 0, PEER),
        Cause::NoAnswer { phase: Phase::Lcp } => (5, lcp, GLOBAL),
        Cause::NoAnswer { phase: Phase::Authentication } => (13, method, GLOBAL),
        Cause::NoAnswer { phase: Phase::Ipcp } => (17, ipcp, GLOBAL),
        Cause::EchoTimeout => (8, lcp, GLOBAL),
        // LCP has no code for it.
        Cause::NegotiationFailed { phase: Phase::Lcp, .. } => (0, 0, GLOBAL),
        Cause::NegotiationFailed { phase: Phase::Ipcp, fault } => match fault {
            None => (18, ipcp, GLOBAL),
            Some(Fault::NoEnd) => (19, ipcp, LOCAL),
            Some(Fault::Refused(_)) => (20, ipcp, PEER),
            Some(Fault::Insists(_)) => (20, ipcp, LOCAL),
        },
    };
    let message = if code == 16 { "authentication failed".to_owned() } else { cause.to_string() };
    DisconnectCause { code, protocol, direction, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_not_told_whether_name_or_password_was_wrong() {
        let user = || "vpnuser".to_owned();
        let causes = [
            Cause::WrongPassword { user: user() },
            Cause::UnknownUser { user: user() },
            Cause::NoPassword { user: user() },
            Cause::LanManagerOnly { user: user() },
        ];
        let [first, rest @ ..] = causes.map(|cause| of(&cause, 0xc223));
        assert!(rest.iter().all(|other| *other == first));
        assert_eq!((first.code, first.protocol, first.direction), (16, 0xc223, 1));
        assert!(!first.message.contains("vpnuser"));
    }

    #[test]
    fn each_protocol_is_named_where_its_timer_ran_out() {
        let told = |phase| {
            let DisconnectCause { code, protocol, .. } = of(&Cause::NoAnswer { phase }, 0xc023);
            (code, protocol)
        };
        assert_eq!(
            [Phase::Lcp, Phase::Authentication, Phase::Ipcp].map(told),
            [(5, 0xc021), (13, 0xc023), (17, 0x8021)]
        );
    }

    #[test]
    fn what_belongs_to_no_protocol_names_none() {
        for cause in [Cause::NoMethod, Cause::Closed { why: "disconnect".into() }] {
            let DisconnectCause { code, protocol, direction, message } = of(&cause, 0xc223);
            assert_eq!((code, protocol, direction, message), (1, 0, 0, cause.to_string()));
        }
    }
}
