//! MPPE inside of ESP: for the client that asks for it in an L2TP call, where the operator allows it. All others do without.

use super::encryption::{Encryption, Outcome};
use super::log::Told;
use super::mppe::{Mppe, NotOpened};
use crate::carrier::{CarrierOutput, Companion, Taken};
use crate::path::{ClientId, Unveiled, Update, Veil};
use crate::ppp::Link;
use crate::rng::Rng;
use crate::time::Instant;
use command::legacy::Ccp;
use std::collections::VecDeque;
use wire::legacy::ccp::{Bits, CCP, COMPRESSED, RESET_ACK, RESET_REQUEST};
use wire::ppp::{Code, Packet, Protocol, decode_frame, decode_options, encode_frame};

const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;

/// One L2TP call on whose pp MPPE may be agreed on.
pub(super) struct Inner {
    ccp: Ccp,
    tunnel: u32,
    client: Option<ClientId>,
    encryption: Encryption,
    outputs: VecDeque<CarrierOutput>,
}

impl Inner {
    pub(super) fn new(ccp: Ccp, tunnel: u32) -> Self {
        Self { ccp, tunnel, client: None, encryption: Encryption::new(), outputs: VecDeque::new() }
    }

    fn tell(&mut self, told: &Told) {
        self.outputs.push_back(CarrierOutput::Event(told.event_of("L2TP")));
    }

    fn veil(&mut self, veil: Option<Box<dyn Veil>>) {
        if let Some(client) = self.client {
            self.outputs.push_back(CarrierOutput::Path(Update::Veil { client, veil }));
        }
    }

    /// CCP begins when the client asks for keys of a size that is allowed. What else it may ask for in CCP is not done,
    /// and PPP says so.
    fn begins(&self, payload: &[u8], link: &Link) -> bool {
        let Some(packet) = Packet::decode(payload).ok().filter(|packet| packet.code == Code::ConfigureRequest) else {
            return false;
        };
        let options = decode_options(packet.data).unwrap_or_default();
        let asked = options.iter().find_map(Bits::of).map_or(0, |Bits(bits)| bits & Bits::KEYS);
        asked != 0 && link.is_authenticated() && link.shared().is_some()
    }

    fn settle(&mut self) {
        while let Some(outcome) = self.encryption.poll_outcome() {
            match outcome {
                Outcome::Send(frame) => self.outputs.push_back(CarrierOutput::Send(frame)),
                Outcome::Agreed(how, words) => {
                    self.tell(&Told::Agreed { tunnel: self.tunnel, words });
                    self.outputs.push_back(CarrierOutput::Reorder);
                    self.veil(Some(Box::new(Cover { mppe: Mppe::new(how) })));
                }
                // ESP protects the call; whether that is enough is for the client to say.
                Outcome::Without(_) => {}
                Outcome::Broken(why) => {
                    self.encryption.stop();
                    self.outputs.push_back(CarrierOutput::Hangup(why.to_owned()));
                }
            }
        }
    }
}

impl Companion for Inner {
    fn begin(&mut self, client: ClientId) {
        self.client = Some(client);
    }

    fn handle_frame(&mut self, frame: &[u8], link: &Link, rng: &mut Rng, now: Instant) -> Taken {
        let Ok((protocol, payload)) = decode_frame(frame) else { return Taken::No };
        if protocol == CCP {
            if !self.encryption.is_on() && self.begins(payload, link) {
                self.encryption.start(&self.ccp, link, now);
            }
            let taken = self.encryption.receive(payload, link, rng, now);
            self.settle();
            return taken;
        }
        if protocol == COMPRESSED {
            self.encryption.peer_is_open(link, now);
            self.settle();
            return Taken::Yes;
        }
        if protocol == Protocol::Lcp && link.is_authenticated() {
            self.encryption.on_lcp(payload);
            self.settle();
        }
        Taken::No
    }

    fn watch(&mut self, link: &Link, _now: Instant) {
        // LCP was negotiated anew: the client proves itself again, and keys are made of that.
        if self.encryption.is_on() && !link.is_authenticated() && !link.is_finished() {
            self.encryption.stop();
            self.veil(None);
        }
    }

    fn handle_timeout(&mut self, link: &Link, now: Instant) {
        self.encryption.handle_timeout(link, now);
        self.settle();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.encryption.poll_timeout()
    }

    fn poll_output(&mut self) -> Option<CarrierOutput> {
        self.outputs.pop_front()
    }

    /// Keys change with each packet, and a late one would be read with another's (RFC 3078 §1).
    fn needs_order(&self) -> bool {
        self.encryption.is_agreed()
    }

    fn options(&self) -> Vec<String> {
        vec![format!("CCP: {}", self.encryption.words())]
    }
}

/// What was agreed on, at work in the data path.
struct Cover {
    mppe: Mppe,
}

impl core::fmt::Debug for Cover {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Cover(..)")
    }
}

impl Veil for Cover {
    /// The header, and the protocol field that is encrypted with the packet (RFC 3078 §3).
    fn overhead(&self) -> u16 {
        4
    }

    fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let protocol = if packet.first().is_some_and(|first| first >> 4 == 6) { IPV6 } else { IPV4 };
        [&u16::from(COMPRESSED).to_be_bytes()[..], &self.mppe.send.seal(protocol, packet)].concat()
    }

    fn open(&mut self, frame: &[u8]) -> Unveiled {
        let Ok((protocol, payload)) = decode_frame(frame) else { return Unveiled::Refused };
        match protocol {
            COMPRESSED => match self.mppe.receive.open(payload, None) {
                Ok(frame) if is_ip(&frame) => Unveiled::Ip(frame),
                Err(NotOpened::OutOfStep) => {
                    Unveiled::Own(Some(encode_frame(CCP, &Packet::encode(RESET_REQUEST, 1, &[]))))
                }
                Ok(_) | Err(NotOpened::Wrong) => Unveiled::Refused,
            },
            Protocol::Ipv4 | Protocol::Ipv6 => Unveiled::Refused,
            CCP => match Packet::decode(payload).map(|packet| packet.code) {
                Ok(RESET_REQUEST) => {
                    self.mppe.send.flush();
                    Unveiled::Own(None)
                }
                Ok(RESET_ACK) => Unveiled::Own(None),
                Ok(_) | Err(_) => Unveiled::Other,
            },
            _ => Unveiled::Other,
        }
    }
}

fn is_ip(frame: &[u8]) -> bool {
    matches!(decode_frame(frame), Ok((Protocol::Ipv4 | Protocol::Ipv6, _)))
}
