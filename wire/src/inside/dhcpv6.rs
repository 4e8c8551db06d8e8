//! DHCPv6 messages (RFC 8415) as far as a server without addresses to lend speaks them.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer};
use core::net::Ipv6Addr;

/// The port of servers, RFC 8415 §7.2.
pub const SERVER_PORT: u16 = 547;
/// The port of clients.
pub const CLIENT_PORT: u16 = 546;
/// All_DHCP_Relay_Agents_and_Servers, RFC 8415 §7.1.
pub const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Options that one message may have.
const MAX_OPTIONS: usize = 64;

number! {
    /// What a message is for, RFC 8415 §7.3.
    pub enum MessageType: u8 {
        /// A client looks for servers.
        Solicit = 1,
        /// A server says that it is there.
        Advertise = 2,
        /// A client asks a server for addresses.
        Request = 3,
        /// A client asks whether its addresses still fit.
        Confirm = 4,
        /// A client prolongs addresses with its server.
        Renew = 5,
        /// A client prolongs addresses with any server.
        Rebind = 6,
        /// A server answers.
        Reply = 7,
        /// A client gives addresses back.
        Release = 8,
        /// A client found addresses in use.
        Decline = 9,
        /// A server has news.
        Reconfigure = 10,
        /// A client asks for everything but addresses.
        InformationRequest = 11,
    }
}

number! {
    /// The kind of an option, RFC 8415 §21 and RFC 3646.
    pub enum OptionCode: u16 {
        /// Who the client is.
        ClientId = 1,
        /// Who the server is.
        ServerId = 2,
        /// Addresses, not temporary.
        IaNa = 3,
        /// Temporary addresses.
        IaTa = 4,
        /// What the client asks for.
        OptionRequest = 6,
        /// How long the client has tried.
        ElapsedTime = 8,
        /// Name servers.
        DnsServers = 23,
        /// Domains to search.
        DomainList = 24,
        /// Prefixes.
        IaPd = 25,
        /// When to ask again.
        InformationRefreshTime = 32,
    }
}

/// A message between client and server, RFC 8415 §8.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    msg-type   |               transaction-id                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                            options                            |
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Message {
    /// What it is for.
    pub kind: MessageType,
    /// What the client tells its exchanges apart by.
    pub transaction: [u8; 3],
    /// Its options in order.
    pub options: Vec<(OptionCode, Vec<u8>)>,
}

impl Message {
    /// Reads a message; those of relays have another shape and do not belong here.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut r = Reader::new("DHCPv6", bytes);
        let mut message =
            Self { kind: r.u8("message type")?.into(), transaction: r.array("transaction id")?, options: Vec::new() };
        while !r.is_empty() {
            let code = r.u16("option code")?;
            let length = r.u16("option length")?;
            if message.options.len() >= MAX_OPTIONS {
                return Err(r.error("options", Why::TooMany(MAX_OPTIONS)));
            }
            let data = r.take(usize::from(length), "option value")?;
            message.options.push((code.into(), data.to_vec()));
        }
        Ok(message)
    }

    /// The message's octets; an option too long for its length field is left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(self.kind.into());
        w.bytes(&self.transaction);
        for (code, data) in self.options.iter().take(MAX_OPTIONS) {
            if let Ok(length) = u16::try_from(data.len()) {
                w.u16((*code).into());
                w.u16(length);
                w.bytes(data);
            }
        }
        w.into_vec()
    }

    /// The value of an option.
    pub fn option(&self, code: OptionCode) -> Option<&[u8]> {
        self.options.iter().find(|o| o.0 == code).map(|o| o.1.as_slice())
    }

    /// Whether the client asks for an option (RFC 8415 §21.7).
    pub fn asks_for(&self, code: OptionCode) -> bool {
        let (asked, _) = self.option(OptionCode::OptionRequest).unwrap_or_default().as_chunks::<2>();
        asked.iter().any(|one| OptionCode::from(u16::from_be_bytes(*one)) == code)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn a_message_survives_a_round_trip() {
        let message = Message {
            kind: MessageType::InformationRequest,
            transaction: [1, 2, 3],
            options: vec![
                (OptionCode::ClientId, vec![0, 3, 0, 27, 1, 2, 3, 4, 5, 6, 7, 8]),
                (OptionCode::OptionRequest, vec![0, 23, 0, 24]),
                (OptionCode::Unknown(500), vec![]),
            ],
        };
        let bytes = message.encode();
        assert_eq!(bytes[..8], [11, 1, 2, 3, 0, 1, 0, 12]);
        assert_eq!(Message::decode(&bytes).unwrap(), message);
        assert!(message.asks_for(OptionCode::DnsServers));
        assert!(!message.asks_for(OptionCode::InformationRefreshTime));
    }

    #[test]
    fn what_is_cut_off_or_endless_is_refused() {
        for broken in [&[][..], &[11, 1, 2], &[11, 1, 2, 3, 0], &[11, 1, 2, 3, 0, 1, 0, 2, 9]] {
            assert!(Message::decode(broken).is_err(), "{broken:?}");
        }
        assert!(Message::decode(&[11, 1, 2, 3]).unwrap().options.is_empty());
        let many = [&[11, 1, 2, 3][..], &[0, 9, 0, 0].repeat(65)].concat();
        assert!(Message::decode(&many).is_err());
    }
}
