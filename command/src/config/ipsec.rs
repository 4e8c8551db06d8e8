//! IPsec and IKE as typed values: gateways, policies, transport definitions.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::value::Hidden;

/// A security gateway: one peer, or all peers of unknown address, as IKE sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Number.
    pub id: u32,
    /// Whether it speaks IKEv1 (`ipsec ike version`); otherwise it serves nobody.
    pub ikev1: bool,
    /// Pre-shared key; empty where none is set.
    pub key: Hidden<Vec<u8>>,
    /// Who may be behind it.
    pub remote: Remote,
    /// This side's address.
    pub local_address: Option<IpAddr>,
    /// This side's name in Aggressive Mode.
    pub local_name: Option<Box<IkeName>>,
    /// The peer's name: with it, Aggressive Mode is served.
    pub remote_name: Option<Box<IkeName>>,
    /// Whether NAT traversal is negotiated.
    pub nat_traversal: bool,
    /// Seconds between two NAT keepalives.
    pub nat_keepalive_s: Option<u32>,
    /// Whether ESP travels in UDP even without a NAT.
    pub force_encapsulation: bool,
    /// Payload numbers of NAT traversal: 1 as former Yamaha routers, 2 as others.
    pub nat_traversal_type: u8,
    /// Dead peer detection (RFC 3706): seconds between two questions, and how many unanswered ones mean the peer is gone.
    pub dpd: Option<(u32, u32)>,
    /// Whether keepalives are logged.
    pub keepalive_log: bool,
    /// Whether proposals must equal what is set here.
    pub strict: bool,
    /// Cipher of phase 1, compared where `strict`.
    pub encryption: IkeEncryption,
    /// Hash of phase 1, compared where `strict`.
    pub hash: IkeHash,
    /// Groups of phase 1 and, where it differs, phase 2, compared where `strict`.
    pub group: (IkeGroup, Option<IkeGroup>),
    /// Whether phase 2 uses a new Diffie-Hellman exchange, compared where `strict`.
    pub pfs: bool,
    /// Longest lifetime of an ISAKMP SA, in seconds; none: as the client says.
    pub isakmp_lifetime_s: Option<u32>,
    /// Longest lifetime of an IPsec SA, in seconds; none: as the client says.
    pub ipsec_lifetime_s: Option<u32>,
    /// Longest lifetime of an IPsec SA, in kilobytes.
    pub ipsec_lifetime_kb: Option<u32>,
    /// When this side renews an ISAKMP SA that the client has not renewed.
    pub isakmp_rekey: Rekey,
    /// The same of an IPsec SA.
    pub ipsec_rekey: Rekey,
    /// After how many seconds an IPsec SA ends at the latest whose successor is in use (`forced-reduction`).
    pub forced_reduction_s: Option<u32>,
    /// Whether delete and notify messages are sent.
    pub send_info: bool,
    /// What IKE writes to the log for this gateway.
    pub log: BTreeSet<IkeLog>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            id: 0,
            ikev1: true,
            key: Hidden::default(),
            remote: Remote::Unset,
            local_address: None,
            local_name: None,
            remote_name: None,
            nat_traversal: false,
            nat_keepalive_s: Some(300),
            force_encapsulation: false,
            nat_traversal_type: 1,
            dpd: None,
            keepalive_log: true,
            strict: false,
            encryption: IkeEncryption::TripleDes,
            hash: IkeHash::Sha,
            group: (IkeGroup::Modp1024, None),
            pfs: false,
            isakmp_lifetime_s: None,
            ipsec_lifetime_s: None,
            ipsec_lifetime_kb: None,
            isakmp_rekey: Rekey::default(),
            ipsec_rekey: Rekey::default(),
            forced_reduction_s: None,
            send_info: true,
            log: BTreeSet::new(),
        }
    }
}

/// When this side renews an SA that the client has not renewed (`ipsec ike duration … rekey`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rekey {
    /// Just before its end, so that no client is overtaken.
    #[default]
    Late,
    /// After so many hundredths of its life.
    Percent(u8),
    /// Never.
    Off,
}

/// Who may be behind a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Not said: nobody.
    Unset,
    /// Any host.
    Any,
    /// One host.
    Address(IpAddr),
    /// One host by name.
    Name(String),
}

/// A name that one side of IKE gives itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeName {
    /// The name as written.
    pub text: String,
    /// What kind of name, if that was written.
    pub kind: Option<IkeNameKind>,
}

/// What kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeNameKind {
    /// An IPv4 address.
    Ipv4Addr,
    /// A domain name.
    Fqdn,
    /// A user at a domain.
    UserFqdn,
    /// An IPv6 address.
    Ipv6Addr,
    /// Octets that mean something to the two sides only.
    KeyId,
}

/// Cipher of phase 1 (`ipsec ike encryption`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeEncryption {
    /// 3DES-CBC.
    TripleDes,
    /// DES-CBC.
    Des,
    /// AES-CBC with 128 bits.
    Aes128,
    /// AES-CBC with 256 bits.
    Aes256,
}

/// Hash of phase 1 (`ipsec ike hash`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeHash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Diffie-Hellman group (`ipsec ike group`), by its size in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeGroup {
    /// Group 1.
    Modp768,
    /// Group 2.
    Modp1024,
    /// Group 5.
    Modp1536,
    /// Group 14.
    Modp2048,
}

/// What IKE writes to the log (`ipsec ike log`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IkeLog {
    /// One line for each message.
    MessageInfo,
    /// One line for each payload.
    PayloadInfo,
    /// How keys come about; never the keys themselves.
    KeyInfo,
}

/// How IKE messages are sent again (`ipsec ike retry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeRetry {
    /// How many times.
    pub count: u32,
    /// Seconds between two.
    pub interval_s: u32,
}

/// An SA policy (`ipsec sa policy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaPolicy {
    /// Number.
    pub id: u32,
    /// Number of its gateway.
    pub gateway: u32,
    /// Whether it is an ESP policy; AH is not served.
    pub esp: bool,
    /// Cipher, as its word; what this side would offer.
    pub cipher: Option<&'static str>,
    /// Authentication, as its word; what this side would offer.
    pub authentication: Option<&'static str>,
    /// Whether sequence numbers of arriving packets are checked.
    pub anti_replay: bool,
}

impl Default for SaPolicy {
    fn default() -> Self {
        Self { id: 0, gateway: 0, esp: true, cipher: None, authentication: None, anti_replay: true }
    }
}

/// What travels in transport mode under a policy (`ipsec transport`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Number of the policy.
    pub policy: u32,
    /// Whether it lets L2TP through: UDP from this side's port 1701.
    pub l2tp: bool,
    /// The peer's ports, first and last of each range; none for every port.
    pub peer_ports: Option<Box<[(u16, u16)]>>,
}
