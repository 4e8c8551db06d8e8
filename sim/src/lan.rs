//! The DHCP server of the LAN behind the server, as well and as badly behaved as a scene wants it.

use crate::rng::Rng;
use core::net::Ipv4Addr;
use core::time::Duration;
use engine::time::Instant;
use std::collections::{BTreeMap, VecDeque};
use wire::inside::dhcp::{DhcpOption, Message, MessageType, Op, OptionCode};

/// How a server takes what is asked of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Temper {
    /// It lends what it has.
    Willing,
    /// It says nothing.
    Silent,
    /// It offers, and refuses when it is taken at its word.
    Fickle,
    /// It offers this address to everybody, and means it.
    Offering(Ipv4Addr),
    /// It refuses to prolong.
    Stingy,
    /// Octets of its answers are not what they should be.
    Garbling,
}

/// What a server has heard: what for, from whom, and which address it was about.
pub type Heard = (MessageType, [u8; 16], Option<Ipv4Addr>);

/// A DHCP server.
pub struct DhcpServer {
    /// Its own address.
    pub address: Ipv4Addr,
    /// How it behaves.
    pub temper: Temper,
    /// For how long it lends, in seconds.
    pub seconds: u32,
    free: VecDeque<Ipv4Addr>,
    /// Who has what, and until when.
    pub lent: BTreeMap<[u8; 16], (Ipv4Addr, Instant)>,
    /// Nobody can be held to what it has said since it garbled.
    has_garbled: bool,
    /// Who had what.
    remembered: BTreeMap<[u8; 16], Ipv4Addr>,
    /// All that it has heard.
    pub heard: Vec<Heard>,
}

impl DhcpServer {
    /// A server with these addresses.
    pub fn new(address: Ipv4Addr, addresses: &[Ipv4Addr]) -> Self {
        Self {
            address,
            temper: Temper::Willing,
            seconds: 3600,
            free: addresses.iter().copied().collect(),
            lent: BTreeMap::new(),
            has_garbled: false,
            remembered: BTreeMap::new(),
            heard: vec![],
        }
    }

    /// How often it has heard a message of this type.
    pub fn count(&self, kind: MessageType) -> usize {
        self.heard.iter().filter(|heard| heard.0 == kind).count()
    }

    /// Answers a message.
    ///
    /// # Panics
    ///
    /// If the message is not what a client may send.
    pub fn handle(&mut self, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        let mut answer = self.answered(bytes, now)?;
        if self.temper == Temper::Garbling {
            self.has_garbled = true;
            crate::mutated(&mut Rng::new(self.heard.len() as u64), &mut answer);
        }
        Some(answer)
    }

    fn answered(&mut self, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        let asked = Message::decode(bytes).expect("a DHCP message");
        let kind = asked.message_type().expect("a type");
        assert_eq!((asked.op, asked.htype, asked.hlen, asked.hops), (Op::Request, 1, 6, 0));
        assert_eq!(asked.chaddr[0] & 3, 2, "a station's own, of no maker");
        let named = asked.option(OptionCode::ClientIdentifier).expect("a client identifier");
        assert_eq!(named, [&[1], &asked.chaddr[..6]].concat());
        let wanted = asked.address(OptionCode::RequestedAddress);
        let about = wanted.or_else(|| Some(asked.ciaddr).filter(|address| !address.is_unspecified()));
        self.heard.push((kind, asked.chaddr, about));
        let server = asked.address(OptionCode::ServerIdentifier);
        if self.temper == Temper::Silent || server.is_some_and(|server| server != self.address) {
            return None;
        }
        self.expire(now);
        match kind {
            MessageType::Discover => {
                let address = self.pick(asked.chaddr)?;
                Some(self.answer(&asked, MessageType::Offer, address))
            }
            MessageType::Request => {
                let wanted = wanted.expect("the address that is asked for");
                let new = server.is_some();
                let refuses = match self.temper {
                    Temper::Fickle => new,
                    Temper::Stingy => !new,
                    Temper::Willing | Temper::Silent | Temper::Offering(_) | Temper::Garbling => false,
                };
                let others = self.lent.iter().any(|(who, (address, _))| *who != asked.chaddr && *address == wanted);
                let stranger = !new && !self.lent.contains_key(&asked.chaddr);
                if refuses || (others && self.temper == Temper::Willing) || stranger {
                    return Some(self.answer(&asked, MessageType::Nak, Ipv4Addr::UNSPECIFIED));
                }
                self.free.retain(|free| *free != wanted);
                let until = now.after(Duration::from_secs(self.seconds.into()));
                self.lent.insert(asked.chaddr, (wanted, until));
                self.remembered.insert(asked.chaddr, wanted);
                Some(self.answer(&asked, MessageType::Ack, wanted))
            }
            MessageType::Release => {
                assert!(server == Some(self.address) || self.has_garbled, "given back to whoever lent it");
                if let Some((address, _)) = self.lent.remove(&asked.chaddr) {
                    assert!(address == asked.ciaddr || self.has_garbled, "{address} is given back as {}", asked.ciaddr);
                    self.free.push_back(address);
                }
                None
            }
            MessageType::Decline => {
                self.lent.remove(&asked.chaddr);
                None
            }
            other => panic!("no client of ours sends {other:?}"),
        }
    }

    fn pick(&self, who: [u8; 16]) -> Option<Ipv4Addr> {
        if let Temper::Offering(address) = self.temper {
            return Some(address);
        }
        let held = self.lent.get(&who).map(|(address, _)| *address);
        let had = self.remembered.get(&who).copied().filter(|address| self.free.contains(address));
        held.or(had).or_else(|| self.free.front().copied())
    }

    fn expire(&mut self, now: Instant) {
        let (gone, kept) = core::mem::take(&mut self.lent).into_iter().partition(|(_, (_, end))| now.reached(*end));
        self.lent = kept;
        let gone: BTreeMap<[u8; 16], (Ipv4Addr, Instant)> = gone;
        self.free.extend(gone.values().map(|(address, _)| *address));
    }

    fn answer(&self, asked: &Message, kind: MessageType, address: Ipv4Addr) -> Vec<u8> {
        assert_eq!(asked.flags, 0x8000, "an answer to anything but all would not reach us");
        let mut options = vec![
            DhcpOption::new(OptionCode::MessageType, [u8::from(kind)]),
            DhcpOption::addresses(OptionCode::ServerIdentifier, &[self.address]),
        ];
        match kind {
            MessageType::Nak => options.push(DhcpOption::new(OptionCode::Message, *b"not yours\n")),
            _ => options.push(DhcpOption::new(OptionCode::LeaseTime, self.seconds.to_be_bytes())),
        }
        let none = Ipv4Addr::UNSPECIFIED;
        Message { op: Op::Reply, secs: 0, ciaddr: none, yiaddr: address, siaddr: none, options, ..asked.clone() }
            .encode()
    }
}
