//! DHCP messages (RFC 2131, RFC 2132) with the lists of RFC 3397 and RFC 3442.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer};
use core::net::Ipv4Addr;

/// The port of servers, RFC 2131 §4.1.
pub const SERVER_PORT: u16 = 67;
/// The port of clients.
pub const CLIENT_PORT: u16 = 68;
/// The first four octets of the options field, RFC 2131 §3.
pub const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// The flag by which a client asks for answers to all instead of to its address, RFC 2131 §2.
pub const BROADCAST: u16 = 0x8000;

/// Options that one message may have.
const MAX_OPTIONS: usize = 128;
/// Routes that one option may have.
const MAX_ROUTES: usize = 256;
/// Octets of a message at least: what relays and clients of BOOTP count on, RFC 1542 §2.1.
const LEAST: usize = 300;
const PAD: u8 = 0;
const END: u8 = 255;

number! {
    /// Who sends a message, RFC 2131 §2.
    pub enum Op: u8 {
        /// A client.
        Request = 1,
        /// A server.
        Reply = 2,
    }
}

number! {
    /// What a message is for, RFC 2132 §9.6.
    pub enum MessageType: u8 {
        /// A client looks for servers.
        Discover = 1,
        /// A server offers an address.
        Offer = 2,
        /// A client takes an offer or prolongs it.
        Request = 3,
        /// A client found the address in use.
        Decline = 4,
        /// A server grants.
        Ack = 5,
        /// A server refuses.
        Nak = 6,
        /// A client gives an address back.
        Release = 7,
        /// A client has an address and asks for everything else.
        Inform = 8,
    }
}

number! {
    /// The kind of an option, RFC 2132 and those named.
    pub enum OptionCode: u8 {
        /// The network's mask.
        SubnetMask = 1,
        /// Default gateways.
        Router = 3,
        /// Name servers.
        DomainNameServer = 6,
        /// The client's domain.
        DomainName = 15,
        /// NetBIOS name servers.
        NetbiosNameServer = 44,
        /// The kind of a NetBIOS node.
        NetbiosNodeType = 46,
        /// The address that a client would like.
        RequestedAddress = 50,
        /// How long a lease lasts.
        LeaseTime = 51,
        /// The message's type.
        MessageType = 53,
        /// The server's address.
        ServerIdentifier = 54,
        /// What the client asks for.
        ParameterRequestList = 55,
        /// Why a server refuses, in words.
        Message = 56,
        /// After how many seconds a lease is to be renewed with its server (T1).
        RenewalTime = 58,
        /// After how many seconds any server may prolong it (T2).
        RebindingTime = 59,
        /// What the client is, as its maker says.
        VendorClass = 60,
        /// Who the client is.
        ClientIdentifier = 61,
        /// Domains to search, RFC 3397.
        DomainSearch = 119,
        /// Routes with their masks, RFC 3442.
        ClasslessRoutes = 121,
        /// The same under the number that Windows used first.
        MicrosoftRoutes = 249,
    }
}

/// One option.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct DhcpOption {
    /// What it tells.
    pub code: OptionCode,
    /// Its value; longer than 255 octets it is sent in pieces (RFC 3396).
    pub data: Vec<u8>,
}

impl DhcpOption {
    /// An option of these octets.
    pub fn new(code: OptionCode, data: impl Into<Vec<u8>>) -> Self {
        Self { code, data: data.into() }
    }

    /// An option of addresses.
    pub fn addresses(code: OptionCode, addresses: &[Ipv4Addr]) -> Self {
        Self::new(code, addresses.iter().flat_map(|a| a.octets()).collect::<Vec<u8>>())
    }
}

/// A message, RFC 2131 §2.
///
/// ```text
/// +---------------+---------------+---------------+---------------+
/// |     op (1)    |   htype (1)   |   hlen (1)    |   hops (1)    |
/// +---------------+---------------+---------------+---------------+
/// |                            xid (4)                            |
/// +-------------------------------+-------------------------------+
/// |           secs (2)            |           flags (2)           |
/// +-------------------------------+-------------------------------+
/// |       ciaddr (4), yiaddr (4), siaddr (4), giaddr (4)          |
/// +---------------------------------------------------------------+
/// |     chaddr (16), sname (64), file (128), options (variable)   |
/// +---------------------------------------------------------------+
/// ```
///
/// Server name and boot file are not kept: no client inside a tunnel boots from it.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Message {
    /// Who sends it.
    pub op: Op,
    /// The kind of hardware address.
    pub htype: u8,
    /// Its length in octets.
    pub hlen: u8,
    /// Relays passed.
    pub hops: u8,
    /// What the client tells its exchanges apart by.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The broadcast flag.
    pub flags: u16,
    /// The client's address, where it has one.
    pub ciaddr: Ipv4Addr,
    /// The address that it gets.
    pub yiaddr: Ipv4Addr,
    /// The next server.
    pub siaddr: Ipv4Addr,
    /// The relay's address.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: [u8; 16],
    /// All options in order, those sent in pieces not yet put together.
    pub options: Vec<DhcpOption>,
}

impl Message {
    /// Reads a message; octets behind the end option are left out.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("DHCP", bytes);
        let r = &mut reader;
        let mut message = Self {
            op: r.u8("op")?.into(),
            htype: r.u8("htype")?,
            hlen: r.u8("hlen")?,
            hops: r.u8("hops")?,
            xid: r.u32("xid")?,
            secs: r.u16("secs")?,
            flags: r.u16("flags")?,
            ciaddr: r.array::<4>("ciaddr")?.into(),
            yiaddr: r.array::<4>("yiaddr")?.into(),
            siaddr: r.array::<4>("siaddr")?.into(),
            giaddr: r.array::<4>("giaddr")?.into(),
            chaddr: r.array("chaddr")?,
            options: Vec::new(),
        };
        r.take(64, "sname")?;
        r.take(128, "file")?;
        let cookie = r.u32("magic cookie")?;
        if cookie.to_be_bytes() != COOKIE {
            return Err(r.error("magic cookie", Why::Value(cookie.into())));
        }
        while !r.is_empty() {
            let code = r.u8("option code")?;
            match code {
                PAD => continue,
                END => break,
                _ => {}
            }
            let length = r.u8("option length")?;
            if message.options.len() >= MAX_OPTIONS {
                return Err(r.error("options", Why::TooMany(MAX_OPTIONS)));
            }
            let data = r.take(usize::from(length), "option value")?;
            message.options.push(DhcpOption::new(code.into(), data));
        }
        Ok(message)
    }

    /// The message's octets, with an end option and at least one spare octet behind it, as Apple's reader needs.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(&[self.op.into(), self.htype, self.hlen, self.hops]);
        w.u32(self.xid);
        w.u16(self.secs);
        w.u16(self.flags);
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            w.bytes(&address.octets());
        }
        w.bytes(&self.chaddr);
        w.bytes(&[0; 64 + 128]);
        w.bytes(&COOKIE);
        for option in self.options.iter().take(MAX_OPTIONS) {
            write_option(&mut w, option);
        }
        w.bytes(&[END, PAD]);
        let mut bytes = w.into_vec();
        bytes.resize(bytes.len().max(LEAST), PAD);
        bytes
    }

    /// The value of an option, its pieces put together (RFC 3396 §7); `None` where it is absent.
    pub fn option(&self, code: OptionCode) -> Option<Vec<u8>> {
        let mut pieces = self.options.iter().filter(|o| o.code == code).peekable();
        pieces.peek()?;
        Some(pieces.flat_map(|o| o.data.iter().copied()).collect())
    }

    /// What the message is for.
    pub fn message_type(&self) -> Option<MessageType> {
        let value = self.option(OptionCode::MessageType)?;
        value.first().map(|number| MessageType::from(*number))
    }
}

impl Message {
    /// The address in an option that holds one, RFC 2132.
    pub fn address(&self, code: OptionCode) -> Option<Ipv4Addr> {
        let value = self.option(code)?;
        <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
    }

    /// The seconds in an option that holds a time, RFC 2132 §9.2; all ones stand for ever.
    pub fn seconds(&self, code: OptionCode) -> Option<u32> {
        let value = self.option(code)?;
        <[u8; 4]>::try_from(value).ok().map(u32::from_be_bytes)
    }
}

fn write_option(w: &mut Writer, option: &DhcpOption) {
    let (pieces, rest) = option.data.as_chunks::<255>();
    for piece in pieces {
        w.bytes(&[option.code.into(), 255]);
        w.bytes(piece);
    }
    if let (Ok(length), true) = (u8::try_from(rest.len()), pieces.is_empty() || !rest.is_empty()) {
        w.bytes(&[option.code.into(), length]);
        w.bytes(rest);
    }
}

/// A route with its mask, RFC 3442.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Route {
    /// The network.
    pub network: Ipv4Addr,
    /// The length of its mask, 0 to 32 bits.
    pub bits: u8,
    /// By whom it is reached.
    pub router: Ipv4Addr,
}

/// The value of [`OptionCode::ClasslessRoutes`]: of each network only the octets that its mask covers.
pub fn encode_routes(routes: &[Route]) -> Vec<u8> {
    let mut value = Vec::new();
    for route in routes.iter().filter(|route| route.bits <= 32).take(MAX_ROUTES) {
        value.push(route.bits);
        let octets = route.network.octets();
        let significant = usize::from(route.bits.div_ceil(8));
        value.extend_from_slice(octets.get(..significant).unwrap_or_default());
        value.extend_from_slice(&route.router.octets());
    }
    value
}

/// The routes of such a value.
pub fn decode_routes(value: &[u8]) -> Result<Vec<Route>, Error> {
    let mut reader = Reader::new("DHCP routes", value);
    let mut routes = Vec::new();
    while !reader.is_empty() {
        let bits = reader.u8("mask length")?;
        if bits > 32 {
            return Err(reader.error("mask length", Why::Value(bits.into())));
        }
        if routes.len() >= MAX_ROUTES {
            return Err(reader.error("routes", Why::TooMany(MAX_ROUTES)));
        }
        let significant = reader.take(usize::from(bits.div_ceil(8)), "network")?;
        let mut octets = [0; 4];
        octets.iter_mut().zip(significant).for_each(|(to, from)| *to = *from);
        routes.push(Route { network: octets.into(), bits, router: reader.array::<4>("router")?.into() });
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn inform() -> Message {
        Message {
            op: Op::Request,
            htype: 8,
            hlen: 6,
            hops: 0,
            xid: 0x0102_0304,
            secs: 3,
            flags: 0x8000,
            ciaddr: Ipv4Addr::new(192, 168, 100, 200),
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
            options: vec![
                DhcpOption::new(OptionCode::MessageType, [8]),
                DhcpOption::new(OptionCode::ClientIdentifier, [8, 0, 0, 0, 1, 0, 0]),
                DhcpOption::new(OptionCode::ParameterRequestList, [6, 44, 43, 1, 249, 15]),
            ],
        }
    }

    #[test]
    fn a_message_survives_a_round_trip_and_ends_with_a_spare_octet() {
        let message = inform();
        let bytes = message.encode();
        assert_eq!(bytes.len(), 300);
        assert_eq!(Message::decode(&bytes).unwrap(), message);
        assert_eq!(message.message_type(), Some(MessageType::Inform));
        let mut long = message;
        long.options.push(DhcpOption::new(OptionCode::VendorClass, [7; 250]));
        let bytes = long.encode();
        assert_eq!(bytes[bytes.len() - 2..], [255, 0]);
    }

    #[test]
    fn a_long_option_is_sent_in_pieces_and_put_together() {
        for length in [0, 1, 254, 255, 256, 510, 600] {
            let mut message = inform();
            message.options = vec![
                DhcpOption::new(OptionCode::MessageType, [5]),
                DhcpOption::new(OptionCode::ClasslessRoutes, vec![9; length]),
            ];
            let read = Message::decode(&message.encode()).unwrap();
            assert_eq!(read.option(OptionCode::ClasslessRoutes), Some(vec![9; length]), "{length}");
            assert_eq!(read.option(OptionCode::Router), None);
        }
    }

    #[test]
    fn what_is_cut_off_or_endless_is_refused() {
        let whole = inform().encode();
        for length in 0..240 {
            assert!(Message::decode(&whole[..length]).is_err(), "{length}");
        }
        assert!(Message::decode(&whole[..240]).unwrap().options.is_empty(), "no options at all");
        assert!(Message::decode(&whole[..242]).is_err());
        let mut many = whole[..240].to_vec();
        many.extend([12, 0].repeat(129));
        assert!(Message::decode(&many).is_err());
        let mut other = whole;
        other[236] = 0;
        assert!(Message::decode(&other).is_err(), "plain BOOTP");
    }

    #[test]
    fn routes_are_packed_as_rfc_3442_shows() {
        let router = Ipv4Addr::new(10, 0, 0, 1);
        let route = |network: [u8; 4], bits| Route { network: network.into(), bits, router };
        let routes = [
            route([0, 0, 0, 0], 0),
            route([10, 0, 0, 0], 8),
            route([10, 17, 0, 0], 16),
            route([10, 27, 129, 0], 24),
            route([10, 229, 0, 128], 25),
            route([10, 198, 122, 47], 32),
        ];
        let value = encode_routes(&routes);
        assert_eq!(value[..11], [0, 10, 0, 0, 1, 8, 10, 10, 0, 0, 1]);
        assert_eq!(decode_routes(&value).unwrap(), routes);
        assert_eq!(encode_routes(&[route([1, 2, 3, 4], 33)]), []);
        assert!(decode_routes(&[33, 1, 2, 3, 4, 5, 6, 7, 8, 9]).is_err());
        assert!(decode_routes(&[24, 1, 2]).is_err());
        assert!(decode_routes(&[0; 5 * 257]).is_err());
    }
}
