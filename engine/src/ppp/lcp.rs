//! LCP: the options of the link itself (RFC 1661 §6), and the packets that only LCP has (RFC 1661 §5.7-5.9, RFC 1570).

use super::Settings;
use super::auth::{Method, describe};
use super::negotiation::{Event, Fault, Judgement, Negotiation, Options, Step, encode};
use crate::rng::Rng;
use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wire::ppp::{Code, Opt, Packet, Protocol};

/// Option numbers (RFC 1661 §6, RFC 1662 §7.1).
mod kind {
    pub(super) const MRU: u8 = 1;
    pub(super) const ACCM: u8 = 2;
    pub(super) const AUTH: u8 = 3;
    pub(super) const MAGIC: u8 = 5;
    pub(super) const PFC: u8 = 7;
    pub(super) const ACFC: u8 = 8;
}

/// The number of the Authentication-Protocol option.
pub(crate) const AUTH_OPTION: u8 = kind::AUTH;

/// What a link has where nothing was negotiated (RFC 1661 §6.1), in octets.
pub const DEFAULT_MRU: u16 = 1500;

/// The smallest MRU that is acknowledged, in octets; no client is known to ask for so little.
const LEAST_MRU: u16 = 128;

/// What is asked instead of an MRU that is too small: what every IPv4 host must take (RFC 791 §3.1), in octets.
const SUGGESTED_MRU: u16 = 576;

/// Longest text kept from a client's Identification, in octets.
const MAX_TEXT: usize = 128;

/// What the peer asked for and was granted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Peer {
    /// Largest frame the peer receives, in octets of PPP information.
    pub mru: u16,
    /// The peer's magic number.
    pub magic: Option<u32>,
    /// The peer takes protocol fields of one octet.
    pub pfc: bool,
    /// The peer takes frames without address and control.
    pub acfc: bool,
}

impl Default for Peer {
    fn default() -> Self {
        Self { mru: DEFAULT_MRU, magic: None, pfc: false, acfc: false }
    }
}

/// The options of LCP, ours and the peer's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Lcp {
    settings: Arc<Settings>,
    mru: Option<u16>,
    accm: bool,
    magic: Option<u32>,
    method: Option<Method>,
    refused: Vec<Method>,
    wanted: Vec<String>,
    /// What the peer asked for and was granted.
    pub peer: Peer,
}

impl Lcp {
    /// The options at the start of a negotiation.
    pub(super) fn new(settings: Arc<Settings>, rng: &mut Rng) -> Self {
        let magic = settings.magic.then(|| nonzero(rng));
        let method = settings.auth.first().copied();
        let (mru, accm) = (settings.mru.map(|mru| mru.min(settings.mtu)), settings.accm);
        Self { settings, mru, accm, magic, method, refused: Vec::new(), wanted: Vec::new(), peer: Peer::default() }
    }

    /// The method that the peer is asked to authenticate with.
    pub(super) fn method(&self) -> Option<Method> {
        self.method
    }

    /// Our magic number, or zero where none is negotiated (RFC 1661 §5.8).
    pub(super) fn magic(&self) -> u32 {
        self.magic.unwrap_or(0)
    }

    /// What the peer said it would authenticate with, in words.
    pub(super) fn wanted_by_peer(&self) -> Vec<String> {
        self.wanted.clone()
    }

    /// Goes on to the method that the peer suggests, else to the next one that it has not refused.
    fn next_method(&mut self, suggested: Option<&[u8]>) -> Result<(), Fault> {
        if let Some(data) = suggested {
            let words = describe(data);
            if self.wanted.len() < 8 && !self.wanted.contains(&words) {
                self.wanted.push(words);
            }
        }
        self.refused.extend(self.method.take());
        let is_free = |m: &Method| self.settings.auth.contains(m) && !self.refused.contains(m);
        let suggested = suggested.and_then(Method::from_option).filter(is_free);
        self.method =
            suggested.or_else(|| self.settings.auth.iter().copied().find(|m| *m != Method::EapMsChapV2 && is_free(m)));
        if self.method.is_some() { Ok(()) } else { Err(Fault::Refused(kind::AUTH)) }
    }

    /// One option of the peer: whether it is fine, what it should be, or that it is not wanted.
    fn judge_one(&self, option: &Opt, peer: &mut Peer, rng: &mut Rng) -> One {
        match (option.kind, option.data.as_slice()) {
            (kind::MRU, &[high, low]) => {
                let mru = u16::from_be_bytes([high, low]);
                if mru < LEAST_MRU {
                    return One::Should(SUGGESTED_MRU.to_be_bytes().to_vec());
                }
                peer.mru = mru;
                One::Fine
            }
            // There are no octets to escape inside L2TP: any map will do.
            (kind::ACCM, [_, _, _, _]) => One::Fine,
            (kind::MAGIC, &[a, b, c, d]) => {
                let magic = u32::from_be_bytes([a, b, c, d]);
                // RFC 1661 §6.4: zero is illegal, and our own number means a loop (or great chance).
                if magic == 0 || Some(magic) == self.magic {
                    return One::Should(nonzero(rng).to_be_bytes().to_vec());
                }
                peer.magic = Some(magic);
                One::Fine
            }
            (kind::PFC, []) if self.settings.pfc => {
                peer.pfc = true;
                One::Fine
            }
            (kind::ACFC, []) if self.settings.acfc => {
                peer.acfc = true;
                One::Fine
            }
            _ => One::Unwanted,
        }
    }
}

enum One {
    Fine,
    Should(Vec<u8>),
    Unwanted,
}

fn nonzero(rng: &mut Rng) -> u32 {
    rng.u32().max(1)
}

impl Options for Lcp {
    fn request(&self) -> Vec<Opt> {
        let mru = self.mru.map(|mru| Opt { kind: kind::MRU, data: mru.to_be_bytes().to_vec() });
        let auth = self.method.map(|method| Opt { kind: kind::AUTH, data: method.to_option() });
        let magic = self.magic.map(|magic| Opt { kind: kind::MAGIC, data: magic.to_be_bytes().to_vec() });
        let accm = self.accm.then(|| Opt { kind: kind::ACCM, data: vec![0; 4] });
        mru.into_iter().chain(accm).chain(auth).chain(magic).collect()
    }

    fn judge(&mut self, asked: &[Opt], rng: &mut Rng) -> Judgement {
        let mut peer = Peer::default();
        let (mut naks, mut rejects) = (Vec::new(), Vec::new());
        for option in asked {
            match self.judge_one(option, &mut peer, rng) {
                One::Fine => {}
                One::Should(data) => naks.push(Opt { kind: option.kind, data }),
                One::Unwanted => rejects.push(option.clone()),
            }
        }
        // Windows drops callback when it is rejected in company of nothing that would have been acceptable.
        if !rejects.is_empty() {
            return Judgement::Reject(rejects);
        }
        if !naks.is_empty() {
            return Judgement::Nak(naks);
        }
        self.peer = peer;
        Judgement::Ack
    }

    fn on_nak(&mut self, wanted: &[Opt], rng: &mut Rng) -> Result<(), Fault> {
        for option in wanted {
            match (option.kind, option.data.as_slice()) {
                (kind::MRU, &[high, low]) => {
                    let hint = u16::from_be_bytes([high, low]);
                    // More than we want to receive is no help: then the default, which everybody must take.
                    self.mru = self.mru.filter(|ours| hint >= LEAST_MRU && hint < *ours).map(|_| hint);
                }
                (kind::MRU, _) => self.mru = None,
                // Inside L2TP nothing is escaped, whatever the client would like: it is not asked again.
                (kind::ACCM, _) => self.accm = false,
                (kind::MAGIC, _) => self.magic = self.magic.map(|_| nonzero(rng)),
                (kind::AUTH, data) => self.next_method(Some(data))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn on_reject(&mut self, refused: &[Opt]) -> Result<(), Fault> {
        for option in refused {
            match option.kind {
                kind::MRU => self.mru = None,
                kind::ACCM => self.accm = false,
                kind::MAGIC => self.magic = None,
                kind::AUTH => self.next_method(None)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn may_reject(_kind: u8) -> bool {
        true
    }

    fn peer_mru(&self) -> u16 {
        self.peer.mru
    }
}

/// What arrived in a packet that only LCP has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Extra {
    /// An Echo-Reply.
    EchoReply,
    /// The peer does not do this protocol.
    ProtocolRejected(Protocol),
    /// What the peer says it is.
    Identification(Vec<u8>),
}

impl Negotiation<Lcp> {
    /// Any LCP packet: codes above 7 are taken here, the others by the automaton.
    pub(super) fn receive_lcp(
        &mut self,
        packet: &Packet<'_>,
        rng: &mut Rng,
        now: Instant,
        out: &mut Vec<Step>,
    ) -> Option<Extra> {
        match packet.code {
            Code::ProtocolReject => return self.on_protocol_reject(packet, now, out),
            Code::EchoRequest => self.on_echo_request(packet, now, out),
            Code::EchoReply => {
                self.fire(Event::Echo, packet.id, None, now, out);
                return Some(Extra::EchoReply);
            }
            Code::DiscardRequest => self.fire(Event::Echo, packet.id, None, now, out),
            // RFC 1570 §2.1 and §2.2: no answer; Windows sends three of the first kind.
            Code::Identification => {
                let text = packet.data.get(4..).unwrap_or_default();
                return Some(Extra::Identification(text.iter().copied().take(MAX_TEXT).collect()));
            }
            Code::TimeRemaining => {}
            _ => self.receive(packet, rng, now, out),
        }
        None
    }

    fn on_protocol_reject(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Vec<Step>) -> Option<Extra> {
        // RFC 1661 §5.7: outside the Opened state such a packet is discarded.
        let &[high, low, ..] = packet.data else { return None };
        if !self.is_opened() {
            return None;
        }
        let protocol = Protocol::from(u16::from_be_bytes([high, low]));
        let event = if protocol == Protocol::Lcp { Event::RejectFatal } else { Event::RejectHarmless };
        self.fire(event, packet.id, None, now, out);
        Some(Extra::ProtocolRejected(protocol))
    }

    fn on_echo_request(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Vec<Step>) {
        // Whatever magic number the peer put there (Apple: zero after a rejected one), ours goes back.
        let Some((_, data)) = packet.data.split_first_chunk::<4>() else {
            return;
        };
        let mut reply = self.options.magic().to_be_bytes().to_vec();
        reply.extend_from_slice(data);
        reply.truncate(usize::from(self.options.peer.mru).saturating_sub(4));
        self.fire(Event::Echo, packet.id, Some(encode(Code::EchoReply, packet.id, &reply)), now, out);
    }

    /// An Echo-Request of ours.
    pub(super) fn echo_request(&mut self) -> Vec<u8> {
        let id = self.next_id();
        encode(Code::EchoRequest, id, &self.options.magic().to_be_bytes())
    }

    /// A Protocol-Reject of this packet, cut to what the peer can receive (RFC 1661 §5.7); nothing unless LCP is open.
    pub(super) fn protocol_reject(&mut self, protocol: Protocol, payload: &[u8]) -> Option<Vec<u8>> {
        if !self.is_opened() {
            return None;
        }
        let mut rejected = u16::from(protocol).to_be_bytes().to_vec();
        rejected.extend_from_slice(payload);
        rejected.truncate(usize::from(self.options.peer.mru).saturating_sub(4));
        let id = self.next_id();
        Some(encode(Code::ProtocolReject, id, &rejected))
    }
}
