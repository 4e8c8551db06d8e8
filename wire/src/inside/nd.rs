//! Neighbour discovery (RFC 4861) with name servers in router advertisements (RFC 8106): the bodies of ICMPv6 messages.

use super::{decode_names, encode_names, ipv6_addresses};
use crate::error::{Error, Why};
use crate::reader::{Reader, Writer};
use core::net::Ipv6Addr;

/// Options that one message may have.
const MAX_OPTIONS: usize = 32;
/// The longest option: 255 units of 8 octets.
const MAX_OCTETS: usize = 255 * 8;

/// Option numbers, RFC 4861 §4.6 and RFC 8106 §5.
mod kind {
    pub(super) const SOURCE_LINK_LAYER: u8 = 1;
    pub(super) const PREFIX: u8 = 3;
    pub(super) const MTU: u8 = 5;
    pub(super) const DNS_SERVERS: u8 = 25;
    pub(super) const DNS_SEARCH: u8 = 31;
}

/// One option.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum NdOption {
    /// The sender's hardware address; a PPP link has none.
    SourceLinkLayer(Vec<u8>),
    /// A prefix of the link, RFC 4861 §4.6.2.
    Prefix {
        /// The prefix.
        prefix: Ipv6Addr,
        /// Its length in bits.
        bits: u8,
        /// All its addresses are on the link.
        on_link: bool,
        /// Addresses may be made of it (RFC 4862).
        autonomous: bool,
        /// How long it is valid, seconds.
        valid: u32,
        /// How long it is preferred, seconds.
        preferred: u32,
    },
    /// The link's MTU in octets, RFC 4861 §4.6.4.
    Mtu(u32),
    /// Name servers, RFC 8106 §5.1.
    DnsServers {
        /// How long they may be used, seconds.
        lifetime: u32,
        /// Their addresses.
        servers: Vec<Ipv6Addr>,
    },
    /// Domains to search, RFC 8106 §5.2.
    DnsSearch {
        /// How long they may be used, seconds.
        lifetime: u32,
        /// The domains.
        names: Vec<String>,
    },
    /// Anything else.
    Unknown {
        /// Its number.
        kind: u8,
        /// What stands behind its length.
        data: Vec<u8>,
    },
}

impl NdOption {
    fn decode(number: u8, data: &[u8]) -> Result<Self, Error> {
        let mut r = Reader::new("neighbour discovery option", data);
        Ok(match number {
            kind::SOURCE_LINK_LAYER => Self::SourceLinkLayer(data.to_vec()),
            kind::PREFIX => {
                let bits = r.u8("prefix length")?;
                if bits > 128 {
                    return Err(r.error("prefix length", Why::Value(bits.into())));
                }
                let flags = r.u8("flags")?;
                let (valid, preferred) = (r.u32("valid lifetime")?, r.u32("preferred lifetime")?);
                r.u32("reserved")?;
                Self::Prefix {
                    prefix: r.array::<16>("prefix")?.into(),
                    bits,
                    on_link: flags & 0x80 != 0,
                    autonomous: flags & 0x40 != 0,
                    valid,
                    preferred,
                }
            }
            kind::MTU => {
                r.u16("reserved")?;
                Self::Mtu(r.u32("MTU")?)
            }
            kind::DNS_SERVERS => {
                r.u16("reserved")?;
                Self::DnsServers { lifetime: r.u32("lifetime")?, servers: ipv6_addresses(r.rest()) }
            }
            kind::DNS_SEARCH => {
                r.u16("reserved")?;
                Self::DnsSearch { lifetime: r.u32("lifetime")?, names: decode_names("domain search list", r.rest())? }
            }
            other => Self::Unknown { kind: other, data: data.to_vec() },
        })
    }

    fn body(&self) -> (u8, Vec<u8>) {
        let mut w = Writer::new();
        let number = match self {
            Self::SourceLinkLayer(data) => {
                w.bytes(data);
                kind::SOURCE_LINK_LAYER
            }
            Self::Prefix { prefix, bits, on_link, autonomous, valid, preferred } => {
                w.u8(*bits);
                w.u8((if *on_link { 0x80 } else { 0 }) | (if *autonomous { 0x40 } else { 0 }));
                w.u32(*valid);
                w.u32(*preferred);
                w.u32(0);
                w.bytes(&prefix.octets());
                kind::PREFIX
            }
            Self::Mtu(mtu) => {
                w.u16(0);
                w.u32(*mtu);
                kind::MTU
            }
            Self::DnsServers { lifetime, servers } => {
                w.u16(0);
                w.u32(*lifetime);
                servers.iter().for_each(|server| w.bytes(&server.octets()));
                kind::DNS_SERVERS
            }
            Self::DnsSearch { lifetime, names } => {
                w.u16(0);
                w.u32(*lifetime);
                w.bytes(&encode_names(names.iter().map(String::as_str)));
                kind::DNS_SEARCH
            }
            Self::Unknown { kind, data } => {
                w.bytes(data);
                *kind
            }
        };
        (number, w.into_vec())
    }
}

/// Reads the options that follow a message; one of no length is an error (RFC 4861 §4.6).
fn decode_options(reader: &mut Reader<'_>) -> Result<Vec<NdOption>, Error> {
    let mut options = Vec::new();
    while !reader.is_empty() {
        let number = reader.u8("option type")?;
        let units = reader.u8("option length")?;
        let Some(length) = usize::from(units).saturating_mul(8).checked_sub(2) else {
            return Err(reader.error("option length", Why::Length(0)));
        };
        if options.len() >= MAX_OPTIONS {
            return Err(reader.error("options", Why::TooMany(MAX_OPTIONS)));
        }
        options.push(NdOption::decode(number, reader.take(length, "option")?)?);
    }
    Ok(options)
}

/// Writes options, padded to units of 8 octets; one that is too long for its length field is left out.
fn encode_options(w: &mut Writer, options: &[NdOption]) {
    for option in options.iter().take(MAX_OPTIONS) {
        let (number, mut body) = option.body();
        let whole = body.len().saturating_add(2).next_multiple_of(8);
        if whole > MAX_OCTETS {
            continue;
        }
        body.resize(whole.saturating_sub(2), 0);
        if let Ok(units) = u8::try_from(whole.div_euclid(8)) {
            w.bytes(&[number, units]);
            w.bytes(&body);
        }
    }
}

/// A router solicitation, RFC 4861 §4.1, without type, code and checksum.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct RouterSolicitation {
    /// Its options.
    pub options: Vec<NdOption>,
}

impl RouterSolicitation {
    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut r = Reader::new("router solicitation", body);
        r.u32("reserved")?;
        Ok(Self { options: decode_options(&mut r)? })
    }

    /// The body's octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(0);
        encode_options(&mut w, &self.options);
        w.into_vec()
    }
}

/// A router advertisement, RFC 4861 §4.2, without type, code and checksum.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Cur Hop Limit |M|O|  Reserved |       Router Lifetime         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Reachable Time                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Retrans Timer                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Options ...
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct RouterAdvertisement {
    /// What hosts put into their packets' hop limit; 0 says nothing.
    pub hop_limit: u8,
    /// Addresses come by DHCPv6.
    pub managed: bool,
    /// Other things come by DHCPv6.
    pub other: bool,
    /// How long the router is one to go by, seconds; 0: not at all.
    pub lifetime: u16,
    /// How long a neighbour counts as reachable, milliseconds; 0 says nothing.
    pub reachable_ms: u32,
    /// Between solicitations, milliseconds; 0 says nothing.
    pub retransmit_ms: u32,
    /// Its options.
    pub options: Vec<NdOption>,
}

impl RouterAdvertisement {
    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut r = Reader::new("router advertisement", body);
        let hop_limit = r.u8("hop limit")?;
        let flags = r.u8("flags")?;
        Ok(Self {
            hop_limit,
            managed: flags & 0x80 != 0,
            other: flags & 0x40 != 0,
            lifetime: r.u16("router lifetime")?,
            reachable_ms: r.u32("reachable time")?,
            retransmit_ms: r.u32("retransmission timer")?,
            options: decode_options(&mut r)?,
        })
    }

    /// The body's octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(self.hop_limit);
        w.u8((if self.managed { 0x80 } else { 0 }) | (if self.other { 0x40 } else { 0 }));
        w.u16(self.lifetime);
        w.u32(self.reachable_ms);
        w.u32(self.retransmit_ms);
        encode_options(&mut w, &self.options);
        w.into_vec()
    }
}

/// A neighbour solicitation, RFC 4861 §4.3, without type, code and checksum.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct NeighbourSolicitation {
    /// The address that is looked for.
    pub target: Ipv6Addr,
    /// Its options.
    pub options: Vec<NdOption>,
}

impl NeighbourSolicitation {
    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut r = Reader::new("neighbour solicitation", body);
        r.u32("reserved")?;
        Ok(Self { target: r.array::<16>("target")?.into(), options: decode_options(&mut r)? })
    }

    /// The body's octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(0);
        w.bytes(&self.target.octets());
        encode_options(&mut w, &self.options);
        w.into_vec()
    }
}

/// A neighbour advertisement, RFC 4861 §4.4, without type, code and checksum.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct NeighbourAdvertisement {
    /// The sender is a router.
    pub router: bool,
    /// It answers a solicitation.
    pub solicited: bool,
    /// It replaces what is known.
    pub overriding: bool,
    /// The address that it is about.
    pub target: Ipv6Addr,
    /// Its options.
    pub options: Vec<NdOption>,
}

impl NeighbourAdvertisement {
    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut r = Reader::new("neighbour advertisement", body);
        let flags = r.u32("flags")?;
        Ok(Self {
            router: flags & 0x8000_0000 != 0,
            solicited: flags & 0x4000_0000 != 0,
            overriding: flags & 0x2000_0000 != 0,
            target: r.array::<16>("target")?.into(),
            options: decode_options(&mut r)?,
        })
    }

    /// The body's octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        w.u32(flag(self.router, 0x8000_0000) | flag(self.solicited, 0x4000_0000) | flag(self.overriding, 0x2000_0000));
        w.bytes(&self.target.octets());
        encode_options(&mut w, &self.options);
        w.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn advertisement() -> RouterAdvertisement {
        RouterAdvertisement {
            hop_limit: 64,
            managed: false,
            other: true,
            lifetime: 1800,
            reachable_ms: 0,
            retransmit_ms: 0,
            options: vec![
                NdOption::Prefix {
                    prefix: "2001:db8:200::".parse().unwrap(),
                    bits: 64,
                    on_link: true,
                    autonomous: true,
                    valid: 86_400,
                    preferred: 14_400,
                },
                NdOption::Mtu(1400),
                NdOption::DnsServers {
                    lifetime: 1800,
                    servers: vec!["2001:db8::53".parse().unwrap(), "2001:db8::54".parse().unwrap()],
                },
                NdOption::DnsSearch { lifetime: 1800, names: vec!["lan.test".to_owned(), "example.com".to_owned()] },
                NdOption::Unknown { kind: 200, data: vec![1, 2, 3, 4, 5, 6] },
            ],
        }
    }

    #[test]
    fn an_advertisement_survives_a_round_trip() {
        let body = advertisement().encode();
        assert_eq!(body.len(), 12 + 32 + 8 + 40 + 32 + 8);
        assert_eq!(body[..4], [64, 0x40, 7, 8]);
        assert_eq!(body[12..16], [3, 4, 64, 0xc0]);
        assert_eq!(RouterAdvertisement::decode(&body).unwrap(), advertisement());
    }

    #[test]
    fn the_other_messages_survive_a_round_trip() {
        let target = "fe80::1".parse().unwrap();
        let options = vec![NdOption::SourceLinkLayer(vec![1, 2, 3, 4, 5, 6])];
        let solicitation = RouterSolicitation { options: options.clone() };
        assert_eq!(RouterSolicitation::decode(&solicitation.encode()).unwrap(), solicitation);
        let solicitation = NeighbourSolicitation { target, options };
        assert_eq!(NeighbourSolicitation::decode(&solicitation.encode()).unwrap(), solicitation);
        for bits in 0..8 {
            let advertisement = NeighbourAdvertisement {
                router: bits & 1 != 0,
                solicited: bits & 2 != 0,
                overriding: bits & 4 != 0,
                target,
                options: vec![],
            };
            assert_eq!(NeighbourAdvertisement::decode(&advertisement.encode()).unwrap(), advertisement);
        }
    }

    #[test]
    fn what_is_cut_off_or_has_no_length_is_refused() {
        let body = advertisement().encode();
        for length in 0..body.len() {
            let whole = [12, 44, 52, 92, 124].contains(&length);
            assert_eq!(RouterAdvertisement::decode(&body[..length]).is_ok(), whole, "{length}");
        }
        assert!(RouterSolicitation::decode(&[0, 0, 0, 0, 1, 0]).is_err());
        let many = [&[0; 4][..], &[200, 1, 0, 0, 0, 0, 0, 0].repeat(33)].concat();
        assert!(RouterSolicitation::decode(&many).is_err());
        assert!(NeighbourSolicitation::decode(&[0; 19]).is_err());
        assert!(NeighbourAdvertisement::decode(&[0; 3]).is_err());
        let mut wide = body;
        wide[14] = 129;
        assert!(RouterAdvertisement::decode(&wide).is_err());
    }
}
