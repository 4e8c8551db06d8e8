//! Stateless DHCPv6 inside the link: name servers and domains for clients that have their address already (RFC 8415
//! §18.3.6).

use core::net::Ipv6Addr;
use wire::inside::dhcpv6::{Message, MessageType, OptionCode};

/// Hardware type EUI-64, which an interface identifier is (RFC 8415 §11.4).
const EUI_64: u16 = 27;
/// When a client asks again, in seconds: the least time that it may be told (RFC 8415 §21.23).
const REFRESH: u32 = 600;

/// What a client is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Facts<'a> {
    /// Our interface identifier on the link, which is all the name that we have there.
    pub(crate) our_identifier: u64,
    /// Name servers.
    pub(crate) dns: &'a [Ipv6Addr],
    /// The domain.
    pub(crate) domain: Option<&'a str>,
}

/// The answer to a message; nothing for anything but a request of information.
///
/// Addresses are made of the advertised prefix, so a client that asks for one is left without an answer.
pub(crate) fn answer(message: &[u8], facts: Facts<'_>) -> Option<Vec<u8>> {
    let asked = Message::decode(message).ok()?;
    let ours = duid(facts.our_identifier);
    let wants_addresses =
        [OptionCode::IaNa, OptionCode::IaTa, OptionCode::IaPd].iter().any(|code| asked.option(*code).is_some());
    let for_another = asked.option(OptionCode::ServerId).is_some_and(|id| id != ours);
    // RFC 8415 §16.12: a server discards these.
    if asked.kind != MessageType::InformationRequest || wants_addresses || for_another {
        return None;
    }
    let mut options = Vec::new();
    if let Some(client) = asked.option(OptionCode::ClientId) {
        options.push((OptionCode::ClientId, client.to_vec()));
    }
    options.push((OptionCode::ServerId, ours));
    if asked.asks_for(OptionCode::DnsServers) && !facts.dns.is_empty() {
        let addresses = facts.dns.iter().flat_map(|server| server.octets()).collect();
        options.push((OptionCode::DnsServers, addresses));
    }
    let search = wire::inside::encode_names(facts.domain);
    if asked.asks_for(OptionCode::DomainList) && !search.is_empty() {
        options.push((OptionCode::DomainList, search));
    }
    if asked.asks_for(OptionCode::InformationRefreshTime) {
        options.push((OptionCode::InformationRefreshTime, REFRESH.to_be_bytes().to_vec()));
    }
    let reply = Message { kind: MessageType::Reply, transaction: asked.transaction, options };
    Some(reply.encode())
}

/// A DUID of a link-layer address (RFC 8415 §11.4): a PPP link has the interface identifier for one.
fn duid(identifier: u64) -> Vec<u8> {
    let mut duid = vec![0, 3];
    duid.extend(EUI_64.to_be_bytes());
    duid.extend(identifier.to_be_bytes());
    duid
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    const DNS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);

    fn facts() -> Facts<'static> {
        Facts { our_identifier: 7, dns: &[DNS], domain: Some("lan.test") }
    }

    fn request(options: &[(OptionCode, &[u8])]) -> Message {
        Message {
            kind: MessageType::InformationRequest,
            transaction: [1, 2, 3],
            options: options.iter().map(|(code, data)| (*code, data.to_vec())).collect(),
        }
    }

    #[test]
    fn a_request_of_information_is_answered_with_what_it_asks_for() {
        let asked = request(&[
            (OptionCode::ClientId, &[0, 3, 0, 1, 9]),
            (OptionCode::OptionRequest, &[0, 23, 0, 24, 0, 32, 0, 99]),
        ]);
        let reply = Message::decode(&answer(&asked.encode(), facts()).unwrap()).unwrap();
        assert_eq!((reply.kind, reply.transaction), (MessageType::Reply, [1, 2, 3]));
        assert_eq!(reply.option(OptionCode::ClientId).unwrap(), [0, 3, 0, 1, 9]);
        assert_eq!(reply.option(OptionCode::ServerId).unwrap(), [0, 3, 0, 27, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(reply.option(OptionCode::DnsServers).unwrap(), DNS.octets());
        assert_eq!(reply.option(OptionCode::DomainList).unwrap(), b"\x03lan\x04test\x00");
        assert_eq!(reply.option(OptionCode::InformationRefreshTime).unwrap(), [0, 0, 2, 88]);
        let bare = Message::decode(&answer(&request(&[]).encode(), facts()).unwrap()).unwrap();
        assert_eq!(bare.options.len(), 1, "the server alone");
    }

    #[test]
    fn other_messages_are_not_answered() {
        for kind in [1, 3, 4, 5, 6, 7, 8, 9, 12] {
            let mut asked = request(&[]);
            asked.kind = kind.into();
            assert_eq!(answer(&asked.encode(), facts()), None, "{kind}");
        }
        for options in [
            [(OptionCode::ServerId, &[0, 3, 0, 27, 1][..])],
            [(OptionCode::IaNa, &[0; 12])],
            [(OptionCode::IaTa, &[0; 4])],
            [(OptionCode::IaPd, &[0; 12])],
        ] {
            assert_eq!(answer(&request(&options).encode(), facts()), None, "{options:?}");
        }
        assert_eq!(answer(&[11, 0], facts()), None);
    }
}
