//! NAT traversal: which variant is spoken, and whether a NAT stands between (RFC 3947 §3, clients.md section 8).

use super::keys::Cookies;
use core::net::{IpAddr, SocketAddr};
use crypto::Hash;
use serde::{Deserialize, Serialize};
use wire::isakmp::{PayloadType, vendor};

/// Where both sides go on behind a NAT (RFC 3947 §4).
pub const PORT: u16 = 4500;

/// The variant of NAT traversal that both sides speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Variant {
    /// RFC 3947.
    Rfc3947,
    /// draft-ietf-ipsec-nat-t-ike-03.
    Draft03,
    /// draft-ietf-ipsec-nat-t-ike-02 in either spelling of its vendor ID.
    Draft02 {
        /// The vendor ID is of the text with a newline.
        newline: bool,
    },
}

impl Variant {
    /// The one to announce: RFC 3947 if the peer offers it, else the newest draft; never a list (Apple takes the
    /// highest of a list, and its own numbering then differs).
    pub fn choose(offered: &[Vec<u8>]) -> Option<Self> {
        let has = |id: &[u8; 16]| offered.iter().any(|v| v.as_slice() == id.as_slice());
        if has(&vendor::NAT_T_RFC3947) {
            Some(Self::Rfc3947)
        } else if has(&vendor::NAT_T_DRAFT_03) {
            Some(Self::Draft03)
        } else if has(&vendor::NAT_T_DRAFT_02_NEWLINE) {
            Some(Self::Draft02 { newline: true })
        } else if has(&vendor::NAT_T_DRAFT_02) {
            Some(Self::Draft02 { newline: false })
        } else {
            None
        }
    }

    /// The vendor ID that announces it.
    pub fn vendor_id(self) -> [u8; 16] {
        match self {
            Self::Rfc3947 => vendor::NAT_T_RFC3947,
            Self::Draft03 => vendor::NAT_T_DRAFT_03,
            Self::Draft02 { newline: true } => vendor::NAT_T_DRAFT_02_NEWLINE,
            Self::Draft02 { newline: false } => vendor::NAT_T_DRAFT_02,
        }
    }

    /// The payload type of NAT-D.
    pub fn nat_d(self) -> PayloadType {
        match self {
            Self::Rfc3947 => PayloadType::NatD,
            Self::Draft03 | Self::Draft02 { .. } => PayloadType::NatDDraft,
        }
    }

    /// The payload type of NAT-OA.
    pub fn nat_oa(self) -> PayloadType {
        match self {
            Self::Rfc3947 => PayloadType::NatOa,
            Self::Draft03 | Self::Draft02 { .. } => PayloadType::NatOaDraft,
        }
    }

    /// The encapsulation-mode attribute of UDP-Encapsulated-Transport (RFC 3947 §5.1 and the drafts).
    pub fn udp_transport(self) -> u64 {
        match self {
            Self::Rfc3947 => 4,
            Self::Draft03 | Self::Draft02 { .. } => 61444,
        }
    }
}

/// Where NATs were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// The client is behind one (or says so).
    pub client: bool,
    /// We are behind one.
    pub server: bool,
}

impl Found {
    /// Whether ESP must go in UDP.
    pub fn any(self) -> bool {
        self.client || self.server
    }
}

/// The hash that stands for an address and port (RFC 3947 §3.2).
pub fn hash(with: Hash, cookies: &Cookies, address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => with.digest(&[&cookies.initiator, &cookies.responder, &ip.octets(), &port]),
        IpAddr::V6(ip) => with.digest(&[&cookies.initiator, &cookies.responder, &ip.octets(), &port]),
    }
}

/// Compares the peer's NAT-D payloads with what was seen: the first is our address, the others are the peer's.
pub fn detect(with: Hash, cookies: &Cookies, payloads: &[&[u8]], local: SocketAddr, peer: SocketAddr) -> Found {
    let Some((ours, theirs)) = payloads.split_first() else {
        return Found::default();
    };
    let seen = hash(with, cookies, peer);
    Found { server: *ours != hash(with, cookies, local).as_slice(), client: !theirs.contains(&seen.as_slice()) }
}
